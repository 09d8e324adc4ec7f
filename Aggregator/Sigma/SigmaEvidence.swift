/// What a finding tells beside the number: who, which ports, how much; and when it was last told.
import Detect
import FlowModel

/// One record, or another watch's match, as an event.
struct SigmaEvent: Sendable {
    /// In ms of event time; never before 1970.
    var time: Int64
    var end: Int64
    var attacker: IPAddress, victim: IPAddress
    /// The port that was called; 0 for none.
    var port: UInt16
    var flows: UInt64, packets: UInt64, octets: UInt64
    var samplingInterval = 1.0
    var isAnswer = false
}

struct SigmaEvidence: Sendable {
    private(set) var attackers: [IPAddress] = [], victims: [IPAddress] = []
    private(set) var ports: [UInt16] = []
    private(set) var flows: UInt64 = 0, packets: UInt64 = 0, octets: UInt64 = 0
    private(set) var first = Int64.max, last = Int64.min
    private(set) var samplingInterval = 1.0

    mutating func add(_ event: SigmaEvent) {
        Self.note(event.attacker, in: &attackers)
        Self.note(event.victim, in: &victims)
        if event.port != 0, ports.count < SigmaEntry.portsMax, !ports.contains(event.port) { ports.append(event.port) }
        flows = flows.adding(event.flows)
        packets = packets.adding(event.packets)
        octets = octets.adding(event.octets)
        (first, last) = (min(first, event.time), max(last, event.end))
        samplingInterval = max(samplingInterval, event.samplingInterval)
    }
    /// The first ones that came, in the order of coming.
    private static func note(_ host: IPAddress, in hosts: inout [IPAddress]) {
        guard !host.isAbsent, hosts.count < SigmaEntry.hostsMax, !hosts.contains(host) else { return }
        hosts.append(host)
    }

    /// Adds what later events told.
    mutating func merge(_ other: SigmaEvidence) {
        for host in other.attackers { Self.note(host, in: &attackers) }
        for host in other.victims { Self.note(host, in: &victims) }
        for port in other.ports where ports.count < SigmaEntry.portsMax && !ports.contains(port) { ports.append(port) }
        flows = flows.adding(other.flows)
        packets = packets.adding(other.packets)
        octets = octets.adding(other.octets)
        (first, last) = (min(first, other.first), max(last, other.last))
        samplingInterval = max(samplingInterval, other.samplingInterval)
    }

    init() {}

    func save(to writer: inout SnapshotWriter) {
        for hosts in [attackers, victims] {
            writer.add(hosts.count)
            for host in hosts { host.save(to: &writer) }
        }
        writer.add(ports.count)
        for port in ports { writer.add(UInt64(port)) }
        for word in [flows, packets, octets] { writer.add(word) }
        writer.add(first)
        writer.add(last)
        writer.add(samplingInterval)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) { attackers.append(try IPAddress(from: &reader)) }
        for _ in 0..<(try reader.nextCount()) { victims.append(try IPAddress(from: &reader)) }
        for _ in 0..<(try reader.nextCount()) { ports.append(try reader.nextSmall(UInt16.self)) }
        flows = try reader.next()
        packets = try reader.next()
        octets = try reader.next()
        first = try reader.nextSigned()
        last = try reader.nextSigned()
        samplingInterval = try reader.nextDouble()
    }
}

/// When a finding is said again, as the detectors do it: when raised, when it has doubled, and otherwise at most once
/// a pace of receive time while it grows.
struct SigmaAnnouncement: Hashable, Sendable {
    /// How often it was said, less one.
    private(set) var update = -1
    private(set) var saidMagnitude = 0.0
    private var saidReceived = Int64.min
    var isRaised: Bool { update >= 0 }

    mutating func isDue(magnitude: Double, received: Int64, pace: Int64, isLast: Bool) -> Bool {
        guard magnitude > saidMagnitude || update < 0 else { return false }
        let hasRested = received >= saidReceived.addingReportingOverflow(pace).partialValue
        guard update < 0 || isLast || magnitude >= 2 * saidMagnitude || hasRested else { return false }
        update += 1
        (saidMagnitude, saidReceived) = (magnitude, received)
        return true
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(Int64(update))
        writer.add(saidMagnitude)
        writer.add(saidReceived)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        let said = try reader.nextSigned()
        guard (-1...Int64(Int32.max)).contains(said) else { throw .damaged }
        update = Int(said)
        saidMagnitude = try reader.nextDouble()
        saidReceived = try reader.nextSigned()
    }
}
