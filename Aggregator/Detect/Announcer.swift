/// When a raised finding is said again, the same way for every detector.
///
/// A running attack grows with every batch; saying so each time would drown everyone. It is said when raised, when it
/// has doubled, and otherwise at most once per `updatePaceMilliseconds` of receive time while it still grows.
import FlowModel

/// That an entry has become a finding, and what was last said of it.
struct Announcement: Sendable {
    /// How often it was said, less one.
    var update = -1
    var saidMagnitude = 0.0
    var saidReceived = Int64.min
    var isRaised: Bool { update >= 0 }

    /// Whether `magnitude` is worth saying at `received`; remembers that it was said.
    mutating func isDue(magnitude: Double, received: Int64, pace: Int64, isLast: Bool) -> Bool {
        guard magnitude > saidMagnitude || update < 0 else { return false }
        let hasRested = received >= saidReceived &+ pace
        guard update < 0 || isLast || magnitude >= 2 * saidMagnitude || hasRested else { return false }
        update += 1
        saidMagnitude = magnitude
        saidReceived = received
        return true
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(Int64(update))
        writer.add(saidMagnitude)
        writer.add(saidReceived)
    }
    init() {}
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        let said = try reader.nextSigned()
        guard (-1...Int64(Int32.max)).contains(said) else { throw .damaged }
        update = Int(said)
        saidMagnitude = try reader.nextDouble()
        saidReceived = try reader.nextSigned()
    }
}

/// What a batch touched, each key once, in the order of touching; and what has grown and was not yet said.
struct Agenda: Sendable {
    private(set) var keys: [WindowKey] = []
    private var known: Set<WindowKey> = []

    mutating func add(_ key: WindowKey) {
        if known.insert(key).inserted { keys.append(key) }
    }
    /// All keys, and an empty agenda.
    mutating func take() -> [WindowKey] {
        defer { self = Agenda() }
        return keys
    }
    func save(to writer: inout SnapshotWriter) {
        writer.add(keys.count)
        for key in keys { key.save(to: &writer) }
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) { add(try WindowKey(from: &reader)) }
    }
}

/// The parts of evidence that every entry adds up.
struct Totals: Sendable {
    var flows: UInt64 = 0, packets: UInt64 = 0, octets: UInt64 = 0
    /// Event times; `first` is later than `last` while nothing was added.
    var first = Int64.max, last = Int64.min
    var samplingInterval = 1.0
    private(set) var signs = InitiatorSigns()

    mutating func add(_ sight: FlowSight) {
        flows &+= UInt64(sight.flows)
        packets = packets.adding(sight.packets, times: sight.samplingInterval)
        octets = octets.adding(sight.octets, times: sight.samplingInterval)
        first = min(first, sight.start)
        last = max(last, sight.end)
        samplingInterval = max(samplingInterval, sight.samplingInterval)
        signs.add(sight.sign)
    }
    /// Adds a call of which only the octets and the start are known.
    mutating func add(_ call: LoneCall, from start: Int64, samplingInterval: Double) {
        flows &+= 1
        octets = octets.adding(UInt64(call.octets), times: samplingInterval)
        first = min(first, start)
        last = max(last, start)
    }
    mutating func add(_ other: Totals) {
        flows &+= other.flows
        packets &+= other.packets
        octets &+= other.octets
        first = min(first, other.first)
        last = max(last, other.last)
        samplingInterval = max(samplingInterval, other.samplingInterval)
        signs.add(other.signs)
    }
    func evidence(observed: Double, threshold: Double, unit: String) -> Evidence {
        var evidence = Evidence(
            observed: observed, threshold: threshold, unit: unit, flows: flows, packets: packets, octets: octets)
        if samplingInterval > 1 { evidence.samplingInterval = samplingInterval }
        evidence.initiator = signs.evidence
        return evidence
    }

    func save(to writer: inout SnapshotWriter) {
        for word in [flows, packets, octets] { writer.add(word) }
        writer.add(first)
        writer.add(last)
        writer.add(samplingInterval)
        signs.save(to: &writer)
    }
    init() {}
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        flows = try reader.next()
        packets = try reader.next()
        octets = try reader.next()
        first = try reader.nextSigned()
        last = try reader.nextSigned()
        samplingInterval = try reader.nextDouble()
        signs = try InitiatorSigns(from: &reader)
    }
}

extension UInt64 {
    /// `count` scaled by the sampling interval, without a trap whatever the exporter claims.
    fileprivate func adding(_ count: UInt64, times interval: Double) -> UInt64 {
        let scaled = interval > 1 ? UInt64(Swift.min(Double(count) * interval, 9e18)) : count
        let (sum, overflow) = addingReportingOverflow(scaled)
        return overflow ? .max : sum
    }
}
