import FlowModel
import PacketHeader

/// What becomes one row of the columns: a sampled packet, from whichever version of sFlow. Zero is "not in the sample".
struct SampleRow {
    var source = IPAddress.absent, destination = IPAddress.absent, nextHop = IPAddress.absent
    var octets: UInt64 = 0
    var interval: Float = 0
    var ingressInterface: UInt32 = 0, egressInterface: UInt32 = 0
    var sourceAS: UInt32 = 0, destinationAS: UInt32 = 0
    /// A place in the columns' extras.
    var extra: UInt32 = 0
    var sourcePort: UInt16 = 0, destinationPort: UInt16 = 0, tcpControlBits: UInt16 = 0, vlan: UInt16 = 0
    var protocolIdentifier: UInt8 = 0, trafficClass: UInt8 = 0
    var sourcePrefix: UInt8 = 0, destinationPrefix: UInt8 = 0
    /// As `FlowColumns` holds it: one higher than IPFIX has it.
    var direction: UInt8 = 0
    var flags: UInt8 = 0

    /// What has described the packet so far, the least telling first: a better source overrules a lesser one.
    enum PacketSource: UInt8, Comparable {
        case none, ethernet, addresses, header
        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }
    var found = PacketSource.none
    /// There is something that no column holds, to be read in a second pass.
    var hasDetails = false
    /// There are records that are not read, to be counted.
    var hasUnread = false
    /// It may have one of what few samples have: see `FlowColumns.putRare`.
    var hasRare = false

    init() {}

    /// Begins a new sample in the storage of an old one.
    @inline(__always)
    mutating func reset() {
        (source, destination, nextHop) = (.absent, .absent, .absent)
        (octets, interval, ingressInterface, egressInterface) = (0, 0, 0, 0)
        (sourceAS, destinationAS, extra) = (0, 0, 0)
        (sourcePort, destinationPort, tcpControlBits, vlan) = (0, 0, 0, 0)
        (protocolIdentifier, trafficClass, sourcePrefix, destinationPrefix) = (0, 0, 0, 0)
        (direction, flags, found, hasDetails, hasUnread, hasRare) = (0, 0, .none, false, false, false)
    }

    /// Takes what the reader found in the packet.
    @inline(__always)
    mutating func take(from reader: inout PacketReader) {
        (source, destination) = (reader.summary.outer.source, reader.summary.outer.destination)
        (sourcePort, destinationPort) = (reader.summary.outer.sourcePort, reader.summary.outer.destinationPort)
        tcpControlBits = reader.summary.outer.tcpControlBits
        protocolIdentifier = reader.summary.outer.protocolIdentifier
        trafficClass = reader.summary.outer.trafficClass
        let number = reader.summary.vlan
        if number != 0 { vlan = number }
        // Not `!=`, which for another module's enum is a call through a table.
        if case .none = reader.summary.tunnel {} else { hasDetails = true }
        if reader.summary.labelCount != 0 { hasDetails = true }
        if reader.summary.innerVLAN != 0 { hasDetails = true }
    }

    /// The sampler sits at one of the packet's two interfaces: at which says whether the packet came or went.
    @inline(__always)
    mutating func setDirection(sourceType: UInt32, _ sourceIndex: UInt32) {
        guard sourceType == 0, sourceIndex != 0, ingressInterface != egressInterface else { return }
        if sourceIndex == ingressInterface {
            direction = 1
        } else if sourceIndex == egressInterface {
            direction = 2
        }
    }
}

/// What all rows of a datagram have in common.
struct SampleContext {
    var exporter: UInt32
    var receiveMilliseconds: Int64
}
