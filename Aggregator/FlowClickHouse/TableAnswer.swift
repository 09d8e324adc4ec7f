internal import Foundation

/// A value of an answer in JSON, as its text.
struct Cell: Decodable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }
    /// Numbers of 64 bits come as texts, smaller ones as numbers; newer servers send all as numbers.
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self.text = text
        } else if let number = try? container.decode(UInt64.self) {
            text = "\(number)"
        } else {
            text = "\(try container.decode(Int64.self))"
        }
    }
    func number() throws(ClickHouseFault) -> UInt64 {
        guard let number = UInt64(text) else { throw .garbled("\"\(text.prefix(40))\" is no number") }
        return number
    }
    func signed() throws(ClickHouseFault) -> Int64 {
        guard let number = Int64(text) else { throw .garbled("\"\(text.prefix(40))\" is no number") }
        return number
    }
}

/// An answer in the format JSONCompact: rows, sums over all groups, and how many groups there are, of one moment.
struct TableAnswer: Decodable, Sendable {
    struct Statistics: Decodable, Sendable {
        let rowsRead: UInt64?
        let bytesRead: UInt64?
        enum CodingKeys: String, CodingKey {
            case rowsRead = "rows_read"
            case bytesRead = "bytes_read"
        }
    }
    enum CodingKeys: String, CodingKey {
        case data, totals, rows, statistics
        case rowsBeforeLimit = "rows_before_limit_at_least"
    }
    let data: [[Cell]]
    let totals: [Cell]?
    let rows: Int
    let rowsBeforeLimit: Int?
    let statistics: Statistics?

    init(_ bytes: [UInt8]) throws(ClickHouseFault) {
        // Of no group at all some releases write the sums first, and then a document that is none.
        if bytes.first != UInt8(ascii: "{"), String(decoding: bytes, as: UTF8.self).contains("\"rows\": 0,") {
            self = .empty
            return
        }
        do {
            self = try JSONDecoder().decode(TableAnswer.self, from: Data(bytes))
        } catch {
            throw .garbled("no JSONCompact: \(String(decoding: bytes.prefix(100), as: UTF8.self))")
        }
    }
    static let empty = TableAnswer()
    private init() { (data, totals, rows, rowsBeforeLimit, statistics) = ([], nil, 0, nil, nil) }
    /// Groups, those beyond a limit too.
    var groupCount: Int { max(rowsBeforeLimit ?? rows, rows) }
}
