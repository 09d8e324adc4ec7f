/// The sampling rates that an exporter has told in options records: packets on the link for each one looked at.
struct SamplingRates: Sendable {
    /// For all of the observation domain; 0 unknown.
    private(set) var domainWide: Float = 0
    private(set) var bySelector: [UInt64: Float] = [:]
    private(set) var byInterface: [UInt32: Float] = [:]

    var isEmpty: Bool { domainWide == 0 && bySelector.isEmpty && byInterface.isEmpty }

    /// Keeps `interval` for what `scope` names. Beyond `limit` samplers or interfaces new ones are passed over.
    mutating func learn(_ interval: Float, for scope: Scope, limit: Int) {
        switch scope {
        case .domain: domainWide = interval
        case .selector(let id) where bySelector[id] != nil || bySelector.count < limit: bySelector[id] = interval
        case .interface(let id) where byInterface[id] != nil || byInterface.count < limit: byInterface[id] = interval
        default: break
        }
    }
    enum Scope: Equatable { case domain, selector(UInt64), interface(UInt32) }

    /// The rate for a record that has none of its own, the nearest scope first; 0 when it isn't known.
    ///
    /// A record without a sampler's number takes the samplers' rate only when all known ones agree. Number 0 says that
    /// no sampler was at work on it.
    func interval(selector: UInt64?, ingressInterface: UInt32) -> Float {
        if let selector, let found = bySelector[selector] { return found }
        if selector == 0 { return 0 }
        if let found = byInterface[ingressInterface] { return found }
        if domainWide > 0 { return domainWide }
        guard selector == nil, let any = bySelector.first?.value else { return 0 }
        return bySelector.values.allSatisfy { $0 == any } ? any : 0
    }

    /// The rate of all records that name no sampler, when it doesn't depend on their interface.
    var common: Float? { byInterface.isEmpty ? interval(selector: nil, ingressInterface: 0) : nil }

    //= RFC 5477 §8.2
    /// (interval + space) / interval, or population / size; 0 when the divisor is.
    static func ratio(_ form: Form, _ first: UInt64, _ second: UInt64) -> Float {
        guard first > 0 else { return 0 }
        let whole = form == .intervalAndSpace ? Double(first) + Double(second) : Double(second)
        return Float(whole / Double(first))
    }
}
