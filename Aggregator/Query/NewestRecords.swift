internal import FlowModel
internal import Identity

/// The newest so many of the records that it is shown, in whatever order they come.
struct NewestRecords {
    private struct Held {
        let position: RecordPosition
        let record: FlowRecord
        let exporter: ExporterKey
        let sensor: SensorIdentity
        let details: RecordDetails?
    }
    private let limit: Int
    private let before: RecordPosition?
    private var held: [Held] = []
    /// The last of the newest `limit`: what is older is of no use. Nil while there are fewer.
    private(set) var floor: RecordPosition?

    init(limit: Int, before: RecordPosition?) {
        self.limit = limit
        self.before = before
    }

    /// Which of `rows` of a batch have a chance.
    func useful(_ rows: [Int], of columns: FlowColumns, logOffset: Int64) -> [Int] {
        rows.filter { row in
            let position = position(columns, row, logOffset)
            return (before.map { position < $0 } ?? true) && (floor.map { position > $0 } ?? true)
        }
    }

    mutating func add(_ rows: [Int], of columns: FlowColumns, logOffset: Int64, sensor: SensorIdentity) {
        for row in rows {
            held.append(
                Held(
                    position: position(columns, row, logOffset), record: columns[row],
                    exporter: columns.exporterKey(ofRow: row), sensor: sensor,
                    details: RecordDetails(columns, row)))
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
    private func position(_ columns: FlowColumns, _ row: Int, _ logOffset: Int64) -> RecordPosition {
        RecordPosition(flowEndMilliseconds: columns.flowEndMilliseconds[row], logOffset: logOffset, row: row)
    }

    /// The records found, newest first.
    /// - Parameter certainAfter: only those that ended later; nil: all.
    func answer(certainAfter: Int64?) -> (columns: FlowColumns, sensors: [SensorIdentity], last: RecordPosition?) {
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
            last = item.position
        }
        return (columns, sensors, last)
    }
}

/// What a record has in the side stores of its columns, apart from them: the columns go before the answer is made.
private final class RecordDetails: Sendable {
    let extras: [ExtraValue]
    let observers: [ExporterKey]
    let sketch: DistinctPair?

    /// Nil for a record that has nothing there.
    init?(_ columns: FlowColumns, _ row: Int) {
        let (extra, observers, sketch) = (columns.extra[row], columns.observers[row], columns.sketch[row])
        guard extra | observers | sketch != 0 else { return nil }
        extras = columns.extras.values(at: extra)
        self.observers = columns.observerSets.set(at: observers).compactMap {
            columns.exporters.indices.contains(Int($0)) ? columns.exporters[Int($0)] : nil
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
