/// The columnar batch: what a sensor seals, sends, and every later part stores and reads byte for byte.
/// The page "BatchFormat" of the handbook is its specification; this file is that page's drawing as code.
///
///     body      := head | frame*                           little-endian, no padding but what is drawn
///     head      := fixed | exporter * exporterCount | column * columnCount | crc32c(all before) :4
///     fixed     := "WEIR" :4 | version :2 | fidelity :1 | columnCount :1 | rows :4 | exporterCount :4
///                | flows :8 | octets :8 | packets :8
///                | flowStartMin :8 | flowEndMax :8 | receiveMin :8 | receiveMax :8
///     exporter  := address.high :8 | address.low :8 | observationDomain :4 | exportProtocol :1 | 0 :3
///     version 1:
///     column    := id :1 | encoding :1 | 0 :2 | rawBytes :4 | frameBytes :4 | base :8
///     frame     := one zstd frame with content size and checksum; in the order of the columns, without gaps
///     versions 2 and 3:
///     column    := id :1 | encoding :1 | octets :1 | 0 :1 | words :4 | frameBytes :4 | checksum :4 | base :8
///     frame     := plane, one for each bit of octets (see `PlaneKind`)
///
/// Invariants: column ids ascend; a column that is all zero is left out; one whose words are all alike is its `base`
/// alone; what an encoder writes a decoder of the same version takes. The order of rows means nothing, but all columns
/// have the same.
/// Not here: what is summed before it is sealed (`PreAggregate`), keys and digests (`Delivery`).
enum BatchLayout {
    static let magic: UInt32 = 0x5249_4557  // "WEIR", read little-endian
    /// What is written. Those before are read, too.
    static let version: UInt16 = 3
    /// The first that has packed planes, which is all in which it differs from the one before.
    static let packedVersion: UInt16 = 3

    static let versionOffset = 4
    static let fidelityOffset = versionOffset + 2
    static let columnCountOffset = fidelityOffset + 1
    static let rowsOffset = columnCountOffset + 1
    static let exporterCountOffset = rowsOffset + 4
    static let flowsOffset = exporterCountOffset + 4
    static let octetsOffset = flowsOffset + 8
    static let packetsOffset = octetsOffset + 8
    static let flowStartMinOffset = packetsOffset + 8
    static let flowEndMaxOffset = flowStartMinOffset + 8
    static let receiveMinOffset = flowEndMaxOffset + 8
    static let receiveMaxOffset = receiveMinOffset + 8
    static let fixedBytes = receiveMaxOffset + 8

    static let exporterDomainOffset = 16
    static let exporterProtocolOffset = exporterDomainOffset + 4
    static let exporterBytes = exporterProtocolOffset + 4

    static let encodingOffset = 1
    static let checksumBytes = 4

    /// Of a column in version 1.
    enum V1 {
        static let rawBytesOffset = 4
        static let frameBytesOffset = rawBytesOffset + 4
        static let baseOffset = frameBytesOffset + 4
        static let columnBytes = baseOffset + 8
    }
    /// Of a column since version 2.
    enum V2 {
        static let octetsOffset = 2
        static let wordsOffset = 4
        static let frameBytesOffset = wordsOffset + 4
        static let checksumOffset = frameBytesOffset + 4
        static let baseOffset = checksumOffset + 4
        static let columnBytes = baseOffset + 8
    }

    static func headBytes(version: UInt16, exporters: Int, columns: Int) -> Int {
        fixedBytes + exporters * exporterBytes + columns * (version == 1 ? V1.columnBytes : V2.columnBytes)
            + checksumBytes
    }
}

/// The bounds of one batch. A decoder refuses what lies outside, an encoder never goes there.
package enum BatchLimit {
    /// Of a sealed body; the same as what an aggregator takes in one request.
    package static let bodyBytesMax = 4 << 20
    /// What a row takes in `FlowColumns`: nothing that a body says makes a reader allocate more than this a row.
    package static let rowBytes = 150
    /// What all rows may take: the cost of a batch to any reader.
    package static let decodedBytesMax = 32 << 20
    /// Follows from the two before: 223 696.
    package static let rowsMax = decodedBytesMax / rowBytes
    /// That many rows fit `bodyBytesMax` whatever is in their columns and however many exporters there are. Of what
    /// columns do not hold such a batch keeps no more than `sideBytesAlwaysFit`.
    package static let rowsAlwaysFit = 8_192
    /// Octets of further elements, of other observers, and of distinct counts.
    package static let sideBytesAlwaysFit = 256 << 10
    /// A body may decode to 100 times its size, plus this: small regular batches need no padding, and a bomb of a few
    /// hundred bytes makes no more than this of a reader's memory. Encoders pad what compresses even better.
    package static let decodedBytesFree = 1 << 20
    package static let decodedRatioMax = 100

    /// How many bytes `rows` rows need at least.
    static func bodyBytesMin(rows: Int) -> Int { bodyBytesMin(octets: rows * rowBytes) }
    /// How many bytes a column of the side stores needs at least, when it has so many octets.
    static func bodyBytesMin(octets: Int) -> Int {
        let excess = octets - decodedBytesFree
        return excess <= 0 ? 0 : (excess + decodedRatioMax - 1) / decodedRatioMax
    }
}
