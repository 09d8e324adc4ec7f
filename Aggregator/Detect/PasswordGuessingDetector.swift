/// Password guessing, from the shape of flows alone: many completed, short connections of like size from one source to
/// one login service.
///
/// Method: what Hofstede et al. ("SSH Compromise Detection using NetFlow/IPFIX", CCR 2014) call a flat run: in every
/// span of event time the sessions whose octets lie in the service's band for a failed attempt (`LoginService`) are
/// counted, and their coefficient of variation must be low.
/// Invariants: a session is a client port, so two exporters or a flow exported in pieces count once; only the client's
/// direction counts, so a server never guesses at its clients. Not here: whether a password was found.
import FlowModel
import Identity

struct PasswordGuessingDetector: Detector {
    static let name = "password-guessing"
    static let rule = RuleInfo(
        id: "password-guessing", title: "Password guessing", tactics: ["TA0006"], techniques: ["T1110"])
    static let rules = [rule]
    static let interest: Aspects = .login

    let tenant: TenantID, parameters: DetectorParameters
    private var table: EventTable<GuessEntry>
    private var agenda = Agenda()
    var evictions: UInt64 { table.evictions }
    var reopenings: UInt64 { table.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        table = EventTable(entriesMax: parameters.tableEntriesMax, itemsMax: parameters.itemsMax)
    }

    mutating func observe(_ sight: FlowSight) {
        guard sight.isTCP, let service = LoginService.on(sight.destinationPort), !sight.destination.isGroup,
            !sight.source.isGroup
        else { return }
        let session = Self.session(sight, service), isDenied = sight.flags.contains(.denied)
        guard session != nil || isDenied else { return }
        let key = WindowKey(
            first: sight.source, second: sight.destination, detail: UInt32(service.port),
            epoch: epoch(of: sight.start, width: parameters.guessWindowMilliseconds))
        let itemsMax = parameters.itemsPerEntryMax
        let hasGrown = table.update(key, recency: sight.recency) { entry in
            // Refused by a firewall, it offered no password: it never raises a finding, and is told beside one.
            if isDenied { entry.refused &+= UInt64(sight.flows) }
            guard !isDenied, let session, entry.items.insert(session, max: itemsMax) == .added else { return false }
            entry.sessions += Int(session.weight)
            entry.totals.add(sight)
            return true
        }
        if hasGrown { agenda.add(key) }
    }

    /// The record as one session (or several, when the client's port was summed away), or nil when it can't be a
    /// turned-away attempt: not completed, too long, too small or too large; or sampled, as then its size is not known.
    static func session(_ sight: FlowSight, _ service: LoginService) -> DistinctItem? {
        let sessions = sight.sourcePort == 0 ? UInt64(sight.flows) : 1
        let octets = sight.octets / sessions
        guard !sight.isSampled, sight.controlBits == 0 || sight.has(TCPFlag.ack), service.octets.contains(octets),
            sight.packets / sessions >= LoginService.packetsMin,
            sight.end - sight.start <= LoginService.durationMaxMilliseconds || sessions > 1,
            PortKind(sight.sourcePort) > .wellKnown
        else { return nil }
        // Without a client port the start stands for it: two such records of one moment are one to us.
        let value =
            sight.sourcePort == 0
            ? IPAddress(high: 1, low: UInt64(sight.start)) : IPAddress(port: sight.sourcePort)
        return DistinctItem(
            value: value, time: sight.start, isAnswered: true, octets: UInt32(octets),
            weight: UInt32(min(sessions, 65_535)))
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        var findings: [Finding] = []
        for key in agenda.take() {
            for candidate in [key, key.next] {
                if let finding = weigh(candidate, received: received, isLast: isLast) { findings.append(finding) }
            }
        }
        return findings
    }

