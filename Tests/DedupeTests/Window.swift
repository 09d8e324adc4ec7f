import Dedupe
import FlowModel
import TestKit

/// Windows of few rows, built by hand: a conversation as several observers report it.
struct Window {
    var columns = FlowColumns()

    static func exporter(_ host: UInt32, _ exportProtocol: ExportProtocol = .netflow9, domain: UInt32 = 0)
        -> ExporterKey
    {
        ExporterKey(address: IPAddress(v4: host), observationDomain: domain, exportProtocol: exportProtocol)
    }
    /// A TCP flow of 100 packets in the first 10 s, by exporter 1 on ingress of interface 1.
    static func flow(_ number: UInt32 = 1) -> FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + number)
        record.destinationIPAddress = IPAddress(v4: 0xC633_6401)
        (record.sourceTransportPort, record.destinationTransportPort) = (40_000, 443)
        record.protocolIdentifier = 6
        (record.octetDeltaCount, record.packetDeltaCount) = (50_000, 100)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (0, 10_000)
        (record.ingressInterface, record.egressInterface) = (1, 2)
        record.flowDirection = 0
        record.samplingInterval = 1
        return record
    }

    mutating func add(
        _ record: FlowRecord = Window.flow(), by exporter: ExporterKey = Window.exporter(1),
        _ change: (inout FlowRecord) -> Void = { _ in }
    ) {
        var record = record
        change(&record)
        record.exporter = columns.intern(exporter) ?? 0
        columns.append(record)
    }
    init(_ fill: (inout Window) -> Void) { fill(&self) }
}

extension FlowColumns {
    /// What identifies the rows that are there, in no order.
    var exporterHosts: [UInt32] { rows.map { exporterKey(ofRow: $0).address.v4 }.sorted() }
    /// The hosts that the observer set of a row names.
    func alsoSeen(by row: Int) -> [UInt32] {
        observerSets.set(at: observers[row]).map { exporters[Int($0)].address.v4 }.sorted()
    }
}

/// The window after one pass of a new dedupe.
func passed(
    _ window: Window, _ settings: ObserverDedupeSettings = .init(), skews: [ExporterKey: Int64] = [:]
) -> (columns: FlowColumns, report: DedupeReport) {
    var dedupe = ObserverDedupe(settings: settings, seed: 1), columns = window.columns
    dedupe.clockSkews = skews
    let report = dedupe.apply(&columns)
    return (columns, report)
}
