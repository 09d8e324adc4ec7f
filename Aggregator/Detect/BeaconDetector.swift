/// Beacons: one inside host that calls one outside address again and again, at even distances and with calls alike.
///
/// Method: the scores of RITA (Active Countermeasures): Bowley's skewness and the median absolute deviation (MAD) of
/// the intervals between calls, and of the calls' octets; 32 octets of MAD are the end of "alike", as in RITA. How many
/// inside hosts speak to the address (prevalence) tells a service from a controller.
/// Invariants: a call is a connection's first record, so the slices of a long one, its keep-alives and a second
/// exporter's record are none; an entry keeps the latest `callsMax` calls, from the first two that follow each other
/// and are alike (`LoneCall`). Not here: periodic by protocol (NTP, DNS and
/// the like, `periodicPorts`); calls to inside addresses (monitoring).
import FlowModel
import Identity

struct BeaconDetector: Detector {
    static let name = "beacon"
    static let rule = RuleInfo(id: "beacon", title: "Beaconing", tactics: ["TA0011"], techniques: ["T1071"])
    static let rules = [rule]
    static let interest: Aspects = .call
    /// A finding's window, in ms.
    static let windowMilliseconds: Int64 = 86_400_000
    /// DNS, DHCP, NTP, NetBIOS, SNMP, LDAP pings, ISAKMP, syslog, SSDP, STUN, mDNS: hosts call these by the clock.
    static let periodicPorts: Set<UInt16> = [
        53, 67, 68, 123, 137, 138, 161, 162, 389, 500, 514, 1_900, 3_478, 4_500, 5_353, 5_355,
    ]

    let tenant: TenantID, parameters: DetectorParameters
    private let keys: KeyHash
    /// The latest call of each pair; flagged when the pair is in the book.
    private var lone: FingerprintTable<LoneCall>
    private var book: CaseBook<BeaconEntry>
    private var callers: FingerprintTable<Callers>
    /// Of the records at hand.
    private var visits = [(pair: UInt64, service: UInt64, index: Int)](
        repeating: (0, 0, 0), count: SightChunk.sightsMax)
    private var warmth: UInt64 = 0
    var evictions: UInt64 { lone.evictions &+ book.evictions &+ callers.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        keys = KeyHash(tenant)
        lone = FingerprintTable(entriesMax: parameters.tableEntriesMax)
        book = CaseBook(parameters)
        callers = FingerprintTable(entriesMax: parameters.tableEntriesMax / 4)
    }

    mutating func observe(_ chunk: borrowing SightChunk) {
        let count = plan(chunk)
        for place in 0..<count { meet(chunk.sights[visits[place].index], visits[place]) }
    }
    /// Every record comes in a chunk.
    mutating func observe(_ sight: FlowSight) {}

    private mutating func plan(_ chunk: borrowing SightChunk) -> Int {
        var count = 0, visits: [(pair: UInt64, service: UInt64, index: Int)] = []
        swap(&visits, &self.visits)
        defer { swap(&visits, &self.visits) }
        for index in chunk.indices where chunk.aspects[index].contains(.call) {
            let sight = chunk.sights[index]
            let detail = UInt64(sight.transport) << 16 | UInt64(sight.destinationPort)
            let pair = keys.of(sight.sourceHash, sight.destinationHash, detail: detail, epoch: 0)
            let service = keys.of(sight.destinationHash, detail: detail, epoch: 0)
            visits[count] = (pair, service, index)
            count += 1
        }
        for place in 0..<count { warmth &+= lone.warm(visits[place].pair) &+ callers.warm(visits[place].service) }
        return count
    }
    @inline(__always)
    private mutating func meet(_ sight: FlowSight, _ visit: (pair: UInt64, service: UInt64, index: Int)) {
        let (place, isNew) = lone.place(of: visit.pair)
        guard !isNew else {
            lone[place] = LoneCall(sight)
            let service = callers.place(of: visit.service).place
            return callers[service].add(sight.sourceHash)
        }
        guard !lone.isFlagged(place) else { return enter(sight, after: nil) }
        let last = lone[place]
        if last.hasPart(sight) { return lone[place].extend(to: sight) }
        guard last.isAlike(sight) else {
            lone[place] = LoneCall(sight)
            return
        }
        lone.setFlag(place, to: true)
        enter(sight, after: last)
    }

