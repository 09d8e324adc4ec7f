import FlowModel
import WireBytes

/// What NetFlow v9 and IPFIX messages begin with, and one message's way through the decoder.
struct MessageHeader {
    var key: ExporterKey
    /// Octets of the header, and where the message ends.
    var length: Int, end: Int
    /// In ms since 1970 UTC; both protocols send whole seconds.
    var exportMilliseconds: Int64
    /// NetFlow v9 only: ms since the exporter's start.
    var uptime: UInt32?
    /// Else IPFIX. As `key` says, which is dearer to ask.
    let isNetFlow9: Bool
    /// Set numbers of templates and options templates.
    var templateSet: UInt16 { isNetFlow9 ? 0 : 2 }
    var optionsTemplateSet: UInt16 { isNetFlow9 ? 1 : 3 }
    /// Data sets are numbered as their template.
    static let dataSetMin: UInt16 = 256
}

extension DatagramDecoder {
    //= RFC 3954 §5.1
    /// | version=9 :2 | count :2 | sysUptime ms :4 | seconds :4 | sequence :4 | sourceID :4 |
    /// `count` is wrong in practice, so the datagram's own end decides.
    mutating func decodeNetFlow9(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard datagram.byteCount >= 20 else { return result.lose(.datagramTruncated) }
        let header = MessageHeader(
            key: ExporterKey(
                address: origin.source, observationDomain: datagram.be32(at: 16), exportProtocol: .netflow9),
            length: 20, end: datagram.byteCount,
            exportMilliseconds: Int64(datagram.be32(at: 8)) * 1_000, uptime: datagram.be32(at: 4),
            isNetFlow9: true)
        result.sequence = SequenceMark(
            number: datagram.be32(at: 12), units: 1, isExact: true, uptime: header.uptime)
        decodeSets(datagram, header, from: origin, into: &columns, &result)
    }

    //= RFC 7011 §3.1
    /// | version=10 :2 | length :2 | exportTime s :4 | sequence :4 | observationDomain :4 |
    mutating func decodeIPFIX(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard datagram.byteCount >= 16 else { return result.lose(.datagramTruncated) }
        let length = Int(datagram.be16(at: 2))
        guard length >= 16 else { return result.loseMalformed(.malformed) }
        let header = MessageHeader(
            key: ExporterKey(
                address: origin.source, observationDomain: datagram.be32(at: 12), exportProtocol: .ipfix),
            length: 16, end: min(length, datagram.byteCount),
            exportMilliseconds: Int64(datagram.be32(at: 4)) * 1_000, uptime: nil, isNetFlow9: false)
        result.sequence = SequenceMark(number: datagram.be32(at: 8), units: 0, isExact: true)
        decodeSets(datagram, header, from: origin, into: &columns, &result)
        if length > datagram.byteCount, result.losses[.badSet] == nil {
            // Cut between two sets: how many are gone isn't known, so it counts as one.
            result.loseMalformed(.badSet)
            result.sequence?.isExact = false
        }
        if length < datagram.byteCount, !isZero(datagram, from: length) { result.paddingNotZero += 1 }
    }
}

/// Whether `data` holds nothing but zeros from `offset` on.
func isZero(_ data: RawSpan, from offset: Int) -> Bool {
    for at in offset..<max(offset, data.byteCount) where data.u8(at: at) != 0 { return false }
    return true
}
