/// What Sigma rules would have found in a tenant's stored history.
///
/// Invariants: records are matched by the same code as live ones, and what matched is folded in the order in which
/// sensors received it, so findings are those that live detection gave: the same rules, groups and windows with the
/// same sums. What may differ: how often a finding was said again on the way, which of very many hosts it names, events
/// that came too late live for a window that had been asked already, and, where batches ended elsewhere than at whole
/// ten seconds, what a window counts of the one before whose last events came late. Memory is bounded by `rowsMax`;
/// what found no room is told.
/// Not here: who may ask (`API`), how history is read and what that may cost (`Query`).
internal import BatchFormat
package import Detect
internal import FilterLanguage
package import FlowModel
package import Identity
package import Query
package import Sigma

package struct SigmaBacktest: Sendable {
    /// What one version of the rules found.
    package struct Outcome: Sendable {
        /// The last word of each finding, by start and id.
        package internal(set) var findings: [Finding] = []
        /// Records that each rule matched, by key.
        package internal(set) var matches: [String: UInt64] = [:]
        package internal(set) var losses = SigmaLosses()

        /// Addresses of the findings' ends, each once.
        package var hosts: Set<String> { Set(findings.flatMap(\.entities).map(\.value)) }
    }
    package internal(set) var outcome = Outcome()
    /// Of the rules in the version that is in use; nil: none of them is.
    package internal(set) var current: Outcome?
    package internal(set) var effort = QueryEffort()
    /// Records that matched and found no room.
    package internal(set) var leftOut = 0

    /// Findings that the current version did not give, and those that only it did.
    package var gained: [Finding] { Self.missing(from: current, outcome) }
    package var lost: [Finding] { current.map { Self.missing(from: outcome, $0) } ?? [] }
    private static func missing(from other: Outcome?, _ outcome: Outcome) -> [Finding] {
        let known = Set(other?.findings.map(\.id) ?? [])
        return outcome.findings.filter { !known.contains($0.id) }
    }

    /// Records that are kept to be put in order, some 400 octets each.
    package static let rowsMax = 2_000_000

    /// - Parameters:
    ///   - keys: of the rules that are asked about; the others in the sets only feed them.
    ///   - from, to: records under way at some moment between, in ms since 1970 UTC.
    ///   - rowsMax: records that rules with correlations may match; others need no room.
    /// - Throws: `QueryError`, as every question about history.
    package static func run(
        _ rules: SigmaRuleSet, keys: Set<String>, against current: SigmaRuleSet?, tenant: TenantID,
        from: Int64 = .min, to: Int64 = .max, in query: any FlowHistory, rowsMax: Int = rowsMax
    ) async throws(QueryError) -> SigmaBacktest {
        let sets = [rules] + (current.map { [$0] } ?? [])
        let trials = sets.map { Trial($0, keys, tenant) }, kept = KeptRecords(rowsMax: rowsMax)
        let needsOrder = !sets.allSatisfy(\.isOrderFree)
        let effort = try await query.selected(tenant: tenant, selection(sets, from, to)) { columns in
            if needsOrder { kept.add(columns) } else { for trial in trials { trial.observe(columns) } }
        }
        if needsOrder {
            let columns = kept.inOrder()
            for trial in trials { try trial.observeAll(columns) }
        }
        var result = SigmaBacktest(effort: effort, leftOut: kept.leftOut)
        result.outcome = trials[0].outcome()
        result.current = trials.dropFirst().first?.outcome()
        return result
    }

    /// What one of the sets may match.
    private static func selection(_ sets: [SigmaRuleSet], _ from: Int64, _ to: Int64) -> RecordSelection {
        let reach = sets.reduce(into: FieldSet.usual) { $0.formUnion($1.reach.fields) }
        let counted = sets.reduce(into: FieldSet.counted) { $0.formUnion($1.countingReach.fields) }
        let nets = sets.map(\.net)
        return RecordSelection(
            from: from, to: to, net: nets.contains(.any) ? .any : .disjunction(of: nets), fields: reach, taken: counted
        ) { columns, rows in
            sets.reduce([]) { union($0, $1.matching(columns, rows)) }
        }
    }

    /// What the rules find in these records, which are in the order in which they were received.
    /// - Throws: `QueryError.cancelled`.
    package static func outcome(
        _ rules: SigmaRuleSet, _ keys: Set<String>, _ columns: FlowColumns, _ tenant: TenantID
    ) throws(QueryError) -> Outcome {
        let trial = Trial(rules, keys, tenant)
        try trial.observeAll(columns)
        return trial.outcome()
    }

    /// Of rising numbers.
    private static func union(_ a: [Int32], _ b: [Int32]) -> [Int32] {
        if a.isEmpty || a == b { return b }
        if b.isEmpty { return a }
        return Set(a).union(b).sorted()
    }
}

extension FieldSet {
    /// What a rule most often looks at, and who opened a connection is told by.
    fileprivate static let usual: FieldSet = [
        .sourceIPAddress, .destinationIPAddress, .sourceTransportPort, .destinationTransportPort, .protocolIdentifier,
        .tcpControlBits, .counters, .flags,
    ]
    /// What is told of a record that matches.
    fileprivate static let counted: FieldSet = usual.union(SigmaRuleSet.Reach.times.fields).union(.samplingInterval)
}

extension SigmaRuleSet.Reach {
    fileprivate var fields: FieldSet {
        switch self {
        case .usual: .usual
        case .times: FieldSet.usual.union([.flowStartMilliseconds, .flowEndMilliseconds, .receiveMilliseconds])
        case .all: .all
        }
    }
}
