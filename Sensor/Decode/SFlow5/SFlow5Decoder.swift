import FlowModel
import PacketHeader
import WireBytes

/// What the decoder of sFlow remembers from one datagram to the next.
struct SFlowState: Sendable {
    let settings: SFlowSettings
    /// Which elements beside the columns are kept.
    let kept: SampleElementSet
    /// Something in every sample is kept beside the columns.
    let keepsAlways: Bool
    var sources = SampleSources()
    var agents = SFlowAgents()
    var shapes = SampleShapes()
    var reader = PacketReader()
    /// The samples of the datagram at hand are the first `count` of these. While version 5 is read they are outside,
    /// so that the storage is asked once a datagram whether it may be written to.
    var rows: [SampleRow] = []
    var count = 0
    /// The numbers that exporters had in the columns last, found by their agent's key.
    var numbers = [UInt32](repeating: 0, count: Self.numbersMax)
    static let numbersMax = 1_024

    init(_ settings: DecodeSettings) {
        self.settings = settings.sflow
        let chosen = SampleElementSet(SampleElement.allCases.filter { settings.extras.includes($0.field.element) })
        let isNamed = settings.extras != .all
        kept = settings.sflow.keepsLinkDetails || isNamed ? chosen : chosen.subtracting(.linkDetails)
        keepsAlways = !kept.isDisjoint(with: .linkDetails)
    }

    /// One datagram's share.
    struct Datagram {
        /// It came before: what it says of itself is known.
        let isRepeat: Bool
        let key: ExporterKey
        let agent: UInt64
        let seconds: UInt32
        let receiveMilliseconds: Int64
    }

    /// The identity of a datagram with `agent` in it, and what its address says about others.
    @inline(__always)
    mutating func begin(
        _ agent: IPAddress, domain: UInt32, _ exportProtocol: ExportProtocol, _ origin: DatagramOrigin, isRepeat: Bool,
        _ result: inout DecodeResult
    ) -> Datagram {
        // Agents that don't know their own address say 0.
        let isKnown = !agent.isAbsent && agent != IPAddress(v4: 0)
        let address = isKnown && settings.identity == .agent ? agent : origin.source
        let key = ExporterKey(address: address, observationDomain: domain, exportProtocol: exportProtocol)
        if let count = agents.note(agent, from: origin.source) { result.agentsAtAddress = count }
        result.exporter = key
        count = 0
        return Datagram(
            isRepeat: isRepeat, key: key, agent: sources.key(of: key),
            seconds: UInt32(truncatingIfNeeded: origin.receiveMilliseconds / 1_000),
            receiveMilliseconds: origin.receiveMilliseconds)
    }

    /// Adds the datagram's samples to the columns.
    mutating func finish(_ datagram: Datagram, into columns: inout FlowColumns, _ result: inout DecodeResult) {
        guard count > 0 else { return }
        let slot = Int(truncatingIfNeeded: datagram.agent) & (Self.numbersMax - 1)
        guard let exporter = columns.number(of: datagram.key, guess: &numbers[slot]) else {
            return result.lose(.exporterLimit)
        }
        columns.append(
            count, of: rows, SampleContext(exporter: exporter, receiveMilliseconds: datagram.receiveMilliseconds))
    }

    /// Adds what no column holds to the columns' extras and says where.
    mutating func add(
        _ details: SampleDetails, of sample: RawSpan, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> UInt32 {
        let present = details.present.intersection(kept)
        guard !present.isEmpty else { return 0 }
        let (elements, fields) = shapes.shape(of: present)
        guard let shape = columns.extras.shape(fields) else {
            result.extrasOmitted += 1
            return 0
        }
        let place = columns.extras.add(shape) { octets in
            for element in elements { details.append(element, of: sample, to: &octets) }
        }
        if place == 0 { result.extrasOmitted += 1 }
        return place
    }
}

extension FlowColumns {
    /// `intern`, without a search when the exporter is the same as before.
    @inline(__always)
    fileprivate mutating func number(of key: ExporterKey, guess: inout UInt32) -> UInt32? {
        if Int(guess) < exporters.count, exporters[Int(guess)] == key { return guess }
        guard let number = intern(key) else { return nil }
        guess = number
        return number
    }
}

extension DatagramDecoder {
    mutating func decodeSFlow5(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        guard let (agent, headerAt) = SFlow5.address(datagram, at: 4) else { return result.lose(.malformed) }
        guard datagram.byteCount - headerAt >= 16 else { return result.lose(.datagramTruncated) }
        let begun = sflow.begin(
            agent, domain: datagram.be32(at: headerAt), .sflow5, origin, isRepeat: isRepeat, &result)
        result.sequence = SequenceMark(
            number: datagram.be32(at: headerAt + 4), units: 1, isExact: true, uptime: datagram.be32(at: headerAt + 8))
        let samples = datagram.extracting((headerAt + 16)..<datagram.byteCount)
        var rows = sflow.takeRows(forOctets: samples.byteCount)
        readSamples(samples, count: datagram.be32(at: headerAt + 12), begun, &rows, &columns, &result)
        swap(&rows, &sflow.rows)
        sflow.finish(begun, into: &columns, &result)
    }

