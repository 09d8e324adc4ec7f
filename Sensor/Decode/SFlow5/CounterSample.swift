import WireBytes

/// What an sFlow agent has counted at one of its data sources, as IF-MIB and EtherLike-MIB name it. Counters wrap at
/// their own width; the exporter is the `DecodeResult`'s.
package struct CounterSample: Sendable, Equatable {
    package var sequence: UInt32
    /// 0 an interface, 1 a VLAN, 2 a physical entity; and its number.
    package var sourceType: UInt32, sourceIndex: UInt32
    package var interface: InterfaceCounters?
    package var ethernet: EthernetCounters?
    package var processor: ProcessorCounters?
    /// Records in it that are not read.
    package private(set) var unread: UInt32 = 0

    init(sequence: UInt32, sourceType: UInt32, sourceIndex: UInt32) {
        (self.sequence, self.sourceType, self.sourceIndex) = (sequence, sourceType, sourceIndex)
    }

    ///     compact  | sequence :4 | source :4 | count :4 | …
    ///     expanded | sequence :4 | source :8 | count :4 | …
    init?(_ sample: RawSpan, isExpanded: Bool) {
        guard sample.byteCount >= (isExpanded ? 16 : 12) else { return nil }
        let source = sample.be32(at: 4)
        self.init(
            sequence: sample.be32(at: 0), sourceType: isExpanded ? source : source >> 24,
            sourceIndex: isExpanded ? sample.be32(at: 8) : source & 0xFF_FFFF)
        var offset = isExpanded ? 16 : 12
        for _ in 0..<sample.be32(at: offset - 4) {  // ends: each turn adds at least 8
            guard sample.byteCount - offset >= 8 else { return }
            let format = sample.be32(at: offset), length = Int(sample.be32(at: offset + 4))
            offset += 8
            guard length <= sample.byteCount - offset else { return }
            read(format, sample.extracting(offset..<(offset + length)))
            offset += length
        }
    }

    private mutating func read(_ format: UInt32, _ body: RawSpan) {
        switch format {
        case 1: interface = InterfaceCounters(body)
        case 2: ethernet = EthernetCounters(body)
        case 1001: processor = ProcessorCounters(body)
        default: unread &+= 1
        }
    }
    /// Whether it had anything that is read here.
    var isEmpty: Bool { interface == nil && ethernet == nil && processor == nil }
}

/// One interface's counters (RFC 2863 ifTable and ifXTable); -1 as the exporter's word for "not counted" stays.
package struct InterfaceCounters: Sendable, Equatable, BitwiseCopyable {
    package var ifIndex: UInt32, ifType: UInt32
    /// In bits a second.
    package var ifSpeed: UInt64
    /// 0 unknown, 1 full duplex, 2 half duplex, 3 in, 4 out.
    package var ifDirection: UInt32
    package var isAdminUp: Bool, isOperUp: Bool, isPromiscuous: Bool
    package var ifInOctets: UInt64, ifOutOctets: UInt64
    package var ifInUcastPkts: UInt32, ifInMulticastPkts: UInt32, ifInBroadcastPkts: UInt32, ifInDiscards: UInt32,
        ifInErrors: UInt32, ifInUnknownProtos: UInt32
    package var ifOutUcastPkts: UInt32, ifOutMulticastPkts: UInt32, ifOutBroadcastPkts: UInt32, ifOutDiscards: UInt32,
        ifOutErrors: UInt32

    static let octets = 88

    init?(_ body: RawSpan) {
        guard body.byteCount >= Self.octets else { return nil }
        (ifIndex, ifType, ifSpeed) = (body.be32(at: 0), body.be32(at: 4), body.be64(at: 8))
        (ifDirection, isAdminUp, isOperUp) = (
            body.be32(at: 16), body.be32(at: 20) & 1 != 0, body.be32(at: 20) & 2 != 0
        )
        ifInOctets = body.be64(at: 24)
        (ifInUcastPkts, ifInMulticastPkts, ifInBroadcastPkts) = (
            body.be32(at: 32), body.be32(at: 36), body.be32(at: 40)
        )
        (ifInDiscards, ifInErrors, ifInUnknownProtos) = (body.be32(at: 44), body.be32(at: 48), body.be32(at: 52))
        ifOutOctets = body.be64(at: 56)
        (ifOutUcastPkts, ifOutMulticastPkts, ifOutBroadcastPkts) = (
            body.be32(at: 64), body.be32(at: 68), body.be32(at: 72)
        )
        (ifOutDiscards, ifOutErrors, isPromiscuous) = (body.be32(at: 76), body.be32(at: 80), body.be32(at: 84) == 1)
    }
}

/// An Ethernet interface's errors (RFC 3635), by the names without `dot3Stats`.
package struct EthernetCounters: Sendable, Equatable, BitwiseCopyable {
    package var alignmentErrors: UInt32, fcsErrors: UInt32, singleCollisionFrames: UInt32,
        multipleCollisionFrames: UInt32, sqeTestErrors: UInt32, deferredTransmissions: UInt32, lateCollisions: UInt32,
        excessiveCollisions: UInt32, internalMacTransmitErrors: UInt32, carrierSenseErrors: UInt32,
        frameTooLongs: UInt32, internalMacReceiveErrors: UInt32, symbolErrors: UInt32

    static let octets = 52

    init?(_ body: RawSpan) {
        guard body.byteCount >= Self.octets else { return nil }
        (alignmentErrors, fcsErrors, singleCollisionFrames) = (body.be32(at: 0), body.be32(at: 4), body.be32(at: 8))
        (multipleCollisionFrames, sqeTestErrors) = (body.be32(at: 12), body.be32(at: 16))
        (deferredTransmissions, lateCollisions) = (body.be32(at: 20), body.be32(at: 24))
        (excessiveCollisions, internalMacTransmitErrors) = (body.be32(at: 28), body.be32(at: 32))
        (carrierSenseErrors, frameTooLongs) = (body.be32(at: 36), body.be32(at: 40))
        (internalMacReceiveErrors, symbolErrors) = (body.be32(at: 44), body.be32(at: 48))
    }
}

/// A device's load.
package struct ProcessorCounters: Sendable, Equatable, BitwiseCopyable {
    /// Hundredths of a percent over 5 s, 1 min and 5 min; 0xFFFFFFFF unknown.
    package var cpu5s: UInt32, cpu1m: UInt32, cpu5m: UInt32
    /// In octets.
    package var totalMemory: UInt64, freeMemory: UInt64

    init?(_ body: RawSpan) {
        guard body.byteCount >= 28 else { return nil }
        (cpu5s, cpu1m, cpu5m) = (body.be32(at: 0), body.be32(at: 4), body.be32(at: 8))
        (totalMemory, freeMemory) = (body.be64(at: 12), body.be64(at: 20))
    }
}
