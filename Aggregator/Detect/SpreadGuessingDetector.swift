/// Password guessing that stays below the limits of one source in five minutes: from many sources, or slowly.
///
/// Method: the sessions of `PasswordGuessingDetector` (Hofstede et al., CCR 2014) over a day: by victim, with the
/// sources counted and their sizes compared (distributed guessing as in Javed and Paxson, "Detecting Stealthy,
/// Distributed SSH Brute-Forcing", CCS 2013); and by pair, with the sessions counted.
/// Invariants: only sources outside count, since programs inside poll by the clock; services that programs use all day
/// and SMB are left out. Not here: fast guessing from one source.
import FlowModel
import Identity

struct SpreadGuessingDetector: Detector {
    static let name = "spread-guessing"
    static let distributed = RuleInfo(
        id: "password-guessing-distributed", title: "Password guessing from many sources", tactics: ["TA0006"],
        techniques: ["T1110"])
    static let slow = RuleInfo(
        id: "password-guessing-slow", title: "Slow password guessing", tactics: ["TA0006"], techniques: ["T1110"])
    static let rules = [distributed, slow]
    static let interest: Aspects = .login
    static let dayMilliseconds: Int64 = 86_400_000
    static let sessionsMax = 256

    let tenant: TenantID, parameters: DetectorParameters
    /// Sessions by source, of a victim's service; sessions by client port and start, of a pair's.
    private var victims: CaseBook<SpreadEntry>
    private var pairs: CaseBook<SpreadEntry>
    var evictions: UInt64 { victims.evictions &+ pairs.evictions }
    var reopenings: UInt64 { victims.reopenings &+ pairs.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        victims = CaseBook(parameters, share: 4)
        pairs = CaseBook(parameters, share: 2)
    }

    mutating func observe(_ sight: FlowSight) {
        guard sight.isTCP, let service = LoginService.on(sight.destinationPort), !service.isBusy, service.port != 445,
            !sight.flags.contains(.denied), !sight.destination.isGroup, !sight.source.isGroup,
            sight.initiator == .source, !parameters.isInside(sight.source),
            var session = PasswordGuessingDetector.session(sight, service)
        else { return }
        let day = epoch(of: sight.start, width: Self.dayMilliseconds), detail = UInt32(service.port)
        let (sourcesMin, sessionsMin) = (parameters.guessSourcesMin, parameters.guessSlowSessionsMin)
        let pair = WindowKey(first: sight.source, second: sight.destination, detail: detail, epoch: day)
        pairs.update(pair, recency: sight.recency) { entry in
            guard entry.items.insert(session, max: Self.sessionsMax) == .added else { return false }
            entry.totals.add(sight)
            return entry.items.count >= sessionsMin
        }
        session.value = sight.source
        let victim = WindowKey(first: sight.destination, detail: detail, epoch: day)
        let itemsMax = parameters.itemsPerEntryMax
        victims.update(victim, recency: sight.recency) { entry in
            entry.totals.add(sight)
            return entry.items.insert(session, max: itemsMax) == .added && entry.items.count >= sourcesMin
        }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, parameters) = (tenant, parameters)
        let spread = victims.settle(received: received, isLast: isLast) { key, entry in
            guard entry.isAlike(parameters) || entry.announcement.isRaised else { return nil }
            return Verdict(magnitude: Double(entry.items.count)) { update in
                Self.finding(Self.distributed, key, entry, tenant, parameters, update: update)
            }
        }
        let slow = pairs.settle(received: received, isLast: isLast) { key, entry in
            guard (entry.isAlike(parameters) && entry.isSlow(parameters)) || entry.announcement.isRaised else {
                return nil
            }
            return Verdict(magnitude: Double(entry.items.count)) { update in
                Self.finding(Self.slow, key, entry, tenant, parameters, update: update)
            }
        }
        return spread + slow
    }

    private static func finding(
        _ rule: RuleInfo, _ key: WindowKey, _ entry: SpreadEntry, _ tenant: TenantID, _ parameters: DetectorParameters,
        update: Int
    ) -> Finding {
        let port = UInt16(truncatingIfNeeded: key.detail), count = entry.items.count, isSlow = rule.id == slow.id
        let victim = isSlow ? key.second : key.first
        let sources = isSlow ? [key.first] : entry.items.list.prefix(Finding.entitiesMax - 1).map(\.value)
        let who = isSlow ? "\(key.first) opened \(counted(count))" : "\(counted(count)) sources opened"
        return Finding(
            rule, of: tenant, entity: "\(key.first)|\(key.second)|\(port)", windowStart: key.epoch * dayMilliseconds,
            title: "\(who) short sessions of like size to \(victim) port \(portText(port)), "
                + "\(counted(Int(min(entry.totals.flows, 1 << 53)))) in all, "
                + lasting(from: entry.totals.first, to: entry.totals.last),
            severity: isSlow ? .low : .medium, attackers: sources, victims: [victim], ports: [port],
            totals: entry.totals, observed: Double(count),
            threshold: Double(isSlow ? parameters.guessSlowSessionsMin : parameters.guessSourcesMin),
            unit: isSlow ? "sessions" : "sources", update: update)
    }

    func save(to writer: inout SnapshotWriter) {
        victims.save(to: &writer)
        pairs.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try victims.restore(from: &reader)
        try pairs.restore(from: &reader)
    }
}

/// Sessions with one service in one day.
struct SpreadEntry: CaseEntry {
    var items = DistinctItems()
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { items.count }

    /// Whether the sessions' octets are alike, as guesses are.
    func isAlike(_ parameters: DetectorParameters) -> Bool {
        var spread = Spread()
        for item in items.list { spread.add(item) }
        return spread.variation <= parameters.guessVariationMax
    }
    /// Whether they never came fast enough to be guessing of the other kind.
    func isSlow(_ parameters: DetectorParameters) -> Bool {
        let times = items.list.map(\.time).sorted(), run = max(parameters.guessSessionsMin, 1)
        guard times.count >= run else { return true }
        return !(run - 1..<times.count).contains {
            times[$0] - times[$0 - run + 1] <= parameters.guessSpanMilliseconds
        }
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        items.save(to: &writer)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        items = try DistinctItems(from: &reader)
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
