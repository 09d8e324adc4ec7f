/// Port scans: one source, many ports of one host (vertical) or one port of many hosts (horizontal).
///
/// Method: the sequential hypothesis test of Jung et al. ("Fast Portscan Detection Using Sequential Hypothesis
/// Testing", IEEE S&P 2004) over *first contacts*. With the paper's probabilities (a scanner's contacts fail 4 times in
/// 5, others' succeed 4 times in 5) each failure is a step of +ln 4 and each success one of -ln 4, so the walk is just
/// failures less successes, and the paper's upper bound a number of steps.
/// Invariants: a port or host counts once per window however often it is tried; an answer takes its failure back,
/// whether it comes before or after. Most contacts are answered, and of those only fingerprints and numbers are kept;
/// failures are looked at when their batch is complete, so that one with its answer beside it never is one.
/// Not here: who started a conversation (`FlowSight.initiator`); where that can't be told, nothing is counted.
import FlowModel
import Identity

struct PortScanDetector: Detector {
    static let name = "port-scan"
    static let vertical = RuleInfo(
        id: "port-scan-vertical", title: "Port scan of one host", tactics: ["TA0043", "TA0007"], techniques: ["T1046"])
    static let horizontal = RuleInfo(
        id: "port-scan-horizontal", title: "Scan of many hosts for one port", tactics: ["TA0043", "TA0007"],
        techniques: ["T1046"])
    static let rules = [vertical, horizontal]
    static let interest: Aspects = .contact

    let tenant: TenantID, parameters: DetectorParameters
    private let keys: KeyHash
    /// What failed.
    private var table: EventTable<ScanEntry>
    private var agenda = Agenda()
    /// Contacts that were met; flagged while they have only failed.
    private var known: FingerprintTable<NoPayload>
    /// Answered contacts by the key of the entry that they count against.
    private var answered: FingerprintTable<NoPayload>
    private var clock: WindowClock
    /// Of the records at hand: answered contacts, and the keys of those that are new.
    private var visits = [(hashes: ScanHashes, index: Int)](
        repeating: (ScanHashes(), 0), count: SightChunk.sightsMax)
    private var fresh = [UInt64](repeating: 0, count: 2 * SightChunk.sightsMax), freshCount = 0
    private var warmth: UInt64 = 0
    /// Failures of the batch at hand.
    private var pending: [(sight: FlowSight, contact: Contact)] = []
    /// Failed or answered contacts' entries, dropped to make room.
    var evictions: UInt64 { table.evictions &+ known.evictions &+ answered.evictions }
    var reopenings: UInt64 { table.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        keys = KeyHash(tenant)
        clock = WindowClock(width: parameters.scanWindowMilliseconds)
        table = EventTable(entriesMax: parameters.tableEntriesMax, itemsMax: parameters.itemsMax)
        known = FingerprintTable(entriesMax: parameters.tableEntriesMax)
        answered = FingerprintTable(entriesMax: parameters.tableEntriesMax)
    }

    mutating func observe(_ chunk: borrowing SightChunk) {
        let count = plan(chunk)
        freshCount = 0
        for place in 0..<count {
            let visit = visits[place]
            meet(chunk.sights[visit.index], visit.hashes)
        }
        for place in 0..<freshCount { warmth &+= answered.warm(fresh[place]) }
        for place in 0..<freshCount { answered.increment(fresh[place]) }
    }

    /// The answered contacts of some records; failed ones are put aside.
    private mutating func plan(_ chunk: borrowing SightChunk) -> Int {
        var count = 0, visits: [(hashes: ScanHashes, index: Int)] = []
        swap(&visits, &self.visits)
        defer { swap(&visits, &self.visits) }
        for index in chunk.indices where chunk.aspects[index].contains(.contact) {
            let sight = chunk.sights[index]
            guard let contact = Contact(sight) else { continue }
            guard contact.outcome == .answered else {
                pending.append((sight, contact))
                continue
            }
            let hashes = ScanHashes(sight, contact, keys, window: clock.number(of: sight.start))
            visits[count] = (hashes, index)
            count += 1
        }
        for place in 0..<count { warmth &+= known.warm(visits[place].hashes.contact) }
        return count
    }
    /// Every record comes in a chunk.
    mutating func observe(_ sight: FlowSight) {}

    /// Takes in an answered contact.
    @inline(__always)
    private mutating func meet(_ sight: FlowSight, _ hashes: ScanHashes) {
        let (place, isNew) = known.place(of: hashes.contact)
        if !isNew {
            guard known.isFlagged(place) else { return }
            known.setFlag(place, to: false)
            takeBack(sight)
        }
        if !sight.isICMP { noteFresh(hashes.vertical) }
        noteFresh(hashes.horizontal)
    }
    @inline(__always)
    private mutating func noteFresh(_ hash: UInt64) {
        fresh[freshCount] = hash
        freshCount += 1
    }

