/// Port scans in sums: what `PortScanDetector` finds in records, found in rows whose ports (and perhaps peers) were
/// summed away, by the sketches that travel with them.
///
/// Method: failed contacts are united in one sketch, answered ones in another, both over a window; the failed are what
/// the first adds to the second, and failures less successes is the walk of `PortScanDetector`. A row of TCP without
/// any ACK holds failures only, whichever way the rest of its key went.
/// Invariants: union does not depend on the order; a row adds nothing by coming twice; hosts without a name never
/// become entities. Severity is `low` where the rows can't tell failures from answers that were not exported.
/// Not here: vertical scans over UDP and sweeps by ICMP: sums of probes look like sums of answers.
import FlowModel
import Identity

struct SummedScanDetector: Detector {
    static let name = "summed-scan"
    /// The rules of `PortScanDetector`: the same attack, seen with less detail.
    static let rules: [RuleInfo] = []
    static let interest: Aspects = .portless

    let tenant: TenantID, parameters: DetectorParameters
    private var table: EventTable<SummedScan>
    private var agenda = Agenda()
    /// Of the batch at hand.
    private var sketches = DistinctCounts()
    var evictions: UInt64 { table.evictions }
    var reopenings: UInt64 { table.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        table = EventTable(entriesMax: parameters.tableEntriesMax / 4, itemsMax: parameters.itemsMax)
    }

    mutating func begin(_ columns: FlowColumns, rows: Range<Int>) { sketches = columns.sketches }

    mutating func observe(_ sight: FlowSight) {
        guard sight.isPortless, sight.isTCP || sight.isUDP, let pair = sketches.pair(at: sight.sketch) else { return }
        guard let outcome = SummedOutcome(sight) else { return }
        if sight.isTCP, !sight.source.isGroup, !sight.destination.isGroup { observePorts(sight, pair, outcome) }
        // A server's answers to its clients have a port of their own in common and are no contacts of its.
        guard sight.sourcePort == 0 else { return }
        if !sight.source.isGroup, sight.destination.isAbsent || !sight.destination.isGroup {
            observePeers(of: sight.source, sight, pair, outcome)
        }
        if sight.isUDP, !sight.destination.isGroup, sight.source.isAbsent || !sight.source.isGroup {
            observePeers(of: sight.destination, sight, pair, .answered)
        }
    }

