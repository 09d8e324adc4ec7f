import BatchFormat
import FlowModel
import WireBytes

/// Bodies with sound checksums and any contents: what a hostile sensor with a valid certificate could send. Written
/// against the format's page, not with the encoder's code.
struct BodyBuilder {
    var magic: [UInt8] = Array("WEIR".utf8)
    var version: UInt16 = 1
    var fidelity: UInt8 = 0
    var rows: UInt32 = 0
    var sums: [UInt64] = [0, 0, 0]
    var times: [Int64] = [0, 0, 0, 0]
    var exporters: [[UInt8]] = []
    var exporterCount: UInt32?
    var columns: [RawColumn] = []
    var trailer: [UInt8] = []

    static let exporter: [UInt8] =
        [UInt8](repeating: 0, count: 8) + [1, 0, 0, 10, 0xFF, 0xFF, 0, 0] + [7, 0, 0, 0, 9, 0, 0, 0]

    var body: [UInt8] {
        var body = magic
        body.appendLE(version)
        body += [fidelity, UInt8(columns.count)]
        body.appendLE(rows)
        body.appendLE(exporterCount ?? UInt32(exporters.count))
        for sum in sums { body.appendLE(sum) }
        for time in times { body.appendLE(UInt64(bitPattern: time)) }
        for exporter in exporters { body += exporter }
        for column in columns { body += version == 1 ? line(column) : line2(column) }
        body.appendLE(Self.crc32c(body))
        for column in columns { body += column.frame }
        return body + trailer
    }

    /// A line of the directory in version 1.
    private func line(_ column: RawColumn) -> [UInt8] {
        var line = [column.number, column.encoding, 0, 0]
        line.appendLE(column.rawBytes)
        line.appendLE(UInt32(column.frame.count))
        line.appendLE(column.base)
        return line
    }
    /// In version 2.
    private func line2(_ column: RawColumn) -> [UInt8] {
        var line = [column.number, column.encoding, column.octets, 0]
        line.appendLE(column.words ?? rows)
        line.appendLE(UInt32(column.frame.count))
        line.appendLE(column.checksum ?? Self.xxh64(column.frame))
        line.appendLE(column.base)
        return line
    }
    /// The low 32 bits of XXH64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
    static func xxh64(_ bytes: [UInt8]) -> UInt32 {
        let primes: [UInt64] = [
            11_400_714_785_074_694_791, 14_029_467_366_897_019_727, 1_609_587_929_392_839_161,
            9_650_029_242_287_828_579, 2_870_177_450_012_600_261,
        ]
        func rotated(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
        func round(_ sum: UInt64, _ word: UInt64) -> UInt64 { rotated(sum &+ word &* primes[1], 31) &* primes[0] }
        var sum = primes[4], rest = bytes[...]
        func next(_ count: Int) -> UInt64 {
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        if bytes.count >= 32 {
            var lanes = [primes[0] &+ primes[1], primes[1], 0, 0 &- primes[0]]
            while rest.count >= 32 { for lane in 0..<4 { lanes[lane] = round(lanes[lane], next(8)) } }
            sum = zip(lanes, [1, 7, 12, 18]).reduce(0) { $0 &+ rotated($1.0, $1.1) }
            for lane in lanes { sum = (sum ^ round(0, lane)) &* primes[0] &+ primes[3] }
        }
        sum &+= UInt64(bytes.count)
        while rest.count >= 8 {
            sum = rotated(sum ^ round(0, next(8)), 27) &* primes[0] &+ primes[3]
        }
        if rest.count >= 4 { sum = rotated(sum ^ next(4) &* primes[0], 23) &* primes[1] &+ primes[2] }
        while !rest.isEmpty { sum = rotated(sum ^ next(1) &* primes[4], 11) &* primes[0] }
        sum = (sum ^ sum >> 33) &* primes[1]
        sum = (sum ^ sum >> 29) &* primes[2]
        return UInt32(truncatingIfNeeded: sum ^ sum >> 32)
    }

    /// RFC 3720 appendix B.4, a bit at a time.
    static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
        return ~crc
    }

    /// A zstd frame of one raw block, by RFC 8878 §3.1.1: single segment, 4-byte content size, no checksum.
    static func rawFrame(_ content: [UInt8], declaring size: Int? = nil) -> [UInt8] {
        var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0b1010_0000]
        frame.appendLE(UInt32(size ?? content.count))
        let header = UInt32(content.count) << 3 | 1
        frame += [UInt8(truncatingIfNeeded: header), UInt8(truncatingIfNeeded: header >> 8), UInt8(header >> 16)]
        return frame + content
    }
    /// A frame of one run-length block: `size` times one byte out of a handful.
    static func runFrame(_ byte: UInt8, size: Int) -> [UInt8] {
        var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0b1010_0000]
        frame.appendLE(UInt32(size))
        let header = UInt32(size) << 3 | 0b011
        return frame + [UInt8(truncatingIfNeeded: header), UInt8(truncatingIfNeeded: header >> 8), UInt8(header >> 16)]
            + [byte]
    }
}

/// The decoders with arrays, since spans can't enter a test's closures.
func decode(_ body: [UInt8], fields: FieldSet = .all) throws -> FlowColumns {
    var columns = FlowColumns(), decoder = BatchDecoder()
    try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &columns, fields: fields) }
    return columns
}
func summary(_ body: [UInt8]) throws -> BatchSummary {
    try body.withBytes { bytes throws(BatchError) in try BatchSummary(bytes) }
}
func encode(_ columns: FlowColumns, fidelity: Fidelity = .full) throws -> [UInt8] {
    var encoder = BatchEncoder()
    return try encoder.encode(columns, fidelity: fidelity)
}
/// A plane as the format's page draws it.
func plane(_ kind: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var plane = [kind]
    plane.appendLE(UInt32(payload.count))
    return plane + payload
}
