internal import Detect
internal import FlowModel
internal import Identity
internal import Query
internal import Sigma
internal import Synchronization

/// One set of rules on trial, that several may show records to.
final class Trial: Sendable {
    private struct State {
        var fold: SigmaFold
        var last: [String: Finding] = [:]
    }
    private let state: Mutex<State>
    private let keys: Set<String>
    private static let rowsAtOnce = 8_192, windowMilliseconds: Int64 = 10_000

    init(_ rules: SigmaRuleSet, _ keys: Set<String>, _ tenant: TenantID) {
        state = Mutex(State(fold: SigmaFold(tenant: tenant, rules: rules)))
        self.keys = keys
    }

    func observe(_ columns: FlowColumns) {
        state.withLock { state in keep(state.fold.observe(columns), &state) }
    }
    /// Shows records in the order of receipt, as live rules are shown them: some seconds at a time, as sensors send
    /// them. What a group comes to is asked when those seconds are over, so it matters little where a real sensor's
    /// ended.
    func observeAll(_ columns: FlowColumns) throws(QueryError) {
        var start = 0
        while start < columns.count {  // ends: each turn takes a record at least
            guard !Task.isCancelled else { throw .cancelled }
            let window = columns.receiveMilliseconds[start] / Self.windowMilliseconds
            var end = start + 1
            while end < min(start + Self.rowsAtOnce, columns.count),
                columns.receiveMilliseconds[end] / Self.windowMilliseconds == window
            {
                end += 1
            }
            state.withLock { state in keep(state.fold.observe(columns, rows: start..<end), &state) }
            start = end
        }
    }
    private func keep(_ findings: [Finding], _ state: inout State) {
        for finding in findings where keys.contains(finding.rule) { state.last[finding.id] = finding }
    }

    /// Ends the trial.
    func outcome() -> SigmaBacktest.Outcome {
        state.withLock { state in
            keep(state.fold.finish(), &state)
            var outcome = SigmaBacktest.Outcome()
            outcome.findings = state.last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
            outcome.losses = state.fold.losses
            for (rule, matches) in zip(state.fold.rules.rules, state.fold.matches)
            where keys.contains(rule.rule.metadata.key) {
                outcome.matches[rule.rule.metadata.key] = matches
            }
            return outcome
        }
    }
}

/// Records that wait to be put in order; of one backtest.
final class KeptRecords: Sendable {
    private struct State {
        var parts: [FlowColumns] = [], count = 0, leftOut = 0
    }
    private let rowsMax: Int
    private let state = Mutex(State())
    var leftOut: Int { state.withLock { $0.leftOut } }

    init(rowsMax: Int) { self.rowsMax = rowsMax }

    func add(_ columns: FlowColumns) {
        state.withLock { state in
            guard state.count + columns.count <= rowsMax else {
                state.leftOut += columns.count
                return
            }
            state.count += columns.count
            state.parts.append(columns)
        }
    }

    /// By receive time, then by all that tells records apart, so that compaction changes nothing.
    func inOrder() -> FlowColumns {
        let (parts, count) = state.withLock { ($0.parts, $0.count) }
        var places: [Place] = []
        places.reserveCapacity(count)
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
            return Self.precedes(parts[Int(a.part)][Int(a.row)], parts[Int(b.part)][Int(b.row)])
        }
        var columns = FlowColumns(capacity: count)
        for place in places {
            let part = parts[Int(place.part)]
            var record = part[Int(place.row)]
            let exporter = Int(record.exporter)
            record.exporter =
                part.exporters.indices.contains(exporter) ? columns.intern(part.exporters[exporter]) ?? 0 : 0
            (record.extra, record.observers, record.sketch) = (0, 0, 0)
            columns.append(record)
        }
        return columns
    }
    private struct Place {
        let received: Int64, start: Int64, end: Int64
        let part: Int32, row: Int32
    }
    private static func precedes(_ a: FlowRecord, _ b: FlowRecord) -> Bool {
        if a.sourceIPAddress != b.sourceIPAddress { return a.sourceIPAddress < b.sourceIPAddress }
        if a.destinationIPAddress != b.destinationIPAddress { return a.destinationIPAddress < b.destinationIPAddress }
        if a.sourceTransportPort != b.sourceTransportPort { return a.sourceTransportPort < b.sourceTransportPort }
        if a.destinationTransportPort != b.destinationTransportPort {
            return a.destinationTransportPort < b.destinationTransportPort
        }
        return a.octetDeltaCount < b.octetDeltaCount
    }
}
