import FlowModel
import WireBytes

/// NetFlow v1, v5 and v7: one header, and records in one layout that no template tells, read with the same plans as
/// templates.
///
///     v1 header | version :2 | count :2 | sysUptime ms :4 | seconds :4 | nanoseconds :4 |
///     v5 header | the same as v1's | flowSequence :4 | engineType :1 | engineID :1
///               | samplingMode :2 bits, samplingInterval :14 bits |
///     v7 header | the same as v1's | flowSequence :4 | reserved :4 |
///
/// The count is the sender's word, the datagram's length is what holds.
struct FixedLayout: Sendable {
    let exportProtocol: ExportProtocol
    let headerBytes: Int
    /// Records' length and columns. ICMP type and code are in the destination port already.
    let plan: FlowPlan
    var hasSequence: Bool { headerBytes >= 20 }

    init(_ exportProtocol: ExportProtocol, headerBytes: Int, _ fields: [(UInt16, UInt16)], _ extras: ExtraSelection) {
        self.exportProtocol = exportProtocol
        self.headerBytes = headerBytes
        plan = FlowPlan(fields: fields.map { FieldSpec(id: $0.0, length: $0.1) }, extras: extras)
    }
}

/// The layouts in IPFIX elements; 210 is padding.
struct FixedLayouts: Sendable {
    let netflow1: FixedLayout, longNetFlow1: FixedLayout, netflow5: FixedLayout, netflow7: FixedLayout

    init(_ extras: ExtraSelection) {
        let start: [(UInt16, UInt16)] = [
            (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2),
        ]
        let first = start + [(210, 2), (4, 1), (5, 1), (6, 1), (210, 7)]
        let later = start + [(210, 1), (6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (210, 2)]
        netflow1 = FixedLayout(.netflow1, headerBytes: 16, first, extras)
        longNetFlow1 = FixedLayout(.netflow1, headerBytes: 16, first + [(210, 4)], extras)
        netflow5 = FixedLayout(.netflow5, headerBytes: 24, later, extras)
        // The last is the router whose work the switch took over.
        netflow7 = FixedLayout(.netflow7, headerBytes: 24, later + [(43, 4)], extras)
    }

    /// Cisco's description has 4 octets more in a record of v1 than its routers send; whichever fits the count.
    func netflow1(_ datagram: RawSpan) -> FixedLayout {
        let count = Int(datagram.be16(at: 2)), body = datagram.byteCount - longNetFlow1.headerBytes
        return count > 0 && body == count * longNetFlow1.plan.shape.recordLength ? longNetFlow1 : netflow1
    }
}

extension DatagramDecoder {
    mutating func decodeFixed(
        _ datagram: RawSpan, by layout: FixedLayout, from origin: DatagramOrigin, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        guard datagram.byteCount >= layout.headerBytes else { return result.lose(.datagramTruncated) }
        let isFifth = layout.exportProtocol == .netflow5
        let key = ExporterKey(
            address: origin.source, observationDomain: isFifth ? UInt32(datagram.be16(at: 20)) : 0,
            exportProtocol: layout.exportProtocol)
        result.exporter = key
        let claimed = Int(datagram.be16(at: 2))
        let present = (datagram.byteCount - layout.headerBytes) / layout.plan.shape.recordLength
        if layout.hasSequence {
            result.sequence = SequenceMark(
                number: datagram.be32(at: 16), units: UInt32(claimed), isExact: true, uptime: datagram.be32(at: 4))
        }
        // The records that are there are whole, so they count; the missing ones are one bad set.
        let records = min(claimed, present)
        guard claimed == 0 || records > 0 else { return result.lose(.malformed) }
        if claimed > present { result.lose(.badSet) }
        guard records > 0 else { return }
        guard let exporter = columns.intern(key) else { return result.lose(.exporterLimit) }
        var context = RecordContext(exporter: exporter, receiveMilliseconds: origin.receiveMilliseconds)
        context.exportMilliseconds =
            Int64(datagram.be32(at: 8)) * 1_000 + Int64(datagram.be32(at: 12) / 1_000_000)
        context.uptime = datagram.be32(at: 4)
        let end = layout.headerBytes + records * layout.plan.shape.recordLength
        let rows = columns.fill(datagram.extracting(layout.headerBytes..<end), by: layout.plan, in: context, &result)
        // The two high bits are the sampling mode. 0 in the rest: the exporter doesn't say.
        let told = isFifth ? Float(datagram.be16(at: 22) & 0x3FFF) : 0
        let interval = told > 0 ? told : samplings.setRate(for: key.address)
        if interval > 0 { columns.setSampling(interval, rows) }
    }
}
