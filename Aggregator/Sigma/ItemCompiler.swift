/// One item of a selection, `field|modifiers: values`, as a predicate.
import FilterLanguage
import FlowModel

struct ItemCompiler {
    let source: SigmaSource
    /// What `%name%` stands for where `expand` asks.
    let placeholders: [String: [String]]
    var issues = IssueList()
    /// What of a rule can't come true though the rest can.
    var notes: [String] = []
    /// Texts over whole ranges of numbers are matched number by number, once: this many are let.
    private var enumerationsLeft = 32

    init(_ source: SigmaSource, placeholders: [String: [String]]) {
        (self.source, self.placeholders) = (source, placeholders)
    }

    /// Nil, and issues, for what can't be honoured.
    mutating func predicate(_ item: SigmaItem) -> SigmaPredicate? {
        guard let name = item.field else {
            let first = item.values.first.map { $0.kind.text } ?? ""
            issues.add(
                item.place, .keyword, first,
                "`\(cut(first, to: 60))` is to be found anywhere in a log line: flows have no such text")
            return nil
        }
        do throws(SigmaIssue) {
            guard let field = source.field(name) else {
                let reason =
                    SigmaSource.hasField(name)
                    ? "belongs to another log source" : "is not in flow records: \(SigmaSource.absence(of: name))"
                throw SigmaIssue(item.place, .field, name, "field `\(name)` \(reason)")
            }
            let modifiers = try SigmaModifiers(item)
            let predicate = try self.predicate(item, name, field, modifiers)
            return modifiers.isNegated ? .not(predicate) : predicate
        } catch {
            issues.add(error)
            return nil
        }
    }

