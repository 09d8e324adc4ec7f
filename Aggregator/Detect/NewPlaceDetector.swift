/// New destinations of hosts that speak with few: a country, a network's owner (AS) or a network where a host never
/// called before, and hardly anybody of the tenant does.
///
/// Method: what each host calls is learned for its first week, and after that a first contact is told, if the host has
/// few of that kind: the more a host is used to, the less a new one says (the "rare destination" analytics of UEBA
/// products; Marchetti et al., "Analysis of high volumes of network traffic for Advanced Persistent Threat detection",
/// Computer Networks 2016, rank hosts by new external contacts).
/// Invariants: bounded by `FingerprintTable`s; a country or a system that is told is known from then on; only calls
/// with something in them count. Countries and systems need a `PlaceLookup`, networks don't. Not here: what is known
/// to be bad (`ThreatIntelligenceDetector`).
package import FlowModel
import Identity

/// Where addresses are, as far as somebody knows: asked for the first contact of a host and a network, and where a
/// record's own word for a system is a listed one's.
package struct PlaceLookup: Sendable {
    /// - Returns: the two letters of ISO 3166-1, the first in the upper octet, and the AS number; 0 is not known.
    package typealias Find = @Sendable (IPAddress) -> (country: UInt16, system: UInt32)
    let find: Find

    package init(_ find: @escaping Find) { self.find = find }
    package static let none = PlaceLookup { _ in (0, 0) }
}

struct NewPlaceDetector: Detector {
    static let name = "new-place"
    static let country = rule("new-country", "First contact with a country")
    static let system = rule("new-system", "First contact with an autonomous system")
    static let network = rule("new-network", "First contact with a network")
    static let rules = [country, system, network]
    static let interest: Aspects = .call
    static let dayMilliseconds: Int64 = 86_400_000
    /// A call's own record has so many packets, at least, when something was said.
    private static let packetsMin: UInt64 = 4

    private static func rule(_ id: String, _ title: String) -> RuleInfo {
        RuleInfo(id: id, title: title, tactics: ["TA0011"], techniques: ["T1071"])
    }

    let tenant: TenantID, parameters: DetectorParameters
    private let keys: KeyHash
    private var places = PlaceLookup.none
    /// Hosts and the networks they called.
    private var known: FingerprintTable<NoPayload>
    private var hosts: FingerprintTable<HostHabits>
    /// Who calls a country or a system.
    private var callers: FingerprintTable<Callers>
    private var book: CaseBook<NewPlaceEntry>
    var evictions: UInt64 { known.evictions &+ hosts.evictions &+ callers.evictions &+ book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        keys = KeyHash(tenant)
        known = FingerprintTable(entriesMax: parameters.tableEntriesMax)
        hosts = FingerprintTable(entriesMax: parameters.tableEntriesMax / 4)
        callers = FingerprintTable(entriesMax: parameters.tableEntriesMax / 16)
        book = CaseBook(parameters, share: 8)
    }

    mutating func use(_ places: PlaceLookup) { self.places = places }

    mutating func observe(_ sight: FlowSight) {
        guard sight.packets >= Self.packetsMin, !sight.isDenied else { return }
        let network = keys.host(CarpetBombingDetector.network(of: sight.destination))
        guard known.place(of: keys.of(sight.sourceHash, network, detail: 0, epoch: 0)).isNew else { return }
        meet(sight)
    }

    @inline(never)
    private mutating func meet(_ sight: FlowSight) {
        let (country, system) = places.find(sight.destination)
        let (place, isNew) = hosts.place(of: keys.of(sight.sourceHash, detail: 0, epoch: 0))
        var habits = isNew ? HostHabits(since: sight.start) : hosts[place]
        let isLearned = sight.start - habits.since >= parameters.newPlaceLearningMilliseconds
        let isRareCountry = note(.country, UInt32(country), of: sight), isRareSystem = note(.system, system, of: sight)
        let isNewCountry = country != 0 && habits.addCountry(country)
        let isNewSystem = system != 0 && habits.addSystem(system)
        habits.addNetwork()
        hosts[place] = habits
        guard isLearned else { return }
        if isNewCountry, isRareCountry, habits.countries - 1 <= parameters.newCountriesMax {
            tell(.country, UInt32(country), sight)
        } else if isNewSystem, isRareSystem, habits.systems - 1 <= parameters.newSystemsMax {
            tell(.system, system, sight)
        } else if habits.networks - 1 <= parameters.newNetworksMax {
            tell(.network, 0, sight)
        }
    }

    /// Counts who calls a country or a system; returns whether hardly anybody does.
    private mutating func note(_ kind: NewPlaceEntry.Kind, _ value: UInt32, of sight: FlowSight) -> Bool {
        guard value != 0 else { return false }
        let place = callers.place(of: keys.of(UInt64(value), detail: UInt64(kind.rawValue), epoch: 0)).place
        callers[place].add(sight.sourceHash)
        return callers[place].count <= parameters.newPlaceCallersMax
    }

    private mutating func tell(_ kind: NewPlaceEntry.Kind, _ value: UInt32, _ sight: FlowSight) {
        let key = WindowKey(
            first: sight.source, second: sight.destination, detail: UInt32(kind.rawValue),
            epoch: epoch(of: sight.start, width: Self.dayMilliseconds))
        book.update(key, recency: sight.recency) { entry in
            (entry.value, entry.port) = (value, sight.destinationPort)
            entry.totals.add(sight)
            return true
        }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, parameters) = (tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            guard let kind = NewPlaceEntry.Kind(rawValue: UInt8(truncatingIfNeeded: key.detail)) else { return nil }
            return Verdict(magnitude: Double(entry.totals.flows)) { update in
                Finding(
                    kind.rule, of: tenant, entity: "\(key.first)|\(key.second)",
                    windowStart: key.epoch * Self.dayMilliseconds,
                    title: "\(key.first) called \(key.second) port \(portText(entry.port)), \(kind.text(entry.value)), "
                        + "where it never did before",
                    severity: .low, attackers: [key.first], victims: [key.second], ports: [entry.port],
                    totals: entry.totals, observed: 1, threshold: Double(kind.limit(parameters)), unit: "new of",
                    update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) {
        known.save(to: &writer)
        hosts.save(to: &writer)
        callers.save(to: &writer)
        book.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try known.restore(from: &reader)
        try hosts.restore(from: &reader)
        try callers.restore(from: &reader)
        try book.restore(from: &reader)
    }
}
