import FlowModel
import WireBytes

/// The sampling rates in a saved state, so that a restart doesn't begin with "unknown"; little-endian:
///
///     rates     | exporters :4 | exporter … |
///     exporter  | address :16 | domain :4 | protocol :1 | last heard, ms since 1970 UTC :8 | rates :2 | sequences :2
///               | rate … | sequence … |
///     rate      | scope :1, 0 system 1 domain 2 line card 3 interface 4 selector | its number :8 | a Float's bits :4 |
///     sequence  | its number :8 | selectors :1 | selector :8 … |
///
/// At most `ratesMax` rates and sequences of all exporters are saved, those of whole exporters.
struct SavedRates: Sendable {
    let key: ExporterKey
    let lastHeardMilliseconds: Int64
    var rates: [(scope: SamplingRates.Scope, interval: Float)] = []
    var sequences: [(id: UInt64, selectors: [UInt64])] = []

    static let ratesMax = 65_536, selectorsMax = 8

    init(_ key: ExporterKey, lastHeardMilliseconds: Int64) {
        (self.key, self.lastHeardMilliseconds) = (key, lastHeardMilliseconds)
    }

    fileprivate var count: Int { rates.count + sequences.count }

    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.appendLE(key.address.high)
        bytes.appendLE(key.address.low)
        bytes.appendLE(key.observationDomain)
        bytes.append(key.exportProtocol.rawValue)
        bytes.appendLE(UInt64(bitPattern: lastHeardMilliseconds))
        bytes.appendLE(UInt16(truncatingIfNeeded: rates.count))
        bytes.appendLE(UInt16(truncatingIfNeeded: sequences.count))
        for (scope, interval) in rates {
            let (kind, id) = Self.number(of: scope)
            bytes.append(kind)
            bytes.appendLE(id)
            bytes.appendLE(interval.bitPattern)
        }
        for (id, selectors) in sequences {
            bytes.appendLE(id)
            bytes.append(UInt8(truncatingIfNeeded: min(selectors.count, Self.selectorsMax)))
            for selector in selectors.prefix(Self.selectorsMax) { bytes.appendLE(selector) }
        }
    }
    private static func number(of scope: SamplingRates.Scope) -> (kind: UInt8, id: UInt64) {
        switch scope {
        case .system: (0, 0)
        case .domain: (1, 0)
        case .lineCard(let id): (2, id)
        case .interface(let id): (3, UInt64(id))
        case .selector(let id): (4, id)
        }
    }
    /// Nil for a kind of scope that there isn't.
    static func scope(_ kind: UInt8, _ id: UInt64) -> SamplingRates.Scope? {
        switch kind {
        case 0: .system
        case 1: .domain
        case 2: .lineCard(id)
        case 3: .interface(UInt32(truncatingIfNeeded: id))
        case 4: .selector(id)
        default: nil
        }
    }
}

extension SamplingBook {
    func appendSnapshot(to bytes: inout [UInt8]) {
        var left = SavedRates.ratesMax
        let saved = entries.map(saved).filter { $0.count > 0 }.prefix {
            left -= $0.count
            return left >= 0
        }
        bytes.appendLE(UInt32(truncatingIfNeeded: saved.count))
        for each in saved { each.append(to: &bytes) }
    }
    /// In order of the numbers.
    private func saved(_ entry: Entry) -> SavedRates {
        var saved = SavedRates(entry.key, lastHeardMilliseconds: entry.lastHeardMilliseconds)
        let rates = entry.rates
        if rates.domainWide > 0 {
            let domains = systems[System(entry.key)]?.byDomain ?? [:]
            let isSystem = domains[entry.key.observationDomain] == rates.domainWide
            saved.rates.append((isSystem ? .system : .domain, rates.domainWide))
        }
        func add<ID: Comparable>(_ rates: [ID: Float], _ scope: (ID) -> SamplingRates.Scope) {
            for (id, rate) in rates.sorted(by: { $0.key < $1.key }) { saved.rates.append((scope(id), rate)) }
        }
        add(rates.byLineCard) { .lineCard($0) }
        add(rates.byInterface) { .interface($0) }
        add(rates.bySelector) { .selector($0) }
        saved.sequences = rates.sequences.sorted { $0.key < $1.key }.map { (id: $0.key, selectors: $0.value) }
        return saved
    }

    /// Takes saved rates back, on probation. Of what several snapshots have of an exporter the one heard last counts,
    /// and what was heard since the start before all.
    /// - Returns: how many.
    mutating func restore(_ saved: SavedRates) -> Int {
        let now = saved.lastHeardMilliseconds
        if let known = index[saved.key].map({ entries[$0] }) {
            guard known.probation != nil || known.rates.isEmpty, known.lastHeardMilliseconds < now else { return 0 }
        }
        guard let entry = settle(saved.key, now: now) else { return 0 }
        var rates = SamplingRates(), count = 0
        for (scope, interval) in saved.rates where interval > 0 && interval.isFinite {
            guard rates.learn(interval, for: scope, limit: limits.samplersPerExporterMax) == .new else { continue }
            if scope == .system { learn(interval, forSystemOf: saved.key) }
            count += 1
        }
        for (id, selectors) in saved.sequences {
            rates.learn(sequence: id, of: selectors, limit: limits.samplersPerExporterMax)
        }
        let isNewer = entries[entry].probation != nil
        (entries[entry].rates, entries[entry].probation) = (rates, Entry.Probation(saved: rates))
        entries[entry].lastHeardMilliseconds = now
        return isNewer ? 0 : count
    }
}
