package import FlowModel
import WireBytes

/// Turns UDP payloads of NetFlow v5, NetFlow v9, IPFIX and sFlow v5 into flow records, column by column.
///
/// Invariants: the protocol is told by the datagram's version word, never by a port. No input stops the process: each
/// length is checked against what encloses it before a byte is read. What can't be decoded is counted by reason, and
/// one bad set costs no other set. Memory is bounded by `DecodeLimits`. A value of this type belongs to one thread;
/// all datagrams of an exporter must pass through the same one, in order, or templates are missed.
/// Not here: sockets (`Intake`), datagrams seen twice (`Dedupe`), counting of sequence gaps (`SensorPipeline`).
package struct DatagramDecoder: Sendable {
    let limits: DecodeLimits
    var store: TemplateStore
    /// Where the fields of the record at hand lie: for templates with variable-length fields only.
    var scratch: [FieldPlace] = []
    let netflow5 = NetFlow5.plan

    package init(limits: DecodeLimits = .init()) {
        self.limits = limits
        store = TemplateStore(limits: limits)
    }

    /// Decodes one whole UDP payload and appends its flow records to `columns`.
    /// - Parameter datagram: the payload, complete; a longer one than its header says is read as far as that says.
    /// - Returns: which rows were added and what was lost. Never throws: refusals are losses.
    package mutating func decode(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns
    ) -> DecodeResult {
        var result = DecodeResult(row: columns.count)
        guard datagram.byteCount >= 4 else {
            result.lose(.datagramTruncated)
            return result
        }
        switch datagram.be16(at: 0) {
        case 5: decodeNetFlow5(datagram, from: origin, into: &columns, &result)
        case 9: decodeNetFlow9(datagram, from: origin, into: &columns, &result)
        case 10: decodeIPFIX(datagram, from: origin, into: &columns, &result)
        case 0 where datagram.be16(at: 2) == 5: decodeSFlow5(datagram, from: origin, into: &columns, &result)
        default: result.lose(.badVersion)
        }
        result.rows = result.rows.lowerBound..<columns.count
        return result
    }

    /// Templates known at present, of all exporters.
    package var templateCount: Int { store.templateCount }
}

/// Feeds any bytes to a new decoder, as one datagram and then as a run of datagrams with a 16-bit length before each,
/// so that a fuzzer can build templates and the data they describe. Returns the rows made; never traps.
package func decodeAny(_ input: RawSpan) -> Int {
    let origin = DatagramOrigin(
        source: IPAddress(v4: 0xC000_0201), sourcePort: 2055, localPort: 2055,
        receiveMilliseconds: 1_700_000_000_000)
    var decoder = DatagramDecoder(), columns = FlowColumns(), offset = 0
    _ = decoder.decode(input, from: origin, into: &columns)
    while input.byteCount - offset >= 2 {  // ends: each turn adds at least 2
        let length = min(Int(input.be16(at: offset)), input.byteCount - offset - 2)
        let datagram = input.extracting((offset + 2)..<(offset + 2 + length))
        _ = decoder.decode(datagram, from: origin, into: &columns)
        offset += 2 + length
    }
    return columns.count
}
