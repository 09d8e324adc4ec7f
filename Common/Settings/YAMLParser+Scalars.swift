/// What fits on one line: scalars and lists of them.
extension YAMLParser {
    /// A scalar or a flow list, with an optional comment behind it.
    static func inline(_ text: ArraySlice<UInt8>, line: Int) throws(YAMLFault) -> SettingsNode {
        guard let first = text.first else { return .empty(line: line) }
        if first == UInt8(ascii: "[") { return try flowList(text, line: line) }
        if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
            let (content, rest) = try quotedScalar(text, line: line)
            try checkEnd(rest, after: "the closing quote", line: line)
            return .scalar(content, line: line)
        }
        let plain = withoutComment(text)
        try checkPlain(plain, line: line)
        let value = String(decoding: plain, as: UTF8.self)
        return value == "~" || value == "null" ? .empty(line: line) : .scalar(value, line: line)
    }

    /// `[a, 'b', "c"]`: scalars on one line, a comma after the last one allowed.
    static func flowList(_ text: some Collection<UInt8>, line: Int) throws(YAMLFault) -> SettingsNode {
        var rest = Array(text)[...].dropFirst(), items: [SettingsNode] = []
        while true {  // ends: each turn takes an item and a comma
            rest = rest.drop { $0 == UInt8(ascii: " ") }
            guard let first = rest.first, first != UInt8(ascii: "#") else {
                throw YAMLFault(problem: "a list without its ']' on the same line", line: line)
            }
            if first == UInt8(ascii: "]") { break }
            let (item, after) = try flowItem(rest, line: line)
            items.append(.scalar(item, line: line))
            rest = after.drop { $0 == UInt8(ascii: " ") }
            if rest.first == UInt8(ascii: ",") {
                rest = rest.dropFirst()
            } else if !isComment(rest), rest.first != UInt8(ascii: "]") {
                throw YAMLFault(problem: "expected ',' or ']' in a list", line: line)
            }
        }
        try checkEnd(rest.dropFirst(), after: "']' (quote a value that begins with '[')", line: line)
        return .list(items, line: line)
    }
    private static func flowItem(
        _ text: ArraySlice<UInt8>, line: Int
    ) throws(YAMLFault) -> (content: String, rest: ArraySlice<UInt8>) {
        if text.first == UInt8(ascii: "\"") || text.first == UInt8(ascii: "'") {
            return try quotedScalar(text, line: line)
        }
        let upTo = text.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "]") }
        var item = upTo
        while item.last == UInt8(ascii: " ") { item.removeLast() }
        guard !item.isEmpty else { throw YAMLFault(problem: "an empty element in a list", line: line) }
        guard withoutComment(item).count == item.count else {
            throw YAMLFault(problem: "a list without its ']' on the same line", line: line)
        }
        try checkPlain(item, line: line)
        return (String(decoding: item, as: UTF8.self), text[upTo.endIndex...])
    }

    /// The content of a quoted scalar at the start of `text`, and what is behind it.
    static func quotedScalar(
        _ text: ArraySlice<UInt8>, line: Int
    ) throws(YAMLFault) -> (content: String, rest: ArraySlice<UInt8>) {
        let isDouble = text.first == UInt8(ascii: "\"")
        var content: [UInt8] = [], rest = text.dropFirst()
        while let octet = rest.popFirst() {
            if octet == UInt8(ascii: "'") && !isDouble {
                guard rest.first == UInt8(ascii: "'") else { return (String(decoding: content, as: UTF8.self), rest) }
                rest.removeFirst()
                content.append(octet)
            } else if octet == UInt8(ascii: "\"") && isDouble {
                return (String(decoding: content, as: UTF8.self), rest)
            } else if octet == UInt8(ascii: "\\") && isDouble {
                content += try escape(&rest, line: line)
            } else {
                content.append(octet)
            }
        }
        throw YAMLFault(problem: "a quoted text without its closing quote on the same line", line: line)
    }
    private static func escape(_ rest: inout ArraySlice<UInt8>, line: Int) throws(YAMLFault) -> [UInt8] {
        let letter = rest.popFirst()
        switch letter {
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "/"): return [letter].compactMap { $0 }
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "0"): return [0x00]
        case UInt8(ascii: "u"):
            let digits = String(decoding: rest.prefix(4), as: UTF8.self)
            guard digits.utf8.count == 4, digits.allSatisfy(\.isHexDigit), let value = UInt32(digits, radix: 16),
                let scalar = Unicode.Scalar(value)
            else { break }
            rest = rest.dropFirst(4)
            return [UInt8](String(Character(scalar)).utf8)
        default: break
        }
        throw YAMLFault(problem: "an escape that is none of \\\\ \\\" \\/ \\n \\r \\t \\0 \\uXXXX", line: line)
    }

    private static func checkEnd(_ rest: ArraySlice<UInt8>, after what: String, line: Int) throws(YAMLFault) {
        guard isComment(rest), rest.first != UInt8(ascii: "#") else {
            throw YAMLFault(problem: "text after \(what)", line: line)
        }
    }
    private static func checkPlain(_ text: ArraySlice<UInt8>, line: Int) throws(YAMLFault) {
        let reserved: [UInt8: String] = [
            UInt8(ascii: "&"): "an anchor", UInt8(ascii: "*"): "an alias", UInt8(ascii: "!"): "a tag",
            UInt8(ascii: "|"): "a block scalar", UInt8(ascii: ">"): "a block scalar", UInt8(ascii: "{"): "a flow map",
            UInt8(ascii: "}"): "a '}'", UInt8(ascii: "]"): "a ']'", UInt8(ascii: ","): "a ','",
            UInt8(ascii: "["): "a list in a list", UInt8(ascii: "@"): "an '@'", UInt8(ascii: "`"): "a '`'",
            UInt8(ascii: "%"): "a '%'",
        ]
        if let first = text.first, let name = reserved[first] {
            throw YAMLFault(problem: "\(name) is not supported; quote the value if it is meant as text", line: line)
        }
        var previous: UInt8 = 0
        for octet in text {
            if previous == UInt8(ascii: ":"), octet == UInt8(ascii: " ") {
                throw YAMLFault(problem: "': ' inside a value; quote it", line: line)
            }
            previous = octet
        }
        if previous == UInt8(ascii: ":") { throw YAMLFault(problem: "a value that ends in ':'; quote it", line: line) }
    }
    /// A plain scalar up to ` #`, without the space before it.
    private static func withoutComment(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var previous = UInt8(ascii: " "), end = text.endIndex
        for (index, octet) in zip(text.indices, text) {
            if octet == UInt8(ascii: "#"), previous == UInt8(ascii: " ") {
                end = index
                break
            }
            previous = octet
        }
        var plain = text[..<end]
        while plain.last == UInt8(ascii: " ") { plain.removeLast() }
        return plain
    }
}
