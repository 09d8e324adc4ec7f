/// What is wrong on a line.
struct YAMLFault: Error, Equatable {
    let problem: String
    let line: Int
}

/// The subset of YAML that `SettingsReader` documents. Total: any bytes give a tree or a fault.
struct YAMLParser {
    static let bytesMax = 1 << 20, depthMax = 16

    /// A line that is neither empty nor only a comment, without its indentation.
    private struct Line {
        let number: Int
        var indent: Int
        var text: ArraySlice<UInt8>
    }
    private var lines: [Line] = []
    private var next = 0

    static func parse(_ bytes: [UInt8], file: String) throws(SettingError) -> SettingsNode {
        do throws(YAMLFault) {
            var parser = try YAMLParser(bytes)
            return try parser.document()
        } catch {
            throw SettingError(key: "", problem: error.problem, place: "\(file):\(error.line)")
        }
    }

    private init(_ bytes: [UInt8]) throws(YAMLFault) {
        guard bytes.count <= Self.bytesMax else { throw YAMLFault(problem: "longer than 1 MiB", line: 1) }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw YAMLFault(problem: "not UTF-8", line: 1) }
        let pieces = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, piece) in pieces.enumerated() {
            let text = withoutTrailingSpace(piece), body = text.drop { $0 == space }
            guard let first = body.first, first != UInt8(ascii: "#") else { continue }
            guard first != UInt8(ascii: "\t") else {
                throw YAMLFault(problem: "a tab in the indentation; use spaces", line: index + 1)
            }
            guard body.allSatisfy({ $0 >= 0x20 || $0 == UInt8(ascii: "\t") }) else {
                throw YAMLFault(problem: "a control character", line: index + 1)
            }
            lines.append(Line(number: index + 1, indent: text.count - body.count, text: body))
        }
        if let first = lines.first, first.indent == 0, first.text.elementsEqual("---".utf8) { lines.removeFirst() }
        for line in lines where line.indent == 0 {
            if line.text.starts(with: "---".utf8) || line.text.elementsEqual("...".utf8) {
                throw YAMLFault(problem: "more than one document", line: line.number)
            }
            if line.text.first == UInt8(ascii: "%") { throw YAMLFault(problem: "a directive", line: line.number) }
        }
    }

    private mutating func document() throws(YAMLFault) -> SettingsNode {
        guard let first = lines.first else { return .map([], line: 1) }
        let root = try block(indent: first.indent, depth: 0)
        if next < lines.count {
            throw YAMLFault(problem: "indented less than the first line", line: lines[next].number)
        }
        guard case .map = root else { throw YAMLFault(problem: "expected 'key: value'", line: first.number) }
        return root
    }

    /// The map or list whose lines are indented by exactly `indent`.
    private mutating func block(indent: Int, depth: Int) throws(YAMLFault) -> SettingsNode {
        let line = lines[next]
        guard depth < Self.depthMax else {
            throw YAMLFault(problem: "nested deeper than \(Self.depthMax)", line: line.number)
        }
        return isListItem(line.text)
            ? try list(indent: indent, depth: depth) : try map(indent: indent, depth: depth)
    }

    private mutating func map(indent: Int, depth: Int) throws(YAMLFault) -> SettingsNode {
        let start = lines[next].number
        var entries: [SettingsNode.Entry] = [], known: Set<String> = []
        while next < lines.count, lines[next].indent >= indent {  // ends: each turn takes a line
            let line = lines[next]
            guard line.indent == indent else {
                throw YAMLFault(problem: "indented more than the line above", line: line.number)
            }
            if isListItem(line.text) { throw YAMLFault(problem: "a list item among keys", line: line.number) }
            guard let (key, rest) = try keyAndRest(line.text, line: line.number) else {
                throw YAMLFault(problem: "expected 'key: value'", line: line.number)
            }
            guard known.insert(key).inserted else {
                throw YAMLFault(problem: "\(quoted(key)) is given twice", line: line.number)
            }
            next += 1
            let value = try self.value(rest, under: indent, depth: depth, line: line.number)
            entries.append(SettingsNode.Entry(key: key, value: value, line: line.number))
        }
        return .map(entries, line: start)
    }

    /// What follows `key:`: on the line, or the block below it. A list may stand as far left as its key.
    private mutating func value(
        _ rest: ArraySlice<UInt8>, under indent: Int, depth: Int, line: Int
    ) throws(YAMLFault) -> SettingsNode {
        if !isComment(rest) { return try Self.inline(rest, line: line) }
        guard next < lines.count else { return .empty(line: line) }
        let below = lines[next]
        guard below.indent > indent || (below.indent == indent && isListItem(below.text)) else {
            return .empty(line: line)
        }
        return try block(indent: below.indent, depth: depth + 1)
    }

    private mutating func list(indent: Int, depth: Int) throws(YAMLFault) -> SettingsNode {
        let start = lines[next].number
        var items: [SettingsNode] = []
        while next < lines.count, lines[next].indent >= indent {  // ends: each turn takes a line
            let line = lines[next]
            guard line.indent == indent else {
                throw YAMLFault(problem: "indented more than the line above", line: line.number)
            }
            guard isListItem(line.text) else {
                // A key of the map that this list hangs from, when both stand equally far left.
                break
            }
            let rest = line.text.dropFirst().drop { $0 == space }
            if isComment(rest) {
                next += 1
                guard next < lines.count, lines[next].indent > indent else {
                    throw YAMLFault(problem: "a list item without a value", line: line.number)
                }
                items.append(try block(indent: lines[next].indent, depth: depth + 1))
            } else if try opensBlock(rest, line: line.number) {
                lines[next].indent += line.text.count - rest.count
                lines[next].text = rest
                items.append(try block(indent: lines[next].indent, depth: depth + 1))
            } else {
                next += 1
                items.append(try Self.inline(rest, line: line.number))
            }
        }
        return .list(items, line: start)
    }
}

