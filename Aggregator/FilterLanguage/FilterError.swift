/// Why a text is no filter, and where. The caller's doing, always: show it and ask again.
package struct FilterError: Error, Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Something else should stand here, or the text ended too soon.
        case unexpected
        /// A word that the language does not have, or an element that the registry does not have.
        case unknownWord
        /// A value that its field can't have.
        case badValue
        /// A named network or country that is not known.
        case unknownName
        /// One of `FilterLimit`.
        case tooLarge
    }
    package let kind: Kind
    /// Where it begins: the line, and the character in it, both from 1.
    package let line: Int
    package let column: Int
    /// Characters that are wrong; at least 1.
    package let length: Int
    package let problem: String
    /// What was probably meant, to be put in the place of what is wrong.
    package let suggestion: String?
    /// The line that it is in, cut to what fits a terminal, and the column in that.
    private let excerpt: String
    private let excerptColumn: Int

    static let excerptWidth = 76

    /// - Parameter octets: the place in `text`, in UTF-8.
    init(_ kind: Kind, _ problem: String, at octets: Range<Int>, in text: [UInt8], suggestion: String? = nil) {
        let start = min(octets.lowerBound, text.count), end = min(max(octets.upperBound, start), text.count)
        let lineStart = text[..<start].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let lineEnd = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
        let before = Array(String(decoding: text[lineStart..<start], as: UTF8.self))
        let wrong = String(decoding: text[start..<max(start, min(end, lineEnd))], as: UTF8.self)
        let after = String(decoding: text[max(start, min(end, lineEnd))..<lineEnd], as: UTF8.self)
        let cut = max(0, before.count - Self.excerptWidth / 2)
        self.kind = kind
        self.problem = problem
        self.suggestion = suggestion
        line = 1 + text[..<start].count { $0 == UInt8(ascii: "\n") }
        column = before.count + 1
        length = max(wrong.count, 1)
        let shown = String((before[cut...] + Array(wrong) + Array(after)).prefix(Self.excerptWidth))
        excerpt = (cut > 0 ? "…" : "") + String(shown.map { $0.isNewline || $0 == "\t" ? " " : $0 })
        excerptColumn = before.count - cut + (cut > 0 ? 1 : 0)
    }

    /// One line: `column 5: "prot" is not a word of the filter language; did you mean "port"?`
    package var message: String {
        let place = line == 1 ? "column \(column)" : "line \(line), column \(column)"
        return "\(place): \(problem)" + (suggestion.map { "; did you mean \"\($0)\"?" } ?? "")
    }
    /// Three lines: the text, carets under what is wrong, the message.
    package var explanation: String {
        let shownLength = max(1, min(length, Self.excerptWidth - min(excerptColumn, Self.excerptWidth - 1)))
        let carets = String(repeating: " ", count: excerptColumn) + String(repeating: "^", count: shownLength)
        return "\(excerpt)\n\(carets)\n\(message)"
    }
}

extension FilterError: CustomStringConvertible {
    package var description: String { message }
}
