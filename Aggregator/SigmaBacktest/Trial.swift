internal import Detect
internal import FlowModel
internal import Identity
internal import Query
internal import Sigma

/// One set of rules on trial. A class, so that what reads history can hand records to it; it is never shared.
final class Trial {
    private var fold: SigmaFold
    private let keys: Set<String>
    private var last: [String: Finding] = [:]
    private static let rowsAtOnce = 8_192

    init(_ rules: SigmaRuleSet, _ keys: Set<String>, _ tenant: TenantID) {
        fold = SigmaFold(tenant: tenant, rules: rules)
        self.keys = keys
    }

    func observe(_ columns: FlowColumns) { keep(fold.observe(columns)) }
    func observeAll(_ columns: FlowColumns) throws(QueryError) {
        for start in stride(from: 0, to: columns.count, by: Self.rowsAtOnce) {
            guard !Task.isCancelled else { throw .cancelled }
            keep(fold.observe(columns, rows: start..<min(start + Self.rowsAtOnce, columns.count)))
        }
    }
    private func keep(_ findings: [Finding]) {
        for finding in findings where keys.contains(finding.rule) { last[finding.id] = finding }
    }

    /// Ends the trial.
    func outcome() -> SigmaBacktest.Outcome {
        keep(fold.finish())
        var outcome = SigmaBacktest.Outcome()
        outcome.findings = last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
        outcome.losses = fold.losses
        for (rule, matches) in zip(fold.rules.rules, fold.matches) where keys.contains(rule.rule.metadata.key) {
            outcome.matches[rule.rule.metadata.key] = matches
        }
        return outcome
    }
}

/// Records that wait to be put in order; of one backtest, never shared.
final class KeptRecords {
    private let rowsMax: Int
    private var parts: [FlowColumns] = [], count = 0
    private(set) var leftOut = 0

    init(rowsMax: Int) { self.rowsMax = rowsMax }

    func add(_ columns: FlowColumns) {
        guard count + columns.count <= rowsMax else {
            leftOut += columns.count
            return
        }
        count += columns.count
        parts.append(columns)
    }

    /// By receive time, then by all that tells records apart, so that compaction changes nothing.
    func inOrder() -> FlowColumns {
        var places: [(received: Int64, part: Int32, row: Int32)] = []
        places.reserveCapacity(count)
        for (number, part) in parts.enumerated() {
            for row in part.rows { places.append((part.receiveMilliseconds[row], Int32(number), Int32(row))) }
        }
        places.sort { a, b in
            if a.received != b.received { return a.received < b.received }
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
    private static func precedes(_ a: FlowRecord, _ b: FlowRecord) -> Bool {
        if a.flowStartMilliseconds != b.flowStartMilliseconds {
            return a.flowStartMilliseconds < b.flowStartMilliseconds
        }
        if a.flowEndMilliseconds != b.flowEndMilliseconds { return a.flowEndMilliseconds < b.flowEndMilliseconds }
        if a.sourceIPAddress != b.sourceIPAddress { return a.sourceIPAddress < b.sourceIPAddress }
        if a.destinationIPAddress != b.destinationIPAddress { return a.destinationIPAddress < b.destinationIPAddress }
        if a.sourceTransportPort != b.sourceTransportPort { return a.sourceTransportPort < b.sourceTransportPort }
        if a.destinationTransportPort != b.destinationTransportPort {
            return a.destinationTransportPort < b.destinationTransportPort
        }
        return a.octetDeltaCount < b.octetDeltaCount
    }
}
