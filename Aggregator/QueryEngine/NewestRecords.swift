package import FlowModel
package import Identity

/// A record's place in the order of `NewestRecords`, made of what the record says and of nothing else: it stays the
/// same when batches are compacted and rows change their places. Its text is opaque to clients, and no secret: it is
/// used within a tenant only.
package struct RecordPosition: Comparable, Hashable, Sendable, CustomStringConvertible {
    package let flowEndMilliseconds: Int64
    package let receiveMilliseconds: Int64
    /// Of all the record says.
    package let digest: RecordDigest
    /// Of records that are alike in everything: which of them, from 0.
    package let copy: Int

    package init(flowEndMilliseconds: Int64, receiveMilliseconds: Int64, digest: RecordDigest, copy: Int) {
        self.flowEndMilliseconds = flowEndMilliseconds
        self.receiveMilliseconds = receiveMilliseconds
        self.digest = digest
        self.copy = copy
    }
    package static func < (a: RecordPosition, b: RecordPosition) -> Bool {
        (a.flowEndMilliseconds, a.receiveMilliseconds, a.digest.high, a.digest.low, b.copy)
            < (b.flowEndMilliseconds, b.receiveMilliseconds, b.digest.high, b.digest.low, a.copy)
    }
    func isAlike(_ other: RecordPosition) -> Bool {
        digest == other.digest && flowEndMilliseconds == other.flowEndMilliseconds
            && receiveMilliseconds == other.receiveMilliseconds
    }
    package var description: String {
        [flowEndMilliseconds, receiveMilliseconds].map { String($0, radix: 36) }.joined(separator: ".")
            + "." + [digest.high, digest.low, UInt64(copy)].map { String($0, radix: 36) }.joined(separator: ".")
    }
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 5, text.utf8.count <= 80, let end = Int64(parts[0], radix: 36),
            let received = Int64(parts[1], radix: 36), let high = UInt64(parts[2], radix: 36),
            let low = UInt64(parts[3], radix: 36), let copy = Int(parts[4], radix: 36), copy >= 0
        else { return nil }
        self.init(
            flowEndMilliseconds: end, receiveMilliseconds: received, digest: RecordDigest(high: high, low: low),
            copy: copy)
        guard description == text else { return nil }
    }
}

/// The newest so many of the records that it is shown, in whatever order they come: by flow end, then by receive time,
/// both falling; those of the same two times in an order that is fixed and says nothing.
package struct NewestRecords {
    private struct Held {
        var position: RecordPosition
        let record: FlowRecord
        let exporter: ExporterKey
        let sensor: SensorIdentity
        let details: RecordDetails?
    }
    private let limit: Int
    private let before: RecordPosition?
    private var held: [Held] = []
    /// Records met that are alike the one at `before`: so many of them were shown already.
    private var alikeMet = 0
    /// The last of the newest `limit`: what is older is of no use. Nil while there are fewer.
    package private(set) var floor: RecordPosition?

    package init(limit: Int, before: RecordPosition? = nil) {
        self.limit = max(limit, 1)
        self.before = before
    }

    /// Which of a block's rows have a chance, as far as their ends tell: only those are worth decoding whole.
    /// - Parameter rows: of a block with `flowEndMilliseconds`.
    package func useful(_ rows: [Int32], of block: RowBlock) -> [Int32] {
        let endArray = block.columns.flowEndMilliseconds
        let ends = endArray.span
        let most = before?.flowEndMilliseconds ?? .max
        var least = floor?.flowEndMilliseconds ?? .min
        let found = rows.filter { ends[Int($0)] >= least && ends[Int($0)] <= most }
        // Of many at once only the newest `limit` have a chance; of those that ended with the one before, any.
        let older = before == nil ? found : found.filter { ends[Int($0)] < most }
        guard older.count > limit else { return found }
        least = older.map { ends[Int($0)] }.sorted(by: >)[limit - 1]
        return found.filter { ends[Int($0)] >= least }
    }

    /// - Parameter rows: of a block with all columns.
    package mutating func add(_ rows: [Int32], of block: RowBlock) {
        let digests = RowDigests(block)
        for row in rows {
            let row = Int(row)
            let position = digests.position(block, row)
            if let before {
                if position.isAlike(before) {
                    alikeMet += 1
                    if alikeMet <= before.copy + 1 { continue }
                } else if position > before {
                    continue
                }
            }
            if let floor, position < floor, !position.isAlike(floor) { continue }
            held.append(
                Held(
                    position: position, record: block.columns[row],
                    exporter: block.columns.exporterKey(ofRow: row), sensor: block.sensors.sensor(ofRow: row),
                    details: RecordDetails(block.columns, row)))
            if held.count >= 2 * limit + 256 { settle() }
        }
        settle()
    }
    private mutating func settle() {
        held.sort { $0.position > $1.position }
        if held.count >= limit {
            held.removeLast(held.count - limit)
            floor = held.last?.position
        }
    }

    /// The records found, newest first.
    /// - Parameter certainAfter: only those that ended later; nil: all.
    package func answer(
        certainAfter: Int64? = nil
    ) -> (columns: FlowColumns, sensors: [SensorIdentity], last: RecordPosition?) {
        var columns = FlowColumns(), sensors: [SensorIdentity] = [], last: RecordPosition?
        for item in held {
            if let certainAfter, item.position.flowEndMilliseconds <= certainAfter { break }
            guard let exporter = columns.intern(item.exporter) else { break }
            var record = item.record
            record.exporter = exporter
            (record.extra, record.observers, record.sketch) = (0, 0, 0)
            item.details?.write(to: &record, of: &columns)
            columns.append(record)
            sensors.append(item.sensor)
            last = position(of: item.position, after: last)
        }
        return (columns, sensors, last)
    }
    /// With the number among records that are alike.
    private func position(of position: RecordPosition, after last: RecordPosition?) -> RecordPosition {
        let copy: Int
        if let last, position.isAlike(last) {
            copy = last.copy + 1
        } else if let before, position.isAlike(before) {
            copy = before.copy + 1
        } else {
            copy = 0
        }
        return RecordPosition(
            flowEndMilliseconds: position.flowEndMilliseconds, receiveMilliseconds: position.receiveMilliseconds,
            digest: position.digest, copy: copy)
    }
}

/// What a record has in the side stores of its columns, apart from them: the columns go before the answer is made.
final class RecordDetails: Sendable {
    let extras: [ExtraValue]
    let observers: [ExporterKey]
    let sketch: DistinctPair?

    /// Nil for a record that has nothing there.
    init?(_ columns: FlowColumns, _ row: Int) {
        let (extra, observers, sketch) = (columns.extra[row], columns.observers[row], columns.sketch[row])
        guard extra | observers | sketch != 0 else { return nil }
        extras = columns.extras.values(at: extra)
        let exporters = columns.exporters
        self.observers = columns.observerSets.set(at: observers).compactMap {
            exporters.indices.contains(Int($0)) ? exporters[Int($0)] : nil
        }
        self.sketch = columns.sketches.pair(at: sketch)
    }
    func write(to record: inout FlowRecord, of columns: inout FlowColumns) {
        if !extras.isEmpty { record.extra = columns.extras.add(extras) }
        let numbers = observers.compactMap { columns.intern($0) }
        if !numbers.isEmpty { record.observers = columns.observerSets.place(of: numbers) }
        if let sketch { record.sketch = columns.sketches.add(sketch) }
    }
}
