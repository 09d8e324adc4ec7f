/// The section `detection`: searches and the conditions that link them.
extension DocumentReader {
    /// - Parameter others: keys beside `condition` that are no searches.
    mutating func readDetection(_ node: YAMLNode, besides others: [String]) -> SigmaDetection? {
        guard let map = node.map else {
            issues.add(node.place, .document, "detection", "the searches are no map")
            return nil
        }
        var searches: [SigmaSearch] = [], budget = Budget()
        if others.isEmpty { readCount(map) }
        for entry in map where entry.key != "condition" && !others.contains(entry.key) {
            if entry.key == "timeframe" {
                if count != nil { continue }
                issues.add(
                    entry.place, .condition, "timeframe",
                    "`timeframe` belongs to counting conditions of rules before Sigma 2; correlations have a `timespan`"
                )
                continue
            }
            guard searches.count < SigmaLimit.searchesMax else {
                issues.add(YAMLText.tooMany("searches", SigmaLimit.searchesMax, entry.place))
                return nil
            }
            guard let selection = selection(entry, &budget) else { continue }
            searches.append(SigmaSearch(name: entry.key, selection: selection, place: entry.place))
        }
        if searches.isEmpty, issues.isEmpty {
            issues.add(node.place, .document, "detection", "there is nothing to search for")
        }
        guard let condition = map.first(where: { $0.key == "condition" }) else {
            issues.add(node.place, .condition, "condition", "there is no `condition`")
            return nil
        }
        let names = map.map(\.key).filter { $0 != "condition" && !others.contains($0) && $0 != "timeframe" }
        let conditions = readConditions(condition, names: names)
        guard searches.count == names.count, !conditions.isEmpty else { return nil }
        return SigmaDetection(searches: searches, conditions: conditions)
    }

    private mutating func readConditions(_ entry: YAMLEntry, names: [String]) -> [SigmaCondition] {
        var conditions: [SigmaCondition] = []
        for condition in texts(entry.value, "condition", .condition) ?? [] {
            do throws(SigmaIssue) {
                let text = count?.condition ?? condition.text
                conditions.append(try ConditionParser.parse(text, names: names, at: condition.place))
            } catch {
                issues.add(error)
            }
        }
        if conditions.isEmpty, issues.isEmpty {
            issues.add(entry.place, .condition, "condition", "`condition` is empty")
        }
        return conditions
    }

    private struct Budget {
        var items = SigmaLimit.itemsMax, values = SigmaLimit.valuesMax
    }

    private mutating func selection(_ entry: YAMLEntry, _ budget: inout Budget) -> SigmaSelection? {
        switch entry.value.content {
        case .map(let map): return items(map, entry, &budget)
        case .list(let list) where list.isEmpty:
            issues.add(entry.place, .document, entry.key, "search `\(entry.key)` is empty")
            return nil
        case .list(let list):
            var members: [SigmaSelection] = [], words: [SigmaValue] = []
            for member in list {
                switch member.content {
                case .map(let map): if let selection = items(map, entry, &budget) { members.append(selection) }
                case .scalar: words += value(member, &budget).map { [$0] } ?? []
                case .list:
                    issues.add(member.place, .document, entry.key, "a list within the list of `\(entry.key)`")
                    return nil
                }
            }
            if let first = words.first {
                let item = SigmaItem(field: nil, modifiers: [], values: words, isList: true, place: first.place)
                members.append(.all([item]))
            }
            return members.isEmpty ? nil : .any(members)
        case .scalar:
            guard let word = value(entry.value, &budget), !entry.value.isNull else {
                issues.add(entry.place, .document, entry.key, "search `\(entry.key)` is empty")
                return nil
            }
            return .all([SigmaItem(field: nil, modifiers: [], values: [word], isList: false, place: word.place)])
        }
    }

    private mutating func items(
        _ map: [YAMLEntry], _ search: YAMLEntry, _ budget: inout Budget
    ) -> SigmaSelection? {
        guard !map.isEmpty else {
            issues.add(search.place, .document, search.key, "a map of search `\(search.key)` is empty")
            return nil
        }
        var items: [SigmaItem] = []
        for entry in map {
            budget.items -= 1
            guard budget.items >= 0 else {
                issues.add(YAMLText.tooMany("items", SigmaLimit.itemsMax, entry.place))
                return nil
            }
            let parts = entry.key.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            let field = parts[0].isEmpty ? nil : parts[0]
            guard field != nil || parts.count > 1 else {
                issues.add(entry.place, .document, "", "a field has no name")
                return nil
            }
            guard let values = values(entry, &budget) else { return nil }
            items.append(
                SigmaItem(
                    field: field, modifiers: parts.dropFirst().map { $0.lowercased() }, values: values,
                    isList: entry.value.list != nil, place: entry.place))
        }
        return .all(items)
    }

    private mutating func values(_ entry: YAMLEntry, _ budget: inout Budget) -> [SigmaValue]? {
        switch entry.value.content {
        case .scalar: return value(entry.value, &budget).map { [$0] }
        case .map:
            issues.add(entry.value.place, .value, entry.key, "`\(entry.key)` has a map for its value")
            return nil
        case .list(let list):
            guard !list.isEmpty else {
                issues.add(entry.place, .value, entry.key, "`\(entry.key)` has an empty list of values")
                return nil
            }
            var values: [SigmaValue] = []
            for member in list {
                guard let value = value(member, &budget) else { return nil }
                values.append(value)
            }
            return values
        }
    }

    private mutating func value(_ node: YAMLNode, _ budget: inout Budget) -> SigmaValue? {
        budget.values -= 1
        guard budget.values >= 0 else {
            issues.add(YAMLText.tooMany("values", SigmaLimit.valuesMax, node.place))
            return nil
        }
        guard case .scalar(let text, let isPlain) = node.content else {
            issues.add(node.place, .value, "value", "a value is neither text nor number")
            return nil
        }
        return SigmaValue(kind: isPlain ? SigmaValue.Kind(plain: text) : .text(text), place: node.place)
    }
}

extension SigmaValue.Kind {
    /// What a scalar without quotation marks is in YAML 1.2's core schema: null, a boolean, a number, or a text.
    init(plain text: String) {
        switch text {
        case "", "~", "null", "Null", "NULL": self = .null
        case "true", "True", "TRUE": self = .flag(true)
        case "false", "False", "FALSE": self = .flag(false)
        default:
            let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
            let isDecimal = digits.allSatisfy { ("0"..."9").contains($0) || $0 == "." } && digits.contains(".")
            if let number = Int64(text) {
                self = .integer(number)
            } else if text.hasPrefix("0x"), let number = Int64(text.dropFirst(2), radix: 16) {
                self = .integer(number)
            } else if isDecimal, Double(text) != nil {
                self = .decimal(text)
            } else {
                self = .text(text)
            }
        }
    }
}