private let space = UInt8(ascii: " ")
private func withoutTrailingSpace(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    while let last = text.last, [space, UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains(last) { text.removeLast() }
    return text
}
private func isListItem(_ text: ArraySlice<UInt8>) -> Bool {
    text.first == UInt8(ascii: "-") && (text.count == 1 || text.dropFirst().first == space)
}
/// `- key: value` and `- - value` open a block where what follows the dash stands.
private func opensBlock(_ text: ArraySlice<UInt8>, line: Int) throws(YAMLFault) -> Bool {
    if isListItem(text) { return true }
    return try keyAndRest(text, line: line) != nil
}
/// Nothing, or only a comment.
func isComment(_ text: ArraySlice<UInt8>) -> Bool {
    let rest = text.drop { $0 == space }
    return rest.isEmpty || rest.first == UInt8(ascii: "#")
}
/// `key: rest` or `key:`; nil when the line is no entry of a map.
private func keyAndRest(
    _ text: ArraySlice<UInt8>, line: Int
) throws(YAMLFault) -> (key: String, rest: ArraySlice<UInt8>)? {
    let key: String, rest: ArraySlice<UInt8>
    if let quote = text.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
        let (content, after) = try YAMLParser.quotedScalar(text, line: line)
        (key, rest) = (content, after.drop { $0 == space })
    } else {
        let name = text.prefix { isKeyOctet($0) }
        (key, rest) = (String(decoding: name, as: UTF8.self), text[name.endIndex...].drop { $0 == space })
    }
    guard rest.first == UInt8(ascii: ":"), !key.isEmpty else { return nil }
    let value = rest.dropFirst()
    guard value.isEmpty || value.first == space else { return nil }
    guard key.utf8.allSatisfy(isKeyOctet) else {
        throw YAMLFault(problem: "\(quoted(key)) is not a key: letters, digits, _ and - only", line: line)
    }
    return (key, value.drop { $0 == space })
}
private func isKeyOctet(_ octet: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(octet)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) || octet == UInt8(ascii: "_")
        || octet == UInt8(ascii: "-")
}
