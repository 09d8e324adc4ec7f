internal import FlowModel

/// What one exporter does with the flows it sees: samples them, lays them out in its protocol, fills datagrams, keeps
/// its clock, sequence numbers and templates, and has the faults that its knobs say.
struct ExportEncoder: Sendable {
    /// Octets of payload that a datagram may have: what fits an Ethernet frame.
    static let payloadBytesMax = 1_400
    /// How long a record may wait for company in its datagram.
    private static let waitMilliseconds: Int64 = 500

    struct Identity: Sendable {
        /// Index into `Simulation.exporters`.
        var exporter: Int
        /// NetFlow v5: engine; v9: source ID; IPFIX: observation domain; sFlow: sub-agent.
        var domain: UInt32
        var agent: IPAddress
    }
    /// A datagram that is being filled: what stands behind its header.
    struct OpenMessage: Sendable {
        var body: [UInt8] = []
        var tally = DatagramTally()
        var openedAt: Int64 = 0
        /// Where the data set begins, whose length is set at the end.
        var setStart = 0
        var isOpen: Bool { !body.isEmpty }
    }
    /// What didn't become a record at this exporter.
    struct Omitted: Sendable {
        /// No packet of the flow was sampled.
        var unsampled: UInt64 = 0
        /// The protocol has no place for it: IPv6 before NetFlow v9.
        var unsupported: UInt64 = 0
    }

    let exportProtocol: ExportProtocol, knobs: SimulationKnobs, identity: Identity, isStream: Bool
    let usesTranslation: Bool
    private let exportStart: Int64, halfway: Int64
    var boot: Int64
    var sequence: UInt32, samplingInterval: UInt32
    var layouts: [Layout]
    var open = [OpenMessage](repeating: OpenMessage(), count: Slot.allCases.count)
    var dice: Dice
    var omitted = Omitted()
    private(set) var portGeneration = 0
    private var isPastHalfway = false
    var templatesDueAt: Int64, optionsFrom: Int64
    var samples = SampleCounters()

    /// - Parameters:
    ///   - start: when exporting begins, in ms since 1970 by a right clock.
    ///   - halfway: when what the knobs have in store for the middle happens.
    init(
        _ exportProtocol: ExportProtocol, _ identity: Identity, _ knobs: SimulationKnobs, start: Int64, halfway: Int64,
        mix: Mix?, isStream: Bool, dice: Dice
    ) {
        (self.exportProtocol, self.identity, self.knobs, self.dice) = (exportProtocol, identity, knobs, dice)
        (self.isStream, self.halfway, exportStart) = (isStream, halfway, start)
        usesTranslation = exportProtocol == .ipfix || exportProtocol == .netflow9
        let isSFlow = exportProtocol == .sflow4 || exportProtocol == .sflow5
        samplingInterval = knobs.sampling ?? (isSFlow ? 64 : 1)
        boot = (knobs.uptimeWrap ? halfway - 1 << 32 : start - 3_600_000) + knobs.skewMilliseconds
        sequence = knobs.sequenceWrap ? .max - 100 : 0
        layouts = Slot.allCases.map { Layout.usual($0, exportProtocol, knobs) }
        templatesDueAt = start + knobs.templateLateMilliseconds
        optionsFrom = start + max(knobs.samplingLateMilliseconds, knobs.templateLateMilliseconds)
        samples.configure(mix, knobs)
    }

    // MARK: Time

    /// The exporter's clock when a right one shows `now`.
    func clock(_ now: Int64) -> Int64 { now + knobs.skewMilliseconds }
    /// Milliseconds since the exporter's start, which nothing in its records precedes.
    func uptime(_ time: Int64) -> UInt32 { UInt32(truncatingIfNeeded: max(time, boot) - boot) }

    /// Sends what has waited long enough and does what is due.
    mutating func advance(to now: Int64, into batch: inout DatagramBatch) {
        if !isPastHalfway, now >= halfway {
            isPastHalfway = true
            passHalfway(now, into: &batch)
        }
        for slot in Slot.allCases where open[slot.rawValue].isOpen {
            if now - open[slot.rawValue].openedAt >= Self.waitMilliseconds { flush(slot, now, into: &batch) }
        }
        countInterfaces(now, into: &batch)
    }
    mutating func flushAll(_ now: Int64, into batch: inout DatagramBatch) {
        for slot in Slot.allCases where open[slot.rawValue].isOpen { flush(slot, now, into: &batch) }
    }

