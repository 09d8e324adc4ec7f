package import FlowModel

/// How coarse the next window is summed, by how full the spool is: from 80 % on per service, from 90 % on per pair of
/// hosts; back below 70 % and 80 %. The gap keeps it from swinging at an edge.
package struct FidelityControl: Sendable {
    package private(set) var fidelity = Fidelity.full

    package init() {}

    /// - Parameter spoolFraction: used bytes over `spool.bytesMax`.
    /// - Returns: what the next window is to have.
    package mutating func update(spoolFraction: Double) -> Fidelity {
        switch fidelity {
        case .full: fidelity = Self.rising(spoolFraction)
        case .service:
            if spoolFraction < 0.70 { fidelity = .full } else if spoolFraction >= 0.90 { fidelity = .host }
        case .host:
            if spoolFraction < 0.70 { fidelity = .full } else if spoolFraction < 0.80 { fidelity = .service }
        }
        return fidelity
    }
    private static func rising(_ fraction: Double) -> Fidelity {
        fraction >= 0.90 ? .host : fraction >= 0.80 ? .service : .full
    }
}
