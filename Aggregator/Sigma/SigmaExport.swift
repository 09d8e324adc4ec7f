/// Documents as YAML again, in the order and the manner that SigmaHQ's conventions have. What is written reads back as
/// the same document.
import Yams

extension SigmaDocument {
    /// One document, without `---`.
    package var yaml: String {
        var writer = YAMLWriter()
        switch self {
        case .rule(let rule):
            writer.begin(rule.metadata)
            writer.add("logsource", rule.logsource.node)
            writer.add("detection", rule.detection.node(with: []))
            writer.end(rule.metadata)
        case .correlation(let correlation):
            writer.begin(correlation.metadata)
            writer.add("correlation", correlation.node)
            writer.end(correlation.metadata)
        case .filter(let filter):
            writer.begin(filter.metadata)
            writer.add("logsource", filter.logsource.node)
            let rules = filter.rules.map { Node.list($0.map { .text($0.key) }) } ?? .text("any")
            writer.add("filter", filter.detection.node(with: [("rules", rules)]))
            writer.end(filter.metadata)
        }
        return writer.text
    }

    /// Several documents in one text.
    package static func yaml(_ documents: [SigmaDocument]) -> String {
        documents.map(\.yaml).joined(separator: "---\n")
    }
}

private struct YAMLWriter {
    private var pairs: [(Node, Node)] = []

    mutating func add(_ key: String, _ node: Node) { pairs.append((.key(key), node)) }
    private mutating func add(_ key: String, _ text: String?) { if let text { add(key, .text(text)) } }
    private mutating func add(_ key: String, _ texts: [String]) {
        if !texts.isEmpty { add(key, .list(texts.map { .text($0) })) }
    }

    mutating func begin(_ metadata: SigmaMetadata) {
        add("title", metadata.title)
        add("id", metadata.id)
        add("name", metadata.name)
        let related = metadata.related.map { Node.map([("id", .text($0.id)), ("type", .text($0.type))]) }
        if !related.isEmpty { add("related", .list(related)) }
        add("taxonomy", metadata.taxonomy)
        add("status", metadata.status?.rawValue)
        add("description", metadata.summary)
        add("license", metadata.license)
        add("references", metadata.references)
        add("author", metadata.author)
        if let date = metadata.date { add("date", .key(date)) }
        if let modified = metadata.modified { add("modified", .key(modified)) }
        add("tags", metadata.tags)
        add("scope", metadata.scope)
    }
    mutating func end(_ metadata: SigmaMetadata) {
        add("fields", metadata.fields)
        add("falsepositives", metadata.falsePositives)
        add("level", metadata.level?.rawValue)
        for entry in metadata.custom { add(entry.key, entry.value.node) }
    }

    var text: String {
        let root = Node.mapping(Node.Mapping(pairs, Tag(.map), .block))
        // Nothing here can't be written; were it so, an empty text says it, and reads back as no document.
        return (try? Yams.serialize(node: root, indent: 4, width: -1, allowUnicode: true)) ?? ""
    }
}

extension Node {
    fileprivate static func key(_ text: String) -> Node { .scalar(Node.Scalar(text, Tag(.implicit), .any)) }
    /// In quotation marks where it could be taken for something else than a text.
    fileprivate static func text(_ text: String) -> Node {
        let isPlain = text.first?.isLetter == true && !reserved.contains(text.lowercased())
        let hasLines = text.contains("\n")
        return .scalar(Node.Scalar(text, Tag(.str), hasLines ? .literal : isPlain ? .any : .singleQuoted))
    }
    /// What some readers of YAML take for a boolean or nothing.
    private static let reserved: Set = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
    fileprivate static func list(_ nodes: [Node]) -> Node { .sequence(Node.Sequence(nodes, Tag(.seq), .block)) }
    fileprivate static func map(_ pairs: [(String, Node)]) -> Node {
        .mapping(Node.Mapping(pairs.map { (.key($0.0), $0.1) }, Tag(.map), .block))
    }
}

extension YAMLNode {
    fileprivate var node: Node {
        switch content {
        case .scalar(let text, let isPlain): isPlain ? .key(text) : .text(text)
        case .list(let nodes): .list(nodes.map(\.node))
        case .map(let entries): .map(entries.map { ($0.key, $0.value.node) })
        }
    }
}

extension SigmaLogSource {
    fileprivate var node: Node {
        let parts = [
            ("category", category), ("product", product), ("service", service), ("definition", definition),
        ]
        return .map(
            parts.compactMap { part in part.1.map { (part.0, Node.text($0)) } } + custom.map { ($0.key, $0.value.node) }
        )
    }
}

extension SigmaDetection {
    fileprivate func node(with others: [(String, Node)]) -> Node {
        let texts = conditions.map { Node.text($0.text) }
        return .map(
            others + searches.map { ($0.name, $0.selection.node) }
                + [("condition", texts.count == 1 ? texts[0] : .list(texts))])
    }
}

extension SigmaSelection {
    fileprivate var node: Node {
        switch self {
        case .any(let members):
            // Words without a field stand in the list themselves.
            return .list(
                members.flatMap { member -> [Node] in
                    guard case .all(let items) = member, let item = items.first, items.count == 1, item.field == nil,
                        item.modifiers.isEmpty
                    else { return [member.node] }
                    return item.values.map(\.node)
                })
        case .all(let items):
            if let item = items.first, items.count == 1, item.field == nil, item.modifiers.isEmpty, !item.isList {
                return item.values.first?.node ?? .text("")
            }
            return .map(
                items.map { item in
                    let key = ([item.field ?? ""] + item.modifiers).joined(separator: "|")
                    let values = item.values.map(\.node)
                    return (key, item.isList ? .list(values) : values.first ?? .text(""))
                })
        }
    }
}

extension SigmaValue {
    fileprivate var node: Node {
        switch kind {
        case .null: .key("null")
        case .flag, .integer, .decimal: .key(kind.text)
        case .text(let text): .text(text)
        }
    }
}

extension SigmaCorrelation {
    fileprivate var node: Node {
        var parts: [(String, Node)] = [
            ("type", .text(kind.rawValue)), ("rules", .list(rules.map { .text($0.key) })),
        ]
        if generates { parts.append(("generate", .key("true"))) }
        if !groupBy.isEmpty { parts.append(("group-by", .list(groupBy.map { .text($0.key) }))) }
        parts.append(("timespan", .text(timespan)))
        if !aliases.isEmpty {
            let names = aliases.map { alias in
                let fields = alias.fields.sorted { $0.key.key < $1.key.key }.map { ($0.key.key, Node.text($0.value)) }
                return (alias.name, Node.map(fields))
            }
            parts.append(("aliases", .map(names)))
        }
        if let expression {
            parts.append(("condition", .text(expression.text)))
            return .map(parts)
        }
        var condition: [(String, Node)] = []
        if valueFields.count == 1 { condition.append(("field", .text(valueFields[0].key))) }
        if valueFields.count > 1 { condition.append(("field", .list(valueFields.map { .text($0.key) }))) }
        if let percentile { condition.append(("percentile", .key(Self.text(percentile)))) }
        condition += bounds.map { ($0.comparison.rawValue, .key(Self.text($0.value))) }
        return .map(parts + [("condition", .map(condition))])
    }
    private static func text(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : "\(number)"
    }
}
