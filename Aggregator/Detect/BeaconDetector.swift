/// Beacons: one inside host that calls one outside address again and again, at even distances and with calls alike.
///
/// Method: the scores of RITA (Active Countermeasures): Bowley's skewness and the median absolute deviation (MAD) of
/// the intervals between calls, and of the calls' octets; 32 octets of MAD are the end of "alike", as in RITA. How many
/// inside hosts speak to the address (prevalence) tells a service from a controller.
/// Invariants: a call is a connection's first record, so the slices of a long one, its keep-alives and a second
/// exporter's record are none; an entry keeps the latest `callsMax` calls. Not here: periodic by protocol (NTP, DNS and
/// the like, `periodicPorts`); calls to inside addresses (monitoring).
import FlowModel
import Identity

struct BeaconDetector: Detector {
    static let name = "beacon"
    static let rule = RuleInfo(id: "beacon", title: "Beaconing", tactics: ["TA0011"], techniques: ["T1071"])
    static let rules = [rule]
    /// A finding's window, in ms.
    static let windowMilliseconds: Int64 = 86_400_000
    /// DNS, DHCP, NTP, NetBIOS, SNMP, LDAP pings, ISAKMP, syslog, SSDP, STUN, mDNS: hosts call these by the clock.
    static let periodicPorts: Set<UInt16> = [
        53, 67, 68, 123, 137, 138, 161, 162, 389, 500, 514, 1_900, 3_478, 4_500, 5_353, 5_355,
    ]

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<BeaconEntry>
    private var peers: EventTable<Prevalence>
    var evictions: UInt64 { book.evictions &+ peers.evictions }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters)
        peers = EventTable(entriesMax: parameters.tableEntriesMax / 2, itemsMax: parameters.itemsMax / 2)
    }

    @inline(__always)
    private static func key(_ sight: FlowSight) -> WindowKey {
        WindowKey(
            first: sight.source, second: sight.destination,
            detail: UInt32(sight.transport) << 16 | UInt32(sight.destinationPort), epoch: 0)
    }

    mutating func observe(_ sight: FlowSight) {
        guard isCall(sight) else { return }
        let key = Self.key(sight), detail = key.detail, callsMin = parameters.beaconCallsMin
        var isFirst = false
        book.update(key, recency: sight.recency) { entry in
            isFirst = entry.count == 0
            return entry.add(sight, callsMin: callsMin)
        }
        guard isFirst else { return }
        let caller = DistinctItem(value: sight.source, time: sight.start, isAnswered: false)
        let hostsMax = parameters.beaconHostsMax + 1
        peers.update(WindowKey(first: sight.destination, detail: detail, epoch: 0), recency: sight.recency) {
            _ = $0.hosts.insert(caller, max: hostsMax)
        }
    }

    private func isCall(_ sight: FlowSight) -> Bool {
        guard sight.isTCP || sight.isUDP, !sight.source.isGroup, !sight.destination.isGroup,
            // With control bits only an opening counts: the rest are slices of what is known already.
            !sight.isTCP || sight.controlBits == 0 || sight.has(TCPFlag.syn),
            !sight.flags.contains(.portsSummed) || (sight.flows == 1 && sight.destinationPort != 0),
            !Self.periodicPorts.contains(sight.destinationPort), !parameters.isInside(sight.destination),
            parameters.mayBeInside(sight.source)
        else { return false }
        return sight.initiator == .source
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (peers, tenant, parameters) = (peers, tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            guard let rhythm = entry.rhythm else { return nil }
            let isBeacon =
                rhythm.score >= parameters.beaconScoreMin && rhythm.jitter <= parameters.beaconJitterMax
                && rhythm.isAlike
            guard isBeacon || entry.announcement.isRaised else { return nil }
            let callers = peers[WindowKey(first: key.second, detail: key.detail, epoch: 0)]?.hosts.count ?? 1
            guard callers <= parameters.beaconHostsMax || entry.announcement.isRaised else { return nil }
            return Verdict(magnitude: Double(entry.count)) { update in
                Self.finding(key, entry, rhythm, callers: callers, tenant, parameters, update: update)
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
        book.save(to: &writer)
        peers.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try book.restore(from: &reader)
        try peers.restore(from: &reader)
    }
}
