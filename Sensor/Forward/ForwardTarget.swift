package import FlowModel

/// Another collector, and what of the datagrams it gets.
package struct ForwardTarget: Hashable, Sendable {
    /// Numeric.
    package var address: String
    package var port: UInt16
    /// Whether copies should carry the exporter's address and port as their own. Needs CAP_NET_RAW; without it they
    /// come from this sensor.
    package var keepsSource: Bool
    /// Only what came to one of these local ports; empty: all.
    package var localPorts: Set<UInt16>
    /// Only these protocols; empty: all, and what is none.
    package var protocols: Set<ExportProtocol>
    /// What may wait for the kernel's send buffer.
    package var queueBytesMax: Int

    package init(
        address: String, port: UInt16, keepsSource: Bool = true, localPorts: Set<UInt16> = [],
        protocols: Set<ExportProtocol> = [], queueBytesMax: Int = 4 << 20
    ) {
        (self.address, self.port, self.keepsSource) = (address, port, keepsSource)
        (self.localPorts, self.protocols) = (localPorts, protocols)
        self.queueBytesMax = min(max(queueBytesMax, 128 << 10), 1 << 30)
    }
}

/// Why copies did not leave. The raw value is the metric label. The records themselves are not lost: the sensor has
/// decoded them.
package enum ForwardLoss: String, CaseIterable, Sendable {
    /// The kernel took no more, and the queue was full.
    case queueFull = "queue_full"
    /// Longer than the path to the target takes in one packet, with the exporter's address kept.
    case tooLong = "too_long"
    /// The kernel refused it: no route, a firewall, no permission.
    case refused
    /// Came from the target itself: it forwards to us what we would forward to it.
    case loop
}

/// What became of the copies for one target since the start.
package struct ForwardCounts: Equatable, Sendable {
    package var sent: UInt64 = 0
    package var octets: UInt64 = 0
    package var losses: [ForwardLoss: UInt64] = Dictionary(
        uniqueKeysWithValues: ForwardLoss.allCases.map { ($0, 0) })
    /// Waiting now.
    package var queued: UInt64 = 0

    package init() {}
    package var lost: UInt64 { losses.values.reduce(0, +) }

    package static func += (sum: inout ForwardCounts, other: ForwardCounts) {
        sum.sent += other.sent
        sum.octets += other.octets
        sum.losses.merge(other.losses, uniquingKeysWith: +)
        sum.queued += other.queued
    }
}

/// Why a target can't be sent to: the settings' or the machine's doing.
package struct ForwardError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package init(description: String) { self.description = description }
}
