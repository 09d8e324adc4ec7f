import FlowModel
import PacketHeader
import WireBytes

/// sFlow v2 and v4 (RFC 3176): as v5 without lengths around samples and records, so that one of unknown kind ends what
/// can be read of a datagram.
///
///     datagram | version=2 or 4 :4 | addressType :4 | agent :4 or :16 | sequence :4 | uptime ms :4 | count :4
///              | samples |
///     flow     | type=1 :4 | sequence :4 | source :4 | rate :4 | pool :4 | drops :4 | input :4 | output :4
///              | packet data | count :4 | extended data … |
///     counters | type=2 :4 | sequence :4 | source :4 | interval :4 | kind :4 | counters |
enum SFlow4 {
    static let headBytes = 28

    /// Where a list of words ends that has its count before it at `offset`; nil when it is cut off.
    static func end(ofWords data: RawSpan, at offset: Int) -> Int? {
        guard offset >= 0, data.byteCount - offset >= 4 else { return nil }
        let count = Int(data.be32(at: offset))
        guard count <= (data.byteCount - offset - 4) / 4 else { return nil }
        return offset + 4 + 4 * count
    }

    /// Octets of each kind of counters: generic, Ethernet, token ring, FDDI, 100BaseVG, WAN, VLAN.
    static let counterOctets = [1: 88, 2: 140, 3: 160, 4: 88, 5: 168, 6: 88, 7: 28]
}

extension DatagramDecoder {
    mutating func decodeSFlow4(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard let (agent, headerAt) = SFlow5.address(datagram, at: 4) else { return result.lose(.malformed) }
        guard datagram.byteCount - headerAt >= 12 else { return result.lose(.datagramTruncated) }
        let begun = sflow.begin(agent, domain: 0, .sflow4, origin, isRepeat: isRepeat, &result)
        result.sequence = SequenceMark(
            number: datagram.be32(at: headerAt), units: 1, isExact: true, uptime: datagram.be32(at: headerAt + 4))
        let version = datagram.be32(at: 0)
        var offset = headerAt + 12
        for _ in 0..<datagram.be32(at: headerAt + 8) {  // ends: each turn adds at least 4
            work.samples &-= 1
            guard work.samples >= 0,
                let end = sflow.readOld(datagram, at: offset, version, begun, &columns, &result)
            else {
                result.lose(.badSet)
                break
            }
            offset = end
        }
        sflow.finish(begun, into: &columns, &result)
    }
}

extension SFlowState {
    /// Reads the sample at `offset`; returns where it ends, nil when it can't be told.
    fileprivate mutating func readOld(
        _ datagram: RawSpan, at offset: Int, _ version: UInt32, _ begun: Datagram, _ columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) -> Int? {
        guard datagram.byteCount - offset >= 4 else { return nil }
        let body = datagram.extracting((offset + 4)..<datagram.byteCount)
        let end: Int?
        switch datagram.be32(at: offset) {
        case 1: end = readOldFlow(body, version, begun, &columns, &result)
        case 2: end = readOldCounters(body, &result)
        default: end = nil
        }
        return end.map { offset + 4 + $0 }
    }

    private mutating func readOldFlow(
        _ sample: RawSpan, _ version: UInt32, _ begun: Datagram, _ columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) -> Int? {
        guard let head = FlowSampleHead(version4: sample) else { return nil }
        var row = SampleRow(), details = SampleDetails()
        head.begin(&row)
        guard var offset = row.readPacketData(sample, at: SFlow4.headBytes, &reader, &details),
            sample.byteCount - offset >= 4
        else { return nil }
        let records = sample.be32(at: offset)
        offset += 4
        for _ in 0..<records {  // ends: each turn adds at least 4
            guard let end = row.readExtended(sample, at: offset, version, &details) else { return nil }
            offset = end
        }
        if !begun.isRepeat { sources.note(head, agent: begun.agent, kind: 0, seconds: begun.seconds, &result) }
        row.extra = add(details, of: sample, into: &columns, &result)
        row.hasRare = true
        if count == rows.count { addRows() }
        rows[count] = row
        count += 1
        return offset
    }