    /// - Parameter first: the call before this one, of a pair that is new in the book.
    @inline(never)
    private mutating func enter(_ sight: FlowSight, after first: LoneCall?) {
        let key = WindowKey(
            first: sight.source, second: sight.destination,
            detail: UInt32(sight.transport) << 16 | UInt32(sight.destinationPort), epoch: 0)
        let callsMin = parameters.beaconCallsMin
        book.update(key, recency: sight.recency) { entry in
            if let first, entry.count == 0 { entry.begin(with: first, before: sight) }
            return entry.add(sight, callsMin: callsMin)
        }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (callers, keys, tenant, parameters) = (callers, keys, tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            guard let rhythm = entry.rhythm else { return nil }
            let isBeacon =
                rhythm.score >= parameters.beaconScoreMin && rhythm.jitter <= parameters.beaconJitterMax
                && rhythm.isAlike
            guard isBeacon || entry.announcement.isRaised else { return nil }
            let service = callers.find(keys.of(keys.host(key.second), detail: UInt64(key.detail), epoch: 0))
            let count = service.map { callers[$0].count } ?? 1
            guard count <= parameters.beaconHostsMax || entry.announcement.isRaised else { return nil }
            return Verdict(magnitude: Double(entry.count)) { update in
                Self.finding(key, entry, rhythm, callers: count, tenant, parameters, update: update)
            }
        }
    }

    private static func finding(
        _ key: WindowKey, _ entry: BeaconEntry, _ rhythm: Rhythm, callers: Int, _ tenant: TenantID,
        _ parameters: DetectorParameters, update: Int
    ) -> Finding {
        let port = UInt16(truncatingIfNeeded: key.detail), transport = UInt8(truncatingIfNeeded: key.detail >> 16)
        var rule = rule
        if webPorts.contains(port) { rule.techniques = ["T1071.001"] }
        let isLasting = entry.totals.last - entry.totals.first >= 600_000
        // On ports of services programs poll by the clock all day; elsewhere nobody should.
        let isOdd = parameters.isInside(key.first) && !isServicePort(port) && callers <= 2
        let others = callers > 1 ? ", as \(callers - 1) more hosts do" : ""
        return Finding(
            rule, of: tenant, entity: "\(key.first)|\(key.second)|\(key.detail)",
            windowStart: (entry.day ?? 0) * windowMilliseconds,
            title: "\(key.first) called \(key.second) port \(portText(port)) over \(transportName(transport)) "
                + "\(counted(entry.count)) times, every \(intervalText(rhythm.interval)) with about "
                + "\(counted(rhythm.octets)) octets, \(lasting(from: entry.totals.first, to: entry.totals.last))"
                + others,
            severity: isLasting && isOdd && rhythm.score >= 0.9 ? .medium : .low, attackers: [key.first],
            victims: [key.second], ports: [port], totals: entry.totals, observed: rhythm.score,
            threshold: parameters.beaconScoreMin, unit: "score", update: update)
    }
    private static func intervalText(_ milliseconds: Int64) -> String {
        milliseconds < 10_000
            ? "\(milliseconds / 1_000).\(milliseconds % 1_000 / 100) s"
            : milliseconds < 600_000 ? "\(milliseconds / 1_000) s" : "\(milliseconds / 60_000) min"
    }

    func save(to writer: inout SnapshotWriter) {
        lone.save(to: &writer)
        book.save(to: &writer)
        callers.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try lone.restore(from: &reader)
        try book.restore(from: &reader)
        try callers.restore(from: &reader)
    }
}
