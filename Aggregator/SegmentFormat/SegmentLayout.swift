/// The segment: many sealed batches of one tenant as one sorted, columnar file in parts, made for questions. The page
/// "SegmentFormat" of the handbook is its specification; this file is that page's drawing as code.
///
///     head    := fixed | exporter * exporterCount | origin * originCount | part * partCount | checksum :4
///     part    := id :1 | isTable :1 | 0 :2 | block * (isTable ? 1 : blockCount)
///     block   := words :4 | frameBytes :4 | checksum :4 | octets :1 | 0 :3 | base :8 | min :8 | max :8
///     blob    := frame *, one a block, without gaps; a blob a part
///
/// Invariants: part numbers ascend; every byte is covered by a checksum in the head or its own; rows are in one order
/// in all parts; nothing that a head says makes a reader allocate more than `SegmentLimit` says.
/// Not here: where blobs are kept and sealed (`FlowStore`), what is asked of them (`Query`).
enum SegmentLayout {
    static let magic: UInt32 = 0x4745_5357  // "WSEG", read little-endian
    /// What is written, and what can be read.
    static let version: UInt16 = 3
    static let versions: ClosedRange<UInt16> = 1...version

    static let versionOffset = 4
    static let partCountOffset = versionOffset + 2
    static let rowsOffset = partCountOffset + 2
    static let blockRowsOffset = rowsOffset + 4
    static let exporterCountOffset = blockRowsOffset + 4
    static let originCountOffset = exporterCountOffset + 4
    static let flowsOffset = originCountOffset + 4
    static let octetsOffset = flowsOffset + 8
    static let packetsOffset = octetsOffset + 8
    static let flowStartMinOffset = packetsOffset + 8
    static let flowEndMaxOffset = flowStartMinOffset + 8
    static let receiveMinOffset = flowEndMaxOffset + 8
    static let receiveMaxOffset = receiveMinOffset + 8
    static let logOffsetMinOffset = receiveMaxOffset + 8
    static let logOffsetMaxOffset = logOffsetMinOffset + 8
    static let bloomBytesOffset = logOffsetMaxOffset + 8
    static let bloomChecksumOffset = bloomBytesOffset + 4
    static let endpointsOffset = bloomChecksumOffset + 4
    static let arrivalsOffset = endpointsOffset + 4
    static let fixedBytes = arrivalsOffset + 4

    static let exporterBytes = 24
    static let checksumBytes = 4
    static let partBytes = 4

    /// Of a block.
    enum Block {
        static let frameBytesOffset = 4
        static let checksumOffset = frameBytesOffset + 4
        static let octetsOffset = checksumOffset + 4
        static let baseOffset = octetsOffset + 4
        static let minOffset = baseOffset + 8
        static let maxOffset = minOffset + 8
        static let bytes = maxOffset + 8
    }
}

/// The bounds of one segment. A reader refuses what lies outside, an encoder never goes there.
package enum SegmentLimit {
    package static let rowsMax = 1 << 20
    /// Rows of each block but the last.
    package static let blockRows = 1 << 16
    /// Different addresses with their AS numbers and prefix lengths.
    package static let endpointsMax = 2 * rowsMax
    /// Endpoints of each block of their list but the last, as written: one is opened in some 20 µs, and the list takes
    /// hardly more room and time than in one piece.
    package static let listBlock = 1 << 13
    /// Different sensors and fidelities.
    package static let originsMax = 4_096
    /// What a head may be long.
    package static let headBytesMax = 8 << 20
    package static let blobBytesMax = 256 << 20
    package static let bloomBytesMax = 16 << 20
}

/// Why bytes are not a segment that this version takes: the disk's doing or a stranger's. Parts are named by their
/// number.
package enum SegmentError: Error, Equatable, Sendable {
    case notASegment
    case unknownVersion(UInt16)
    case truncated(wanted: Int, has: Int)
    case trailingBytes(Int)
    case tooLarge(Int, max: Int)
    case tooManyRows(Int, max: Int)
    case tooManyExporters(Int, max: Int)
    case tooManyOrigins(Int, max: Int)
    /// The head's checksum does not match.
    case headDamaged
    /// The Bloom filter's checksum does not match.
    case bloomDamaged
    case unknownExportProtocol(UInt8)
    case badOrigin
    case partOutOfOrder(UInt8)
    /// A part's words, octets, frame length and base do not go together, or not with the rows.
    case badPart(UInt8)
    /// The bytes of a block are not those that the head was made with, or do not decode to what it says.
    case badFrame(part: UInt8, block: Int)
    /// A word leads to something that is not there.
    case badReference(part: UInt8, block: Int)
    /// There is no such block.
    case noBlock(Int)
    /// `load` was not asked for what `decode` needs.
    case notLoaded(part: UInt8)
    /// The columns that are decoded into have no room for the exporters, or for what is beside the columns.
    case columnsFull
}
