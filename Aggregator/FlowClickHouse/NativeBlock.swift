internal import WireBytes

/// Blocks of ClickHouse's format Native, as servers of all versions read and write it over HTTP:
///
///     block  := columns :varint | rows :varint | column *
///     column := name | type | values; each text is its length :varint and its octets
///     values := fixed width, little-endian; or texts; or, of Array(UInt64), an end :8 for each row, then the values
struct NativeWriter {
    private(set) var bytes: [UInt8] = []

    init(columns: Int, rows: Int) {
        append(varint: UInt64(columns))
        append(varint: UInt64(rows))
    }
    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {  // ends: `rest` shrinks
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
    private mutating func append(text: some Collection<UInt8>) {
        append(varint: UInt64(text.count))
        bytes.append(contentsOf: text)
    }
    mutating func begin(_ name: String, _ type: String) {
        append(text: name.utf8)
        append(text: type.utf8)
    }
    mutating func add(_ values: some Sequence<UInt64>) { for value in values { bytes.appendLE(value) } }
    mutating func add(_ values: some Sequence<Int64>) {
        for value in values { bytes.appendLE(UInt64(bitPattern: value)) }
    }
    mutating func add(_ values: some Sequence<UInt32>) { for value in values { bytes.appendLE(value) } }
    mutating func add(_ values: some Sequence<UInt16>) { for value in values { bytes.appendLE(value) } }
    mutating func add(_ values: some Sequence<UInt8>) { bytes.append(contentsOf: values) }
    mutating func add(_ values: some Sequence<Float>) { for value in values { bytes.appendLE(value.bitPattern) } }
    mutating func add(texts: some Sequence<[UInt8]>) { for text in texts { append(text: text) } }
    mutating func add(lists: [[UInt64]]) {
        var end: UInt64 = 0
        for list in lists {
            end += UInt64(list.count)
            bytes.appendLE(end)
        }
        for list in lists { add(list) }
    }
}

/// One block as it came.
struct NativeBlock {
    enum Values {
        case words8([UInt8])
        case words16([UInt16])
        case words32([UInt32])
        case words64([UInt64])
        case texts([[UInt8]])
        case lists([[UInt64]])
    }
    let rows: Int
    let columns: [String: Values]

    /// Of a block that no server of ours makes.
    static let rowsMax = 4 << 20, columnsMax = 256, textMax = 64 << 20

    enum Reading {
        case block(NativeBlock, end: Int)
        /// Not all of it is there.
        case incomplete
    }

    /// The block that begins at `start`.
    /// - Throws: `ClickHouseFault.garbled`: what is there can't be the beginning of a block.
    static func read(_ bytes: [UInt8], from start: Int) throws(ClickHouseFault) -> Reading {
        var cursor = NativeCursor(bytes, at: start)
        do throws(NativeCursor.Stop) {
            let columnCount = try cursor.count(most: columnsMax), rows = try cursor.count(most: rowsMax)
            var columns: [String: Values] = [:]
            for _ in 0..<columnCount {
                let name = String(decoding: try cursor.text(), as: UTF8.self)
                let type = String(decoding: try cursor.text(), as: UTF8.self)
                columns[name] = try cursor.values(type, rows)
            }
            return .block(NativeBlock(rows: rows, columns: columns), end: cursor.at)
        } catch {
            switch error {
            case .incomplete: return .incomplete
            case .garbled(let problem): throw .garbled(problem)
            }
        }
    }
}

struct NativeCursor {
    enum Stop: Error {
        case incomplete
        case garbled(String)
    }
    private let bytes: [UInt8]
    private(set) var at: Int

    init(_ bytes: [UInt8], at start: Int) {
        self.bytes = bytes
        at = start
    }
    private mutating func take(_ count: Int) throws(Stop) -> Int {
        guard bytes.count - at >= count else { throw .incomplete }
        defer { at += count }
        return at
    }
    mutating func count(most: Int) throws(Stop) -> Int {
        var value: UInt64 = 0, shift: UInt64 = 0
        while true {  // ends: at most ten turns
            let octet = bytes[try take(1)]
            guard shift < 63 else { throw .garbled("a number of over nine octets") }
            value |= UInt64(octet & 0x7F) << shift
            guard octet & 0x80 != 0 else { break }
            shift += 7
        }
        guard value <= UInt64(most) else { throw .garbled("\(value) of at most \(most)") }
        return Int(value)
    }
    mutating func text() throws(Stop) -> [UInt8] { try octets(try count(most: NativeBlock.textMax)) }
    private mutating func octets(_ count: Int) throws(Stop) -> [UInt8] {
        let start = try take(count)
        return Array(bytes[start..<(start + count)])
    }
    mutating func values(_ type: String, _ rows: Int) throws(Stop) -> NativeBlock.Values {
        switch type {
        case "UInt8", "Int8": return .words8(try octets(rows))
        case "UInt16", "Date":
            let start = try take(2 * rows)
            return .words16(bytes.withBytes { span in (0..<rows).map { span.le16(at: start + 2 * $0) } })
        case "UInt32", "Float32":
            let start = try take(4 * rows)
            return .words32(bytes.withBytes { span in (0..<rows).map { span.le32(at: start + 4 * $0) } })
        case "UInt64", "Int64": return .words64(try words(rows))
        case "String":
            var texts: [[UInt8]] = []
            for _ in 0..<rows { texts.append(try text()) }
            return .texts(texts)
        case "Array(UInt64)": return .lists(try lists(rows))
        default: throw .garbled("a column of type \(type)")
        }
    }
    private mutating func lists(_ rows: Int) throws(Stop) -> [[UInt64]] {
        let ends = try words(rows), total = ends.last ?? 0
        guard total <= UInt64(NativeBlock.textMax) else { throw .garbled("a list of \(total)") }
        let all = try words(Int(total))
        var lists: [[UInt64]] = [], start = 0
        for end in ends {
            guard end >= UInt64(start), end <= UInt64(all.count) else {
                throw .garbled("lists that end before they begin")
            }
            lists.append(Array(all[start..<Int(end)]))
            start = Int(end)
        }
        return lists
    }
    private mutating func words(_ count: Int) throws(Stop) -> [UInt64] {
        let start = try take(8 * count)
        return bytes.withBytes { span in (0..<count).map { span.le64(at: start + 8 * $0) } }
    }
}
