/// Contacts with addresses that threat intelligence lists.
///
/// An own host that calls a listed address is a finding of the two. Callers from outside are folded, since scanners
/// call on everyone: those that some host answered into one finding a host, the rest into one of the tenant; and so
/// are a host's listed peers beyond the first `namedPeersMax`, since a program that shares files meets hundreds.
/// Invariants: an indicator counts by the record's own time; the score and its parts are those of `ScoreRules`; a
/// contact's direction and answer may become known later and then raise what was said. Which system an address is of,
/// the table of systems tells, and where it doesn't, the record. Bounded as all detectors are.
/// Not here: which addresses are listed and what a match is worth (`Intelligence`).
package import FlowModel
package import Identity
package import Intelligence

package struct ThreatIntelligenceDetector: Detector {
    static let name = "threat-intelligence"
    package static let rule = RuleInfo(
        id: "threat-intelligence", title: "Contact with a listed address", tactics: ["TA0011"], techniques: [])
    package static let rules = [rule]
    static let interest: Aspects = []
    /// Listed peers of one host that have findings of their own in one window.
    package static let namedPeersMax = 8
    /// Width of a finding's window, in ms: a day of UTC.
    package static let windowMilliseconds: Int64 = 86_400_000

    /// Replaced between two batches; what was found stays.
    package var intelligence: Intelligence {
        didSet { strangers = StrangerCache() }
    }
    /// Of this intelligence; not part of the state.
    private var strangers = StrangerCache()
    private var places: PlaceLookup
    private let tenant: TenantID
    private let parameters: DetectorParameters
    private var contacts: EventTable<PeerContact>
    private var folds: EventTable<ContactFold>
    private var named: EventTable<NamedPeers>
    private var touched = Agenda(), unsaid = Agenda()

    /// One that finds nothing before it is given intelligence.
    init(tenant: TenantID, parameters: DetectorParameters) {
        self.init(tenant: tenant, parameters: parameters, intelligence: .none)
    }
    package init(
        tenant: TenantID, parameters: DetectorParameters, intelligence: Intelligence, places: PlaceLookup = .none
    ) {
        self.tenant = tenant
        self.parameters = parameters
        (self.intelligence, self.places) = (intelligence, places)
        contacts = EventTable(entriesMax: parameters.tableEntriesMax, itemsMax: parameters.itemsMax)
        folds = EventTable(entriesMax: parameters.tableEntriesMax / 4, itemsMax: parameters.itemsMax / 4)
        named = EventTable(entriesMax: parameters.tableEntriesMax / 4, itemsMax: parameters.itemsMax / 4)
    }

    /// Contacts, folds and counts dropped because a table was full.
    package var evictions: UInt64 { contacts.evictions &+ folds.evictions &+ named.evictions }
    package var reopenings: UInt64 { contacts.reopenings &+ folds.reopenings }

    /// Takes in a batch's records; only those that the indicators' filter lets through are read.
    package mutating func take(_ columns: FlowColumns, rows: Range<Int>) {
        for row in intelligence.indicators.candidates(in: columns, rows: rows)
        where columns.flags[row] & RecordFlags.observedElsewhere.rawValue == 0 {
            let source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
            let destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
            guard
                mayMeet(source, columns.bgpSourceAsNumber[row])
                    || mayMeet(destination, columns.bgpDestinationAsNumber[row])
            else { continue }
            observe(
                FlowSight(columns, row: row),
                sourceSystem: system(of: source, recorded: columns.bgpSourceAsNumber[row]),
                destinationSystem: system(of: destination, recorded: columns.bgpDestinationAsNumber[row]))
        }
    }

    /// The table's word counts before the record's: routers are set up to tell the neighbour's number in place of the
    /// origin's, or none. It is asked where the record's word would make a match; listed ones are known without.
    private func system(of address: IPAddress, recorded: UInt32) -> UInt32 {
        let listed = intelligence.indicators.listedSystem(of: address)
        guard listed == 0 else { return listed }
        guard intelligence.indicators.hasSystem(recorded) else { return recorded }
        let known = places.find(address).system
        return known == 0 ? recorded : known
    }

    mutating func use(_ intelligence: Intelligence) { self.intelligence = intelligence }
    mutating func use(_ places: PlaceLookup) { self.places = places }
    /// All is taken in here: the filter looks at columns, and most records at no more than that.
    mutating func begin(_ columns: FlowColumns, rows: Range<Int>) { take(columns, rows: rows) }
    mutating func observe(_ sight: FlowSight) {}

    private mutating func observe(_ sight: FlowSight, sourceSystem: UInt32, destinationSystem: UInt32) {
        guard !sight.source.isGroup, !sight.destination.isGroup else { return }
        let source = isListed(sight.source, sight.sourcePort, sourceSystem, at: sight.start)
        let destination = isListed(sight.destination, sight.destinationPort, destinationSystem, at: sight.start)
        guard source || destination else { return }
        // Where both are listed, the one that was called: who calls a listed address is the one to look at.
        let peerIsSource = source && (!destination || sight.initiator == .destination)
        let (host, peer) = peerIsSource ? (sight.destination, sight.source) : (sight.source, sight.destination)
        let key = WindowKey(first: host, second: peer, epoch: epoch(of: sight.start, width: Self.windowMilliseconds))
        let system = peerIsSource ? sourceSystem : destinationSystem
        contacts.update(key, recency: sight.recency) { $0.add(sight, peerIsSource: peerIsSource, system: system) }
        touched.add(key)
    }

    /// What the filter says, but for those that it is known to be wrong about: one popular address that happens to pass
    /// it would be looked up with every record.
    private func mayMeet(_ address: IPAddress, _ system: UInt32) -> Bool {
        let indicators = intelligence.indicators
        return indicators.hasSystem(system) || (indicators.mayHold(address) && !strangers.has(address))
    }
    private mutating func isListed(_ address: IPAddress, _ port: UInt16, _ system: UInt32, at time: Int64) -> Bool {
        guard mayMeet(address, system) else { return false }
        let indicators = intelligence.indicators
        if !indicators.matches(address, port: port, system: system, at: time).isEmpty { return true }
        // Expired indicators, and those of other ports, may hold it another time.
        if !indicators.holds(address) { strangers.add(address) }
        return false
    }

    package mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    package mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        for key in touched.take() { place(key) }
        return unsaid.take().compactMap { key in
            switch FoldKind(rawValue: key.detail) {
            case nil: sayContact(key, received: received, isLast: isLast)
            case let kind?: sayFold(kind, key, received: received, isLast: isLast)
            }
        }
    }

    /// Decides which finding a contact belongs to, and gives it there.
    private mutating func place(_ key: WindowKey) {
        guard let contact = contacts[key], let score = score(key, contact), score.allowedBy.isEmpty else { return }
        if contact.isNamed { return unsaid.add(key) }
        let kind: FoldKind
        switch (contact.direction, contact.facts.outcome) {
        case (.inbound, .answered): kind = .answeredCallers
        case (.inbound, _): kind = .unansweredCallers
        default:
            guard score.value >= intelligence.rules.reportMin else { return }
            let hostKey = WindowKey(first: key.first, epoch: key.epoch)
            let isRoom = named.update(hostKey, recency: contact.recency) { entry in
                defer { entry.count = min(entry.count + 1, Self.namedPeersMax) }
                return entry.count < Self.namedPeersMax
            }
            guard !isRoom else {
                contacts.updateKnown(key) { $0.isNamed = true }
                return unsaid.add(key)
            }
            kind = .furtherPeers
        }
        let host = kind == .unansweredCallers ? IPAddress.absent : key.first
        let foldKey = WindowKey(first: host, detail: kind.rawValue, epoch: key.epoch)
        let itemsMax = parameters.itemsPerEntryMax
        folds.update(foldKey, recency: contact.recency) {
            $0.add(contact, host: key.first, peer: key.second, score: score.value, itemsMax: itemsMax)
        }
        contacts.updateKnown(key) { $0.takeUnfolded() }
        unsaid.add(foldKey)
    }

    /// Nil when nothing lists the peer any more: the set was replaced meanwhile.
    private func score(_ key: WindowKey, _ contact: PeerContact) -> Score? {
        intelligence.score(
            key.second, port: contact.peerPort, system: contact.system, contact: contact.facts,
            at: contact.totals.first)
    }

    private mutating func sayContact(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let contact = contacts[key], let score = score(key, contact) else { return nil }
        let severity = Severity(score.value, intelligence.rules)
        let magnitude = Double(contact.totals.flows)
        guard
            let update = isDue(
                contact.announcement, contact.saidSeverity, key, magnitude: magnitude, severity, received, isLast)
        else { return nil }
        contacts.updateKnown(key) { ($0.announcement, $0.saidSeverity) = (update, severity.rank) }
        return finding(key, contact, score, severity, update: update.update)
    }

    private mutating func sayFold(
        _ kind: FoldKind, _ key: WindowKey, received: Int64, isLast: Bool
    ) -> Finding? {
        guard let fold = folds[key] else { return nil }
        let rules = intelligence.rules
        let severity = kind == .unansweredCallers ? .low : Severity(fold.score, rules)
        let magnitude = Double(fold.peers.count + fold.hosts.count)
        guard
            let update = isDue(
                fold.announcement, fold.saidSeverity, key, magnitude: magnitude, severity, received, isLast)
        else { return nil }
        folds.updateKnown(key) { ($0.announcement, $0.saidSeverity) = (update, severity.rank) }
        return finding(kind, key, fold, severity, update: update.update)
    }

    /// The announcement with this word counted, when it is time for it. What has become more severe is said at once.
    private mutating func isDue(
        _ announcement: Announcement, _ saidSeverity: Int, _ key: WindowKey, magnitude: Double, _ severity: Severity,
        _ received: Int64, _ isLast: Bool
    ) -> Announcement? {
        var next = announcement
        if announcement.isRaised, severity.rank > saidSeverity { next.saidMagnitude = 0 }
        let isDue = next.isDue(
            magnitude: magnitude, received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, magnitude > announcement.saidMagnitude { unsaid.add(key) }
        return isDue ? next : nil
    }

    func save(to writer: inout SnapshotWriter) {
        contacts.save(to: &writer)
        folds.save(to: &writer)
        named.save(to: &writer)
        touched.save(to: &writer)
        unsaid.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try contacts.restore(from: &reader)
        try folds.restore(from: &reader)
        try named.restore(from: &reader)
        try touched.restore(from: &reader)
        try unsaid.restore(from: &reader)
    }
}

