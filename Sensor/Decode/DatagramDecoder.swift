package import FlowModel
import WireBytes

/// Turns UDP payloads of NetFlow v1, v5, v7 and v9, IPFIX and sFlow v2, v4 and v5 into flow records, column by column.
///
/// Invariants: the protocol is told by the datagram's version word, never by a port. No input stops the process: each
/// length is checked against what encloses it before a byte is read. What can't be decoded is counted by reason, and
/// one bad set costs no other set. Memory is bounded by `DecodeLimits`. A value of this type belongs to one thread;
/// all datagrams of an exporter must pass through the same one, in order, or templates are missed.
/// Not here: sockets (`Intake`), datagrams seen twice (`Dedupe`), the ledger (`SensorPipeline`).
package struct DatagramDecoder: Sendable {
    let settings: DecodeSettings
    var store: TemplateStore
    var held: HeldSets
    var sequences: SequenceBook
    /// Numbers of templates that the datagram at hand brought, changed or confirmed: sets may be waiting for them.
    var learnedTemplates: [UInt16] = []
    /// The numbers that exporters had in the columns last.
    var columnHints = PlaceHints()
    /// What the datagram at hand may still cost.
    var work = DatagramWork(octets: 0)
    /// The datagram at hand came before: nothing is kept of it.
    var isRepeat = false
    /// Where the fields of the record at hand lie: for templates with variable-length fields only.
    var scratch: [FieldPlace] = []
    /// Of no meaning: keeps the loads of `warm`.
    var warmth: UInt8 = 0
    let fixed: FixedLayouts
    var sflow: SFlowState
    var samplings: SamplingBook
    var eventTotals: EventTotals
    var limits: DecodeLimits { settings.limits }
    /// Set by who wants to know the templates.
    package var census: TemplateCensus?

    package init(settings: DecodeSettings) {
        self.settings = settings
        fixed = FixedLayouts(settings.extras)
        sflow = SFlowState(settings)
        store = TemplateStore(settings: settings)
        held = HeldSets(limits: settings.limits)
        sequences = SequenceBook(settings: settings)
        samplings = SamplingBook(settings)
        eventTotals = EventTotals(limits: settings.limits)
    }
    package init(limits: DecodeLimits = .init()) {
        self.init(settings: DecodeSettings(limits: limits))
    }

    /// Decodes one whole UDP payload and appends its flow records to `columns`.
    /// - Parameters:
    ///   - datagram: the payload, complete; a longer one than its header says is read as far as that says.
    ///   - isRepeat: this very datagram was decoded before: its records are made once more, to be counted, but its
    ///     data sets do not wait for templates.
    /// - Returns: which rows were added and what was lost. Never throws: refusals are losses.
    package mutating func decode(
        _ datagram: RawSpan, from origin: DatagramOrigin, into columns: inout FlowColumns,
        isRepeat: Bool = false
    ) -> DecodeResult {
        var result = DecodeResult(row: columns.count)
        guard datagram.byteCount >= 4 else {
            result.lose(.datagramTruncated)
            return result
        }
        self.isRepeat = isRepeat
        store.plansLeft = max(PlanShelf.costMax, datagram.byteCount / 64)
        work = DatagramWork(octets: datagram.byteCount, session: origin.session)
        warmth ^= datagram.warm()
        columns.secureMemory()
        switch datagram.be16(at: 0) {
        case 1:
            decodeFixed(datagram, by: fixed.netflow1(datagram), from: origin, into: &columns, &result)
        case 5: decodeFixed(datagram, by: fixed.netflow5, from: origin, into: &columns, &result)
        case 7: decodeFixed(datagram, by: fixed.netflow7, from: origin, into: &columns, &result)
        case 9: decodeNetFlow9(datagram, from: origin, into: &columns, &result)
        case 10: decodeIPFIX(datagram, from: origin, into: &columns, &result)
        case 0 where datagram.be16(at: 2) == 5:
            decodeSFlow5(datagram, from: origin, into: &columns, &result)
        case 0 where datagram.be16(at: 2) == 4 || datagram.be16(at: 2) == 2:
            decodeSFlow4(datagram, from: origin, into: &columns, &result)
        default: result.lose(.badVersion)
        }
        if !isRepeat { followSequence(datagram, origin, &result) }
        if !learnedTemplates.isEmpty {
            if let key = result.exporter, !held.isEmpty { held.setReady(learnedTemplates, of: key) }
            learnedTemplates.removeAll(keepingCapacity: true)
        }
        if held.hasReady, !isRepeat, let key = result.exporter, !result.isRefused {
            replay(key, isFirst: result.rows.lowerBound == columns.count, into: &columns, &result)
        }
        result.rows = result.rows.lowerBound..<columns.count
        return consume result  // moved: it is large, and would be copied
    }

    @inline(__always)
    private mutating func followSequence(
        _ datagram: RawSpan, _ origin: DatagramOrigin, _ result: inout DecodeResult
    ) {
        guard let mark = result.sequence, let key = result.exporter else { return }
        let sender = UInt64(origin.session) << 16 | UInt64(origin.sourcePort)
        result.missing = sequences.note(mark, of: key, sender: sender, at: origin.receiveMilliseconds)
        if !mark.isExact {
            let isLossy = !result.losses.isEmpty || result.setsHeld == 0
            sequences.unread(held: result.setsHeld, isLossy: isLossy, of: key)
        }
    }

    /// Templates known at present, of all exporters.
    package var templateCount: Int { store.templateCount }
    /// Data sets that wait for their template at present.
    package var heldSets: Int { held.setCount }
    /// Redefinitions of the exporter's templates with other content, since the exporter was first heard.
    package func templateChurn(of key: ExporterKey) -> UInt64 {
        store.exporter(of: key).map { store.exporters[$0].replaced } ?? 0
    }

    /// Decodes data sets that waited and whose template has come, of one exporter and no more than a datagram has: a
    /// template may free more of them than the datagrams after it have time for.
    /// - Returns: nil when there are none. Of none of its rows, losses and counts a datagram told before.
    package mutating func replayHeld(into columns: inout FlowColumns) -> DecodeResult? {
        guard let key = held.nextReady() else { return nil }
        var result = DecodeResult(row: columns.count)
        result.exporter = key
        (isRepeat, work, store.plansLeft) = (false, DatagramWork(octets: 0), PlanShelf.costMax)
        columns.secureMemory()
        replay(key, isFirst: true, into: &columns, &result)
        result.rows = result.rows.lowerBound..<columns.count
        return result
    }

    /// Gives up data sets that have waited for their template too long. Before the end of all is the time to call
    /// `replayHeld` until there is no more.
    /// - Parameter now: in ms since 1970 UTC; `.max` gives up all, at the end of a capture.
    /// - Returns: by exporter and template, all sets lost while waiting since the last call, also those that made room
    ///   for others. Each counts as `Loss.noTemplate`.
    package mutating func expireHeld(atMilliseconds now: Int64) -> [HeldLoss] {
        let lost = held.expire(at: now)
        for loss in lost { sequences.givenUp(loss.sets, of: loss.exporter) }
        return lost
    }

    //= RFC 7011 §8.1
    /// Forgets the templates of a TCP or TLS connection that is over, and gives up what waited for more of them.
    package mutating func endSession(_ session: UInt32) {
        guard session != 0 else { return }
        store.endSession(session)
        held.endSession(session)
    }
}

/// Feeds any bytes to a new decoder, as one datagram and then as a run of datagrams with a 16-bit length before each,
/// so that a fuzzer can build templates and the data they describe. Returns the rows made; never traps.
package func decodeAny(_ input: RawSpan) -> Int {
    let origin = DatagramOrigin(
        source: IPAddress(v4: 0xC000_0201), sourcePort: 2055, localPort: 2055,
        receiveMilliseconds: 1_700_000_000_000)
    var decoder = DatagramDecoder()
    var columns = FlowColumns()
    var offset = 0
    _ = decoder.decode(input, from: origin, into: &columns)
    while input.byteCount - offset >= 2 {  // ends: each turn adds at least 2
        let length = min(Int(input.be16(at: offset)), input.byteCount - offset - 2)
        let datagram = input.extracting((offset + 2)..<(offset + 2 + length))
        _ = decoder.decode(datagram, from: origin, into: &columns)
        offset += 2 + length
    }
    return columns.count
}