    private mutating func weigh(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let entry = table[key], let service = LoginService.on(UInt16(truncatingIfNeeded: key.detail)) else {
            return nil
        }
        let needed = service.isBusy ? parameters.guessBusySessionsMin : parameters.guessSessionsMin
        var run = GuessRun(start: entry.totals.first, sessions: entry.sessions)
        if !entry.announcement.isRaised {
            let previous = table[key.previous]
            // Most have a session or two: they are counted before any is looked at.
            guard entry.sessions + (previous?.sessions ?? 0) >= needed,
                let found = firstRun(entry, before: previous, needed: needed)
            else { return nil }
            run = GuessRun(start: min(found.start, run.start), sessions: max(found.sessions, run.sessions))
        }
        var announcement = entry.announcement
        let magnitude = Double(run.sessions)
        let isDue = announcement.isDue(
            magnitude: magnitude, received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, magnitude > announcement.saidMagnitude { agenda.add(key) }
        guard isDue else { return nil }
        table.updateKnown(key) { $0.announcement = announcement }
        return finding(key, entry, service, run, needed: needed, update: announcement.update)
    }

    /// The earliest span of `guessSpanMilliseconds` that holds enough sessions of like size. Sessions of the window
    /// before lend a hand unless they have raised their own finding.
    private func firstRun(_ entry: GuessEntry, before previous: GuessEntry?, needed: Int) -> GuessRun? {
        let span = parameters.guessSpanMilliseconds
        var sessions = entry.items.list
        if let previous, !previous.announcement.isRaised {
            sessions += previous.items.list.filter { $0.time >= entry.totals.first - span }
        }
        guard sessions.reduce(0, { $0 + Int($1.weight) }) >= needed else { return nil }
        sessions.sort { ($0.time, $0.value) < ($1.time, $1.value) }
        var spread = Spread(), oldest = 0
        for session in sessions {
            spread.add(session)
            while sessions[oldest].time < session.time - span {  // ends: `session` itself is within its span
                spread.remove(sessions[oldest])
                oldest += 1
            }
            if spread.count >= Double(needed), spread.variation <= parameters.guessVariationMax {
                return GuessRun(start: sessions[oldest].time, sessions: Int(spread.count))
            }
        }
        return nil
    }

    private func finding(
        _ key: WindowKey, _ entry: GuessEntry, _ service: LoginService, _ run: GuessRun, needed: Int, update: Int
    ) -> Finding {
        let time = lasting(from: run.start, to: entry.totals.last)
        let atLeast = entry.items.count >= parameters.itemsPerEntryMax ? "at least " : ""
        let refused = entry.refused > 0 ? "; a firewall refused \(counted(Int(min(entry.refused, 1 << 53)))) more" : ""
        return Finding(
            tenant: tenant, rule: Self.rule, entity: "\(key.first)|\(key.second)|\(key.detail)",
            windowStart: key.epoch * parameters.guessWindowMilliseconds,
            title: "\(key.first) opened \(atLeast)\(counted(run.sessions)) short \(service.name) sessions of like size"
                + " to \(key.second) port \(service.port) \(time)\(refused)",
            severity: run.sessions >= 100 ? .high : .medium,
            entities: [FindingEntity(key.first, .attacker), FindingEntity(key.second, .victim)],
            ports: [service.port], span: (run.start, entry.totals.last),
            evidence: entry.totals.evidence(
                observed: Double(run.sessions), threshold: Double(needed), unit: "sessions"),
            update: update)
    }

    func save(to writer: inout SnapshotWriter) {
        table.save(to: &writer)
        agenda.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try table.restore(from: &reader)
        try agenda.restore(from: &reader)
    }
}

private struct GuessRun {
    var start: Int64
    var sessions: Int
}

/// Mean and deviation of a sliding set of sessions. Sums of whole numbers below 2^53: exact, so order does not matter.
struct Spread {
    var count = 0.0, sum = 0.0, squares = 0.0
    mutating func add(_ session: DistinctItem) { step(session, 1) }
    mutating func remove(_ session: DistinctItem) { step(session, -1) }
    private mutating func step(_ session: DistinctItem, _ sign: Double) {
        let weight = sign * Double(session.weight), octets = Double(session.octets)
        count += weight
        sum += weight * octets
        squares += weight * octets * octets
    }
    /// Standard deviation over mean.
    var variation: Double {
        guard count > 0, sum > 0 else { return 0 }
        let mean = sum / count
        return max(squares / count - mean * mean, 0).squareRoot() / mean
    }
}

/// One source's sessions with one service of one host in one window.
struct GuessEntry: WindowEntry {
    /// By client port.
    var items = DistinctItems()
    var sessions = 0
    /// Attempts that a firewall refused.
    var refused: UInt64 = 0
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { items.count }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        items.save(to: &writer)
        writer.add(sessions)
        writer.add(refused)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        items = try DistinctItems(from: &reader)
        sessions = Int(try reader.nextSmall(Int32.self))
        refused = try reader.next()
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
