internal import Delivery
internal import FlowLog
internal import FlowModel
internal import Identity
internal import JetStream

/// A batch as a message of a stream: who sent it in the subject and the id, what it carries in fields, the body as is.
enum BatchMessage {
    static func subject(group: Int, _ batch: LogAppend) -> String { "weir.log.\(group).\(batch.sensor.tenant).0" }
    /// What the stream tells repeats by, and what a body is sealed as.
    static func id(_ sensor: SensorIdentity, _ key: BatchKey) -> String {
        "\(sensor.tenant)/\(sensor.site)/\(sensor.name)/\(key)"
    }
    static func headers(_ batch: LogAppend) -> NATSHeaders {
        [
            "Weir-Batch": id(batch.sensor, batch.key), "Weir-Digest": "\(batch.digest)",
            "Weir-Received": "\(batch.receivedMilliseconds)", "Weir-Rows": "\(batch.rows)",
            "Weir-Flows": "\(batch.tally.flows)", "Weir-Octets": "\(batch.tally.octets)",
            "Weir-Packets": "\(batch.tally.packets)",
        ]
    }

    /// - Returns: nil for a message that no aggregator wrote.
    static func batch(_ message: StoredMessage, sealing: TenantSealing) throws(FlowLogError) -> LoggedBatch? {
        let fields = message.headers
        let names = (fields["Weir-Batch"] ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard names.count == 5, let tenant = TenantID(names[0]), let epoch = Epoch(names[3]),
            let sequence = UInt64(names[4]), let digest = BatchDigest(fields["Weir-Digest"] ?? ""),
            let received = fields.number("Weir-Received"), let rows = Int(fields["Weir-Rows"] ?? ""),
            let flows = UInt64(fields["Weir-Flows"] ?? ""), let octets = UInt64(fields["Weir-Octets"] ?? ""),
            let packets = UInt64(fields["Weir-Packets"] ?? ""), let offset = Int64(exactly: message.sequence)
        else { return nil }
        var batch = LogAppend(
            sensor: SensorIdentity(tenant: tenant, site: String(names[1]), name: String(names[2])),
            key: BatchKey(epoch: epoch, sequence: sequence), digest: digest, receivedMilliseconds: received,
            rows: rows, tally: Tally(flows: flows, octets: octets, packets: packets), body: message.payload)
        do throws(TenantSealing.Fault) {
            batch.body = try sealing.open(batch.body, tenant, id(batch.sensor, batch.key))
        } catch {
            // Without the key nothing may be passed over: what waits for a key server must not be lost.
            if case .unavailable(let reason) = error { throw .unavailable("batch \(batch.key): \(reason)") }
            batch.body = []
        }
        return LoggedBatch(offset: offset, batch)
    }
}
