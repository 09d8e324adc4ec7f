import BatchFormat
import Delivery
import FlowModel
import FlowStore
import Identity

extension MatrixWorld {
    static func exporter(_ site: String, of index: Int) -> String { "10.\(index).\(site == "hq" ? 1 : 2).1" }

    /// A flow at each of two sites, each with an exporter of its own.
    static func fill(_ store: SQLiteFlowStore, _ tenant: Tenant, _ index: Int) async throws {
        for (number, site, host) in [(1, "hq", tenant.names.host), (2, "lab", tenant.names.labHost)] {
            var columns = FlowColumns(), encoder = BatchEncoder()
            guard let source = IPAddress(host), let exporter = IPAddress(exporter(site, of: index)) else {
                throw Missing()
            }
            var flow = FlowRecord()
            flow.exporter =
                columns.intern(ExporterKey(address: exporter, observationDomain: 0, exportProtocol: .ipfix)) ?? 0
            (flow.sourceIPAddress, flow.destinationIPAddress) = (source, IPAddress(high: 0xFD << 56, low: 1))
            (flow.sourceTransportPort, flow.destinationTransportPort, flow.protocolIdentifier) = (40_000, 443, 6)
            (flow.octetDeltaCount, flow.packetDeltaCount) = (1_000, 10)
            (flow.flowStartMilliseconds, flow.flowEndMilliseconds) = (now - 2_000, now - 1_000)
            columns.append(flow)
            let body = try encoder.encode(columns, fidelity: .full)
            try await store.store([
                StoredBatch(
                    sensor: SensorIdentity(tenant: tenant.id, site: site, name: "s\(tenant.mark)"),
                    key: BatchKey(epoch: Epoch(high: 1, low: UInt64(number)), sequence: 0), logOffset: Int64(number),
                    receivedMilliseconds: now, flowStartMin: now - 2_000, flowEndMax: now - 1_000, rows: 1,
                    tally: columns.tally, body: body)
            ])
        }
    }
}
