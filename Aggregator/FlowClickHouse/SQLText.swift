/// SQL that is put together from code, numbers, names of ours and texts of others, which never mix: code comes only
/// from literals in our source, a text is only ever a value.
struct SQLText: ExpressibleByStringInterpolation, Sendable {
    enum Part: Equatable, Sendable {
        case code(String)
        case text([UInt8])
    }
    private(set) var parts: [Part] = []

    init(stringLiteral value: StaticString) { parts = [.code("\(value)")] }
    init(stringInterpolation: StringInterpolation) { parts = stringInterpolation.parts }

    struct StringInterpolation: StringInterpolationProtocol {
        var parts: [Part] = []

        init(literalCapacity: Int, interpolationCount: Int) {}
        mutating func appendLiteral(_ literal: StaticString) { parts.append(.code("\(literal)")) }
        /// As digits.
        mutating func appendInterpolation(_ number: some FixedWidthInteger) { parts.append(.code("\(number)")) }
        mutating func appendInterpolation(_ sql: SQLText) { parts += sql.parts }
        mutating func appendInterpolation(_ name: SQLName) { parts.append(.code("`\(name.text)`")) }
        mutating func appendInterpolation(text: String) { parts.append(.text(Array(text.utf8))) }
    }

    /// For statements that take no parameters, whatever the server's version.
    var withLiterals: SQLText {
        var all: SQLText = ""
        all.parts = parts.map { part in
            if case .text(let octets) = part { .code(SQLLiteral.quoted(octets)) } else { part }
        }
        return all
    }

    static func + (a: SQLText, b: SQLText) -> SQLText { "\(a)\(b)" }

    /// As a server takes it.
    /// - Returns: the query, and the values of its parameters by name.
    func written(for dialect: SQLDialect) -> (query: String, parameters: [(name: String, value: String)]) {
        var query = "", parameters: [(name: String, value: String)] = []
        for part in parts {
            switch part {
            case .code(let code): query += code
            case .text(let octets) where dialect.hasParameters:
                let name = "t\(parameters.count)"
                query += "{\(name):String}"
                parameters.append((name, SQLLiteral.parameter(octets)))
            case .text(let octets): query += SQLLiteral.quoted(octets)
            }
        }
        return (query, parameters)
    }
}

extension Sequence<SQLText> {
    func joined(_ separator: SQLText) -> SQLText {
        var all: SQLText = ""
        for (number, part) in enumerated() { all = number == 0 ? part : "\(all)\(separator)\(part)" }
        return all
    }
}

/// A name of a database, a table, a column or a cluster.
struct SQLName: Hashable, Sendable {
    let text: String

    /// Nil unless it is 1 to 200 of `A-Z a-z 0-9 _ - .`, none of which needs care between backticks.
    init?(_ text: String) {
        let isFit = text.utf8.allSatisfy { octet in
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D, 0x2E: true
            default: false
            }
        }
        guard isFit, (1...200).contains(text.utf8.count) else { return nil }
        self.text = text
    }
    /// Of ours.
    init(ours text: StaticString) { self.text = "\(text)" }
}

/// What a server's version can do.
package enum SQLDialect: Equatable, Sendable {
    /// 18.16, as Debian 12 has it: no parameters in queries, no settings for what is synced.
    case old
    /// From 20.8 on.
    case current

    /// - Parameter version: as `SELECT version()` says it. Nil for one that is neither.
    package init?(version: String) {
        let parts = version.split(separator: ".").compactMap { Int($0) }
        guard parts.count >= 2 else { return nil }
        switch (parts[0], parts[1]) {
        case (21..., _), (20, 8...): self = .current
        case (19..., _), (18, 16...): self = .old
        default: return nil
        }
    }
    var hasParameters: Bool { self == .current }
    /// Whether a table can be told to sync what it is given.
    var syncsInserts: Bool { self == .current }
}

/// Texts of others within SQL.
enum SQLLiteral {
    /// Between quotes, every octet that is no letter, digit, space or one of `._:-` as `\xHH`: none is left that could
    /// end the text or mean something in it.
    static func quoted(_ octets: [UInt8]) -> String {
        var text = "'"
        for octet in octets {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x20, 0x2E, 0x5F, 0x3A, 0x2D:
                text.unicodeScalars.append(Unicode.Scalar(octet))
            default: text += "\\x" + hexadecimal(octet)
            }
        }
        return text + "'"
    }
    /// As a parameter's value has it: escaped as in a TabSeparated file.
    static func parameter(_ octets: [UInt8]) -> String {
        var escaped: [UInt8] = []
        for octet in octets {
            switch octet {
            case UInt8(ascii: "\\"): escaped += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
            case 0x09: escaped += Array(#"\t"#.utf8)
            case 0x0A: escaped += Array(#"\n"#.utf8)
            case 0x0D: escaped += Array(#"\r"#.utf8)
            case 0x00: escaped += Array(#"\0"#.utf8)
            default: escaped.append(octet)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
    private static func hexadecimal(_ octet: UInt8) -> String {
        let digits = String(octet, radix: 16, uppercase: true)
        return octet < 16 ? "0" + digits : digits
    }
}
