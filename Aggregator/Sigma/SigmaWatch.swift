/// What the fold counts: a rule's matches, or a correlation's events, by group and in time.
import Detect
import FlowModel

struct SigmaWatch: Sendable {
    enum Kind: Hashable, Sendable {
        /// A rule by itself: one match is enough.
        case match
        case eventCount, valueCount, temporal, temporalOrdered, sum, average
        case percentile(Double)
    }
    /// How an event's group and value are found.
    struct Input: Sendable {
        enum Origin: Sendable {
            /// From a record: these columns.
            case record(group: [SigmaField.Column], values: [SigmaField.Column])
            /// From another watch's match: places in its group.
            case watch(group: [Int], values: [Int])
        }
        let origin: Origin
        /// Answers are events of their own, where otherwise a connection is counted by its originator's record.
        var countsAnswers = true
        /// What one unit of the value is in its column.
        var scale: UInt64 = 1
    }
    let kind: Kind
    let info: RuleInfo
    let title: String
    let severity: Severity
    /// False for what only feeds others, and for rules of level `informational`.
    var raises: Bool
    let inputs: [Input]
    /// Who is attacker and who victim, by place in the group; nil for what is no address.
    let roles: [FindingEntity.Role?]
    let groupNames: [String]
    /// In ms.
    let span: Int64
    let bounds: [SigmaCorrelation.Bound]
    let expression: SigmaExpression?
    let unit: String

    /// More events can only make it truer: it is said as soon as it is so, of any stretch of time as long as `span`.
    /// Otherwise it is asked of whole windows, when they are over.
    var isRising: Bool {
        switch kind {
        case .average, .percentile: return false
        default:
            if let expression { return !expression.hasNot }
            return bounds.allSatisfy { $0.comparison == .gt || $0.comparison == .gte }
        }
    }
    var threshold: Double { bounds.first?.value ?? Double(inputs.count) }

    func holds(_ value: Double) -> Bool {
        bounds.allSatisfy { bound in
            switch bound.comparison {
            case .gt: value > bound.value
            case .gte: value >= bound.value
            case .lt: value < bound.value
            case .lte: value <= bound.value
            case .eq: value == bound.value
            case .neq: value != bound.value
            }
        }
    }
    /// - Parameter present: one bit for each input that had an event.
    func holds(present: UInt64) -> Bool {
        expression.map { $0.holds(present) } ?? holds(Double(present.nonzeroBitCount))
    }

    /// A rule by itself counts by originator, for an hour each.
    init(_ rule: CompiledSigmaRule) {
        let metadata = rule.rule.metadata
        kind = .match
        info = RuleInfo(metadata)
        title = metadata.title
        severity = Severity(metadata.level)
        raises = metadata.level != .informational
        let isRecord = if case .record = rule.source { true } else { false }
        let column = SigmaField.Column.address(isRecord ? .source : .originator)
        inputs = [Input(origin: .record(group: [column], values: []))]
        roles = [.attacker]
        groupNames = []
        span = 3_600_000
        bounds = [.init(comparison: .gte, value: 1)]
        expression = nil
        unit = "flows"
    }

    init(_ correlation: SigmaCorrelation, _ inputs: [Input], roles: [FindingEntity.Role?], level: SigmaLevel?) {
        let metadata = correlation.metadata
        kind = Kind(correlation)
        info = RuleInfo(metadata)
        title = metadata.title
        severity = Severity(metadata.level ?? level)
        raises = (metadata.level ?? level) != .informational
        self.inputs = inputs
        self.roles = roles
        groupNames = correlation.groupBy.map(\.key)
        span = correlation.timespanMilliseconds
        bounds = correlation.expression == nil ? correlation.bounds : []
        expression = correlation.expression?.expression
        unit =
            switch kind {
            case .match, .eventCount: "flows"
            case .valueCount: "values"
            case .temporal, .temporalOrdered: "rules"
            case .sum, .average, .percentile: correlation.valueFields.first?.key ?? "units"
            }
    }
}

extension SigmaWatch.Kind {
    init(_ correlation: SigmaCorrelation) {
        self =
            switch correlation.kind {
            case .eventCount: .eventCount
            case .valueCount: .valueCount
            case .temporal: .temporal
            case .temporalOrdered: .temporalOrdered
            case .valueSum: .sum
            case .valueAverage: .average
            case .valuePercentile: .percentile(correlation.percentile ?? 50)
            }
    }
}

extension SigmaExpression {
    var hasNot: Bool {
        switch self {
        case .search: false
        case .not: true
        case .and(let members), .or(let members): members.contains(where: \.hasNot)
        }
    }
    func holds(_ present: UInt64) -> Bool {
        switch self {
        case .search(let index): present >> UInt64(index & 63) & 1 == 1
        case .not(let inner): !inner.holds(present)
        case .and(let members): members.allSatisfy { $0.holds(present) }
        case .or(let members): members.contains { $0.holds(present) }
        }
    }
}

extension Severity {
    /// A rule without a level is of medium severity.
    init(_ level: SigmaLevel?) {
        self =
            switch level {
            case .informational, .low: .low
            case .medium, nil: .medium
            case .high: .high
            case .critical: .critical
            }
    }
}

extension RuleInfo {
    /// Tags `attack.t1046` and `attack.discovery` are ATT&CK's.
    init(_ metadata: SigmaMetadata) {
        var tactics: [String] = [], techniques: [String] = []
        for tag in metadata.tags where tag.lowercased().hasPrefix("attack.") {
            let name = String(tag.lowercased().dropFirst("attack.".count))
            if let tactic = Self.tactics[name.replacing("_", with: "-")] {
                tactics.append(tactic)
            } else if name.first == "t", name.dropFirst().first?.isNumber == true {
                techniques.append(name.uppercased())
            }
        }
        self.init(id: metadata.key, title: metadata.title, tactics: tactics, techniques: techniques)
    }
    /// MITRE ATT&CK, Enterprise.
    private static let tactics: [String: String] = [
        "reconnaissance": "TA0043", "resource-development": "TA0042", "initial-access": "TA0001",
        "execution": "TA0002", "persistence": "TA0003", "privilege-escalation": "TA0004",
        "defense-evasion": "TA0005", "credential-access": "TA0006", "discovery": "TA0007",
        "lateral-movement": "TA0008", "collection": "TA0009", "exfiltration": "TA0010",
        "command-and-control": "TA0011", "impact": "TA0040",
    ]
}
