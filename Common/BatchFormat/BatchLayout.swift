/// The columnar batch: what a sensor seals, sends, and every later part stores and reads byte for byte.
/// The page "BatchFormat" of the handbook is its specification; this file is that page's drawing as code.
///
///     body      := head | frame*                           little-endian, no padding but what is drawn
///     head      := fixed | exporter * exporterCount | column * columnCount | crc32c(all before) :4
///     fixed     := "WEIR" :4 | version=1 :2 | fidelity :1 | columnCount :1 | rows :4 | exporterCount :4
///                | flows :8 | octets :8 | packets :8
///                | flowStartMin :8 | flowEndMax :8 | receiveMin :8 | receiveMax :8
///     exporter  := address.high :8 | address.low :8 | observationDomain :4 | exportProtocol :1 | 0 :3
///     column    := id :1 | encoding :1 | 0 :2 | rawBytes :4 | frameBytes :4 | base :8
///     frame     := one zstd frame with content size and checksum; in the order of the columns, without gaps
///
/// Invariants: column ids ascend; a column that is all zero is left out; one whose rows are all alike is its `base`
/// alone; what an encoder writes a decoder of the same version takes.
/// Not here: what is summed before it is sealed (`PreAggregate`), keys and digests (`Delivery`).
enum BatchLayout {
    static let magic: UInt32 = 0x5249_4557  // "WEIR", read little-endian
    static let version: UInt16 = 1

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
    static let rawBytesOffset = encodingOffset + 3
    static let frameBytesOffset = rawBytesOffset + 4
    static let baseOffset = frameBytesOffset + 4
    static let columnBytes = baseOffset + 8

    static let checksumBytes = 4

    static func headBytes(exporters: Int, columns: Int) -> Int {
        fixedBytes + exporters * exporterBytes + columns * columnBytes + checksumBytes
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
    /// That many rows fit `bodyBytesMax` whatever is in them and however many exporters there are.
    package static let rowsAlwaysFit = 16_384
    /// A body may decode to 100 times its size, plus this: small regular batches need no padding, and a bomb of a few
    /// hundred bytes makes no more than this of a reader's memory. Encoders pad what compresses even better.
    package static let decodedBytesFree = 1 << 20
    package static let decodedRatioMax = 100

    /// How many bytes `rows` rows need at least.
    static func bodyBytesMin(rows: Int) -> Int {
        let excess = rows * rowBytes - decodedBytesFree
        return excess <= 0 ? 0 : (excess + decodedRatioMax - 1) / decodedRatioMax
    }
}

/// The columns' numbers in a body: never reused, never changed. Numbers that a reader doesn't know it skips.
enum ColumnID: UInt8, CaseIterable {
    case flowStartMilliseconds = 1, flowEndMilliseconds, exportMilliseconds, receiveMilliseconds
    case sourceHigh, sourceLow, destinationHigh, destinationLow, nextHopHigh, nextHopLow
    case octetDeltaCount, packetDeltaCount, deltaFlowCount
    case protocolIdentifier, sourceTransportPort, destinationTransportPort, tcpControlBits, ipClassOfService
    case ingressInterface, egressInterface, bgpSourceAsNumber, bgpDestinationAsNumber
    case sourceIPPrefixLength, destinationIPPrefixLength, vlanId, flowDirection, samplingInterval, flags, exporter

    /// Zeros that bring a very regular batch up to `BatchLimit.bodyBytesMin`; no reader knows this number.
    static let paddingNumber: UInt8 = 255

    /// Bytes of one value.
    var width: Int {
        switch self {
        case .flowStartMilliseconds, .flowEndMilliseconds, .exportMilliseconds, .receiveMilliseconds, .sourceHigh,
            .sourceLow, .destinationHigh, .destinationLow, .nextHopHigh, .nextHopLow, .octetDeltaCount,
            .packetDeltaCount:
            8
        case .deltaFlowCount, .ingressInterface, .egressInterface, .bgpSourceAsNumber, .bgpDestinationAsNumber,
            .samplingInterval, .exporter:
            4
        case .sourceTransportPort, .destinationTransportPort, .tcpControlBits, .vlanId: 2
        case .protocolIdentifier, .ipClassOfService, .sourceIPPrefixLength, .destinationIPPrefixLength, .flowDirection,
            .flags:
            1
        }
    }
    /// Which encodings a reader takes for this column.
    func allows(_ encoding: ColumnEncoding) -> Bool {
        switch encoding {
        case .planes: true
        case .deltas: self == .flowStartMilliseconds || self == .exportMilliseconds || self == .receiveMilliseconds
        case .sinceStart: self == .flowEndMilliseconds
        }
    }
}

/// How a column's values become words; the words are then written as byte planes (see `BytePlanes`).
enum ColumnEncoding: UInt8 {
    /// The values themselves.
    case planes = 0
    /// The zigzagged difference from the row before, the first from 0.
    case deltas = 1
    /// The zigzagged difference from the same row's `flowStartMilliseconds`.
    case sinceStart = 2
}