/// Addresses that pass the indicators' filter though nothing holds them: the latest one for each place that they hash
/// to. Takes no memory before there is one.
private struct StrangerCache: Sendable {
    private var entries: [IPAddress] = []
    private static let bits: UInt64 = 10

    func has(_ address: IPAddress) -> Bool { !entries.isEmpty && entries[Self.place(of: address)] == address }
    mutating func add(_ address: IPAddress) {
        if entries.isEmpty { entries = [IPAddress](repeating: .absent, count: 1 << Int(Self.bits)) }
        if !address.isAbsent { entries[Self.place(of: address)] = address }
    }
    private static func place(of address: IPAddress) -> Int {
        let mixed = (address.high &* 0x9E37_79B9_7F4A_7C15) ^ address.low
        return Int((mixed &* 0xBF58_476D_1CE4_E5B9) >> (64 - bits))
    }
}

extension ThreatIntelligenceDetector {
    /// The state as bytes, for who runs this detector alone, as over history for new indicators; equal states give
    /// equal bytes. The indicators are not in it.
    package func snapshot() -> [UInt8] {
        var writer = SnapshotWriter()
        writer.add(parameters.fingerprint)
        save(to: &writer)
        return writer.finish()
    }
    /// - Throws: `SnapshotError`; then begin anew.
    package mutating func restore(_ snapshot: [UInt8]) throws(SnapshotError) {
        var reader = try SnapshotReader(snapshot), other = self
        guard let edition = parameters.edition(of: try reader.next()) else { throw .otherParameters }
        reader.edition = edition
        try other.restore(from: &reader)
        try reader.finish()
        self = other
    }
}

