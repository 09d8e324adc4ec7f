/// YAML text as nodes that know their places. The reading itself is the library's; here are the caps, and what rules
/// may not use: anchors and aliases (a few lines of them stand for billions of nodes) and tags.
import Yams

struct YAMLNode: Hashable, Sendable {
    indirect enum Content: Hashable, Sendable {
        /// Plain is what has no quotation marks and is a number, a boolean or null; all else is text, however it was
        /// written, so that it may be written otherwise.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case map([YAMLEntry])
    }
    let place: SigmaPlace
    let content: Content

    var text: String? { if case .scalar(let text, _) = content { text } else { nil } }
    var list: [YAMLNode]? { if case .list(let nodes) = content { nodes } else { nil } }
    var map: [YAMLEntry]? { if case .map(let entries) = content { entries } else { nil } }
    /// Null or left empty.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}

struct YAMLEntry: Hashable, Sendable {
    let key: String
    let place: SigmaPlace
    let value: YAMLNode
}

enum YAMLText {
    /// The documents of a text, in order; those before a fault in the YAML are kept, the rest can't be told.
    static func documents(_ text: String) -> (documents: [YAMLNode], issue: SigmaIssue?) {
        if let issue = refusal(of: text) { return ([], issue) }
        var documents: [YAMLNode] = [], reader = Reader()
        do {
            let parser = try Parser(yaml: text, resolver: .basic, constructor: .default, encoding: .utf8)
            while let root = try parser.nextRoot() {  // ends: each turn takes a document
                guard documents.count < SigmaLimit.documentsMax else {
                    return (documents, tooMany("documents", SigmaLimit.documentsMax, .start))
                }
                let node = try reader.node(root, depth: 0)
                if !node.isNull { documents.append(node) }
            }
        } catch let issue as SigmaIssue {
            return (documents, issue)
        } catch let error as YamlError {
            return (documents, self.issue(error))
        } catch {
            return (documents, SigmaIssue(.start, .document, "yaml", "the text can't be read as YAML"))
        }
        return (documents, nil)
    }

    static func tooMany(_ what: String, _ max: Int, _ place: SigmaPlace) -> SigmaIssue {
        SigmaIssue(place, .limit, what, "more than \(max) \(what)")
    }

    private static func issue(_ error: YamlError) -> SigmaIssue {
        func at(_ mark: Mark, _ problem: String) -> SigmaIssue {
            SigmaIssue(place(mark), .document, "yaml", "the text is no YAML: \(problem)")
        }
        return switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            at(mark, problem)
        case .duplicatedKeysInMapping(let keys, let context):
            SigmaIssue(
                place(context.mark), .document, keys.first ?? "", "`\(keys.first ?? "")` is there twice in one map")
        case .reader(let problem, _, _, _): SigmaIssue(.start, .document, "yaml", "the text is no YAML: \(problem)")
        default: SigmaIssue(.start, .document, "yaml", "the text can't be read as YAML")
        }
    }
    private static func place(_ mark: Mark) -> SigmaPlace {
        SigmaPlace(line: max(mark.line, 1), column: max(mark.column, 1))
    }

    /// What must be seen before the library reads: size, depth, and anchors together with aliases. A little too
    /// strict on purpose, since it looks at octets and not at YAML.
    private static func refusal(of text: String) -> SigmaIssue? {
        guard text.utf8.count <= SigmaLimit.textOctetsMax else {
            return SigmaIssue(.start, .limit, "text", "the text has more than \(SigmaLimit.textOctetsMax) octets")
        }
        var sight = Sight()
        for octet in text.utf8 { sight.take(octet) }
        sight.take(UInt8(ascii: "\n"))
        if let line = sight.indented {
            return SigmaIssue(
                SigmaPlace(line: line, column: 1), .limit, "indentation",
                "the line begins more than \(SigmaLimit.indentMax) columns in")
        }
        if let line = sight.bracketed {
            return tooMany("brackets", SigmaLimit.bracketsMax, SigmaPlace(line: line, column: 1))
        }
        if let anchor = sight.anchor, sight.alias != nil {
            return SigmaIssue(
                SigmaPlace(line: anchor, column: 1), .document, "&", "anchors and aliases of YAML are not taken")
        }
        return nil
    }