    private mutating func observePorts(_ sight: FlowSight, _ pair: DistinctPair, _ outcome: SummedOutcome) {
        guard outcome == .failed || (outcome == .answered && sight.sourcePort == 0) else { return }
        let key = WindowKey(
            first: sight.source, second: sight.destination, detail: UInt32(sight.transport),
            epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
        table.update(key, recency: sight.recency) { $0.add(sight, pair.ports, outcome) }
        if outcome != .answered { agenda.add(key) }
    }

    /// - Parameter host: who tries, or is answered.
    private mutating func observePeers(
        of host: IPAddress, _ sight: FlowSight, _ pair: DistinctPair, _ outcome: SummedOutcome
    ) {
        let key = WindowKey(
            first: host, detail: UInt32(sight.transport),
            epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
        let peer = host == sight.source ? sight.destination : sight.source
        var peers = pair.peers
        if !peer.isAbsent { peers.insert(peer) }
        table.update(key, recency: sight.recency) { entry in
            entry.add(sight, peers, outcome)
            guard outcome != .answered else { return }
            entry.ports.merge(pair.ports)
            let item = DistinctItem(value: peer, time: sight.start, isAnswered: false)
            if !peer.isAbsent { _ = entry.named.insert(item, max: Finding.entitiesMax) }
        }
        if outcome != .answered { agenda.add(key) }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        sketches = DistinctCounts()
        return agenda.take().compactMap { weigh($0, received: received, isLast: isLast) }
    }

    private mutating func weigh(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let entry = table[key] else { return nil }
        let needed = threshold(key, entry), observed = entry.unanswered
        guard entry.announcement.isRaised || observed - entry.answered.count >= needed else { return nil }
        var announcement = entry.announcement
        let isDue = announcement.isDue(
            magnitude: Double(observed), received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, Double(observed) > announcement.saidMagnitude { agenda.add(key) }
        guard isDue else { return nil }
        table.updateKnown(key) { $0.announcement = announcement }
        return finding(key, entry, observed: observed, needed: needed, update: announcement.update)
    }

    /// Many hosts are a scan when they were tried for few ports: as many hosts as on a port of the web, for each port.
    /// So the peers of file sharing, each with a port of its own, are none.
    private func threshold(_ key: WindowKey, _ entry: SummedScan) -> Int {
        if !key.second.isAbsent { return parameters.scanPortsMin }
        let hosts = entry.isWeak ? 2 * parameters.scanWeakMin : parameters.scanWebHostsMin
        return hosts * max(entry.ports.count, 1)
    }

    private func finding(
        _ key: WindowKey, _ entry: SummedScan, observed: Int, needed: Int, update: Int
    ) -> Finding {
        let isVertical = !key.second.isAbsent
        var rule = isVertical ? PortScanDetector.vertical : PortScanDetector.horizontal
        if key.first.isPrivate { rule.tactics = ["TA0007"] } else { rule.techniques.append("T1595.001") }
        let victims = isVertical ? [key.second] : entry.named.list.prefix(Finding.entitiesMax - 1).map(\.value)
        let name = transportName(UInt8(truncatingIfNeeded: key.detail))
        let what =
            isVertical
            ? "about \(counted(observed)) \(name) ports of \(key.second)"
            : "about \(counted(observed)) hosts over \(name), \(Self.portsText(entry.ports.count))"
        let time = lasting(from: entry.totals.first, to: entry.totals.last)
        let severity: Severity = entry.isWeak || observed < 20 ? .low : observed < 100 ? .medium : .high
        return Finding(
            tenant: tenant, rule: rule, entity: "\(key.first)|\(key.second)|\(key.detail)|sums",
            windowStart: key.epoch * parameters.scanWindowMilliseconds,
            title: "\(key.first) tried \(what), without success \(time) (told from sums)",
            severity: severity,
            entities: [FindingEntity(key.first, .attacker)] + victims.map { FindingEntity($0, .victim) }, ports: [],
            span: (entry.totals.first, entry.totals.last),
            evidence: entry.totals.evidence(
                observed: Double(observed), threshold: Double(needed), unit: isVertical ? "ports" : "hosts"),
            update: update)
    }
    private static func portsText(_ count: Int) -> String { count <= 1 ? "on one port" : "on about \(count) ports" }

    func save(to writer: inout SnapshotWriter) {
        table.save(to: &writer)
        agenda.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try table.restore(from: &reader)
        try agenda.restore(from: &reader)
    }
}

/// How the contacts of a sum went, as far as it can tell.
enum SummedOutcome {
    case failed, weaklyFailed, answered

    init?(_ sight: FlowSight) {
        if sight.isTCP, sight.has(TCPFlag.ack) {
            // A row of nothing but resets is the answer of a closed port.
            guard sight.has(TCPFlag.fin | TCPFlag.psh) || !sight.isBrief else { return nil }
            self = .answered
        } else if sight.isTCP, sight.has(TCPFlag.syn) {
            self = .failed
        } else if sight.flags.contains(.denied)
            || (!sight.isSampled && sight.isBrief && (sight.isUDP || sight.controlBits == 0))
        {
            self = .weaklyFailed
        } else {
            return nil
        }
    }
}

/// One source's contacts with the ports of one host, or with hosts, in one window.
struct SummedScan: WindowEntry {
    private(set) var failed = DistinctSketch(), answered = DistinctSketch()
    /// Destination ports of the failed contacts with hosts.
    var ports = DistinctSketch()
    /// Hosts of failed contacts whose names were kept.
    var named = DistinctItems()
    /// Of the rows with failed contacts.
    private(set) var totals = Totals()
    private(set) var isWeak = false
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { named.count }

    mutating func add(_ sight: FlowSight, _ contacts: DistinctSketch, _ outcome: SummedOutcome) {
        guard outcome != .answered else { return answered.merge(contacts) }
        failed.merge(contacts)
        totals.add(sight)
        if outcome == .weaklyFailed { isWeak = true }
    }
    /// What was tried and never answered, about.
    var unanswered: Int {
        var all = failed
        all.merge(answered)
        return max(all.count - answered.count, 0)
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for sketch in [failed, answered, ports] { sketch.save(to: &writer) }
        named.save(to: &writer)
        totals.save(to: &writer)
        writer.add(isWeak)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        failed = try DistinctSketch(from: &reader)
        answered = try DistinctSketch(from: &reader)
        ports = try DistinctSketch(from: &reader)
        named = try DistinctItems(from: &reader)
        totals = try Totals(from: &reader)
        isWeak = try reader.nextBool()
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
