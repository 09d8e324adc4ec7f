/// From YAML to documents: which kind a document is, what it tells of itself, its log source.

/// The documents of one text, and why others in it were refused.
package struct SigmaParse: Sendable {
    package var documents: [SigmaDocument] = []
    package var refusals: [SigmaRefusal] = []

    /// Reads all documents of `text`. Never fails as a whole: what is wrong with one document is no other's fault,
    /// but for faults of YAML, behind which nothing can be told.
    package init(_ text: String) {
        let (roots, issue) = YAMLText.documents(text)
        for root in roots {
            var reader = DocumentReader(root)
            if let document = reader.document(), reader.issues.isEmpty {
                documents += reader.documents(document)
            } else {
                refusals.append(reader.refusal)
            }
        }
        if let issue { refusals.append(SigmaRefusal(title: "the text", id: nil, issues: [issue])) }
    }
}

struct DocumentReader {
    let root: YAMLNode
    var issues = IssueList()
    private(set) var metadata: SigmaMetadata
    /// What the rule counts in its condition.
    var count: LegacyCount?

    init(_ root: YAMLNode) {
        self.root = root
        metadata = SigmaMetadata(title: "", place: root.place)
    }

    var refusal: SigmaRefusal {
        let title = metadata.title.isEmpty ? "a rule without a title" : metadata.title
        return SigmaRefusal(title: title, id: metadata.id ?? metadata.name, issues: issues.inOrder)
    }

    mutating func document() -> SigmaDocument? {
        guard let map = root.map else {
            issues.add(root.place, .document, "document", "a rule is a map of keys, this is something else")
            return nil
        }
        if let entry = map.first(where: { $0.key == "action" }) {
            issues.add(
                entry.place, .document, "action",
                "`action` documents (global, repeat, reset) went with Sigma 2: write each rule as a whole")
            return nil
        }
        let kinds = map.filter { ["detection", "correlation", "filter"].contains($0.key) }
        readMetadata(map)
        guard kinds.count == 1, let kind = kinds.first else {
            issues.add(
                kinds.last?.place ?? root.place, .document, "detection",
                kinds.isEmpty
                    ? "neither `detection` nor `correlation` nor `filter` is there"
                    : "`\(kinds[0].key)` and `\(kinds[1].key)` are both there")
            return nil
        }
        switch kind.key {
        case "detection": return rule(kind.value)
        case "correlation": return correlation(kind.value).map { .correlation($0) }
        default: return filter(kind.value)
        }
    }

    private mutating func rule(_ node: YAMLNode) -> SigmaDocument? {
        let logsource = readLogSource()
        let detection = readDetection(node, besides: [])
        guard let logsource, let detection else { return nil }
        return .rule(SigmaRule(metadata: metadata, logsource: logsource, detection: detection))
    }

    private mutating func filter(_ node: YAMLNode) -> SigmaDocument? {
        let logsource = readLogSource()
        let detection = readDetection(node, besides: ["rules"])
        guard let entry = node.map?.first(where: { $0.key == "rules" }) else {
            issues.add(node.place, .filter, "rules", "the filter doesn't say for which `rules` it is (or `any`)")
            return nil
        }
        let rules = texts(entry.value, "rules", .filter)
        guard let logsource, let detection, let rules else { return nil }
        let references = rules.map { SigmaCorrelation.Reference(key: $0.text, place: $0.place) }
        let isForAll = references.isEmpty || references.map { $0.key.lowercased() } == ["any"]
        return .filter(
            SigmaFilter(
                metadata: metadata, logsource: logsource, rules: isForAll ? nil : references, detection: detection))
    }

    private mutating func readLogSource() -> SigmaLogSource? {
        guard let entry = root.map?.first(where: { $0.key == "logsource" }) else {
            issues.add(root.place, .logsource, "logsource", "there is no `logsource`")
            return nil
        }
        guard let map = entry.value.map else {
            issues.add(entry.place, .logsource, "logsource", "`logsource` is no map")
            return nil
        }
        var source = SigmaLogSource(place: entry.place)
        for part in map {
            guard ["category", "product", "service", "definition"].contains(part.key) else {
                source.custom.append(part)
                continue
            }
            guard let text = part.value.text, !part.value.isNull else {
                issues.add(part.place, .logsource, part.key, "`\(part.key)` is no text")
                continue
            }
            switch part.key {
            case "category": source.category = text.lowercased()
            case "product": source.product = text.lowercased()
            case "service": source.service = text.lowercased()
            default: source.definition = text
            }
        }
        if source.category == nil, source.product == nil, source.service == nil {
            issues.add(entry.place, .logsource, "logsource", "`logsource` names no category, product or service")
        }
        return source
    }

    /// A text or a list of texts, each with its place; nil, and an issue, for anything else.
    mutating func texts(
        _ node: YAMLNode, _ name: String, _ subject: SigmaIssue.Subject = .document
    ) -> [(text: String, place: SigmaPlace)]? {
        if node.isNull { return [] }
        if let text = node.text { return [(text, node.place)] }
        guard let list = node.list else {
            issues.add(node.place, subject, name, "`\(name)` is neither a text nor a list of texts")
            return nil
        }
        guard list.count <= SigmaLimit.itemsMax else {
            issues.add(YAMLText.tooMany("members in `\(name)`", SigmaLimit.itemsMax, node.place))
            return nil
        }
        var texts: [(text: String, place: SigmaPlace)] = []
        for member in list {
            guard let text = member.text, !member.isNull else {
                issues.add(member.place, subject, name, "a member of `\(name)` is no text")
                return nil
            }
            texts.append((text, member.place))
        }
        return texts
    }
}