    @inline(__always)
    private mutating func readSamples(
        _ samples: RawSpan, count: UInt32, _ begun: SFlowState.Datagram, _ rows: inout [SampleRow],
        _ columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        var rest = samples, rows = rows.mutableSpan
        // The count is the sender's word; the datagram's end is what holds.
        for _ in 0..<count {  // ends: each turn takes at least 8
            work.samples &-= 1
            guard rest.byteCount >= 8, work.samples >= 0 else { return result.lose(.badSet) }
            let format = rest.be32(at: 0), length = Int(rest.be32(at: 4))
            guard length <= rest.byteCount &- 8 else { return result.lose(.badSet) }
            sflow.read(format, rest.extracting(8..<(8 &+ length)), begun, &rows, &columns, &result)
            rest = rest.extracting((8 &+ length)..<rest.byteCount)
        }
    }
}

extension SFlowState {
    @inline(never)
    fileprivate mutating func read(
        _ format: UInt32, _ sample: RawSpan, _ datagram: Datagram, _ rows: inout MutableSpan<SampleRow>,
        _ columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        let head: FlowSampleHead?
        switch format {
        case SFlow5.flowSample: head = FlowSampleHead(sample, isExpanded: false)
        case SFlow5.expandedFlowSample: head = FlowSampleHead(sample, isExpanded: true)
        case SFlow5.discardedPacket:
            head = FlowSampleHead(discarded: sample)
            if head != nil { result.discardedPackets += 1 }
        default: return readOther(format, sample, datagram, &result)
        }
        guard let head else { return result.lose(.sampleUndecodable) }
        if !datagram.isRepeat {
            let kind: UInt64 = format == SFlow5.discardedPacket ? 1 : 0
            sources.note(head, agent: datagram.agent, kind: kind, seconds: datagram.seconds, &result)
        }
        let index = count
        guard index < rows.count else { return result.lose(.sampleUndecodable) }  // never: see `takeRows`
        rows[index].read(head, sample, &reader)
        if rows[index].hasUnread, !datagram.isRepeat { noteUnread(sample, head, &result) }
        guard rows[index].found != .none else { return result.lose(.sampleUndecodable) }
        count = index &+ 1
        if rows[index].hasDetails || keepsAlways { readDetails(sample, head, &rows[index], &columns, &result) }
    }

    @inline(never)
    private func readOther(
        _ format: UInt32, _ sample: RawSpan, _ datagram: Datagram, _ result: inout DecodeResult
    ) {
        let isExpanded = format == SFlow5.expandedCounterSample
        guard isExpanded || format == SFlow5.counterSample,
            let counters = CounterSample(sample, isExpanded: isExpanded), !counters.isEmpty
        else {
            result.samplesSkipped += 1
            return
        }
        if counters.unread > 0, !datagram.isRepeat {
            result.recordsSkipped[.counters, default: 0] += UInt64(counters.unread)
        }
        result.counterSamples.append(counters)
    }

    @inline(never)
    private func noteUnread(_ sample: RawSpan, _ head: FlowSampleHead, _ result: inout DecodeResult) {
        var offset = head.bodyAt
        for _ in 0..<head.recordCount {  // ends: each turn adds at least 8
            guard sample.byteCount - offset >= 8 else { return }
            let format = sample.be32(at: offset), length = Int(sample.be32(at: offset + 4))
            offset += 8
            guard length <= sample.byteCount - offset else { return }
            offset += length
            if !SFlow5.isRead(flowData: format) {
                result.recordsSkipped[SFlowRecord(flowData: format), default: 0] += 1
            }
        }
    }
    /// The storage for rows, with room for as many samples as fit into so many octets: a datagram can't have more than
    /// some thousands.
    @inline(__always)
    fileprivate mutating func takeRows(forOctets octets: Int) -> [SampleRow] {
        let samplesMax = octets / (8 + FlowSampleHead.octetsMin)
        while rows.count < samplesMax { addRows() }
        var taken: [SampleRow] = []
        swap(&taken, &rows)
        return taken
    }
    @inline(never)
    mutating func addRows() { rows.append(contentsOf: repeatElement(SampleRow(), count: 64)) }

    @inline(never)
    private mutating func readDetails(
        _ sample: RawSpan, _ head: FlowSampleHead, _ row: inout SampleRow, _ columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        var details = SampleDetails(), offset = head.bodyAt
        row.hasRare = true
        if let reason = head.discardReason {
            details.take(discardReason: reason)
            if SFlow5.isDenial(SFlow5.forwardingStatus(discardReason: reason)) {
                row.flags |= RecordFlags.denied.rawValue
            }
        }
        for _ in 0..<head.recordCount {  // ends: each turn adds at least 8
            guard sample.byteCount - offset >= 8 else { break }
            let format = sample.be32(at: offset), length = Int(sample.be32(at: offset + 4))
            offset += 8
            guard length <= sample.byteCount - offset else { break }
            details.read(flowRecord: format, offset..<(offset + length), of: sample, &row)
            offset += length
        }
        row.extra = add(details, of: sample, into: &columns, &result)
    }
}