    private struct Sight {
        var line = 1, indent = 0, brackets = 0
        var isIndent = true
        var before: UInt8 = 0x0A, mark: UInt8 = 0
        var anchor: Int?
        var alias: Int?
        var indented: Int?
        var bracketed: Int?

        mutating func take(_ octet: UInt8) {
            if mark != 0, isName(octet) {
                if mark == UInt8(ascii: "&") { anchor = anchor ?? line } else { alias = alias ?? line }
            }
            mark = 0
            switch octet {
            case UInt8(ascii: "&"), UInt8(ascii: "*"):
                if !isName(before), before != UInt8(ascii: "'"), before != UInt8(ascii: "\"") { mark = octet }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                brackets += 1
                if brackets > SigmaLimit.bracketsMax { bracketed = bracketed ?? line }
            default: break
            }
            countIndent(octet)
            before = octet
        }
        private mutating func countIndent(_ octet: UInt8) {
            switch octet {
            case 0x0A, 0x0D:
                if octet == 0x0A { line += 1 }
                (indent, isIndent) = (0, true)
            case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"), 0x09:
                guard isIndent else { break }
                indent += 1
                if indent > SigmaLimit.indentMax { indented = indented ?? line }
            default: isIndent = false
            }
        }
        private func isName(_ octet: UInt8) -> Bool {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
    }

    private struct Reader {
        private var nodes = 0
        private var sight = Sight()

        /// Escapes may have hidden what would be taken for anchors and aliases when the text is written again.
        private mutating func look(_ text: String, _ place: SigmaPlace) throws(SigmaIssue) {
            sight.take(UInt8(ascii: text.utf8.contains(0x0A) ? "\n" : "'"))
            for octet in text.utf8 { sight.take(octet) }
            sight.take(UInt8(ascii: "'"))
            guard sight.anchor != nil, sight.alias != nil else { return }
            throw SigmaIssue(place, .document, "&", "anchors and aliases of YAML are not taken")
        }

        mutating func node(_ node: Node, depth: Int) throws(SigmaIssue) -> YAMLNode {
            let place = node.mark.map { SigmaPlace(line: max($0.line, 1), column: max($0.column, 1)) } ?? .start
            nodes += 1
            guard nodes <= SigmaLimit.nodesMax else { throw tooMany("nodes", SigmaLimit.nodesMax, place) }
            guard depth < SigmaLimit.depthMax else { throw tooMany("levels", SigmaLimit.depthMax, place) }
            switch node {
            case .scalar(let scalar):
                try look(scalar.string, place)
                var isPlain = scalar.style == .plain
                if isPlain, case .text = SigmaValue.Kind(plain: scalar.string) { isPlain = false }
                return YAMLNode(place: place, content: .scalar(scalar.string, isPlain: isPlain))
            case .sequence(let sequence):
                var list: [YAMLNode] = []
                for item in sequence { list.append(try self.node(item, depth: depth + 1)) }
                return YAMLNode(place: place, content: .list(list))
            case .mapping(let mapping):
                var map: [YAMLEntry] = []
                for (key, value) in mapping {
                    let keyNode = try self.node(key, depth: depth + 1)
                    guard let name = keyNode.text else {
                        throw SigmaIssue(keyNode.place, .document, "?", "a key that is no word")
                    }
                    map.append(
                        YAMLEntry(key: name, place: keyNode.place, value: try self.node(value, depth: depth + 1)))
                }
                return YAMLNode(place: place, content: .map(map))
            case .alias:
                throw SigmaIssue(place, .document, "*", "anchors and aliases of YAML are not taken")
            }
        }
    }
}
