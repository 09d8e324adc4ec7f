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
    /// Of the records at hand.
    private var visits = [NewPlaceVisit](repeating: .none, count: SightChunk.sightsMax), warmth: UInt64 = 0
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

    mutating func observe(_ chunk: borrowing SightChunk) {
        var visits: [NewPlaceVisit] = []
        swap(&visits, &self.visits)
        defer { swap(&visits, &self.visits) }
        let count = plan(chunk, &visits)
        var fresh = 0
        for place in 0..<count where known.place(of: visits[place].pair).isNew {
            visits[fresh] = visits[place]
            warmth &+= hosts.warm(visits[fresh].host)
            fresh += 1
        }
        for place in 0..<fresh { meet(chunk.sights[visits[place].index], visits[place].host) }
    }

    /// The calls with something in them. Memory is asked for all of them before the first is looked at.
    private mutating func plan(_ chunk: borrowing SightChunk, _ visits: inout [NewPlaceVisit]) -> Int {
        var count = 0
        for index in chunk.indices where chunk.aspects[index].contains(.call) {
            let sight = chunk.sights[index]
            guard sight.packets >= Self.packetsMin, !sight.isDenied else { continue }
            let network = keys.host(CarpetBombingDetector.network(of: sight.destination))
            visits[count] = NewPlaceVisit(
                pair: keys.of(sight.sourceHash, network, detail: 0, epoch: 0),
                host: keys.of(sight.sourceHash, detail: 0, epoch: 0), index: index)
            count += 1
        }
        for place in 0..<count { warmth &+= known.warm(visits[place].pair) }
        return count
    }

    /// Every record comes in a chunk.
    mutating func observe(_ sight: FlowSight) {}

    @inline(never)
    private mutating func meet(_ sight: FlowSight, _ host: UInt64) {
        let (country, system) = places.find(sight.destination)
        let (place, isNew) = hosts.place(of: host)
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

/// A call that is to be looked up: hashes of the host with the network, and of the host.
private struct NewPlaceVisit {
    let pair: UInt64, host: UInt64
    let index: Int
    static let none = NewPlaceVisit(pair: 0, host: 0, index: 0)
}
