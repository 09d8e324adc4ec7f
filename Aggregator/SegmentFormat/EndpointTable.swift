internal import FlowModel
internal import WireBytes

/// An address with its AS number and prefix length: what is written once a segment.
struct Endpoint: BitwiseCopyable {
    var high: UInt64 = 0, low: UInt64 = 0
    /// AS number << 8 | prefix length.
    var network: UInt64 = 0
    var address: IPAddress { IPAddress(high: high, low: low) }
}

/// Gives endpoints numbers by first use, and notes with each what routers tell by address rather than by flow: the
/// interface that it is behind and the next hop towards it.
///
/// Open addressing with linear probing, at most half full; a slot holds some bits of the hash over the number plus one.
/// What is not found in `probesMax` slots counts as new, so that nobody who makes hashes collide can make this slow.
struct EndpointTable {
    private(set) var endpoints: [Endpoint] = []
    /// As first seen.
    private(set) var interfaces: [UInt32] = [], nextHops: [IPAddress] = []
    /// Of each row.
    private(set) var sources: [UInt32] = [], destinations: [UInt32] = []
    private var slots = [UInt64](repeating: 0, count: 1 << 12)
    /// Endpoints in use; the arrays have room for more.
    private(set) var count = 0

    private static let numberBits: UInt64 = 24, numberMask: UInt64 = (1 << 24) - 1, probesMax = 24
    private static let chunkRows = 4_096

    mutating func removeAll() {
        for index in 0..<count { nextHops[index] = .absent }
        count = 0
        sources.removeAll(keepingCapacity: true)
        destinations.removeAll(keepingCapacity: true)
        var slots = self.slots.mutableSpan
        slots.fill(0..<slots.count, with: 0)
    }

    /// Numbers the ends of `rows`, and replaces their interfaces and next hops by what these differ in, by exclusive
    /// or, from what is noted with the ends.
    mutating func note(_ columns: inout FlowColumns, _ rows: Range<Int>) {
        var next = rows.lowerBound
        while next < rows.upperBound {  // ends: each turn takes a row or more
            let chunk = next..<min(next + Self.chunkRows, rows.upperBound)
            makeRoom(forRows: chunk.count)
            number(columns, chunk)
            takeInterfaces(&columns, chunk)
            takeNextHops(&columns, chunk)
            next = chunk.upperBound
        }
    }

    private mutating func makeRoom(forRows rows: Int) {
        let needed = count + 2 * rows
        if endpoints.count < needed {
            let more = max(needed, 2 * endpoints.count) - endpoints.count
            endpoints.append(contentsOf: repeatElement(Endpoint(), count: more))
            interfaces.append(contentsOf: repeatElement(0, count: more))
            nextHops.append(contentsOf: repeatElement(.absent, count: more))
        }
        guard 2 * needed > slots.count else { return }
        var size = slots.count
        while size < 2 * needed { size *= 2 }
        slots = [UInt64](repeating: 0, count: size)
        for index in 0..<count {
            let hash = Self.hash(endpoints[index])
            var slot = Int(truncatingIfNeeded: hash) & (size - 1), probes = 0
            while slots[slot] != 0, probes < Self.probesMax { (slot, probes) = ((slot + 1) & (size - 1), probes + 1) }
            slots[slot] = hash & ~Self.numberMask | UInt64(index + 1)
        }
    }

