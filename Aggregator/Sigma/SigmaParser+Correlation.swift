/// The section `correlation`.
extension DocumentReader {
    private static let keys: Set = [
        "type", "rules", "generate", "group-by", "timespan", "aliases", "condition",
    ]

    mutating func correlation(_ node: YAMLNode) -> SigmaCorrelation? {
        guard let map = node.map else {
            issues.add(node.place, .correlation, "correlation", "`correlation` is no map")
            return nil
        }
        let parts = [String: YAMLEntry](map.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        for entry in map where !Self.keys.contains(entry.key) {
            issues.add(entry.place, .correlation, entry.key, "a correlation has no `\(entry.key)`")
        }
        let kind = readKind(parts["type"], in: node)
        guard let kind, let span = readTimespan(parts["timespan"], in: node) else { return nil }
        var result = SigmaCorrelation(
            metadata: metadata, kind: kind, rules: [], timespanMilliseconds: span.milliseconds, timespan: span.text,
            place: node.place)
        result.rules = references(parts["rules"], max: SigmaLimit.correlatedRulesMax)
        result.groupBy = references(parts["group-by"], max: SigmaLimit.groupFieldsMax)
        if let entry = parts["generate"] {
            guard case .scalar(let text, _) = entry.value.content, ["true", "false"].contains(text.lowercased()) else {
                issues.add(entry.place, .correlation, "generate", "`generate` is neither true nor false")
                return nil
            }
            result.generates = text.lowercased() == "true"
        }
        readAliases(parts["aliases"], &result)
        readCondition(parts["condition"], &result, in: node)
        if result.rules.isEmpty, issues.isEmpty {
            issues.add(
                parts["rules"]?.place ?? node.place, .correlation, "rules", "the correlation refers to no `rules`")
        }
        return issues.isEmpty ? result : nil
    }

    private mutating func readKind(_ entry: YAMLEntry?, in node: YAMLNode) -> SigmaCorrelation.Kind? {
        let known = SigmaCorrelation.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        guard let entry, let text = entry.value.text else {
            issues.add(node.place, .correlation, "type", "the correlation has no `type` (\(known))")
            return nil
        }
        guard let kind = SigmaCorrelation.Kind(rawValue: text.lowercased()) else {
            issues.add(
                entry.value.place, .correlation, "type", "`type` is `\(cut(text, to: 40))`, not among \(known)")
            return nil
        }
        return kind
    }

    /// `90m`: a number and one of s, m, h, d, w.
    mutating func readTimespan(
        _ entry: YAMLEntry?, in node: YAMLNode
    ) -> (milliseconds: Int64, text: String)? {
        guard let entry, let text = entry.value.text else {
            issues.add(node.place, .correlation, "timespan", "the correlation has no `timespan`")
            return nil
        }
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        guard let last = text.last, let unit = units[last], text.utf8.count <= 10, let count = Int(text.dropLast()),
            text.first?.isNumber == true, count > 0
        else {
            issues.add(
                entry.value.place, .correlation, "timespan",
                "`timespan` is `\(cut(text, to: 20))`, not a number with s, m, h, d or w")
            return nil
        }
        let (seconds, overflows) = count.multipliedReportingOverflow(by: unit)
        guard !overflows, seconds <= SigmaLimit.timespanSecondsMax else {
            issues.add(entry.value.place, .limit, "timespan", "`timespan` is longer than 90 days")
            return nil
        }
        return (Int64(seconds) * 1_000, text)
    }

    private mutating func references(_ entry: YAMLEntry?, max: Int) -> [SigmaCorrelation.Reference] {
        guard let entry, let texts = texts(entry.value, entry.key, .correlation) else { return [] }
        guard texts.count <= max else {
            issues.add(YAMLText.tooMany("members in `\(entry.key)`", max, entry.place))
            return []
        }
        var list: [SigmaCorrelation.Reference] = []
        for text in texts {
            guard !list.contains(where: { $0.key == text.text }) else {
                issues.add(text.place, .correlation, entry.key, "`\(text.text)` is there twice in `\(entry.key)`")
                continue
            }
            list.append(SigmaCorrelation.Reference(key: text.text, place: text.place))
        }
        return list
    }

    private mutating func readAliases(_ entry: YAMLEntry?, _ result: inout SigmaCorrelation) {
        guard let entry, !entry.value.isNull else { return }
        guard let map = entry.value.map, map.count <= SigmaLimit.groupFieldsMax + SigmaLimit.valueFieldsMax else {
            issues.add(entry.place, .correlation, "aliases", "`aliases` is no map of a few names")
            return
        }
        for alias in map {
            var fields: [SigmaCorrelation.Reference: String] = [:]
            for part in alias.value.map ?? [] {
                guard let field = part.value.text, !part.value.isNull else {
                    issues.add(part.place, .correlation, part.key, "`\(part.key)` is no name of a field")
                    continue
                }
                fields[SigmaCorrelation.Reference(key: part.key, place: part.place)] = field
            }
            guard !fields.isEmpty, fields.count <= SigmaLimit.correlatedRulesMax else {
                issues.add(
                    alias.place, .correlation, alias.key, "alias `\(alias.key)` names no field of any rule")
                continue
            }
            result.aliases.append(SigmaCorrelation.Alias(name: alias.key, fields: fields, place: alias.place))
        }
    }

    private mutating func readCondition(_ entry: YAMLEntry?, _ result: inout SigmaCorrelation, in node: YAMLNode) {
        guard let entry, !entry.value.isNull else {
            guard result.kind.isTemporal else {
                return issues.add(
                    node.place, .correlation, "condition", "`\(result.kind.rawValue)` needs a `condition`")
            }
            result.bounds = [.init(comparison: .gte, value: Double(result.rules.count))]
            return
        }
        if let text = entry.value.text { return readExpression(text, entry, &result) }
        guard let map = entry.value.map else {
            return issues.add(entry.place, .correlation, "condition", "`condition` is no map")
        }
        for part in map { readPart(part, &result) }
        guard issues.isEmpty else { return }
        if result.bounds.isEmpty {
            issues.add(entry.place, .correlation, "condition", "`condition` compares with nothing (gte, gt, lt, …)")
        }
        let needsField = result.kind == .valueCount || result.kind.isMeasure
        if needsField == result.valueFields.isEmpty {
            issues.add(
                entry.place, .correlation, "field",
                "`\(result.kind.rawValue)` \(needsField ? "needs a" : "has no") `field` in its condition")
        }
        if (result.kind == .valuePercentile) != (result.percentile != nil) {
            issues.add(
                entry.place, .correlation, "percentile",
                "`\(result.kind.rawValue)` \(result.percentile == nil ? "needs a" : "has no") `percentile`")
        }
    }

    private mutating func readPart(_ part: YAMLEntry, _ result: inout SigmaCorrelation) {
        if part.key == "field" {
            result.valueFields = references(part, max: result.kind.isMeasure ? 1 : SigmaLimit.valueFieldsMax)
            return
        }
        guard let text = part.value.text, let number = Double(text), number.isFinite, abs(number) <= 1e18 else {
            return issues.add(part.value.place, .correlation, part.key, "`\(part.key)` is no number")
        }
        if part.key == "percentile" {
            guard number > 0, number <= 100 else {
                return issues.add(part.value.place, .correlation, part.key, "`percentile` is not in 1 to 100")
            }
            result.percentile = number
        } else if let comparison = SigmaCorrelation.Comparison(rawValue: part.key) {
            result.bounds.append(.init(comparison: comparison, value: number))
        } else {
            issues.add(part.place, .correlation, part.key, "a correlation's condition has no `\(part.key)`")
        }
    }

    /// `recon and not maintenance`, over the rules' names.
    private mutating func readExpression(_ text: String, _ entry: YAMLEntry, _ result: inout SigmaCorrelation) {
        guard result.kind == .temporal else {
            return issues.add(
                entry.value.place, .correlation, "condition",
                "a condition in words is for `temporal`; `\(result.kind.rawValue)` has bounds such as `gte`")
        }
        do throws(SigmaIssue) {
            let names = result.rules.map(\.key)
            result.expression = try ConditionParser.parse(text, names: names, at: entry.value.place)
        } catch {
            issues.add(error)
        }
    }
}