    private mutating func passHalfway(_ now: Int64, into batch: inout DatagramBatch) {
        guard
            knobs.restart || knobs.portChange || knobs.templateRedefine || knobs.samplingChange || knobs.withdrawal
        else { return }
        flushAll(now, into: &batch)
        if knobs.restart {
            boot = clock(now)
            sequence = 0
            templatesDueAt = now
        }
        if knobs.portChange { portGeneration += 1 }
        if knobs.templateRedefine {
            layouts[Slot.v4.rawValue].fields.reverse()
            templatesDueAt = now
        }
        if knobs.samplingChange {
            samplingInterval = min(samplingInterval &* 2, 1_000_000)
            templatesDueAt = now
        }
        if knobs.withdrawal {
            withdraw(now, into: &batch)
            if isStream { templatesDueAt = now }
        }
    }

    // MARK: Flows

    /// Takes in what the exporter saw; what fills a datagram goes to `batch`.
    mutating func append(_ seen: consuming Sighting, at now: Int64, into batch: inout DatagramBatch) {
        seen.flow.flowStartMilliseconds += knobs.skewMilliseconds
        seen.flow.flowEndMilliseconds += knobs.skewMilliseconds
        switch exportProtocol {
        case .sflow4, .sflow5: return appendSamples(of: seen, now, into: &batch)
        case .netflow1, .netflow5, .netflow7:
            guard seen.flow.sourceIPAddress.isV4 else {
                omitted.unsupported += 1
                return
            }
            guard sample(&seen) else { return }
            appendFixed(seen, now, into: &batch)
        case .netflow9, .ipfix:
            guard sample(&seen) else { return }
            appendTemplated(seen, now, into: &batch)
        case .packets: break
        }
    }

    /// Replaces the counters by those of the packets that the exporter looked at; false when there are none.
    private mutating func sample(_ seen: inout Sighting) -> Bool {
        guard samplingInterval > 1 else { return true }
        let all = max(seen.flow.packetDeltaCount, 1)
        let packets = dice.sampled(seen.flow.packetDeltaCount, interval: samplingInterval)
        seen.flow.octetDeltaCount = seen.flow.octetDeltaCount / all * packets
        seen.flow.packetDeltaCount = packets
        if let reverse = seen.reverse {
            let taken = dice.sampled(reverse.packets, interval: samplingInterval)
            seen.reverse?.octets = reverse.octets / max(reverse.packets, 1) * taken
            seen.reverse?.packets = taken
        }
        guard packets > 0 || seen.reverse.map({ $0.packets > 0 }) == true else {
            omitted.unsampled += 1
            return false
        }
        return true
    }

    /// Begins a datagram's body, if there is none, at `now`.
    @inline(__always)
    mutating func begin(_ slot: Slot, _ now: Int64) {
        guard !open[slot.rawValue].isOpen else { return }
        open[slot.rawValue].openedAt = now
        open[slot.rawValue].body.reserveCapacity(Self.payloadBytesMax + 200)
    }
    @inline(__always)
    mutating func note(_ seen: borrowing Sighting, in slot: Slot) {
        open[slot.rawValue].tally.records += 1
        open[slot.rawValue].tally.repeats += seen.isRepeat ? 1 : 0
        open[slot.rawValue].tally.octets &+= seen.flow.octetDeltaCount &+ (seen.reverse?.octets ?? 0)
        open[slot.rawValue].tally.packets &+= seen.flow.packetDeltaCount &+ (seen.reverse?.packets ?? 0)
    }

    /// Writes the open datagram of `slot` with its header.
    mutating func flush(_ slot: Slot, _ now: Int64, into batch: inout DatagramBatch) {
        let start = batch.bytes.count
        switch exportProtocol {
        case .netflow1, .netflow5, .netflow7: writeFixedHeader(open[0], now, into: &batch.bytes)
        case .netflow9, .ipfix: finishTemplated(slot, now, into: &batch.bytes)
        case .sflow4, .sflow5: writeSFlowHeader(open[0], now, into: &batch.bytes)
        case .packets: break
        }
        batch.bytes += open[slot.rawValue].body
        send(from: start, open[slot.rawValue].tally, into: &batch)
        open[slot.rawValue].body.removeAll(keepingCapacity: true)
        open[slot.rawValue].tally = DatagramTally()
    }
    /// Makes a datagram of the batch's octets from `start` on.
    func send(from start: Int, _ tally: DatagramTally, into batch: inout DatagramBatch) {
        batch.items.append(
            DatagramBatch.Item(
                range: start..<batch.bytes.count, exporter: identity.exporter, portGeneration: portGeneration,
                tally: tally))
    }
}
