/// Lateral movement: an inside host that opens administrative sessions with many inside hosts it never had any with.
///
/// Method: fan-out of first successful contacts on administrative services, against the peers that the host is known to
/// administer; the graph's new edges are what methods on login graphs rest on (Ho et al., "Hopper", USENIX Security
/// 2021), without their users.
/// Invariants: a peer is new once, until its host is forgotten; only completed sessions count, so scans don't. Not
/// here: one session that is wrong; tools that go through one server (a jump host is the attacker's address then).
import FlowModel
import Identity

struct LateralMovementDetector: Detector {
    static let name = "lateral-movement"
    static let rule = RuleInfo(
        id: "lateral-movement", title: "Administrative sessions with many new hosts", tactics: ["TA0008"],
        techniques: ["T1021"])
    static let rules = [rule]
    static let interest: Aspects = .admin
    /// SSH, Telnet, RPC, NetBIOS, SMB, RDP, VNC, WinRM.
    static let ports: Set<UInt16> = [22, 23, 135, 139, 445, 2_222, 3_389, 5_900, 5_985, 5_986]
    static let hourMilliseconds: Int64 = 3_600_000
    /// A host that has been known for so long, in ms, has shown whom it administers.
    static let learningMilliseconds: Int64 = 86_400_000
    static let peersMax = 1_024

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<FanOut>
    var evictions: UInt64 { book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters, share: 4)
    }

    mutating func observe(_ sight: FlowSight) {
        guard sight.isTCP, Self.ports.contains(sight.destinationPort), Self.isSession(sight),
            parameters.isInside(sight.source), parameters.isInside(sight.destination), !sight.source.isGroup,
            !sight.destination.isGroup, sight.initiator == .source
        else { return }
        let hostsMin = parameters.lateralHostsMin, peersMax = min(Self.peersMax, parameters.itemsPerEntryMax)
        book.update(WindowKey(first: sight.source, epoch: 0), recency: sight.recency) { entry in
            entry.add(sight, peersMax: peersMax)
            return entry.burst.count >= hostsMin
        }
    }

    /// A completed exchange in the client's direction.
    private static func isSession(_ sight: FlowSight) -> Bool {
        guard !sight.flags.contains(.denied), sight.packets >= LoginService.packetsMin else { return false }
        return sight.controlBits == 0 || (sight.has(TCPFlag.ack) && sight.has(TCPFlag.psh))
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, parameters) = (tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            let count = entry.burst.count
            guard count >= parameters.lateralHostsMin else { return nil }
            return Verdict(magnitude: Double(count)) { update in
                let services = entry.ports.sorted()
                return Finding(
                    Self.rule, of: tenant, entity: "\(key.first)",
                    windowStart: entry.burstStart / Self.hourMilliseconds * Self.hourMilliseconds,
                    title:
                        "\(key.first) opened sessions with \(counted(count)) inside hosts it had none with before, on "
                        + "ports \(services.map(portText).joined(separator: ", ")) "
                        + lasting(from: entry.totals.first, to: entry.totals.last),
                    severity: entry.isLearned ? .medium : .low, attackers: [key.first],
                    victims: Array(entry.burst.prefix(Finding.entitiesMax - 1)), ports: services, totals: entry.totals,
                    observed: Double(count), threshold: Double(parameters.lateralHostsMin), unit: "hosts",
                    update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) { book.save(to: &writer) }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) { try book.restore(from: &reader) }
}

/// Whom one host has administrative sessions with.
struct FanOut: CaseEntry {
    /// All, with the time of the first session.
    private(set) var peers = DistinctItems()
    /// Those that were new in a row of first contacts, none further than an hour from the row's start.
    private(set) var burst: [IPAddress] = []
    private(set) var burstStart = Int64.min
    private(set) var ports: Set<UInt16> = []
    /// The row's sessions.
    private(set) var totals = Totals()
    private var firstSeen = Int64.max
    /// The row began when the host had been known for long.
    private(set) var isLearned = false
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { peers.count + burst.count }

    mutating func add(_ sight: FlowSight, peersMax: Int) {
        firstSeen = min(firstSeen, sight.start)
        let peer = DistinctItem(value: sight.destination, time: sight.start, isAnswered: true)
        let isNew = peers.insert(peer, max: peersMax) == .added
        let hour = LateralMovementDetector.hourMilliseconds
        let isWithin = burstStart != Int64.min && abs(sight.start - burstStart) < hour
        guard isNew else {
            if isWithin, burst.contains(sight.destination) { totals.add(sight) }
            return
        }
        if !isWithin {
            burst = []
            ports = []
            totals = Totals()
            announcement = Announcement()
            burstStart = sight.start
            isLearned = sight.start - firstSeen >= LateralMovementDetector.learningMilliseconds
        }
        burst.append(sight.destination)
        ports.insert(sight.destinationPort)
        totals.add(sight)
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        peers.save(to: &writer)
        writer.add(burst.count)
        for peer in burst {
            writer.add(peer.high)
            writer.add(peer.low)
        }
        writer.add(ports.count)
        for port in ports.sorted() { writer.add(UInt64(port)) }
        totals.save(to: &writer)
        writer.add(burstStart)
        writer.add(firstSeen)
        writer.add(isLearned)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        peers = try DistinctItems(from: &reader)
        for _ in 0..<(try reader.nextCount()) {
            burst.append(IPAddress(high: try reader.next(), low: try reader.next()))
        }
        for _ in 0..<(try reader.nextCount()) { ports.insert(try reader.nextSmall(UInt16.self)) }
        totals = try Totals(from: &reader)
        burstStart = try reader.nextSigned()
        firstSeen = try reader.nextSigned()
        guard burstStart == .min || EventTime.range.contains(burstStart), firstSeen >= 0 else { throw .damaged }
        isLearned = try reader.nextBool()
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
