/// Rows of comma-separated values (RFC 4180): quoted fields may hold separators, line ends and doubled quotes. Blanks
/// before a quote, lines of comment (`#`) and a byte order mark, which feeds have and the standard has not, are
/// skipped.

enum CSVRow: Equatable {
    case fields([String], line: Int)
    /// A field, or the row, is longer than is read.
    case tooLong(line: Int)
    case malformed(line: Int)
}

struct CSVRows {
    private let octets: [UInt8], separator: UInt8
    private var offset = 0, line = 1

    init(_ octets: [UInt8], separator: UInt8 = UInt8(ascii: ",")) {
        self.octets = octets
        self.separator = separator
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    private static let quote = UInt8(ascii: "\""), lineFeed: UInt8 = 0x0A, carriageReturn: UInt8 = 0x0D

    /// The next row that is no comment and not empty.
    mutating func next() -> CSVRow? {
        while offset < octets.count {  // ends: each turn takes a line
            if octets[offset] == UInt8(ascii: "#") || isLineEnd(octets[offset]) {
                skipLine()
                continue
            }
            return row()
        }
        return nil
    }

    private mutating func row() -> CSVRow {
        let begun = line, start = offset
        var fields: [String] = [], isTooLong = false
        while true {  // ends: each turn takes a field and what follows it
            guard let field = quotedField() ?? plainField() else {
                skipLine()
                return .malformed(line: begun)
            }
            if fields.count < Limit.columnsMax, offset - start <= Limit.lineOctetsMax {
                fields.append(field)
            } else {
                isTooLong = true
            }
            guard offset < octets.count, octets[offset] == separator else { break }
            offset += 1
        }
        if offset < octets.count, !isLineEnd(octets[offset]) {
            skipLine()
            return .malformed(line: begun)
        }
        skipLine()
        return isTooLong ? .tooLong(line: begun) : .fields(fields, line: begun)
    }

    /// Nil when the field has no quotes; then nothing is taken. An unclosed one ends with the document and is refused
    /// by what follows: nothing.
    private mutating func quotedField() -> String?? {
        var here = offset
        while here < octets.count, octets[here] == 0x20 { here += 1 }
        guard here < octets.count, octets[here] == Self.quote else { return nil }
        here += 1
        var text: [UInt8] = []
        while here < octets.count {  // ends: each turn takes an octet
            let octet = octets[here]
            here += 1
            if octet == Self.quote {
                guard here < octets.count, octets[here] == Self.quote else {
                    offset = here
                    while offset < octets.count, octets[offset] == 0x20 { offset += 1 }
                    return .some(String(decoding: text, as: UTF8.self))
                }
                here += 1
            }
            if octet == Self.lineFeed { line += 1 }
            if text.count <= Limit.lineOctetsMax { text.append(octet) }
        }
        offset = here
        return .some(nil)
    }

    private mutating func plainField() -> String {
        let start = offset
        while offset < octets.count, octets[offset] != separator, !isLineEnd(octets[offset]) { offset += 1 }
        let text = octets[start..<offset].prefix(Limit.lineOctetsMax)
        return String(decoding: text.drop { $0 == 0x20 }, as: UTF8.self).trimmedEnd
    }

    private mutating func skipLine() {
        while offset < octets.count, !isLineEnd(octets[offset]) { offset += 1 }
        guard offset < octets.count else { return }
        let isPair =
            octets[offset] == Self.carriageReturn && offset + 1 < octets.count && octets[offset + 1] == Self.lineFeed
        offset += isPair ? 2 : 1
        line += 1
    }
    private func isLineEnd(_ octet: UInt8) -> Bool { octet == Self.lineFeed || octet == Self.carriageReturn }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self[...]
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}

/// What a column can hold.
package enum TableColumn: String, Sendable, Codable, CaseIterable {
    case value, port, confidence, firstSeen, lastSeen, expires, labels, malwareFamily, techniques, trafficLight
}

/// Which column holds what: a name from the header row, or a number from 1 where there is none.
package struct TableColumns: Codable, Equatable, Sendable {
    package var value: String
    package var others: [String: String] = [:]
    package var separator = ","
    package var hasHeader = true
    /// What stands between several labels, or techniques, in one column.
    package var listSeparator = ";"

    package init(value: String, others: [TableColumn: String] = [:], hasHeader: Bool = true) {
        self.value = value
        self.others = Dictionary(uniqueKeysWithValues: others.map { ($0.key.rawValue, $0.value) })
        self.hasHeader = hasHeader
    }

    /// Missing keys take the defaults.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(value: try container.decode(String.self, forKey: .value))
        others = try container.decodeIfPresent([String: String].self, forKey: .others) ?? others
        separator = try container.decodeIfPresent(String.self, forKey: .separator) ?? separator
        hasHeader = try container.decodeIfPresent(Bool.self, forKey: .hasHeader) ?? hasHeader
        listSeparator = try container.decodeIfPresent(String.self, forKey: .listSeparator) ?? listSeparator
    }
    enum CodingKeys: CodingKey { case value, others, separator, hasHeader, listSeparator }

    var separatorOctet: UInt8 { separator.utf8.first ?? UInt8(ascii: ",") }

    /// Nil when the column of the values is not there.
    func places(in header: [String]?) -> TablePlaces? {
        func place(_ name: String) -> Int? {
            if let header { return header.firstIndex { $0.lowercased() == name.lowercased() } }
            return Int(name).flatMap { (1...Limit.columnsMax).contains($0) ? $0 - 1 : nil }
        }
        guard let value = place(value) else { return nil }
        var places: [TableColumn: Int] = [.value: value]
        for (column, name) in others {
            guard let column = TableColumn(rawValue: column), column != .value else { continue }
            places[column] = place(name)
        }
        return TablePlaces(places: places, listSeparator: listSeparator.first ?? ";")
    }
}

struct TablePlaces {
    let places: [TableColumn: Int]
    let listSeparator: Character

    func text(_ column: TableColumn, _ row: [String]) -> String? {
        guard let place = places[column], place < row.count, !row[place].isEmpty else { return nil }
        return row[place]
    }
    func list(_ column: TableColumn, _ row: [String]) -> [String] {
        (text(column, row) ?? "").split(separator: listSeparator).map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        .filter { !$0.isEmpty }
    }
}
