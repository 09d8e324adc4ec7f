import FlowModel

/// The sampling rates of all exporters: what they told, what the operator set, in the order of their scopes.
///
/// Bounded by `DecodeLimits.exportersMax`: only exporters with an options template tell rates. One that has been silent
/// for `idleMilliseconds` gives way to another.
struct SamplingBook: Sendable {
    struct Entry: Sendable {
        let key: ExporterKey
        /// All that serve.
        var rates = SamplingRates()
        var probation: Probation?
        var lastHeardMilliseconds: Int64

        /// Of rates that were told before the restart, and what has been told since. They serve until the exporter
        /// tells another rate for one of their scopes: then none of them does, since it has been set up anew.
        struct Probation: Sendable {
            let saved: SamplingRates
            var told = SamplingRates()
        }

        init(key: ExporterKey, lastHeardMilliseconds: Int64) {
            (self.key, self.lastHeardMilliseconds) = (key, lastHeardMilliseconds)
        }
        mutating func learn(_ interval: Float, for scope: SamplingRates.Scope, limit: Int) -> SamplingRates.Lesson {
            let before = probation?.saved.rate(for: scope) ?? 0
            let isFirst = before > 0 && probation?.told.rate(for: scope) == 0
            _ = probation?.told.learn(interval, for: scope, limit: limit)
            if isFirst, before != interval, let told = probation?.told {
                (rates, probation) = (told, nil)
                return .changed
            }
            let lesson = rates.learn(interval, for: scope, limit: limit)
            return isFirst ? .confirmed : lesson
        }
        mutating func learn(sequence: UInt64, of selectors: [UInt64], limit: Int) {
            rates.learn(sequence: sequence, of: selectors, limit: limit)
            probation?.told.learn(sequence: sequence, of: selectors, limit: limit)
        }
    }
    /// All observation domains of one exporter.
    struct System: Hashable, Sendable {
        let address: IPAddress
        let exportProtocol: ExportProtocol
        init(_ key: ExporterKey) { (address, exportProtocol) = (key.address, key.exportProtocol) }
    }
    /// A rate told for a whole exporter serves the domains that told none, unless its domains contradict each other.
    struct SystemRate: Sendable {
        var byDomain: [UInt32: Float] = [:]
        var rate: Float = 0
    }
    let limits: DecodeLimits
    private let defaultRate: Float
    /// By prefix length, the longest first.
    private let overrides: [(length: Int, isV4: Bool, rates: [IPNetwork: Float])]
    var entries: [Entry] = []
    private(set) var index: [ExporterKey: Int] = [:]
    private(set) var systems: [System: SystemRate] = [:]
    /// Changes with everything that a snapshot would show.
    private(set) var version: UInt64 = 0
    private var nextSweepMilliseconds = Int64.min
    private static let sweepPauseMilliseconds: Int64 = 10_000

    init(_ settings: DecodeSettings) {
        limits = settings.limits
        defaultRate = max(settings.samplingDefault, 0)
        let groups = Dictionary(grouping: settings.samplingOverrides.filter { $0.value > 0 }) {
            $0.key.address.isV4 ? $0.key.length + 96 : $0.key.length
        }
        overrides = groups.sorted { $0.key > $1.key }.flatMap { _, pairs in
            [true, false].compactMap { isV4 in
                let chosen = pairs.filter { $0.key.address.isV4 == isV4 }
                guard let length = chosen.first?.key.length else { return nil }
                return (length, isV4, Dictionary(uniqueKeysWithValues: chosen.map { ($0.key, $0.value) }))
            }
        }
    }

    /// What the operator set for the exporter at `address`; 0 unknown.
    func setRate(for address: IPAddress) -> Float {
        for group in overrides where group.isV4 == address.isV4 {
            if let rate = group.rates[IPNetwork(address, length: group.length)] { return rate }
        }
        return defaultRate
    }

