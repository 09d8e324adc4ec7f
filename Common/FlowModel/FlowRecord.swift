/// What a record's producer knows about its own record.
package struct RecordFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The record had no start or end of its own: the export (or receive) time stands in.
    package static let timesEstimated = RecordFlags(rawValue: 1 << 0)
    /// Decoded with a template learned from another source port of the same exporter.
    package static let templateBorrowed = RecordFlags(rawValue: 1 << 1)
    /// A copy for a second shard's detectors: not stored, not counted.
    package static let secondary = RecordFlags(rawValue: 1 << 2)
    /// The client's port was summed away (fidelity `service` or coarser).
    package static let portsSummed = RecordFlags(rawValue: 1 << 3)
    /// A firewall refused the connection: evidence of an attempt, not traffic (NSEL event 3).
    package static let denied = RecordFlags(rawValue: 1 << 4)
    /// Times that can't be (end before start, far from the receive time) were clamped.
    package static let timesClamped = RecordFlags(rawValue: 1 << 5)
    /// Held until its template came; the receive time is the original one.
    package static let held = RecordFlags(rawValue: 1 << 6)
    /// Another observer's record of the same flow is the canonical one: not counted, kept where the site asks for it.
    package static let observedElsewhere = RecordFlags(rawValue: 1 << 7)
}

/// One flow, by IPFIX's names (IANA "IP Flow Information Export Entities"). The row view of `FlowColumns`: for tests,
/// output and code that handles few rows. Zero means "not in the record" unless a field says otherwise.
package struct FlowRecord: Hashable, Sendable {
    package var sourceIPAddress = IPAddress.absent
    package var destinationIPAddress = IPAddress.absent
    package var ipNextHopAddress = IPAddress.absent
    package var octetDeltaCount: UInt64 = 0
    package var packetDeltaCount: UInt64 = 0
    /// Records of the exporter that this one stands for: 1 as decoded, more after pre-aggregation.
    package var deltaFlowCount: UInt32 = 1
    /// All times in ms since 1970 UTC.
    package var flowStartMilliseconds: Int64 = 0
    package var flowEndMilliseconds: Int64 = 0
    /// When the exporter sent it, by the exporter's clock.
    package var exportMilliseconds: Int64 = 0
    /// When the sensor got it (IPFIX collectionTimeMilliseconds), by the sensor's clock.
    package var receiveMilliseconds: Int64 = 0
    package var sourceTransportPort: UInt16 = 0
    /// For ICMP and ICMPv6: type << 8 | code, as NetFlow v5 has it.
    package var destinationTransportPort: UInt16 = 0
    package var protocolIdentifier: UInt8 = 0
    package var tcpControlBits: UInt16 = 0
    package var ipClassOfService: UInt8 = 0
    package var ingressInterface: UInt32 = 0
    package var egressInterface: UInt32 = 0
    package var bgpSourceAsNumber: UInt32 = 0
    package var bgpDestinationAsNumber: UInt32 = 0
    package var sourceIPPrefixLength: UInt8 = 0
    package var destinationIPPrefixLength: UInt8 = 0
    package var vlanId: UInt16 = 0
    /// 0 ingress, 1 egress, 255 not in the record (IPFIX flowDirection, 61).
    package var flowDirection: UInt8 = 255
    /// Packets on the link for each one that was looked at: 1 unsampled, 1000 for 1:1000, 0 unknown. Counters are not
    /// scaled by it.
    package var samplingInterval: Float = 0
    package var flags: RecordFlags = []
    /// Index into the exporters of the columns this record came from.
    package var exporter: UInt32 = 0
    /// Places in the side stores of the columns this record came from, 0 for none: see `FlowColumns`.
    package var extra: UInt32 = 0
    package var observers: UInt32 = 0
    package var sketch: UInt32 = 0

    package init() {}

    /// What it adds to sums: nothing when another observer's record stands for it.
    package var tally: Tally {
        if flags.contains(.observedElsewhere) { return Tally() }
        return Tally(flows: UInt64(deltaFlowCount), octets: octetDeltaCount, packets: packetDeltaCount)
    }
}
