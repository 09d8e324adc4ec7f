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
        for column in columns {
            body += [column.number, column.encoding, 0, 0]
            body.appendLE(column.rawBytes)
            body.appendLE(UInt32(column.frame.count))
            body.appendLE(column.base)
        }
        body.appendLE(Self.crc32c(body))
        for column in columns { body += column.frame }
        return body + trailer
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
