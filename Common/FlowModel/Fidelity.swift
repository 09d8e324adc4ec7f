/// How much of a record's key a sensor keeps. Coarser fidelity means fewer rows; octets, packets and flow counts stay
/// exact at each. Ordered from fine to coarse.
package enum Fidelity: UInt8, Sendable, CaseIterable, Comparable {
    /// Every field of the key.
    case full = 0
    /// Without the client's port (see `PortRule` for which one that is).
    case service = 1
    /// Without ports, class of service, interfaces and VLAN: who talked to whom by which protocol.
    case host = 2

    /// The name used in settings, output and metrics.
    package var name: String {
        switch self {
        case .full: "full"
        case .service: "service"
        case .host: "host"
        }
    }
    package static func < (a: Fidelity, b: Fidelity) -> Bool { a.rawValue < b.rawValue }
}
