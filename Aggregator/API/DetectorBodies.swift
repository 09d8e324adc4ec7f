internal import Detect
internal import DetectorBacktest
internal import Query

/// The built-in detectors with what a tenant has set about them.
struct DetectorListBody: Encodable {
    struct Rule: Encodable { let id: String, title: String, tactics: [String], techniques: [String], off: Bool }
    struct Limit: Encodable {
        let name: String, value: Double, standard: Double, unit: String, min: Double, max: Double
        /// It is otherwise than it comes with Weir; and it is so by the tenant's own people.
        let isSet: Bool, isOwn: Bool
        /// With another value the detectors begin anew.
        let beginsAnew: Bool
    }
    struct Item: Encodable { let name: String, rules: [Rule], limits: [Limit] }
    let items: [Item]
    /// Of all detectors.
    let limits: [Limit]
    let own: OwnLimitsBody

    /// - Parameter settled: what the operator's settings alone give.
    init(_ parameters: DetectorParameters, settled: DetectorParameters, own: OwnLimitsBody) {
        self.own = own
        let standard = DetectorParameters()
        func bodies(_ limits: [DetectorLimit]) -> [Limit] {
            limits.map { limit in
                let value = limit.value(in: parameters), was = limit.value(in: standard)
                return Limit(
                    name: limit.name, value: value, standard: was, unit: limit.unit.rawValue,
                    min: limit.range.lowerBound, max: limit.range.upperBound, isSet: value != was,
                    isOwn: value != limit.value(in: settled),
                    beginsAnew: limit.isShape)
            }
        }
        items = DetectorSet.rulesByDetector.map { detector, rules in
            Item(
                name: detector,
                rules: rules.map {
                    Rule(
                        id: $0.id, title: $0.title, tactics: $0.tactics, techniques: $0.techniques,
                        off: parameters.off.contains($0.id))
                }, limits: bodies(DetectorLimit.all.filter { $0.detectors.contains(detector) }))
        }
        limits = bodies(DetectorLimit.all.filter(\.detectors.isEmpty))
    }
}

/// What detectors would have found under the limits on trial, and what they find under those in use.
struct DetectorBacktestBody: Encodable {
    struct Rule: Encodable { let id: String, wouldFire: Int, current: Int, gained: Int, lost: Int }
    let rules: [Rule], wouldFire: Int, current: Int, hostCount: Int, hosts: [String]
    let findings: [FoundBody], gained: [FoundBody], lost: [FoundBody]
    let learnFrom: String, from: String, to: String, through: String
    let records: Int, leftOut: Int, evictions: UInt64, complete: Bool, plan: EffortBody?

    init(_ answer: DetectorBacktest, _ question: DetectorBacktest.Question, explains: Bool) {
        func counts(_ findings: [Finding]) -> [String: Int] {
            findings.reduce(into: [:]) { $0[$1.rule, default: 0] += 1 }
        }
        let (found, now) = (counts(answer.findings), counts(answer.current))
        let (more, fewer) = (counts(answer.gained), counts(answer.lost))
        rules = question.rules.sorted().map {
            Rule(
                id: $0, wouldFire: found[$0] ?? 0, current: now[$0] ?? 0, gained: more[$0] ?? 0, lost: fewer[$0] ?? 0)
        }
        (wouldFire, current) = (answer.findings.count, answer.current.count)
        let all = Set(answer.findings.flatMap(\.entities).map(\.value))
        (hostCount, hosts) = (all.count, Array(all.sorted().prefix(FoundBody.shownMax)))
        (findings, gained) = (FoundBody.first(of: answer.findings), FoundBody.first(of: answer.gained))
        lost = FoundBody.first(of: answer.lost)
        func text(_ time: Int64) -> String { EventTime(time).description }
        (learnFrom, from, to) = (text(question.learnFrom), text(question.from), text(question.to))
        (through, records, leftOut) = (text(answer.through), answer.records, answer.leftOut)
        (evictions, complete) = (answer.evictions, answer.isComplete)
        plan = explains ? EffortBody(answer.effort) : nil
    }
}

/// A finding that would have been raised.
struct FoundBody: Encodable {
    let id: String, rule: String, title: String, severity: String, start: String, end: String
    let observed: Double, threshold: Double, unit: String, flows: UInt64
    static let shownMax = 100

    init(_ finding: Finding) {
        (id, rule, title) = (finding.id, finding.rule, finding.title)
        severity = finding.severity.rawValue
        (start, end) = (EventTime(finding.start).description, EventTime(finding.end).description)
        let evidence = finding.evidence
        (observed, threshold, unit, flows) = (evidence.observed, evidence.threshold, evidence.unit, evidence.flows)
    }
    static func first(of findings: [Finding]) -> [FoundBody] { findings.prefix(shownMax).map { FoundBody($0) } }
}
