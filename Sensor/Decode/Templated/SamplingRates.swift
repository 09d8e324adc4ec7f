import FlowModel

/// The device that chose a record's packets, as far as the record says.
struct Sampler: Equatable, Sendable {
    /// A selector's or sampler's number.
    var selector: UInt64?
    /// The number of a sequence of selectors.
    var sequence: UInt64?
    var lineCard: UInt64?
    var ingressInterface: UInt32 = 0
}

/// The sampling rates that an exporter has told in options records: packets on the link for each one looked at.
struct SamplingRates: Sendable {
    /// For all of the observation domain; 0 unknown.
    private(set) var domainWide: Float = 0
    private(set) var bySelector: [UInt64: Float] = [:]
    private(set) var byInterface: [UInt32: Float] = [:]
    private(set) var byLineCard: [UInt64: Float] = [:]
    private(set) var sequences: [UInt64: [UInt64]] = [:]
    /// How many selectors have each rate: whether all agree is asked for every set.
    private var selectorsOfRate: [Float: Int] = [:]

    enum Scope: Equatable { case system, domain, lineCard(UInt64), interface(UInt32), selector(UInt64) }
    /// `confirmed`: as a saved state has it, told for the first time since the start.
    enum Lesson: Equatable { case known, new, changed, confirmed, noRoom }

    var isEmpty: Bool { domainWide == 0 && bySelector.isEmpty && byInterface.isEmpty && byLineCard.isEmpty }

    /// Keeps `interval` for what `scope` names. Beyond `limit` samplers or interfaces new ones are passed over.
    mutating func learn(_ interval: Float, for scope: Scope, limit: Int) -> Lesson {
        switch scope {
        case .system, .domain:
            defer { domainWide = interval }
            return domainWide == 0 ? .new : domainWide == interval ? .known : .changed
        case .interface(let id): return Self.keep(interval, id, in: &byInterface, limit)
        case .lineCard(let id): return Self.keep(interval, id, in: &byLineCard, limit)
        case .selector(let id):
            let before = bySelector[id], lesson = Self.keep(interval, id, in: &bySelector, limit)
            guard lesson == .new || lesson == .changed else { return lesson }
            if let before, let count = selectorsOfRate[before] {
                selectorsOfRate[before] = count > 1 ? count - 1 : nil
            }
            selectorsOfRate[interval, default: 0] += 1
            return lesson
        }
    }
    private static func keep<Key>(_ interval: Float, _ id: Key, in rates: inout [Key: Float], _ limit: Int) -> Lesson {
        let before = rates[id]
        if before == interval { return .known }
        guard before != nil || rates.count < limit else { return .noRoom }
        rates[id] = interval
        return before == nil ? .new : .changed
    }

    /// What was told for exactly this scope; 0 nothing.
    func rate(for scope: Scope) -> Float {
        switch scope {
        case .system, .domain: domainWide
        case .interface(let id): byInterface[id] ?? 0
        case .lineCard(let id): byLineCard[id] ?? 0
        case .selector(let id): bySelector[id] ?? 0
        }
    }

    //= RFC 5476 §6.5.1
    /// Keeps of which selectors a sequence is made; what passes all of them has the product of their rates.
    mutating func learn(sequence: UInt64, of selectors: [UInt64], limit: Int) {
        guard sequences[sequence] != nil || sequences.count < limit else { return }
        sequences[sequence] = selectors
    }

    /// The rate for a record that has none of its own, the nearest scope first; 0 when it isn't known.
    ///
    /// A record without a sampler's number takes the samplers' rate only when all known ones agree. Number 0 says that
    /// no sampler was at work on it.
    func interval(for sampler: Sampler) -> Float {
        if let selector = sampler.selector {
            if let found = bySelector[selector] { return found }
            if selector == 0, !bySelector.isEmpty { return 1 }
        }
        if let sequence = sampler.sequence.flatMap({ sequences[$0] }) {
            let rate = sequence.reduce(Float(1)) { $0 * (bySelector[$1] ?? 0) }
            if rate > 0 { return rate }
        }
        if let found = byInterface[sampler.ingressInterface] { return found }
        if let found = sampler.lineCard.flatMap({ byLineCard[$0] }) { return found }
        if domainWide > 0 { return domainWide }
        return sampler.selector == nil && sampler.sequence == nil ? agreedRate : 0
    }
    private var agreedRate: Float { selectorsOfRate.count == 1 ? selectorsOfRate.first?.key ?? 0 : 0 }

    /// The rate of all records that name no sampler and no line card, when it doesn't depend on their interface.
    var common: Float? { byInterface.isEmpty ? interval(for: Sampler()) : nil }
}

/// What there is to resolve the rates of one set's records.
struct SetRates: Sendable {
    /// What the exporter's observation domain has told.
    let told: SamplingRates
    /// For records that `told` has no rate for: told for the whole exporter, or else set by the operator. 0 unknown.
    let fallback: Float

    func interval(for sampler: Sampler) -> Float {
        let rate = told.interval(for: sampler)
        return rate > 0 ? rate : fallback
    }
    var common: Float? { told.common.map { $0 > 0 ? $0 : fallback } }
}