/// What is told as one; the detail of its key, where a contact's is 0.
enum FoldKind: UInt32 {
    case answeredCallers = 1
    case unansweredCallers, furtherPeers
}

extension ThreatIntelligenceDetector {
    private func finding(
        _ key: WindowKey, _ contact: PeerContact, _ score: Score, _ severity: Severity, update: Int
    ) -> Finding {
        let (host, peer) = (key.first, key.second)
        let verb = contact.direction == .outbound ? "called" : "was in contact with"
        let known = knownAs(peer, contact)
        var rule = Self.rule
        rule.techniques = known.techniques
        let sources = score.parts.map { "\($0.feed) \(Int(($0.strength * 100).rounded()))" }.prefix(4)
        let title =
            "\(host) \(verb) \(peer)\(known.text), \(contact.facts.outcome.rawValue): score \(decimal(score.value)) by "
            + sources.joined(separator: ", ")
        return Finding(
            tenant: tenant, rule: rule, entity: "\(host)|\(peer)", windowStart: key.epoch * Self.windowMilliseconds,
            title: title, severity: severity, entities: [FindingEntity(peer, .attacker), FindingEntity(host, .victim)],
            ports: contact.port == 0 ? [] : [contact.port], span: (contact.totals.first, contact.totals.last),
            evidence: contact.totals.evidence(
                observed: score.value, threshold: intelligence.rules.reportMin, unit: "score"), update: update)
    }

