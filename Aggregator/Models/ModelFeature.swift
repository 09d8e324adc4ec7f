/// What is measured of one host in one window, as numbers that trees can split.
///
/// Counts are binary logarithms of one more than the count, so that a doubling is a step wherever it begins; shares
/// are 0 to 1. Not here: how the counts come about (`HostWindow`).
package enum ModelFeature: Int, Sendable, CaseIterable {
    /// Octets that the host sent, and got.
    case octetsOut = 0, octetsIn
    /// Conversations that it opened, and that others opened with it.
    case calls, callsIn
    /// Hosts it called, and ports it called them on.
    case peers, ports
    /// Of its calls, those without an answer.
    case failedShare
    /// Of the octets that it sent, those to the outside.
    case outsideShare
    /// Octets of a packet that it sent, on average.
    case packetOctets
    /// Of all its octets, those that it sent.
    case sentShare

    var isShare: Bool { self == .failedShare || self == .outsideShare || self == .sentShare }

    /// The largest value worth telling from others: a window's extremes, whatever the network.
    var plausibleMax: Float {
        switch self {
        case .octetsOut, .octetsIn: 44
        case .calls, .callsIn: 24
        case .peers: 12
        case .ports: 11
        case .packetOctets: 14
        case .failedShare, .outsideShare, .sentShare: 1
        }
    }

    /// Those that hosts have a usual of for each hour of the week.
    package static let seasonal: [ModelFeature] = [.octetsOut, .octetsIn, .calls, .peers]

    /// Below this a host's more than usual is nothing: 64 KiB, 7 calls or hosts.
    var insignificant: Float { self == .octetsOut || self == .octetsIn ? 16 : 3 }

    /// The name in the API.
    package var name: String { "\(self)" }

    /// `812 hosts called`, `98 % of its calls failed`.
    func text(_ value: Float) -> String {
        let amount = isShare ? "\(Int((min(max(value, 0), 1) * 100).rounded())) %" : Self.amount(value)
        switch self {
        case .octetsOut: return "\(amount)octets sent"
        case .octetsIn: return "\(amount)octets got"
        case .calls: return "\(amount)calls"
        case .callsIn: return "\(amount)calls from others"
        case .peers: return "\(amount)hosts called"
        case .ports: return "\(amount)ports called"
        case .failedShare: return "\(amount) of its calls failed"
        case .outsideShare: return "\(amount) sent to the outside"
        case .packetOctets: return "\(amount)octets a packet"
        case .sentShare: return "\(amount) of its octets sent"
        }
    }
    /// The usual beside it, without the noun.
    func shortText(_ value: Float) -> String {
        let text = isShare ? "\(Int((min(max(value, 0), 1) * 100).rounded())) %" : Self.amount(value)
        return text.hasSuffix(" ") ? String(text.dropLast()) : text
    }
    /// `812 `, `1.2 k`: what the logarithm stands for.
    private static func amount(_ value: Float) -> String {
        let count = 1 / Numbers.halved(Double(min(max(value, 0), 62))) - 1
        for (limit, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] where count >= limit {
            let tenths = Int((count / min(limit, limit == 1e4 ? 1e3 : limit) * 10).rounded())
            return "\(tenths / 10).\(tenths % 10) \(unit)"
        }
        return "\(Int(count.rounded())) "
    }
}

/// A window's features, one lane each in the order of `ModelFeature`; the rest is 0.
package typealias FeatureVector = SIMD16<Float>

extension SIMD16<Float> {
    package subscript(feature: ModelFeature) -> Float {
        get { self[feature.rawValue] }
        set { self[feature.rawValue] = newValue }
    }
}