    /// What was a failure has been answered since.
    private mutating func takeBack(_ sight: FlowSight) {
        guard let contact = Contact(sight) else { return }
        let port = IPAddress(port: contact.port), itemsMax = parameters.itemsPerEntryMax
        for (key, value) in [
            (verticalKey(sight, contact), port), (horizontalKey(sight, contact), contact.responder),
        ] {
            table.updateKnown(key) { entry in
                guard entry.items.contains(value) else { return }
                let item = DistinctItem(value: value, time: sight.start, isAnswered: true)
                _ = entry.items.insert(item, max: itemsMax)
            }
        }
    }

    /// Counts the failures of a batch that is complete.
    private mutating func countPending() {
        for (sight, contact) in pending {
            let window = clock.number(of: sight.start), hash = ScanHashes(sight, contact, keys, window: window).contact
            let (place, isNew) = known.place(of: hash)
            if isNew { known.setFlag(place, to: true) }
            guard known.isFlagged(place) else { continue }
            if !sight.isICMP {
                count(sight, contact, as: IPAddress(port: contact.port), under: verticalKey(sight, contact))
            }
            count(sight, contact, as: contact.responder, under: horizontalKey(sight, contact))
        }
        pending.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    private func verticalKey(_ sight: FlowSight, _ contact: Contact) -> WindowKey {
        WindowKey(
            first: contact.initiator, second: contact.responder,
            detail: ScanKey.vertical | UInt32(sight.transport) << 16,
            epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
    }
    @inline(__always)
    private func horizontalKey(_ sight: FlowSight, _ contact: Contact) -> WindowKey {
        WindowKey(
            first: contact.initiator,
            detail: ScanKey.horizontal | UInt32(sight.transport) << 16 | UInt32(contact.port),
            epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
    }

    private mutating func count(
        _ sight: FlowSight, _ contact: Contact, as value: IPAddress, under key: WindowKey
    ) {
        let item = DistinctItem(value: value, time: sight.start, isAnswered: false)
        let itemsMax = parameters.itemsPerEntryMax
        let hasGrown = table.update(key, recency: sight.recency) { entry in
            let change = entry.items.insert(item, max: itemsMax)
            if contact.outcome == .weaklyFailed { entry.isWeak = true }
            entry.totals.add(sight)
            return change == .added
        }
        if hasGrown { agenda.add(key) }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        countPending()
        var findings: [Finding] = []
        for key in agenda.take() {
            // The next window leans on this one, so late records can complete it too.
            for candidate in [key, key.next] {
                if let finding = weigh(candidate, received: received, isLast: isLast) { findings.append(finding) }
            }
        }
        return findings
    }

    private mutating func weigh(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let entry = table[key] else { return nil }
        let needed = threshold(key, isWeak: entry.isWeak)
        guard entry.announcement.isRaised || mayReach(needed, key, entry) else { return nil }
        let carried = entry.carried ?? carry(key, entry)
        let walk = entry.items.unanswered - answers(under: key)
        guard entry.announcement.isRaised || walk + carried.walk >= needed else { return nil }
        let observed = entry.items.unanswered + carried.failed
        var announcement = entry.announcement
        let isDue = announcement.isDue(
            magnitude: Double(observed), received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, Double(observed) > announcement.saidMagnitude { agenda.add(key) }
        guard isDue else { return nil }
        table.updateKnown(key) { entry in
            entry.announcement = announcement
            entry.carried = carried
        }
        return finding(key, entry, carried, observed: observed, needed: needed, update: announcement.update)
    }

    /// Most entries have a failure or two: whether there are as many as needed, before anything is taken off.
    private func mayReach(_ needed: Int, _ key: WindowKey, _ entry: ScanEntry) -> Bool {
        entry.items.unanswered + (table[key.previous]?.items.unanswered ?? 0) >= needed
    }
    private func carry(_ key: WindowKey, _ entry: ScanEntry) -> ScanEntry.Carried {
        let previous = table[key.previous]
        var carried = entry.carry(from: previous, span: parameters.scanWindowMilliseconds)
        if carried.failed > 0 { carried.answered = answers(under: key.previous) }
        return carried
    }
    /// Answered contacts that count against an entry.
    private func answers(under key: WindowKey) -> Int {
        answered.count(
            ScanKey.isVertical(key)
                ? keys.of(
                    keys.host(key.first), keys.host(key.second), detail: UInt64(key.detail), epoch: key.epoch)
                : keys.of(keys.host(key.first), detail: UInt64(key.detail), epoch: key.epoch))
    }

    private func threshold(_ key: WindowKey, isWeak: Bool) -> Int {
        if isWeak || ScanKey.transport(key) != IPProtocol.tcp { return parameters.scanWeakMin }
        if ScanKey.isVertical(key) { return parameters.scanPortsMin }
        return webPorts.contains(ScanKey.port(key)) ? parameters.scanWebHostsMin : parameters.scanHostsMin
    }

    func save(to writer: inout SnapshotWriter) {
        table.save(to: &writer)
        agenda.save(to: &writer)
        known.save(to: &writer)
        answered.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try table.restore(from: &reader)
        try agenda.restore(from: &reader)
        try known.restore(from: &reader)
        try answered.restore(from: &reader)
    }
}

/// The hashes of a contact, and of the two entries' keys that it counts under.
private struct ScanHashes: Sendable {
    let contact: UInt64, vertical: UInt64, horizontal: UInt64

    init() { (contact, vertical, horizontal) = (0, 0, 0) }
    @inline(__always)
    init(_ sight: FlowSight, _ contact: Contact, _ keys: KeyHash, window: Int64) {
        let transport = UInt64(sight.transport) << 16, detail = UInt64(ScanKey.horizontal) | transport
        let isForward = contact.isForward
        let first = isForward ? sight.sourceHash : sight.destinationHash
        let second = isForward ? sight.destinationHash : sight.sourceHash
        let port = detail | UInt64(contact.port)
        self.contact = keys.of(first, second, detail: port, epoch: window)
        vertical = keys.of(first, second, detail: UInt64(ScanKey.vertical) | transport, epoch: window)
        horizontal = keys.of(first, detail: port, epoch: window)
    }
}

/// The `detail` of a key: kind, transport and, for horizontal ones, the port.
private enum ScanKey {
    static let vertical: UInt32 = 0, horizontal: UInt32 = 1 << 24
    static func isVertical(_ key: WindowKey) -> Bool { key.detail & horizontal == 0 }
    static func transport(_ key: WindowKey) -> UInt8 { UInt8(truncatingIfNeeded: key.detail >> 16) }
    static func port(_ key: WindowKey) -> UInt16 { UInt16(truncatingIfNeeded: key.detail) }
}

extension PortScanDetector {
    private func finding(
        _ key: WindowKey, _ entry: ScanEntry, _ carried: ScanEntry.Carried, observed: Int, needed: Int, update: Int
    ) -> Finding {
        let isVertical = ScanKey.isVertical(key)
        var totals = entry.totals
        totals.first = min(totals.first, carried.first)
        let own = entry.items.list.lazy.filter { !$0.isAnswered }.map(\.value)
        let failed = (own.prefix(Finding.portsMax) + carried.values).sorted()
        let attacker = FindingEntity(key.first, .attacker)
        let victims =
            isVertical
            ? [FindingEntity(key.second, .victim)]
            : failed.prefix(Finding.entitiesMax - 1).map { FindingEntity($0, .victim) }
        let ports =
            isVertical
            ? failed.prefix(Finding.portsMax).map { UInt16(truncatingIfNeeded: $0.low) } : [ScanKey.port(key)]
        var rule = isVertical ? Self.vertical : Self.horizontal
        // An attacker inside discovers (TA0007); one outside reconnoitres first (TA0043).
        if key.first.isPrivate { rule.tactics = ["TA0007"] } else { rule.techniques.append("T1595.001") }
        var evidence = totals.evidence(
            observed: Double(observed), threshold: Double(needed), unit: isVertical ? "ports" : "hosts")
        evidence.confidence = SampledLimit.confidence(
            failed: observed, answered: answers(under: key) + carried.answered, interval: totals.samplingInterval)
        return Finding(
            tenant: tenant, rule: rule, entity: "\(key.first)|\(key.second)|\(key.detail)",
            windowStart: key.epoch * parameters.scanWindowMilliseconds,
            title: title(key, entry, observed: observed, first: totals.first),
            severity: observed >= 100 ? .high : observed >= 20 ? .medium : .low,
            entities: [attacker] + victims, ports: IPProtocol.isICMP(ScanKey.transport(key)) ? [] : ports,
            span: (totals.first, totals.last),
            evidence: evidence, update: update)
    }

    private func title(_ key: WindowKey, _ entry: ScanEntry, observed: Int, first: Int64) -> String {
        let time = lasting(from: first, to: entry.totals.last)
        let atLeast = entry.items.count >= parameters.itemsPerEntryMax ? "at least " : ""
        let transport = ScanKey.transport(key), name = transportName(transport)
        if ScanKey.isVertical(key) {
            return "\(key.first) tried \(atLeast)\(counted(observed)) \(name) ports of \(key.second) without success "
                + time
        }
        let what = IPProtocol.isICMP(transport) ? "pinged" : "tried \(name) port \(portText(ScanKey.port(key))) on"
        return "\(key.first) \(what) \(atLeast)\(counted(observed)) hosts without success \(time)"
    }
}
