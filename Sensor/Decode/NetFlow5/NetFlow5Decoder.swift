import FlowModel
import WireBytes

/// NetFlow v5: a 24-octet header and records of 48 octets in one fixed layout, read with the same plan as templates.
///
///     header | version=5 :2 | count :2 | sysUptime ms :4 | seconds :4 | nanoseconds :4 | flowSequence :4
///            | engineType :1 | engineID :1 | samplingMode :2 bits, samplingInterval :14 bits |
enum NetFlow5 {
    static let headerBytes = 24, recordBytes = 48

    /// The record's layout in IPFIX elements; 210 is padding. ICMP type and code are in the destination port already.
    static let layout: [FieldSpec] = [
        (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (210, 1), (6, 1),
        (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1), (210, 2),
    ].map { FieldSpec(id: $0.0, length: $0.1) }

    static let plan = FlowPlan(fields: layout)
}

extension DatagramDecoder {
    mutating func decodeNetFlow5(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard datagram.byteCount >= NetFlow5.headerBytes else { return result.lose(.datagramTruncated) }
        let key = ExporterKey(
            address: origin.source, observationDomain: UInt32(datagram.be16(at: 20)), exportProtocol: .netflow5)
        result.exporter = key
        let claimed = Int(datagram.be16(at: 2))
        let present = (datagram.byteCount - NetFlow5.headerBytes) / NetFlow5.recordBytes
        result.sequence = SequenceMark(number: datagram.be32(at: 16), units: UInt32(claimed), isExact: true)
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
        let end = NetFlow5.headerBytes + records * NetFlow5.recordBytes
        let body = datagram.extracting(NetFlow5.headerBytes..<end)
        let rows = columns.fill(body, by: netflow5, in: context)
        // The two high bits are the sampling mode. 0 in the rest: the exporter doesn't say.
        let interval = Float(datagram.be16(at: 22) & 0x3FFF)
        if interval > 0 { columns.setSampling(interval, rows) }
    }
}
