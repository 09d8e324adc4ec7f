/// Reflected floods at any volume: many hosts answer, from an amplifying port, one host that never asked them.
///
/// Method: a spoofed request makes a server answer the victim, so the victim's side sees answers without requests
/// (Rossow, "Amplification Hell", NDSS 2014). Distinct sources per victim and port are counted; a request seen to one
/// makes it "asked". Ordinary small answers of services that hosts use all day do not count (`Amplifier`).
/// Invariant: requests count whether they come before or after their answers. Not here: the rate (`FloodDetector`).
/// Nothing is said of rows without ports or a source: their volume counts in `FloodDetector`.
/// Blind where an exporter sees one direction only: then all answers look unasked, and only their size is a sign.
import FlowModel
import Identity

struct ReflectionDetector: Detector {
    static let name = "reflection-flood"
    static let rule = RuleInfo(
        id: "reflection-flood", title: "Reflected flood on one host", tactics: ["TA0040"], techniques: ["T1498.002"])
    static let rules = [rule]
    static let interest: Aspects = .amplifier

    let tenant: TenantID, parameters: DetectorParameters
    private let keys: KeyHash
    /// Hosts with answers that are large enough.
    private var table: EventTable<ReflectionEntry>
    private var agenda = Agenda()
    /// Whom hosts asked, and how many each of them.
    private var asked: FingerprintTable<NoPayload>
    private var askedCounts: FingerprintTable<NoPayload>
    var evictions: UInt64 { table.evictions &+ asked.evictions &+ askedCounts.evictions }
    var reopenings: UInt64 { table.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        keys = KeyHash(tenant)
        table = EventTable(entriesMax: parameters.tableEntriesMax, itemsMax: parameters.itemsMax)
        asked = FingerprintTable(entriesMax: parameters.tableEntriesMax / 2)
        askedCounts = FingerprintTable(entriesMax: parameters.tableEntriesMax / 4)
    }

    mutating func observe(_ sight: FlowSight) {
        guard !sight.destination.isGroup, !sight.source.isAbsent, !sight.flags.contains(.denied) else { return }
        if let service = Amplifier.on(sight.sourcePort) {
            guard Amplifier.on(sight.destinationPort) == nil, sight.octetsPerPacket >= service.octetsPerPacketMin else {
                return
            }
            answer(sight, from: service.port)
        } else if Amplifier.on(sight.destinationPort) != nil {
            ask(sight)
        }
    }

    private mutating func answer(_ sight: FlowSight, from port: UInt16) {
        let window = epoch(of: sight.start, width: parameters.reflectionWindowMilliseconds)
        let hash = keys.of(sight.destinationHash, sight.sourceHash, detail: UInt64(port), epoch: window)
        let item = DistinctItem(value: sight.source, time: sight.start, isAnswered: asked.find(hash) != nil)
        let key = WindowKey(first: sight.destination, detail: UInt32(port), epoch: window)
        let itemsMax = parameters.itemsPerEntryMax
        table.update(key, recency: sight.recency) { entry in
            _ = entry.items.insert(item, max: itemsMax)
            entry.totals.add(sight)
        }
        agenda.add(key)
    }
    private mutating func ask(_ sight: FlowSight) {
        let window = epoch(of: sight.start, width: parameters.reflectionWindowMilliseconds)
        let port = sight.destinationPort, detail = UInt64(port)
        let hash = keys.of(sight.sourceHash, sight.destinationHash, detail: detail, epoch: window)
        guard asked.place(of: hash).isNew else { return }
        askedCounts.increment(keys.of(sight.sourceHash, detail: detail, epoch: window))
        let key = WindowKey(first: sight.source, detail: UInt32(port), epoch: window)
        let item = DistinctItem(value: sight.destination, time: sight.start, isAnswered: true)
        let itemsMax = parameters.itemsPerEntryMax
        table.updateIfPresent(key, recency: sight.recency) { entry in
            if entry.items.contains(item.value) { _ = entry.items.insert(item, max: itemsMax) }
        }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        agenda.take().compactMap { weigh($0, received: received, isLast: isLast) }
    }

    private mutating func weigh(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let entry = table[key] else { return nil }
        let unasked = entry.items.unanswered
        let asked = askedCounts.count(keys.of(keys.host(key.first), detail: UInt64(key.detail), epoch: key.epoch))
        let isFlood =
            unasked >= parameters.reflectionSourcesMin
            && unasked / max(parameters.reflectionUnaskedRatio, 1) >= asked
        guard isFlood || entry.announcement.isRaised else { return nil }
        var announcement = entry.announcement
        let magnitude = Double(entry.totals.packets)
        let isDue = announcement.isDue(
            magnitude: magnitude, received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, magnitude > announcement.saidMagnitude { agenda.add(key) }
        guard isDue else { return nil }
        table.updateKnown(key) { $0.announcement = announcement }
        return finding(key, entry, unasked: unasked, update: announcement.update)
    }

    private func finding(_ key: WindowKey, _ entry: ReflectionEntry, unasked: Int, update: Int) -> Finding {
        let port = UInt16(truncatingIfNeeded: key.detail), totals = entry.totals
        let atLeast = entry.items.count >= parameters.itemsPerEntryMax ? "at least " : ""
        let reflectors = entry.items.list.lazy.filter { !$0.isAnswered }
        let named = unasked <= 8 ? reflectors.map { FindingEntity($0.value, .attacker) } : []
        let packets = counted(Int(min(totals.packets, 1 << 53)))
        let title =
            "\(key.first) got \(packets) packets from port \(portText(port)) of \(atLeast)\(counted(unasked)) hosts "
            + "it had not asked, \(lasting(from: totals.first, to: totals.last))"
        var evidence = totals.evidence(
            observed: Double(unasked), threshold: Double(parameters.reflectionSourcesMin), unit: "sources")
        // Nobody began it: that nothing was asked is what is found.
        evidence.initiator = nil
        return Finding(
            tenant: tenant, rule: Self.rule, entity: "\(key.first)|\(port)",
            windowStart: key.epoch * parameters.reflectionWindowMilliseconds,
            title: title,
            severity: .high, entities: [FindingEntity(key.first, .victim)] + named, ports: [port],
            span: (totals.first, totals.last),
            evidence: evidence,
            update: update)
    }

    func save(to writer: inout SnapshotWriter) {
        table.save(to: &writer)
        agenda.save(to: &writer)
        asked.save(to: &writer)
        askedCounts.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try table.restore(from: &reader)
        try agenda.restore(from: &reader)
        try asked.restore(from: &reader)
        try askedCounts.restore(from: &reader)
    }
}

/// One host and one amplifying port in one window: who answered it, and whom it asked.
struct ReflectionEntry: WindowEntry {
    var items = DistinctItems()
    /// Of the answers that are large enough.
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { items.count }

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