    private mutating func predicate(
        _ item: SigmaItem, _ name: String, _ field: SigmaField, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> SigmaPredicate {
        switch modifiers.match {
        case .exists:
            guard let wanted = item.values.first?.kind.flag else {
                throw SigmaIssue(item.place, .value, name, "`\(name)|exists` is neither true nor false")
            }
            return wanted ? field.presence : .not(field.presence)
        case .fieldReference: return try references(item, name, field, modifiers)
        default: break
        }
        var members: [SigmaPredicate] = [], never: [String] = []
        for value in try expanded(item, modifiers) {
            let predicate = try self.value(value, name, field, modifiers)
            if predicate == .constant(false) {
                never.append(value.kind.text)
                if !modifiers.isAll { continue }
            }
            members.append(predicate)
        }
        guard !members.isEmpty, !(modifiers.isAll && !never.isEmpty) else {
            let values = never.prefix(3).map { "`\(cut($0, to: 40))`" }.joined(separator: ", ")
            let hint =
                never.contains { $0.contains("/") && IPNetwork($0) != nil } ? ": networks need the modifier `cidr`" : ""
            throw SigmaIssue(
                item.values.first?.place ?? item.place, .value, name,
                "`\(name)` is never \(values) in flow records\(hint)")
        }
        for value in never.prefix(8) {
            notes.append("line \(item.place.line): `\(name)` is never `\(cut(value, to: 40))`")
        }
        return modifiers.isAll ? .and(members) : Self.union(members)
    }

    /// One set for all tests of one column, where they are such.
    private static func union(_ members: [SigmaPredicate]) -> SigmaPredicate {
        var numbers: [NumberColumn: [ClosedRange<UInt64>]] = [:], addresses: [AddressColumn: [AddressSet.Term]] = [:]
        var rest: [SigmaPredicate] = []
        for member in members {
            switch member {
            case .test(.number(let column, let set)): numbers[column, default: []] += set.ranges
            case .test(.address(let column, let set)): addresses[column, default: []] += set.terms
            default: rest.append(member)
            }
        }
        let sets =
            numbers.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                SigmaPredicate.test(.number($0.key, NumberSet($0.value)))
            }
            + addresses.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                SigmaPredicate.test(.address($0.key, AddressSet($0.value)))
            }
        return .or(sets + rest)
    }

    private func expanded(_ item: SigmaItem, _ modifiers: SigmaModifiers) throws(SigmaIssue) -> [SigmaValue] {
        guard modifiers.expands else { return item.values }
        var values: [SigmaValue] = []
        for value in item.values {
            let text = value.kind.text
            guard text.hasPrefix("%"), text.hasSuffix("%"), text.utf8.count > 2 else {
                values.append(value)
                continue
            }
            guard let known = placeholders[String(text.dropFirst().dropLast())], !known.isEmpty else {
                throw SigmaIssue(
                    value.place, .modifier, "expand", "modifier `expand`: nothing is known as placeholder `\(text)`")
            }
            values += known.map { SigmaValue(kind: .text($0), place: value.place) }
        }
        guard values.count <= SigmaLimit.valuesMax else {
            throw YAMLText.tooMany("values", SigmaLimit.valuesMax, item.place)
        }
        return values
    }

    private func references(
        _ item: SigmaItem, _ name: String, _ field: SigmaField, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> SigmaPredicate {
        var members: [SigmaPredicate] = []
        for value in item.values {
            let other = value.kind.text
            guard let otherField = source.field(other) else {
                throw SigmaIssue(
                    value.place, .field, other,
                    "field `\(other)` is not in flow records: \(SigmaSource.absence(of: other))")
            }
            switch (field.column, otherField.column) {
            case (.address(let a), .address(let b)): members.append(.test(.sameAddress(a, b)))
            case (.number(let a), .number(let b)) where field.scale == otherField.scale:
                members.append(.test(.sameNumber(a, b)))
            default:
                throw SigmaIssue(
                    value.place, .value, name, "`\(name)` and `\(other)` are of different kinds and never the same")
            }
        }
        return modifiers.isAll ? .and(members) : .or(members)
    }

    private mutating func value(
        _ value: SigmaValue, _ name: String, _ field: SigmaField, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> SigmaPredicate {
        if value.kind == .null || (value.kind == .text("") && modifiers.match == .equals) {
            guard modifiers.match == .equals, modifiers.part == nil else {
                throw SigmaIssue(value.place, .value, name, "`\(name)` is compared with nothing")
            }
            return .not(field.presence)
        }
        switch field.column {
        case .address(let column): return try address(value, name, column, field, modifiers)
        case .number(let column):
            if field.isTime { return try time(value, name, column, modifiers) }
            let set = try numbers(value, name, field, modifiers)
            return set.isEmpty ? .constant(false) : .test(.number(column, set))
        }
    }
}

extension ItemCompiler {
    private func time(
        _ value: SigmaValue, _ name: String, _ column: NumberColumn, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> SigmaPredicate {
        guard let part = modifiers.part else {
            throw SigmaIssue(
                value.place, .value, name, "`\(name)` is a moment: ask for a part of it (hour, day, week, …)")
        }
        guard let number = value.kind.number(scale: 1), let set = NumberSet(modifiers.match, number) else {
            throw SigmaIssue(value.place, .value, name, "`\(name)|\(part.rawValue)` is compared with no number")
        }
        return .test(.timePart(column, part, set))
    }

    private mutating func numbers(
        _ value: SigmaValue, _ name: String, _ field: SigmaField, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> NumberSet {
        if modifiers.part != nil {
            throw SigmaIssue(value.place, .modifier, modifiers.part?.rawValue ?? "", "`\(name)` is no moment in time")
        }
        if modifiers.match == .network {
            throw SigmaIssue(value.place, .modifier, "cidr", "modifier `cidr`: `\(name)` is no address")
        }
        let isPlain = modifiers.match == .equals
        if field.isNumber, let set = NumberSet(modifiers.match, value.kind.number(scale: field.scale)) {
            return set.cut(to: field.max)
        }
        if case .compare = modifiers.match {
            throw SigmaIssue(value.place, .value, name, "`\(name)` is compared with `\(value.kind.text)`, no number")
        }
        let pattern = try self.pattern(value, name, modifiers)
        var ranges: [ClosedRange<UInt64>] = []
        for word in field.words where word.words.contains(where: { pattern.matches($0) }) {
            ranges.append(word.value...word.value)
        }
        let isText = !(isPlain && SigmaText(value.kind.text).plain != nil)
        guard field.isNumber, isText else { return NumberSet(ranges) }
        guard field.max <= 65_535 else {
            throw SigmaIssue(
                value.place, .value, name, "`\(name)` is a large number, which can't be looked at as a text")
        }
        enumerationsLeft -= 1
        guard enumerationsLeft >= 0 else {
            throw SigmaIssue(value.place, .limit, name, "more than 32 texts are to be matched with numbers")
        }
        for number in 0...field.max where pattern.matches(String(number)) { ranges.append(number...number) }
        return NumberSet(ranges)
    }

    private func pattern(
        _ value: SigmaValue, _ name: String, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> TextPattern {
        let text = value.kind.text
        if modifiers.match == .regex {
            do throws(RegexParser.Fault) {
                return try RegexParser.parse(text, ignoringCase: modifiers.ignoresCase)
            } catch {
                throw SigmaIssue(
                    value.place, .value, name, "regular expression `\(cut(text, to: 60))`: \(error.reason)")
            }
        }
        var parts = SigmaText(text)
        if modifiers.match == .contains || modifiers.match == .startsWith { parts.parts.append(.many) }
        if modifiers.match == .contains || modifiers.match == .endsWith { parts.parts.insert(.many, at: 0) }
        guard text.utf8.count <= SigmaLimit.patternOctetsMax,
            let pattern = parts.pattern(ignoringCase: !modifiers.isCased)
        else {
            throw SigmaIssue(value.place, .limit, name, "the text `\(cut(text, to: 40))` is too long to be looked for")
        }
        return pattern
    }

    private func address(
        _ value: SigmaValue, _ name: String, _ column: AddressColumn, _ field: SigmaField, _ modifiers: SigmaModifiers
    ) throws(SigmaIssue) -> SigmaPredicate {
        let text = value.kind.text
        func set(_ networks: [IPNetwork]) -> SigmaPredicate { .test(.address(column, AddressSet(networks))) }
        guard modifiers.part == nil else {
            throw SigmaIssue(value.place, .modifier, modifiers.part?.rawValue ?? "", "`\(name)` is no moment in time")
        }
        switch modifiers.match {
        case .compare(let comparison):
            throw SigmaIssue(
                value.place, .modifier, comparison.rawValue,
                "modifier `\(comparison.rawValue)`: `\(name)` is an address, which is neither more nor less")
        case .network:
            guard text.contains("/"), let network = IPNetwork(text) else {
                throw SigmaIssue(value.place, .value, name, "`\(cut(text, to: 60))` is no network such as 10.0.0.0/8")
            }
            guard IPAddress(text.prefix { $0 != "/" }) == network.address else {
                throw SigmaIssue(value.place, .value, name, "network `\(text)` has bits behind its length")
            }
            return set([network])
        case .equals:
            let parts = SigmaText(text)
            if parts.isAnything { return field.presence }
            if let plain = parts.plain {
                return IPAddress(plain).map { set([IPNetwork($0, length: $0.isV4 ? 32 : 128)]) } ?? .constant(false)
            }
            if let networks = parts.prefix.flatMap(IPNetwork.beginning) { return set(networks) }
        case .startsWith:
            if let networks = SigmaText(text).plain.flatMap(IPNetwork.beginning) { return set(networks) }
        default: break
        }
        return .test(.addressText(column, try pattern(value, name, modifiers)))
    }
}