extension DocumentReader {
    private static let known: Set = [
        "title", "id", "name", "related", "taxonomy", "status", "description", "license", "author", "references",
        "date", "modified", "fields", "falsepositives", "level", "tags", "scope", "logsource", "detection",
        "correlation", "filter",
    ]

    private mutating func readMetadata(_ map: [YAMLEntry]) {
        for entry in map { read(entry) }
        guard !metadata.title.isEmpty else {
            issues.add(root.place, .document, "title", "there is no `title`")
            return
        }
        if metadata.title.count > 256 {
            issues.add(root.place, .limit, "title", "`title` has more than 256 characters")
        }
    }

    private mutating func read(_ entry: YAMLEntry) {
        let value = entry.value
        guard Self.known.contains(entry.key) else {
            metadata.custom.append(entry)
            return
        }
        switch entry.key {
        case "title": metadata.title = text(entry) ?? ""
        case "id": readID(entry)
        case "name": metadata.name = text(entry)
        case "taxonomy": readTaxonomy(entry)
        case "description": metadata.summary = text(entry)
        case "license": metadata.license = text(entry)
        case "author": metadata.author = text(entry)
        case "date": metadata.date = date(entry)
        case "modified": metadata.modified = date(entry)
        case "references": metadata.references = texts(value, entry.key)?.map(\.text) ?? []
        case "fields": metadata.fields = texts(value, entry.key)?.map(\.text) ?? []
        case "falsepositives": metadata.falsePositives = texts(value, entry.key)?.map(\.text) ?? []
        case "scope": metadata.scope = texts(value, entry.key)?.map(\.text) ?? []
        case "tags": readTags(entry)
        case "status": metadata.status = choice(entry)
        case "level": metadata.level = choice(entry)
        case "related": readRelated(entry)
        default: break  // sections of their own
        }
    }

    private mutating func text(_ entry: YAMLEntry) -> String? {
        guard !entry.value.isNull else { return nil }
        guard let text = entry.value.text else {
            issues.add(entry.place, .document, entry.key, "`\(entry.key)` is no text")
            return nil
        }
        guard text.utf8.count <= 65_535 else {
            issues.add(YAMLText.tooMany("octets in `\(entry.key)`", 65_535, entry.place))
            return nil
        }
        return text
    }

    private mutating func choice<Choice: RawRepresentable & CaseIterable>(_ entry: YAMLEntry) -> Choice?
    where Choice.RawValue == String {
        guard let text = text(entry) else { return nil }
        guard let choice = Choice(rawValue: text.lowercased()) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            issues.add(
                entry.value.place, .document, entry.key, "`\(entry.key)` is `\(text)`, which is not among \(known)")
            return nil
        }
        return choice
    }

    private mutating func readID(_ entry: YAMLEntry) {
        guard let text = text(entry) else { return }
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        let isUUID = groups.map(\.utf8.count) == [8, 4, 4, 4, 12] && groups.allSatisfy { $0.allSatisfy(\.isHexDigit) }
        guard isUUID, text.utf8.count == 36 else {
            issues.add(entry.value.place, .document, "id", "`id` is `\(cut(text, to: 60))`, which is no UUID")
            return
        }
        metadata.id = text.lowercased()
    }

    private mutating func readTaxonomy(_ entry: YAMLEntry) {
        metadata.taxonomy = text(entry)
        guard let taxonomy = metadata.taxonomy, taxonomy.lowercased() != "sigma" else { return }
        issues.add(
            entry.value.place, .document, "taxonomy", "taxonomy `\(taxonomy)` is not known here: only `sigma` is")
    }

    private mutating func date(_ entry: YAMLEntry) -> String? {
        guard let text = text(entry) else { return nil }
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "-" || $0 == "/" }
        guard parts.count == 3, parts[0].utf8.count == 4, let year = Int(parts[0]), let month = Int(parts[1]),
            let day = Int(parts[2]), (1_000...9_999).contains(year), (1...12).contains(month), (1...31).contains(day)
        else {
            issues.add(entry.value.place, .document, entry.key, "`\(entry.key)` is no date such as 2026-03-01")
            return nil
        }
        return "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
    }

    private mutating func readTags(_ entry: YAMLEntry) {
        for tag in texts(entry.value, "tags") ?? [] {
            guard tag.text.contains("."), !tag.text.contains(" ") else {
                issues.add(tag.place, .document, "tags", "tag `\(tag.text)` is not of the form `namespace.name`")
                continue
            }
            metadata.tags.append(tag.text)
        }
    }

    private mutating func readRelated(_ entry: YAMLEntry) {
        guard !entry.value.isNull else { return }
        guard let list = entry.value.list, list.count <= SigmaLimit.itemsMax else {
            issues.add(entry.place, .document, "related", "`related` is no list")
            return
        }
        let types = ["derived", "obsolete", "merged", "renamed", "similar"]
        for member in list {
            let map = member.map ?? []
            guard let id = map.first(where: { $0.key == "id" })?.value.text,
                let type = map.first(where: { $0.key == "type" })?.value.text
            else {
                issues.add(member.place, .document, "related", "a member of `related` lacks its `id` or `type`")
                continue
            }
            guard types.contains(type.lowercased()) else {
                issues.add(member.place, .document, "related", "`related` knows no type `\(type)`")
                continue
            }
            metadata.related.append(SigmaRelated(id: id, type: type.lowercased()))
        }
    }
}