    /// What there is to resolve the rates of `exporter`'s records; nil when nothing is known.
    @inline(__always)
    mutating func rates(for exporter: ExporterKey, now: Int64) -> SetRates? {
        // Inline, since nothing is known of most sites' exporters, and each set asks.
        if entries.isEmpty && overrides.isEmpty && defaultRate == 0 { return nil }
        return knownRates(for: exporter, now: now)
    }
    private mutating func knownRates(for exporter: ExporterKey, now: Int64) -> SetRates? {
        let entry = index[exporter]
        if let entry { entries[entry].lastHeardMilliseconds = now }
        return rates(entry, exporter)
    }
    private func rates(_ entry: Int?, _ exporter: ExporterKey) -> SetRates? {
        let told = entry.map { entries[$0].rates } ?? SamplingRates()
        let system = systems.isEmpty ? 0 : systems[System(exporter)]?.rate ?? 0
        let fallback = system > 0 ? system : setRate(for: exporter.address)
        return told.isEmpty && fallback == 0 ? nil : SetRates(told: told, fallback: fallback)
    }

    /// The rate, as known by now, of records that said nothing about it; 0 unknown.
    func rate(for exporter: ExporterKey, ingressInterface: UInt32) -> Float {
        rates(index[exporter], exporter)?.interval(for: Sampler(ingressInterface: ingressInterface)) ?? 0
    }

    /// Keeps what an options record of `exporter` said.
    mutating func learn(_ statement: OptionsPlan.Statement, of exporter: ExporterKey, now: Int64)
        -> SamplingRates.Lesson
    {
        if let (sequence, selectors) = statement.selectionSequence {
            guard let entry = settle(exporter, now: now) else { return .noRoom }
            entries[entry].learn(sequence: sequence, of: selectors, limit: limits.samplersPerExporterMax)
            return .known
        }
        let interval = statement.interval
        guard interval > 0, interval.isFinite else { return .known }
        guard let entry = settle(exporter, now: now) else { return .noRoom }
        if statement.scope == .system { learn(interval, forSystemOf: exporter) }
        entries[entry].lastHeardMilliseconds = now
        let wasOnProbation = entries[entry].probation != nil
        let lesson = entries[entry].learn(interval, for: statement.scope, limit: limits.samplersPerExporterMax)
        if wasOnProbation, entries[entry].probation == nil, statement.scope != .system { forgetSystem(of: exporter) }
        if lesson == .new || lesson == .changed { version &+= 1 }
        return lesson
    }
    mutating func learn(_ interval: Float, forSystemOf exporter: ExporterKey) {
        let system = System(exporter)
        var known = systems[system] ?? SystemRate()
        guard known.byDomain[exporter.observationDomain] != interval,
            known.byDomain.count < limits.domainsPerAddressMax
        else { return }
        known.byDomain[exporter.observationDomain] = interval
        known.rate = known.byDomain.values.allSatisfy { $0 == interval } ? interval : 0
        systems[system] = known
    }
    private mutating func forgetSystem(of exporter: ExporterKey) {
        let system = System(exporter)
        guard var known = systems[system], known.byDomain.removeValue(forKey: exporter.observationDomain) != nil
        else { return }
        let rest = Set(known.byDomain.values)
        known.rate = rest.count == 1 ? rest.first ?? 0 : 0
        systems[system] = known.byDomain.isEmpty ? nil : known
    }

    mutating func settle(_ exporter: ExporterKey, now: Int64) -> Int? {
        if let known = index[exporter] { return known }
        if entries.count >= limits.exportersMax {
            guard now >= nextSweepMilliseconds else { return nil }
            nextSweepMilliseconds = now &+ Self.sweepPauseMilliseconds
            entries.removeAll { now &- $0.lastHeardMilliseconds >= limits.idleMilliseconds }
            index = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.key, $0) })
            let heard = Set(entries.map { System($0.key) })
            systems = systems.filter { heard.contains($0.key) }
            guard entries.count < limits.exportersMax else { return nil }
        }
        index[exporter] = entries.count
        entries.append(Entry(key: exporter, lastHeardMilliseconds: now))
        return entries.count - 1
    }
}
