/// What the built-in detectors would have found in a tenant's stored history under other limits.
///
/// Invariants: it is the fold of live detection, on the same records; so what it finds has the ids, windows and
/// numbers that live detection gave, as far as that does not hang on the order of records. History is taken a slice of
/// event time after the other (a record is in the slice of its end), each in the order of receipt: what came hours late
/// is seen as if it had come in time. Detectors begin with what is learned from `learnFrom` on, and only what goes on
/// from `from` on is told. Memory is bounded by `Limits.rowsMax`; what found no room is told.
/// Not here: who may ask (`API`), how history is read and what that may cost (`Query`).
internal import BatchFormat
package import Detect
internal import FlowModel
package import Identity
package import Intelligence
package import Platform
package import Query

package struct DetectorBacktest: Sendable {
    package struct Limits: Sendable {
        /// Records of a slice, some 300 octets each.
        package var rowsMax = 1_000_000
        /// Widths of slices, in ms of event time.
        package var width: ClosedRange<Int64> = 60_000...86_400_000
        /// How long it may take; each slice is a question with a question's budget besides.
        package var duration = Duration.seconds(120)
        package init() {}
    }
    /// Whom and what it is about.
    package struct Question: Sendable {
        package var tenant: TenantID
        /// In ms since 1970 UTC.
        package var learnFrom: Int64, from: Int64, to: Int64
        /// Ids of built-in rules.
        package var rules: Set<String>
        /// Those on trial, and those in use.
        package var parameters: DetectorParameters, current: DetectorParameters
        /// Left empty, or the same as live, so that the rules that need them find what they found.
        package var intelligence = Intelligence.none, places = PlaceLookup.none

        package init(
            tenant: TenantID, learnFrom: Int64, from: Int64, to: Int64, rules: Set<String>,
            parameters: DetectorParameters, current: DetectorParameters
        ) {
            (self.tenant, self.rules) = (tenant, rules)
            (self.learnFrom, self.from, self.to) = (min(learnFrom, from), from, to)
            (self.parameters, self.current) = (parameters, current)
        }
    }

    /// The last word of each finding, by start and id.
    package private(set) var findings: [Finding] = [], current: [Finding] = []
    /// Table entries that made room, of the trial.
    package private(set) var evictions: UInt64 = 0
    package private(set) var effort = QueryEffort()
    /// Records that were folded, and that found no room in their slice.
    package private(set) var records = 0, leftOut = 0
    /// Up to here history was looked at, in ms since 1970 UTC.
    package private(set) var through: Int64
    package private(set) var isComplete = false

    /// Findings that the limits in use did not give, and those that only they did.
    package var gained: [Finding] { Self.missing(from: current, findings) }
    package var lost: [Finding] { Self.missing(from: findings, current) }
    private static func missing(from others: [Finding], _ findings: [Finding]) -> [Finding] {
        let known = Set(others.map(\.id))
        return findings.filter { !known.contains($0.id) }
    }

    /// - Throws: `QueryError`, as every question about history.
    package static func run(
        _ question: Question, in query: any FlowHistory, limits: Limits = Limits(), time: any TimeSource
    ) async throws(QueryError) -> DetectorBacktest {
        var result = DetectorBacktest(through: question.learnFrom)
        var trial = RuleTrial(question, question.parameters), current = RuleTrial(question, question.current)
        let isDifferent = question.parameters != question.current
        let deadline = time.monotonic() + limits.duration
        var from = question.learnFrom, width = limits.width.lowerBound * 60
        // Ends: each turn goes on by a slice, or makes it narrower.
        while from < question.to, time.monotonic() < deadline {
            guard !Task.isCancelled else { throw .cancelled }
            let (end, isOver) = from.addingReportingOverflow(width), to = isOver ? question.to : min(end, question.to)
            let kept = Slice(rowsMax: limits.rowsMax)
            let effort = try await kept.gather(from: from, to: to, tenant: question.tenant, in: query)
            if kept.leftOut > 0, width > limits.width.lowerBound, !effort.isCutShort {
                width = max(width / 4, limits.width.lowerBound)
                continue
            }
            try kept.forEachGroup { columns, rows in
                trial.observe(columns, rows)
                if isDifferent { current.observe(columns, rows) }
            }
            result.add(effort, kept)
            result.through = to
            if effort.isCutShort { break }
            if kept.count < limits.rowsMax / 4 { width = min(width * 2, limits.width.upperBound) }
            from = to
        }
        result.isComplete = from >= question.to && result.leftOut == 0 && result.effort.unreadable == 0
        result.findings = trial.findings()
        result.evictions = trial.evictions
        result.current = isDifferent ? current.findings() : result.findings
        return result
    }

    private init(through: Int64) { self.through = through }

    private mutating func add(_ more: QueryEffort, _ slice: Slice) {
        effort.segments += more.segments
        effort.rows += more.rows
        effort.matched += more.matched
        effort.bytesRead += more.bytesRead
        effort.unreadable += more.unreadable
        effort.isCutShort = effort.isCutShort || more.isCutShort
        records += slice.count
        leftOut += slice.leftOut
    }
}

/// Some detectors on trial.
private struct RuleTrial {
    private var detectors: DetectorSet
    private var last: [String: Finding] = [:]
    private let rules: Set<String>, from: Int64

    init(_ question: DetectorBacktest.Question, _ parameters: DetectorParameters) {
        (rules, from) = (question.rules, question.from)
        detectors = DetectorSet(
            tenant: question.tenant, parameters: parameters, only: DetectorSet.detectors(of: question.rules))
        detectors.use(question.intelligence)
        detectors.use(question.places)
    }
    var evictions: UInt64 { detectors.evictions.values.reduce(0, &+) }

    mutating func observe(_ columns: FlowColumns, _ rows: Range<Int>) { keep(detectors.observe(columns, rows: rows)) }
    private mutating func keep(_ findings: [Finding]) {
        for finding in findings where rules.contains(finding.rule) && finding.end >= from {
            last[finding.id] = finding
        }
    }
    /// Ends the trial.
    mutating func findings() -> [Finding] {
        keep(detectors.finish())
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
}
