internal import Delivery
internal import FlowModel
internal import FlowStore
internal import Identity

/// What names a batch within its tenant.
struct StoredKey: Hashable, CustomStringConvertible {
    let site: String, sensor: String
    let high: UInt64, low: UInt64, sequence: UInt64

    init(_ batch: StoredBatch) {
        (site, sensor) = (batch.sensor.site, batch.sensor.name)
        (high, low, sequence) = (batch.key.epoch.high, batch.key.epoch.low, batch.key.sequence)
    }
    /// - Parameter row: begins with site, sensor, both halves of the epoch, sequence.
    init(_ row: [Cell]) throws(ClickHouseFault) {
        guard row.count >= 5 else { throw .garbled("a key is too short") }
        (site, sensor) = (row[0].text, row[1].text)
        (high, low, sequence) = (try row[2].number(), try row[3].number(), try row[4].number())
    }
    var description: String { "\(site)/\(sensor)/\(high)/\(low)/\(sequence)" }

    static func list(_ keys: [StoredKey]) -> SQLText {
        keys.map { "(\($0.high), \($0.low), \($0.sequence))" as SQLText }.joined(", ")
    }

    /// Rows of `batches1`.
    static func block(_ batches: [(batch: StoredBatch, day: Int)]) -> [UInt8] {
        var writer = NativeWriter(columns: Schema.batchColumns.count, rows: batches.count)
        for (name, type) in Schema.batchColumns {
            writer.begin(name, type)
            switch name {
            case "day": writer.add(batches.map { UInt16(clamping: $0.day) })
            case "site": writer.add(texts: batches.map { Array($0.batch.sensor.site.utf8) })
            case "sensor": writer.add(texts: batches.map { Array($0.batch.sensor.name.utf8) })
            case "epoch_high": writer.add(batches.map(\.batch.key.epoch.high))
            case "epoch_low": writer.add(batches.map(\.batch.key.epoch.low))
            case "sequence": writer.add(batches.map(\.batch.key.sequence))
            case "batch_rows": writer.add(batches.map { UInt64($0.batch.rows) })
            case "batch_flows": writer.add(batches.map(\.batch.tally.flows))
            case "batch_octets": writer.add(batches.map(\.batch.tally.octets))
            case "batch_packets": writer.add(batches.map(\.batch.tally.packets))
            case "body_bytes": writer.add(batches.map { UInt64($0.batch.body.count) })
            case "log_offset": writer.add(batches.map(\.batch.logOffset))
            default: writer.add(batches.map(\.batch.receivedMilliseconds))
            }
        }
        return writer.bytes
    }
}
