internal import FlowModel
internal import WireBytes

/// An address with its AS number and prefix length: what is written once a segment. With it what routers tell by
/// address rather than by flow, as first seen.
struct Endpoint: BitwiseCopyable {
    var high: UInt64 = 0, low: UInt64 = 0
    /// AS number << 8 | prefix length.
    var network: UInt64 = 0
    /// The interface that it is behind, and the number of the next hop towards it: 0 as long as no row leads to it.
    var interface: UInt32 = 0, hop: UInt32 = 0
    var address: IPAddress { IPAddress(high: high, low: low) }
}

/// Gives endpoints numbers by first use.
///
/// Open addressing with linear probing, at most half full; a slot holds some bits of the hash over the number plus one.
/// What is not found in `probesMax` slots counts as new, so that nobody who makes hashes collide can make this slow.
/// In front of it the endpoints that came last, one for each of some bits of the hash: most rows' ends are among them,
/// and these fit a processor's own cache where the table does not.
struct EndpointTable {
    private(set) var endpoints: [Endpoint] = []
    private var slots = [UInt32](repeating: 0, count: 1 << 12)
    /// Endpoints in use; the array has room for more.
    private(set) var count = 0
    /// Next hops by number; the first stands for what is not known yet. The first row that leads to an endpoint settles
    /// its next hop, also when that row has none: the rows noted since differ from it.
    private(set) var hops: [IPAddress] = [.absent]
    /// One of them is an address.
    private(set) var hasHops = false
    private var hopNumbers: [IPAddress: UInt32] = [:], recentHops = [UInt32](repeating: 0, count: 256)
    /// Of each its number is in `network`, below the network itself.
    private var recent = [Endpoint](repeating: nobody, count: recentCount)

    /// Of each row of the chunk that was noted last.
    private(set) var sources = [UInt32](repeating: 0, count: chunkRows)
    private(set) var destinations = [UInt32](repeating: 0, count: chunkRows)
    /// In what its interfaces (ingress, egress << 32) and next hop differ, by exclusive or, from those of its ends.
    var interfaces = [UInt64](repeating: 0, count: chunkRows)
    var nextHopHighs = [UInt64](repeating: 0, count: chunkRows)
    var nextHopLows = [UInt64](repeating: 0, count: chunkRows)
    /// Rows whose end is not among the recent ones, and what the slots of these hold.
    private var missed = [UInt16](repeating: 0, count: chunkRows), held = [UInt32](repeating: 0, count: chunkRows)
    private var touched = [UInt32](repeating: 0, count: chunkRows)

    static let chunkRows = 1_024
    private static let numberBits: UInt64 = 24, numberMask: UInt64 = (1 << 24) - 1, probesMax = 24
    /// Of a slot: the number + 1, of which there are 2^21.
    private static let slotMask: UInt32 = (1 << 22) - 1
    private static let recentCount = 1 << 15
    private static let nobody = Endpoint(network: .max)

    mutating func removeAll() {
        count = 0
        (hops, hasHops) = ([.absent], false)
        hopNumbers.removeAll(keepingCapacity: true)
        for place in recentHops.indices { recentHops[place] = 0 }
        var slots = self.slots.mutableSpan
        slots.fill(0..<slots.count, with: 0)
        var recent = self.recent.mutableSpan
        recent.fill(0..<recent.count, with: Self.nobody)
    }

    /// The columns of one end.
    struct Side {
        let high: [UInt64], low: [UInt64], asNumbers: [UInt32], lengths: [UInt8], interfaces: [UInt32]
    }

    /// Numbers the ends of `rows`, at most `chunkRows` of them.
    mutating func note(_ columns: FlowColumns, _ rows: Range<Int>) {
        makeRoom(forRows: rows.count)
        let from = Side(
            high: columns.sourceHigh, low: columns.sourceLow, asNumbers: columns.bgpSourceAsNumber,
            lengths: columns.sourceIPPrefixLength, interfaces: columns.ingressInterface)
        let to = Side(
            high: columns.destinationHigh, low: columns.destinationLow, asNumbers: columns.bgpDestinationAsNumber,
            lengths: columns.destinationIPPrefixLength, interfaces: columns.egressInterface)
        var (sources, destinations, interfaces) = (self.sources, self.destinations, self.interfaces)
        (self.sources, self.destinations, self.interfaces) = ([], [], [])  // theirs alone for now
        noteSources(from, rows, &sources, &interfaces)
        noteDestinations(to, columns.nextHopHigh, columns.nextHopLow, rows, &destinations, &interfaces)
        (self.sources, self.destinations, self.interfaces) = (sources, destinations, interfaces)
    }

