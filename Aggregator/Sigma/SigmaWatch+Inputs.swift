/// How a correlation's fields are found in what it refers to.
import Detect
import FlowModel

extension SigmaWatch {
    /// Checks what only all inputs together can tell.
    static func check(_ correlation: SigmaCorrelation, _ inputs: [Input]) throws(SigmaIssue) {
        func issue(_ reason: String) -> SigmaIssue {
            SigmaIssue(correlation.place, .correlation, correlation.kind.rawValue, reason)
        }
        if correlation.kind == .temporalOrdered {
            let isAll = correlation.bounds.allSatisfy { bound in
                (bound.comparison == .gte && bound.value == Double(inputs.count))
                    || (bound.comparison == .gt && bound.value == Double(inputs.count - 1))
            }
            guard isAll else { throw issue("`temporal_ordered` is honoured for all of its rules only") }
        }
        for alias in correlation.aliases {
            let isUsed = (correlation.groupBy + correlation.valueFields).contains { $0.key == alias.name }
            guard isUsed else {
                throw SigmaIssue(alias.place, .correlation, alias.name, "alias `\(alias.name)` is not used")
            }
        }
    }

    init(_ correlation: SigmaCorrelation, _ inputs: [Input]) {
        let roles = correlation.groupBy.indices.map { place -> FindingEntity.Role? in
            for input in inputs {
                guard case .record(let group, _) = input.origin, case .address(let column) = group[place] else {
                    continue
                }
                switch column {
                case .source, .originator: return .attacker
                case .destination, .responder: return .victim
                default: return nil
                }
            }
            return nil
        }
        self.init(correlation, inputs, roles: roles, level: nil)
    }
}

extension SigmaWatch.Input {
    /// Of the records that a rule matches.
    init(
        _ correlation: SigmaCorrelation, _ reference: SigmaCorrelation.Reference, source: SigmaSource,
        predicate: SigmaPredicate
    ) throws(SigmaIssue) {
        var columns: [SigmaField.Column] = [], scale: UInt64 = 1
        for wanted in correlation.groupBy + correlation.valueFields {
            let name = try correlation.field(wanted, of: reference)
            guard let field = source.field(name) else {
                throw SigmaIssue(
                    wanted.place, .field, name,
                    "field `\(name)` is not in flow records: \(SigmaSource.absence(of: name))")
            }
            if correlation.kind.isMeasure, wanted == correlation.valueFields.first {
                guard case .number = field.column, field.isNumber else {
                    throw SigmaIssue(
                        wanted.place, .correlation, name, "`\(correlation.kind.rawValue)`: `\(name)` is no number")
                }
                scale = field.scale
            }
            columns.append(field.column)
        }
        let group = Array(columns.prefix(correlation.groupBy.count))
        origin = .record(group: group, values: Array(columns.dropFirst(group.count)))
        let isRecord = if case .record = source { true } else { false }
        countsAnswers = correlation.kind != .eventCount || isRecord || predicate.asksForAnswers
        self.scale = scale
    }

    /// Of another correlation's matches: of those no more is known than their group.
    init(
        _ correlation: SigmaCorrelation, _ reference: SigmaCorrelation.Reference, watch: SigmaWatch
    ) throws(SigmaIssue) {
        guard !correlation.kind.isMeasure else {
            throw SigmaIssue(
                reference.place, .correlation, reference.key,
                "`\(correlation.kind.rawValue)` measures records, not the matches of correlation `\(reference.key)`")
        }
        var places: [Int] = []
        for wanted in correlation.groupBy + correlation.valueFields {
            let name = try correlation.field(wanted, of: reference)
            guard let place = watch.groupNames.firstIndex(of: name) else {
                throw SigmaIssue(
                    wanted.place, .correlation, name,
                    "correlation `\(reference.key)` doesn't group by `\(name)`, so its matches don't tell it")
            }
            places.append(place)
        }
        let count = correlation.groupBy.count
        origin = .watch(group: Array(places.prefix(count)), values: Array(places.dropFirst(count)))
    }
}

extension SigmaCorrelation {
    /// The name that a field has in what `reference` refers to: through an alias, or its own.
    fileprivate func field(_ wanted: Reference, of reference: Reference) throws(SigmaIssue) -> String {
        guard let alias = aliases.first(where: { $0.name == wanted.key }) else { return wanted.key }
        guard let name = alias.fields[reference] else {
            throw SigmaIssue(
                alias.place, .correlation, alias.name,
                "alias `\(alias.name)` says no field of `\(reference.key)`")
        }
        return name
    }
}

extension SigmaPredicate {
    /// The rule is about answers, so they must count.
    fileprivate var asksForAnswers: Bool {
        switch self {
        case .constant: false
        case .not(let inner): inner.asksForAnswers
        case .and(let members), .or(let members): members.contains(where: \.asksForAnswers)
        case .test(.number(let column, _)): [.initiated, .responderOctets, .responderPackets].contains(column)
        case .test: false
        }
    }
}
