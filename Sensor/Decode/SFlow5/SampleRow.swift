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

    init() {}

    /// Begins a new sample in the storage of an old one.
    @inline(__always)
    mutating func reset() {
        (source, destination, nextHop) = (.absent, .absent, .absent)
        (octets, interval, ingressInterface, egressInterface) = (0, 0, 0, 0)
        (sourceAS, destinationAS, extra) = (0, 0, 0)
        (sourcePort, destinationPort, tcpControlBits, vlan) = (0, 0, 0, 0)
        (protocolIdentifier, trafficClass, sourcePrefix, destinationPrefix) = (0, 0, 0, 0)
        (direction, flags, found, hasDetails, hasUnread) = (0, 0, .none, false, false)
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

extension FlowColumns {
    /// Appends the first `count` of `samples`, a column at a time; columns that none of them fills are left alone.
    mutating func append(_ count: Int, of samples: [SampleRow], _ context: SampleContext) {
        let rows = extend(by: count)
        put(&sourceLow, rows, samples) { $0.source.low }
        put(&destinationLow, rows, samples) { $0.destination.low }
        put(&octetDeltaCount, rows, samples) { $0.octets }
        put(&samplingInterval, rows, samples) { $0.interval }
        put(&ingressInterface, rows, samples) { $0.ingressInterface }
        put(&egressInterface, rows, samples) { $0.egressInterface }
        put(&sourceTransportPort, rows, samples) { $0.sourcePort }
        put(&destinationTransportPort, rows, samples) { $0.destinationPort }
        put(&tcpControlBits, rows, samples) { $0.tcpControlBits }
        put(&vlanId, rows, samples) { $0.vlan }
        put(&protocolIdentifier, rows, samples) { $0.protocolIdentifier }
        put(&ipClassOfService, rows, samples) { $0.trafficClass }
        put(&flowDirection, rows, samples) { $0.direction }
        appendRare(samples, rows)
        setCommon(rows, context)
    }

    private mutating func appendRare(_ samples: [SampleRow], _ rows: Range<Int>) {
        var high: UInt64 = 0, hops: UInt64 = 0, paths: UInt32 = 0, extras: UInt32 = 0, others: UInt8 = 0
        let span = samples.span
        for index in 0..<rows.count {
            high |= span[index].source.high | span[index].destination.high
            hops |= span[index].nextHop.low | span[index].nextHop.high
            paths |= span[index].sourceAS | span[index].destinationAS
            extras |= span[index].extra
            others |= span[index].flags | span[index].sourcePrefix | span[index].destinationPrefix
        }
        if high != 0 {
            put(&sourceHigh, rows, samples) { $0.source.high }
            put(&destinationHigh, rows, samples) { $0.destination.high }
        }
        if hops != 0 {
            put(&nextHopHigh, rows, samples) { $0.nextHop.high }
            put(&nextHopLow, rows, samples) { $0.nextHop.low }
        }
        if paths != 0 {
            put(&bgpSourceAsNumber, rows, samples) { $0.sourceAS }
            put(&bgpDestinationAsNumber, rows, samples) { $0.destinationAS }
        }
        if extras != 0 { put(&extra, rows, samples) { $0.extra } }
        guard others != 0 else { return }
        put(&sourceIPPrefixLength, rows, samples) { $0.sourcePrefix }
        put(&destinationIPPrefixLength, rows, samples) { $0.destinationPrefix }
        put(&flags, rows, samples) { $0.flags }
    }

    private mutating func setCommon(_ rows: Range<Int>, _ context: SampleContext) {
        storeConstant(&exporter, rows, context.exporter)
        storeConstant(&deltaFlowCount, rows, 1)
        storeConstant(&packetDeltaCount, rows, 1)
        storeConstant(&flowStartMilliseconds, rows, context.receiveMilliseconds)
        storeConstant(&flowEndMilliseconds, rows, context.receiveMilliseconds)
        storeConstant(&exportMilliseconds, rows, context.receiveMilliseconds)
        storeConstant(&receiveMilliseconds, rows, context.receiveMilliseconds)
    }
}

@inline(__always)
private func put<T>(
    _ column: inout [T], _ rows: Range<Int>, _ samples: [SampleRow], _ value: (borrowing SampleRow) -> T
) {
    var span = column.mutableSpan
    let from = samples.span
    var row = rows.lowerBound
    for index in 0..<rows.count {
        span[row] = value(from[index])
        row &+= 1
    }
}