    /// Numbers endpoints, at most `chunkRows` of them.
    mutating func note(_ side: Side, _ places: Range<Int>, _ numbers: inout [UInt32]) {
        makeRoom(forRows: places.count)
        for index in 0..<places.count { missed[index] = UInt16(truncatingIfNeeded: index) }
        hold(side, places, places.count)
        touch(places.count)
        for index in 0..<places.count {
            let endpoint = Self.endpoint(side, places.lowerBound &+ index), hash = Self.hash(endpoint)
            numbers[places.lowerBound &+ index] = UInt32(truncatingIfNeeded: number(endpoint, hash, held[index]))
        }
    }
    /// Fetches the endpoints that the slots held lead to: loads that wait for nothing but memory.
    private mutating func touch(_ count: Int) {
        let (endpointArray, heldArray) = (endpoints, held)  // no copies
        let all = endpointArray.span, held = heldArray.span
        var touched = self.touched.mutableSpan
        for index in 0..<count {
            let number = Int(held[index] & Self.slotMask)
            touched[index] = number == 0 ? 0 : UInt32(truncatingIfNeeded: all[number &- 1].low)
        }
    }
    /// Settles an endpoint's next hop, if it is not; returns the hop's number.
    mutating func setHop(_ hop: IPAddress, of number: UInt32) -> UInt32 {
        let found = endpoints[Int(number)].hop
        if found != 0 { return found }
        let new = self.number(ofHop: hop)
        endpoints[Int(number)].hop = new
        return new
    }

    private mutating func makeRoom(forRows rows: Int) {
        let needed = count + 2 * rows
        if endpoints.count < needed {
            let more = max(needed, 2 * endpoints.count) - endpoints.count
            endpoints.append(contentsOf: repeatElement(Endpoint(), count: more))
        }
        guard 2 * needed > slots.count else { return }
        var size = slots.count
        while size < 2 * needed { size *= 2 }
        slots = [UInt32](repeating: 0, count: size)
        for index in 0..<count {
            let hash = Self.hash(endpoints[index])
            var slot = Int(truncatingIfNeeded: hash) & (size - 1), probes = 0
            while slots[slot] != 0, probes < Self.probesMax { (slot, probes) = ((slot + 1) & (size - 1), probes + 1) }
            slots[slot] = Self.tag(hash) | UInt32(truncatingIfNeeded: index + 1)
        }
    }

    @inline(__always)
    private static func endpoint(_ side: Side, _ row: Int) -> Endpoint {
        Endpoint(
            high: side.high[row], low: side.low[row],
            network: UInt64(side.asNumbers[row]) << 8 | UInt64(side.lengths[row]), interface: side.interfaces[row])
    }

