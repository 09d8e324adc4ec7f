import FlowModel
import WireBytes

/// sFlow v5 datagrams (sflow.org, "sFlow Version 5", 2004): XDR, all in units of four octets.
///
///     datagram | version=5 :4 | addressType :4 | agent :4 or :16 | subAgent :4 | sequence :4 | uptime ms :4
///              | count :4 | samples |
///     sample   | format :4 | length :4 | content |, format = enterprise << 12 | number
///
/// A flow sample is one packet: one record of one packet and as many octets as the frame had on the link; the
/// sampling rate stands beside it and is not multiplied in. Times are those of arrival, as the datagram has no clock.
/// Not here: counter samples, which are skipped and counted.
enum SFlow5 {
    static let flowSample: UInt32 = 1, counterSample: UInt32 = 2, expandedFlowSample: UInt32 = 3

    /// The address behind a type word at `offset`, and where it ends. Type 0 is "unknown" and has no octets.
    static func address(_ data: RawSpan, at offset: Int) -> (address: IPAddress, end: Int)? {
        guard data.byteCount - offset >= 4 else { return nil }
        switch data.be32(at: offset) {
        case 0: return (.absent, offset + 4)
        case 1 where data.byteCount - offset >= 8: return (IPAddress(v4: data.be32(at: offset + 4)), offset + 8)
        case 2 where data.byteCount - offset >= 20:
            return (IPAddress(high: data.be64(at: offset + 4), low: data.be64(at: offset + 12)), offset + 20)
        default: return nil
        }
    }
}

extension DatagramDecoder {
    mutating func decodeSFlow5(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard let (agent, headerAt) = SFlow5.address(datagram, at: 4) else { return result.lose(.malformed) }
        guard datagram.byteCount - headerAt >= 16 else { return result.lose(.datagramTruncated) }
        let key = ExporterKey(
            address: agent.isAbsent ? origin.source : agent, observationDomain: datagram.be32(at: headerAt),
            exportProtocol: .sflow5)
        result.exporter = key
        result.sequence = SequenceMark(number: datagram.be32(at: headerAt + 4), units: 1, isExact: true)
        var template = FlowRecord()
        template.flowStartMilliseconds = origin.receiveMilliseconds
        template.flowEndMilliseconds = origin.receiveMilliseconds
        template.exportMilliseconds = origin.receiveMilliseconds
        template.receiveMilliseconds = origin.receiveMilliseconds
        var offset = headerAt + 16
        // The count is the sender's word; the datagram's end is what holds.
        for _ in 0..<datagram.be32(at: headerAt + 12) {  // ends: each turn adds at least 8
            guard datagram.byteCount - offset >= 8 else { return result.lose(.badSet) }
            let format = datagram.be32(at: offset), length = Int(datagram.be32(at: offset + 4))
            guard length <= datagram.byteCount - offset - 8 else { return result.lose(.badSet) }
            let sample = datagram.extracting((offset + 8)..<(offset + 8 + length))
            offset += 8 + length
            guard format == SFlow5.flowSample || format == SFlow5.expandedFlowSample else {
                result.samplesSkipped += 1
                continue
            }
            var record = template
            guard record.read(flowSample: sample, isExpanded: format == SFlow5.expandedFlowSample) else {
                result.lose(.sampleUndecodable)
                continue
            }
            guard let exporter = columns.intern(key) else {
                result.losses[.exporterLimit] = 1
                return
            }
            record.exporter = exporter
            columns.append(record)
        }
    }
}
