/// The state behind `ThreatIntelligenceDetector`: contacts with listed addresses, and what many of them fold into.
import FlowModel
import Intelligence

/// One own host and one listed address, in one window.
struct PeerContact: WindowEntry {
    private(set) var totals = Totals()
    /// What no fold has been given of it.
    private(set) var unfolded = Totals()
    private(set) var direction = ContactFacts.Direction.unknown
    private var isAnswered = false, isRefused = false
    /// The service's; of the latest record that tells.
    private(set) var port: UInt16 = 0
    /// The listed address's own port in that record, and its system's number.
    private(set) var peerPort: UInt16 = 0
    private(set) var system: UInt32 = 0
    /// It has a finding of its own: it was among the first of its host.
    var isNamed = false
    var saidSeverity = 0
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { 1 }

    var facts: ContactFacts {
        ContactFacts(
            direction: direction, outcome: isAnswered ? .answered : isRefused ? .refused : .unanswered, port: port)
    }

    mutating func add(_ sight: FlowSight, peerIsSource: Bool, system: UInt32) {
        totals.add(sight)
        unfolded.add(sight)
        let initiator = sight.initiator
        if direction == .unknown, initiator != .unknown {
            direction = (initiator == .source) == peerIsSource ? .inbound : .outbound
        }
        if sight.flags.contains(.denied) { isRefused = true } else if sight.showsAnswer { isAnswered = true }
        peerPort = peerIsSource ? sight.sourcePort : sight.destinationPort
        port = initiator == .destination ? sight.sourcePort : sight.destinationPort
        if system != 0 { self.system = system }
    }
    mutating func takeUnfolded() { unfolded = Totals() }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        totals.save(to: &writer)
        unfolded.save(to: &writer)
        writer.add(ContactFacts.Direction.allCases.firstIndex(of: direction) ?? 0)
        for flag in [isAnswered, isRefused, isNamed] { writer.add(flag) }
        for word in [UInt64(port), UInt64(peerPort), UInt64(system)] { writer.add(word) }
        writer.add(saidSeverity)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        totals = try Totals(from: &reader)
        unfolded = try Totals(from: &reader)
        let index = Int(try reader.nextSmall(UInt8.self))
        guard index < ContactFacts.Direction.allCases.count else { throw .damaged }
        direction = ContactFacts.Direction.allCases[index]
        (isAnswered, isRefused) = (try reader.nextBool(), try reader.nextBool())
        isNamed = try reader.nextBool()
        port = try reader.nextSmall(UInt16.self)
        peerPort = try reader.nextSmall(UInt16.self)
        system = try reader.nextSmall(UInt32.self)
        saidSeverity = Int(try reader.nextSmall(UInt8.self))
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}

extension FlowSight {
    /// Whether the called end had answered when this record was made: it is that end's own record, and no reset; or it
    /// is the caller's and has more in it than an attempt.
    fileprivate var showsAnswer: Bool {
        guard isTCP, controlBits != 0 else { return initiator == .destination || !isBrief }
        if initiator == .destination { return has(TCPFlag.ack) && (!has(TCPFlag.rst) || has(TCPFlag.psh)) }
        return has(TCPFlag.ack) && (has(TCPFlag.fin) || has(TCPFlag.psh) || !isBrief)
    }
}

/// Many contacts that are told as one.
struct ContactFold: WindowEntry {
    private(set) var totals = Totals()
    private(set) var peers = DistinctItems(), hosts = DistinctItems()
    /// Of the contact that scored most.
    private(set) var score = -1.0
    private(set) var peer = IPAddress.absent
    var saidSeverity = 0
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { peers.count + hosts.count }

    mutating func add(_ contact: PeerContact, host: IPAddress, peer: IPAddress, score: Double, itemsMax: Int) {
        totals.add(contact.unfolded)
        let time = contact.totals.first
        _ = peers.insert(DistinctItem(value: peer, time: time, isAnswered: false), max: itemsMax)
        _ = hosts.insert(DistinctItem(value: host, time: time, isAnswered: false), max: itemsMax)
        // Of equals the lower address: which came first in a batch depends on nothing but the log, yet need not matter.
        if score > self.score || (score == self.score && peer < self.peer) { (self.score, self.peer) = (score, peer) }
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        totals.save(to: &writer)
        peers.save(to: &writer)
        hosts.save(to: &writer)
        writer.add(score)
        writer.add(peer.high)
        writer.add(peer.low)
        writer.add(saidSeverity)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        totals = try Totals(from: &reader)
        peers = try DistinctItems(from: &reader)
        hosts = try DistinctItems(from: &reader)
        score = try reader.nextDouble()
        peer = IPAddress(high: try reader.next(), low: try reader.next())
        saidSeverity = Int(try reader.nextSmall(UInt8.self))
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}

/// How many addresses of an own host have a finding of their own.
struct NamedPeers: WindowEntry {
    var count = 0
    var recency = Int64.min
    var itemCount: Int { 1 }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(count)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        count = Int(try reader.nextSmall(UInt16.self))
        recency = try reader.nextSigned()
    }
}