    private mutating func noteSources(
        _ side: Side, _ rows: Range<Int>, _ numbers: inout [UInt32], _ differences: inout [UInt64]
    ) {
        let missCount = lookSources(side, rows, &numbers, &differences), missed = self.missed  // no copy
        hold(side, rows, missCount)
        for place in 0..<missCount {
            let index = Int(missed[place]), endpoint = Self.endpoint(side, rows.lowerBound &+ index)
            let number = number(endpoint, held[place], hop: nil)
            numbers[index] = number
            differences[index] = UInt64(endpoint.interface ^ endpoints[Int(number)].interface)
        }
    }
    /// - Returns: how many are not among the recent ones: `missed` says which.
    private mutating func lookSources(
        _ side: Side, _ rows: Range<Int>, _ numbers: inout [UInt32], _ differences: inout [UInt64]
    ) -> Int {
        let high = side.high.span, low = side.low.span, asNumbers = side.asNumbers.span, lengths = side.lengths.span
        let interfaces = side.interfaces.span, recentArray = self.recent, recent = recentArray.span
        var missedArray = self.missed, missCount = 0
        self.missed = []  // its alone for now
        var missed = missedArray.mutableSpan, found = numbers.mutableSpan, words = differences.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index
            let endpoint = Endpoint(
                high: high[row], low: low[row], network: UInt64(asNumbers[row]) << 8 | UInt64(lengths[row]))
            let known = recent[Int(truncatingIfNeeded: Self.hash(endpoint)) & (Self.recentCount &- 1)]
            missed[missCount] = UInt16(truncatingIfNeeded: index)
            missCount &+= Self.isSame(known, endpoint) ? 0 : 1
            // For those that are missed it is said later.
            found[index] = UInt32(truncatingIfNeeded: known.network & Self.numberMask)
            words[index] = UInt64(interfaces[row] ^ known.interface)
        }
        self.missed = missedArray
        return missCount
    }

    private mutating func noteDestinations(
        _ side: Side, _ highs: [UInt64], _ lows: [UInt64], _ rows: Range<Int>, _ numbers: inout [UInt32],
        _ differences: inout [UInt64]
    ) {
        let missCount = lookDestinations(side, highs, lows, rows, &numbers, &differences)
        let missed = self.missed  // no copy
        hold(side, rows, missCount)
        for place in 0..<missCount {
            let index = Int(missed[place]), row = rows.lowerBound &+ index, given = Self.endpoint(side, row)
            let number = number(given, held[place], hop: IPAddress(high: highs[row], low: lows[row]))
            let endpoint = endpoints[Int(number)], hop = hops[Int(endpoint.hop)]
            numbers[index] = number
            differences[index] =
                differences[index] & 0xFFFF_FFFF | UInt64(given.interface ^ endpoint.interface) &<< 32
            nextHopHighs[index] = highs[row] ^ hop.high
            nextHopLows[index] = lows[row] ^ hop.low
        }
    }
    private mutating func lookDestinations(
        _ side: Side, _ hopHigh: [UInt64], _ hopLow: [UInt64], _ rows: Range<Int>, _ numbers: inout [UInt32],
        _ differences: inout [UInt64]
    ) -> Int {
        let high = side.high.span, low = side.low.span, asNumbers = side.asNumbers.span, lengths = side.lengths.span
        let interfaces = side.interfaces.span, recentArray = self.recent, recent = recentArray.span
        let hopHighs = hopHigh.span, hopLows = hopLow.span, hopArray = self.hops, hops = hopArray.span
        var (missedArray, highArray, lowArray) = (self.missed, nextHopHighs, nextHopLows), missCount = 0
        (self.missed, nextHopHighs, nextHopLows) = ([], [], [])  // theirs alone for now
        var missed = missedArray.mutableSpan, found = numbers.mutableSpan, words = differences.mutableSpan
        var highWords = highArray.mutableSpan, lowWords = lowArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index, hopHigh = hopHighs[row], hopLow = hopLows[row]
            let endpoint = Endpoint(
                high: high[row], low: low[row], network: UInt64(asNumbers[row]) << 8 | UInt64(lengths[row]))
            let known = recent[Int(truncatingIfNeeded: Self.hash(endpoint)) & (Self.recentCount &- 1)]
            let isKnown = Self.isSame(known, endpoint) && known.hop != 0
            missed[missCount] = UInt16(truncatingIfNeeded: index)
            missCount &+= isKnown ? 0 : 1
            found[index] = UInt32(truncatingIfNeeded: known.network & Self.numberMask)
            words[index] |= UInt64(interfaces[row] ^ known.interface) &<< 32
            let hop = hops[Int(known.hop)]
            highWords[index] = hopHigh ^ hop.high
            lowWords[index] = hopLow ^ hop.low
        }
        (self.missed, nextHopHighs, nextHopLows) = (missedArray, highArray, lowArray)
        return missCount
    }
    /// Whether a recent one is this.
    @inline(__always)
    private static func isSame(_ known: Endpoint, _ other: Endpoint) -> Bool {
        (known.low ^ other.low) | (known.high ^ other.high) | (known.network &>> numberBits ^ other.network) == 0
            && known.network != .max
    }

    /// Fetches the slots of those that are missed: loads that wait for nothing but memory.
    private mutating func hold(_ side: Side, _ rows: Range<Int>, _ missCount: Int) {
        let slotArray = self.slots, slots = slotArray.span, mask = slots.count &- 1
        let high = side.high.span, low = side.low.span, asNumbers = side.asNumbers.span, lengths = side.lengths.span
        let missedArray = self.missed, missed = missedArray.span
        var held = self.held.mutableSpan
        for place in 0..<missCount {
            let row = rows.lowerBound &+ Int(missed[place])
            let endpoint = Endpoint(
                high: high[row], low: low[row], network: UInt64(asNumbers[row]) << 8 | UInt64(lengths[row]))
            held[place] = slots[Int(truncatingIfNeeded: Self.hash(endpoint)) & mask]
        }
    }
    /// The number of an endpoint, which is recent from now on.
    /// - Parameters:
    ///   - held: what its slot held.
    ///   - hop: the next hop of a row that leads to it.
    private mutating func number(_ endpoint: Endpoint, _ held: UInt32, hop: IPAddress?) -> UInt32 {
        let hash = Self.hash(endpoint), number = number(endpoint, hash, held)
        if let hop, endpoints[number].hop == 0 { endpoints[number].hop = self.number(ofHop: hop) }
        var known = endpoints[number]
        known.network = known.network << Self.numberBits | UInt64(truncatingIfNeeded: number)
        recent[Int(truncatingIfNeeded: hash) & (Self.recentCount - 1)] = known
        return UInt32(truncatingIfNeeded: number)
    }
    @inline(__always)
    private mutating func number(_ endpoint: Endpoint, _ hash: UInt64, _ held: UInt32) -> Int {
        let number = Int(held & Self.slotMask) &- 1
        guard held != 0, held & ~Self.slotMask == Self.tag(hash), Self.isEqual(endpoints[number], endpoint) else {
            return find(endpoint, hash)
        }
        return number
    }
    @inline(__always)
    private static func isEqual(_ one: Endpoint, _ other: Endpoint) -> Bool {
        one.low == other.low && one.high == other.high && one.network == other.network
    }
    /// The upper bits of a slot.
    @inline(__always)
    private static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash &>> 32) & ~slotMask }

    @inline(never)
    private mutating func find(_ endpoint: Endpoint, _ hash: UInt64) -> Int {
        let mask = slots.count &- 1, tag = Self.tag(hash)
        var slot = Int(truncatingIfNeeded: hash) & mask, probes = 0
        while true {  // ends: after at most `probesMax` turns
            let held = slots[slot]
            if held == 0 || probes == Self.probesMax { break }
            if held & ~Self.slotMask == tag {
                let index = Int(held & Self.slotMask) &- 1
                if Self.isEqual(endpoints[index], endpoint) { return index }
            }
            slot = (slot &+ 1) & mask
            probes &+= 1
        }
        endpoints[count] = endpoint
        count &+= 1
        slots[slot] = tag | UInt32(truncatingIfNeeded: count)
        return count &- 1
    }
    private mutating func number(ofHop hop: IPAddress) -> UInt32 {
        // There are few, and a hash of each takes longer than to look at the last one of its kind.
        let place = Int(truncatingIfNeeded: hop.low & 0xFF), recent = recentHops[place]
        if recent != 0, hops[Int(recent)] == hop { return recent }
        let number = findNumber(ofHop: hop)
        recentHops[place] = number
        return number
    }
    private mutating func findNumber(ofHop hop: IPAddress) -> UInt32 {
        if let known = hopNumbers[hop] { return known }
        let number = UInt32(truncatingIfNeeded: hops.count)
        hops.append(hop)
        hasHops = hasHops || !hop.isAbsent
        hopNumbers[hop] = number
        return number
    }
    @inline(__always)
    private static func hash(_ endpoint: Endpoint) -> UInt64 {
        ConversationHash.fold(
            endpoint.low ^ 0xA076_1D64_78BD_642F,
            endpoint.high ^ endpoint.network << 20 ^ endpoint.network ^ 0xE703_7ED1_A0B4_28DB)
    }
}
