/// What a tenant may do without: on unless its administrators turned it off. The raw value is what is stored and shown.
package enum Feature: String, Sendable, CaseIterable, Codable {
    /// Streams of live incidents.
    case live
    /// Exports of flows as files.
    case exports
    /// Hunts through the history for lists of indicators.
    case hunts
    /// Rules tried on the history.
    case backtests
    /// Models of what is usual, made of the history.
    case models
    /// Measures against attackers, accepted by people, for firewalls to fetch.
    case mitigation

    package var summary: String {
        switch self {
        case .live: "Streams of live incidents"
        case .exports: "Exports of flows as files"
        case .hunts: "Hunts through the history for indicators"
        case .backtests: "Rules tried on the history"
        case .models: "Models of what is usual"
        case .mitigation: "Measures against attackers, for firewalls to fetch"
        }
    }
}