    private mutating func number(_ columns: FlowColumns, _ rows: Range<Int>) {
        let sourceHigh = columns.sourceHigh.span, sourceLow = columns.sourceLow.span
        let destinationHigh = columns.destinationHigh.span, destinationLow = columns.destinationLow.span
        let sourceAS = columns.bgpSourceAsNumber.span, destinationAS = columns.bgpDestinationAsNumber.span
        let sourcePrefix = columns.sourceIPPrefixLength.span
        let destinationPrefix = columns.destinationIPPrefixLength.span
        let ingress = columns.ingressInterface.span, egress = columns.egressInterface.span
        var (endpointArray, interfaceArray, slotArray, count) = (endpoints, interfaces, slots, self.count)
        var (sourceArray, destinationArray) = (sources, destinations)
        (endpoints, interfaces, slots, sources, destinations) = ([], [], [], [], [])  // theirs alone for now
        let first = sourceArray.count
        sourceArray.append(contentsOf: repeatElement(0, count: rows.count))
        destinationArray.append(contentsOf: repeatElement(0, count: rows.count))
        var endpoints = endpointArray.mutableSpan, interfaces = interfaceArray.mutableSpan
        var slots = slotArray.mutableSpan
        var sources = sourceArray.mutableSpan, destinations = destinationArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index
            let source = Endpoint(
                high: sourceHigh[row], low: sourceLow[row],
                network: UInt64(sourceAS[row]) << 8 | UInt64(sourcePrefix[row]))
            sources[first &+ index] = Self.number(source, ingress[row], &endpoints, &interfaces, &slots, &count)
            let destination = Endpoint(
                high: destinationHigh[row], low: destinationLow[row],
                network: UInt64(destinationAS[row]) << 8 | UInt64(destinationPrefix[row]))
            destinations[first &+ index] = Self.number(
                destination, egress[row], &endpoints, &interfaces, &slots, &count)
        }
        (self.endpoints, self.interfaces, self.slots, self.count) = (endpointArray, interfaceArray, slotArray, count)
        (self.sources, self.destinations) = (sourceArray, destinationArray)
    }

    @inline(__always)
    private static func number(
        _ endpoint: Endpoint, _ interface: UInt32, _ endpoints: inout MutableSpan<Endpoint>,
        _ interfaces: inout MutableSpan<UInt32>, _ slots: inout MutableSpan<UInt64>, _ count: inout Int
    ) -> UInt32 {
        let hash = hash(endpoint), mask = slots.count &- 1, tag = hash & ~numberMask
        var slot = Int(truncatingIfNeeded: hash) & mask, probes = 0
        while true {  // ends: after at most `probesMax` turns
            let held = slots[slot]
            if held == 0 || probes == probesMax { break }
            if held & ~numberMask == tag {
                let index = Int(truncatingIfNeeded: held & numberMask) &- 1, found = endpoints[index]
                if found.low == endpoint.low, found.high == endpoint.high, found.network == endpoint.network {
                    return UInt32(truncatingIfNeeded: index)
                }
            }
            slot = (slot &+ 1) & mask
            probes &+= 1
        }
        endpoints[count] = endpoint
        interfaces[count] = interface
        count &+= 1
        slots[slot] = tag | UInt64(truncatingIfNeeded: count)
        return UInt32(truncatingIfNeeded: count &- 1)
    }
    @inline(__always)
    private static func hash(_ endpoint: Endpoint) -> UInt64 {
        ConversationHash.fold(
            endpoint.low ^ 0xA076_1D64_78BD_642F,
            endpoint.high ^ endpoint.network << 20 ^ endpoint.network ^ 0xE703_7ED1_A0B4_28DB)
    }

    private func takeInterfaces(_ columns: inout FlowColumns, _ rows: Range<Int>) {
        let expected = interfaces.span, sources = self.sources.span, destinations = self.destinations.span
        var ingress = columns.ingressInterface.mutableSpan
        for row in rows { ingress[row] ^= expected[Int(sources[row])] }
        var egress = columns.egressInterface.mutableSpan
        for row in rows { egress[row] ^= expected[Int(destinations[row])] }
    }
    private mutating func takeNextHops(_ columns: inout FlowColumns, _ rows: Range<Int>) {
        var (highArray, lowArray, expectedArray) = (columns.nextHopHigh, columns.nextHopLow, nextHops)
        (columns.nextHopHigh, columns.nextHopLow, nextHops) = ([], [], [])  // theirs alone for now
        let destinationArray = self.destinations, destinations = destinationArray.span
        var highs = highArray.mutableSpan, lows = lowArray.mutableSpan, expected = expectedArray.mutableSpan
        for row in rows {
            let place = Int(destinations[row])
            if expected[place].isAbsent { expected[place] = IPAddress(high: highs[row], low: lows[row]) }
            let known = expected[place]
            highs[row] ^= known.high
            lows[row] ^= known.low
        }
        (columns.nextHopHigh, columns.nextHopLow, nextHops) = (highArray, lowArray, expectedArray)
    }
}
