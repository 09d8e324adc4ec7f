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

extension FlowColumns {
    /// Appends the first `count` of `samples`; columns that none of them fills are left alone. A datagram has few
    /// samples, so that a loop for each column would cost more before its first turn than in its turns: the columns
    /// that all samples fill share four.
    mutating func append(_ count: Int, of samples: [SampleRow], _ context: SampleContext) {
        let rows = extend(by: count), samples = samples.span.extracting(first: count)
        let high = putPackets(&sourceLow, &destinationLow, &octetDeltaCount, &packetDeltaCount, rows, samples)
        if high != 0 {
            put(&sourceHigh, rows, samples) { $0.source.high }
            put(&destinationHigh, rows, samples) { $0.destination.high }
        }
        putMoment(
            &flowStartMilliseconds, &flowEndMilliseconds, &exportMilliseconds, &receiveMilliseconds, rows,
            context.receiveMilliseconds)
        putOrigins(
            &exporter, &deltaFlowCount, &samplingInterval, &ingressInterface, &egressInterface, rows, samples,
            context.exporter)
        let hasRare = putHeaders(
            &sourceTransportPort, &destinationTransportPort, &tcpControlBits, &vlanId, &protocolIdentifier,
            &ipClassOfService, &flowDirection, rows, samples)
        if hasRare { putRare(rows, samples) }
    }

    /// Of samples of which some have `hasRare`.
    @inline(never)
    private mutating func putRare(_ rows: Range<Int>, _ samples: Span<SampleRow>) {
        var hops: UInt64 = 0, paths: UInt32 = 0, extras: UInt32 = 0, others: UInt8 = 0
        for index in samples.indices {
            hops |= samples[index].nextHop.low | samples[index].nextHop.high
            paths |= samples[index].sourceAS | samples[index].destinationAS
            extras |= samples[index].extra
            others |= samples[index].flags | samples[index].sourcePrefix | samples[index].destinationPrefix
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
}

// Each of the following has its bounds checked once, before its loop.

/// Returns the bits that the high words of some addresses have.
@inline(__always)
private func putPackets(
    _ source: inout [UInt64], _ destination: inout [UInt64], _ octets: inout [UInt64], _ packets: inout [UInt64],
    _ rows: Range<Int>, _ samples: Span<SampleRow>
) -> UInt64 {
    var source = source.mutableSpan, destination = destination.mutableSpan
    var octets = octets.mutableSpan, packets = packets.mutableSpan
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(source.count, destination.count), "rows \(rows)")
    precondition(rows.upperBound <= min(octets.count, packets.count), "rows \(rows)")
    var index = 0, high: UInt64 = 0
    for row in rows {
        high |= samples[index].source.high | samples[index].destination.high
        source[row] = samples[index].source.low
        destination[row] = samples[index].destination.low
        octets[row] = samples[index].octets
        packets[row] = 1
        index &+= 1
    }
    return high
}

@inline(__always)
private func putMoment(
    _ start: inout [Int64], _ end: inout [Int64], _ export: inout [Int64], _ receive: inout [Int64],
    _ rows: Range<Int>, _ milliseconds: Int64
) {
    var start = start.mutableSpan, end = end.mutableSpan, export = export.mutableSpan, receive = receive.mutableSpan
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(start.count, end.count), "rows \(rows)")
    precondition(rows.upperBound <= min(export.count, receive.count), "rows \(rows)")
    for row in rows {
        start[row] = milliseconds
        end[row] = milliseconds
        export[row] = milliseconds
        receive[row] = milliseconds
    }
}

@inline(__always)
private func putOrigins(
    _ exporter: inout [UInt32], _ flows: inout [UInt32], _ interval: inout [Float], _ ingress: inout [UInt32],
    _ egress: inout [UInt32], _ rows: Range<Int>, _ samples: Span<SampleRow>, _ number: UInt32
) {
    var exporter = exporter.mutableSpan, flows = flows.mutableSpan, interval = interval.mutableSpan
    var ingress = ingress.mutableSpan, egress = egress.mutableSpan
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(exporter.count, flows.count), "rows \(rows)")
    precondition(rows.upperBound <= min(interval.count, ingress.count, egress.count), "rows \(rows)")
    var index = 0
    for row in rows {
        exporter[row] = number
        flows[row] = 1
        interval[row] = samples[index].interval
        ingress[row] = samples[index].ingressInterface
        egress[row] = samples[index].egressInterface
        index &+= 1
    }
}

/// Returns whether one has `hasRare`.
@inline(__always)
private func putHeaders(
    _ sourcePort: inout [UInt16], _ destinationPort: inout [UInt16], _ bits: inout [UInt16], _ vlan: inout [UInt16],
    _ number: inout [UInt8], _ trafficClass: inout [UInt8], _ direction: inout [UInt8], _ rows: Range<Int>,
    _ samples: Span<SampleRow>
) -> Bool {
    var sourcePort = sourcePort.mutableSpan, destinationPort = destinationPort.mutableSpan
    var bits = bits.mutableSpan, vlan = vlan.mutableSpan, number = number.mutableSpan
    var trafficClass = trafficClass.mutableSpan, direction = direction.mutableSpan
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(sourcePort.count, destinationPort.count), "\(rows)")
    precondition(rows.upperBound <= min(bits.count, vlan.count, number.count), "rows \(rows)")
    precondition(rows.upperBound <= min(trafficClass.count, direction.count), "rows \(rows)")
    var index = 0, hasRare = false
    for row in rows {
        if samples[index].hasRare { hasRare = true }
        sourcePort[row] = samples[index].sourcePort
        destinationPort[row] = samples[index].destinationPort
        bits[row] = samples[index].tcpControlBits
        vlan[row] = samples[index].vlan
        number[row] = samples[index].protocolIdentifier
        trafficClass[row] = samples[index].trafficClass
        direction[row] = samples[index].direction
        index &+= 1
    }
    return hasRare
}

@inline(__always)
private func put<T>(
    _ column: inout [T], _ rows: Range<Int>, _ samples: Span<SampleRow>, _ value: (borrowing SampleRow) -> T
) {
    var span = column.mutableSpan, index = 0
    precondition(rows.lowerBound >= 0 && rows.upperBound <= span.count, "rows \(rows) of \(span.count)")
    for row in rows {
        span[row] = value(samples[index])
        index &+= 1
    }
}