    private func readOldCounters(_ sample: RawSpan, _ result: inout DecodeResult) -> Int? {
        guard sample.byteCount >= 16, let octets = SFlow4.counterOctets[Int(sample.be32(at: 12))],
            sample.byteCount - 16 >= octets
        else { return nil }
        let source = sample.be32(at: 4), kind = sample.be32(at: 12)
        guard kind != 7 else {
            result.samplesSkipped += 1
            return 16 + octets
        }
        var counters = CounterSample(
            sequence: sample.be32(at: 0), sourceType: source >> 24, sourceIndex: source & 0xFF_FFFF)
        counters.interface = InterfaceCounters(sample.extracting(16..<(16 + octets)))
        let rest = 16 + InterfaceCounters.octets
        if kind == 2 { counters.ethernet = EthernetCounters(sample.extracting(rest..<(16 + octets))) }
        result.counterSamples.append(counters)
        return 16 + octets
    }
}

extension FlowSampleHead {
    fileprivate init?(version4 sample: RawSpan) {
        guard sample.byteCount >= SFlow4.headBytes else { return nil }
        let source = sample.be32(at: 4), several = sample.be32(at: 24) >> 31
        sequence = sample.be32(at: 0)
        (sourceType, sourceIndex) = (source >> 24, source & 0xFF_FFFF)
        (rate, pool, drops) = (sample.be32(at: 8), sample.be32(at: 12), sample.be32(at: 16))
        input = SampleInterface(format: 0, sample.be32(at: 20))
        // The highest bit says that there are several.
        output = SampleInterface(format: several * 2, sample.be32(at: 24) & 0x7FFF_FFFF)
        (recordCount, bodyAt) = (0, SFlow4.headBytes)
    }
}

extension SampleRow {
    /// | kind :4 |, then a header | protocol :4 | frameLength :4 | headerLength :4 | header |, or addresses as in v5.
    /// Returns where it ends.
    fileprivate mutating func readPacketData(
        _ sample: RawSpan, at start: Int, _ reader: inout PacketReader, _ details: inout SampleDetails
    ) -> Int? {
        guard sample.byteCount - start >= 4 else { return nil }
        let at = start + 4
        switch sample.be32(at: start) {
        case 1:
            guard sample.byteCount - at >= 12, let header = SFlow5.string(sample, at: at + 8) else { return nil }
            found = .header
            octets = UInt64(sample.be32(at: at + 4))
            if let link = SFlow5.link(of: sample.be32(at: at)) {
                reader.read(sample.extracting(header.range), link: link)
                take(from: &reader)
                details.take(reader.summary, at: header.range)
            }
            return header.end
        case 2 where sample.byteCount - at >= 32:
            readAddresses(sample.extracting(at..<(at + 32)), isV6: false)
            return at + 32
        case 3 where sample.byteCount - at >= 56:
            readAddresses(sample.extracting(at..<(at + 56)), isV6: true)
            return at + 56
        default: return nil
        }
    }

    /// | kind :4 | data |: 1 switch, 2 router, 3 gateway, 4 user, 5 URL. Returns where it ends.
    fileprivate mutating func readExtended(
        _ sample: RawSpan, at start: Int, _ version: UInt32, _ details: inout SampleDetails
    ) -> Int? {
        guard sample.byteCount - start >= 4 else { return nil }
        let at = start + 4
        switch sample.be32(at: start) {
        case 1 where sample.byteCount - at >= 16:
            readSwitch(sample.extracting(at..<(at + 16)))
            details.take(postVLAN: sample.be32(at: at + 8), from: sample.be32(at: at))
            return at + 16
        case 2:
            guard let (_, end) = SFlow5.address(sample, at: at), sample.byteCount - end >= 8 else { return nil }
            readRouter(sample.extracting(at..<(end + 8)))
            return end + 8
        case 3:
            guard let gateway = SampledGateway(sample, at: at, version: version) else { return nil }
            take(gateway)
            details.take(gateway)
            return gateway.end
        case 4:
            guard let from = SFlow5.string(sample, at: at), let to = SFlow5.string(sample, at: from.end) else {
                return nil
            }
            details.take(user: from.range)
            return to.end
        case 5:
            guard let url = SFlow5.string(sample, at: at + 4) else { return nil }
            details.take(host: 0..<0, target: url.range)
            return url.end
        default: return nil
        }
    }
}