    private func finding(
        _ kind: FoldKind, _ key: WindowKey, _ fold: ContactFold, _ severity: Severity, update: Int
    ) -> Finding {
        let peers = number(fold.peers, "listed address", "listed addresses"), best = "\(fold.peer)"
        let most = "the most notable \(best), score \(decimal(fold.score))"
        var rule = Self.rule
        let title: String, entity: String
        switch kind {
        case .furtherPeers:
            title = "\(key.first) called \(peers) besides those named: \(most)"
            entity = "\(key.first)|further"
        case .answeredCallers:
            title = "\(key.first) was called by \(peers) and answered: \(most)"
            entity = "\(key.first)|callers"
            rule.tactics = ["TA0043"]
        case .unansweredCallers:
            title = "\(peers) called \(number(fold.hosts, "host", "hosts")) without an answer: \(most)"
            entity = "callers"
            rule.tactics = ["TA0043"]
        }
        // Callers are not named as attackers: an incident of one scanner must not take in what all others did.
        let hosts = kind == .unansweredCallers ? [] : [FindingEntity(key.first, .victim)]
        return Finding(
            tenant: tenant, rule: rule, entity: entity, windowStart: key.epoch * Self.windowMilliseconds, title: title,
            severity: severity, entities: hosts, ports: [], span: (fold.totals.first, fold.totals.last),
            evidence: fold.totals.evidence(observed: Double(fold.peers.count), threshold: 1, unit: "hosts"),
            update: update)
    }

    /// ` (Cobalt Strike)`, and the techniques that its indicators name.
    private func knownAs(_ peer: IPAddress, _ contact: PeerContact) -> (text: String, techniques: [String]) {
        let matches = intelligence.indicators.matches(
            peer, port: contact.peerPort, system: contact.system, at: contact.totals.first)
        let contexts = matches.map(\.indicator.context)
        let name = contexts.lazy.compactMap(\.malwareFamily).first ?? contexts.lazy.compactMap(\.labels.first).first
        return (name.map { " (\($0))" } ?? "", Array(Set(contexts.flatMap(\.techniques)).sorted().prefix(8)))
    }

    private func number(_ items: DistinctItems, _ one: String, _ many: String) -> String {
        let atLeast = items.count >= parameters.itemsPerEntryMax ? "at least " : ""
        return "\(atLeast)\(counted(items.count)) \(items.count == 1 ? one : many)"
    }
    /// `87.5`: the score with its one digit after the point.
    private func decimal(_ value: Double) -> String {
        let tenths = Int((min(max(value, 0), 100) * 10).rounded())
        return tenths.isMultiple(of: 10) ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}

extension Severity {
    fileprivate init(_ score: Double, _ rules: ScoreRules) {
        self =
            score >= rules.criticalMin
            ? .critical : score >= rules.highMin ? .high : score >= rules.mediumMin ? .medium : .low
    }
}
