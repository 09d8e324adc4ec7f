/// Questions about a tenant's flow records: which ones (`FlowFilter`), the newest of them (`FlowQuery.records`), and
/// who has the most of something (`FlowQuery.top`).
///
/// Invariants: every question names its tenant; answers are exact or say that they are not; a question's work is
/// bounded by a budget and ends with its task. Counters are as exported, never scaled by the sampling interval. Copies
/// for other shards' detectors (`RecordFlags.secondary`) are never seen.
/// Not here: a language to write filters in, HTTP (`API`).
package import FlowModel

/// Which records: all conditions that are set must hold; within one, any alternative will do.
package struct FlowFilter: Equatable, Sendable {
    /// Records under way at some moment of [from, to), in ms since 1970 UTC: they ended at `from` or later and started
    /// before `to`.
    package var from: Int64
    package var to: Int64
    /// The source, the destination, or either of the two is in one of these. Empty: any.
    package var sourceNetworks: [IPNetwork] = []
    package var destinationNetworks: [IPNetwork] = []
    package var networks: [IPNetwork] = []
    /// Transport ports; type << 8 | code of ICMP is a destination port. Empty: any.
    package var sourcePorts: [ClosedRange<UInt16>] = []
    package var destinationPorts: [ClosedRange<UInt16>] = []
    package var ports: [ClosedRange<UInt16>] = []
    /// `protocolIdentifier`s. Empty: any.
    package var protocols: Set<UInt8> = []

    package init(from: Int64 = .min, to: Int64 = .max) {
        self.from = from
        self.to = to
    }

    /// Whether one record is meant. The slow way, for few records; queries go by columns.
    package func matches(_ record: FlowRecord) -> Bool {
        func inAny(_ networks: [IPNetwork], _ addresses: IPAddress...) -> Bool {
            networks.isEmpty || networks.contains { network in addresses.contains(where: network.contains) }
        }
        func inAny(_ ranges: [ClosedRange<UInt16>], _ ports: UInt16...) -> Bool {
            ranges.isEmpty || ranges.contains { range in ports.contains(where: range.contains) }
        }
        return !record.flags.contains(.secondary)
            && record.flowEndMilliseconds >= from && record.flowStartMilliseconds < to
            && inAny(sourceNetworks, record.sourceIPAddress) && inAny(destinationNetworks, record.destinationIPAddress)
            && inAny(networks, record.sourceIPAddress, record.destinationIPAddress)
            && inAny(sourcePorts, record.sourceTransportPort)
            && inAny(destinationPorts, record.destinationTransportPort)
            && inAny(ports, record.sourceTransportPort, record.destinationTransportPort)
            && (protocols.isEmpty || protocols.contains(record.protocolIdentifier))
    }
}
