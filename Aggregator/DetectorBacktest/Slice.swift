internal import BatchFormat
internal import FlowModel
internal import Identity
internal import Query
internal import Synchronization

/// The records of a tenant that ended within a stretch of event time: gathered by several at once, then put in order.
final class Slice: Sendable {
    private struct State {
        var parts: [FlowColumns] = [], count = 0, leftOut = 0
    }
    private let rowsMax: Int
    private let state = Mutex(State())
    var count: Int { state.withLock { $0.count } }
    var leftOut: Int { state.withLock { $0.leftOut } }

    /// What detectors look at.
    private static let fields: FieldSet = [
        .sourceIPAddress, .destinationIPAddress, .sourceTransportPort, .destinationTransportPort, .protocolIdentifier,
        .tcpControlBits, .counters, .samplingInterval, .flags, .flowStartMilliseconds, .flowEndMilliseconds,
        .receiveMilliseconds, .exporter, .sketch, .extras, .bgpSourceAsNumber, .bgpDestinationAsNumber,
    ]
    /// Live batches end after some seconds, too; what they touch is weighed when they are complete.
    private static let windowMilliseconds: Int64 = 10_000, rowsAtOnce = 8_192

    init(rowsMax: Int) { self.rowsMax = rowsMax }

    func gather(
        from: Int64, to: Int64, tenant: TenantID, in query: any FlowHistory
    ) async throws(QueryError) -> QueryEffort {
        let selection = RecordSelection(
            from: from, to: to, fields: [.flowStartMilliseconds, .flowEndMilliseconds], taken: Self.fields
        ) { columns, rows in
            rows.filter { row in
                // An exporter's end may lie before its start.
                let row = Int(row), start = columns.flowStartMilliseconds[row]
                return (from..<to).contains(max(columns.flowEndMilliseconds[row], start))
            }
        }
        return try await query.selected(tenant: tenant, selection) { [self] in add($0) }
    }
    private func add(_ columns: FlowColumns) {
        state.withLock { state in
            guard state.count + columns.count <= rowsMax else {
                state.leftOut += columns.count
                return
            }
            state.count += columns.count
            state.parts.append(columns)
        }
    }

    /// Calls `body` with all records in the order of receipt, some seconds of them at a time.
    /// - Throws: `QueryError.cancelled`.
    func forEachGroup(_ body: (FlowColumns, Range<Int>) -> Void) throws(QueryError) {
        let parts = state.withLock { $0.parts }, places = Self.order(parts)
        var start = 0
        while start < places.count {  // ends: each turn takes a record at least
            guard !Task.isCancelled else { throw .cancelled }
            let window = places[start].received / Self.windowMilliseconds
            var end = start + 1
            while end < min(start + Self.rowsAtOnce, places.count),
                places[end].received / Self.windowMilliseconds == window
            {
                end += 1
            }
            let group = Self.gathered(places[start..<end], of: parts)
            body(group, group.rows)
            start = end
        }
    }

    private struct Place {
        let received: Int64, start: Int64, end: Int64
        let part: Int32, row: Int32
    }
    /// By receive time, then by all that tells records apart, so that compaction changes nothing.
    private static func order(_ parts: [FlowColumns]) -> [Place] {
        var places: [Place] = []
        places.reserveCapacity(parts.reduce(0) { $0 + $1.count })
        for (number, part) in parts.enumerated() {
            for row in part.rows {
                places.append(
                    Place(
                        received: part.receiveMilliseconds[row], start: part.flowStartMilliseconds[row],
                        end: part.flowEndMilliseconds[row], part: Int32(number), row: Int32(row)))
            }
        }
        places.sort { a, b in
            if a.received != b.received { return a.received < b.received }
            if a.start != b.start { return a.start < b.start }
            if a.end != b.end { return a.end < b.end }
            return precedes(parts[Int(a.part)], Int(a.row), parts[Int(b.part)], Int(b.row))
        }
        return places
    }
    private static func precedes(_ a: FlowColumns, _ one: Int, _ b: FlowColumns, _ other: Int) -> Bool {
        func key(_ columns: FlowColumns, _ row: Int) -> [UInt64] {
            [
                columns.sourceHigh[row], columns.sourceLow[row], columns.destinationHigh[row],
                columns.destinationLow[row],
                UInt64(columns.sourceTransportPort[row]) << 16 | UInt64(columns.destinationTransportPort[row]),
                columns.octetDeltaCount[row],
            ]
        }
        return key(a, one).lexicographicallyPrecedes(key(b, other))
    }
    private static func gathered(_ places: ArraySlice<Place>, of parts: [FlowColumns]) -> FlowColumns {
        var columns = FlowColumns(capacity: places.count)
        for place in places {
            let part = parts[Int(place.part)]
            var record = part[Int(place.row)]
            let exporter = Int(record.exporter)
            record.exporter =
                part.exporters.indices.contains(exporter) ? columns.intern(part.exporters[exporter]) ?? 0 : 0
            record.sketch = columns.sketches.copy(record.sketch, from: part.sketches)
            // Who began, where an exporter says so.
            record.extra = columns.extras.copy(record.extra, from: part.extras)
            record.observers = 0
            columns.append(record)
        }
        return columns
    }
}
