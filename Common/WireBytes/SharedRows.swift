/// The inner loops that find what a batch's rows share. Keys are numbered from 1 in order of first use, in tables with
/// open addressing and linear probing; a slot holds a number, 0 nothing. What is not found in `probesMax` slots counts
/// as new, so that nobody who makes hashes collide can make this slow.
///
/// Whether a key is new cannot be foretold, so the loops do not branch on it: what a new one needs is written for every
/// row, and overwritten by the next unless it was one. Bounds are checked once before a loop, but for the places that
/// numbers in slots lead to.
package enum SharedRows {
    /// An address with its network.
    package struct Endpoint: BitwiseCopyable {
        package var high: UInt64, low: UInt64
        /// AS number << 8 | prefix length.
        package var network: UInt64

        package init(high: UInt64, low: UInt64, network: UInt64) {
            (self.high, self.low, self.network) = (high, low, network)
        }
        package var hash: UInt64 {
            SharedRows.fold(low ^ SharedRows.secret1, high ^ network << 20 ^ network ^ SharedRows.secret2)
        }
        /// 0 if it is the same.
        @inline(__always) func difference(_ other: Self) -> UInt64 {
            (high ^ other.high) | (low ^ other.low) | (network ^ other.network)
        }
    }
    /// Of each end: protocol << 56 | endpoint << 16 | port.
    package struct Ends: BitwiseCopyable {
        package var source: UInt64, destination: UInt64

        package init(source: UInt64, destination: UInt64) { (self.source, self.destination) = (source, destination) }
        @inline(__always) func difference(_ other: Self) -> UInt64 {
            (source ^ other.source) | (destination ^ other.destination)
        }
        @inline(__always) func difference(fromReverse other: Self) -> UInt64 {
            (source ^ other.destination) | (destination ^ other.source)
        }
    }

    /// Of an endpoint's number: it is used for the first time.
    package static let newBit: UInt32 = 1 << 31
    package static let probesMax = 24

    fileprivate static let secret1: UInt64 = 0xA076_1D64_78BD_642F, secret2: UInt64 = 0xE703_7ED1_A0B4_28DB
    @inline(__always) fileprivate static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// Numbers both endpoints of each row, the source before the destination.
    /// - Parameters:
    ///   - endpoints: by number; room for two more a row, and one.
    ///   - mask: one less than the slots in use, a power of two.
    ///   - count: of the endpoints so far.
    ///   - sources, destinations: get each row's numbers, with `newBit`.
    package static func numberEndpoints(
        sourceHigh: Span<UInt64>, sourceLow: Span<UInt64>, sourceNumber: Span<UInt32>, sourceLength: Span<UInt8>,
        destinationHigh: Span<UInt64>, destinationLow: Span<UInt64>, destinationNumber: Span<UInt32>,
        destinationLength: Span<UInt8>, _ endpoints: inout MutableSpan<Endpoint>,
        _ slots: inout MutableSpan<UInt32>, mask: Int, count: inout Int, sources: inout MutableSpan<UInt32>,
        destinations: inout MutableSpan<UInt32>
    ) {
        let rows = sourceHigh.count
        precondition(rows == sourceLow.count && rows == sourceNumber.count && rows == sourceLength.count, "sources")
        precondition(rows == destinationHigh.count && rows == destinationLow.count, "destinations")
        precondition(rows == destinationNumber.count && rows == destinationLength.count, "destinations")
        precondition(rows <= sources.count && rows <= destinations.count, "\(rows) rows")
        precondition(mask >= 0 && mask < slots.count, "a mask of \(mask)")
        precondition(count >= 0 && count + 2 * rows < endpoints.count, "\(count) endpoints and \(rows) rows")
        var known = count
        for row in 0..<rows {
            let source = unsafe Endpoint(
                high: sourceHigh[unchecked: row], low: sourceLow[unchecked: row],
                network: UInt64(sourceNumber[unchecked: row]) << 8 | UInt64(sourceLength[unchecked: row]))
            let sourceFound = number(source, &endpoints, &slots, mask, &known)
            unsafe sources[unchecked: row] = sourceFound
            let destination = unsafe Endpoint(
                high: destinationHigh[unchecked: row], low: destinationLow[unchecked: row],
                network: UInt64(destinationNumber[unchecked: row]) << 8 | UInt64(destinationLength[unchecked: row]))
            let destinationFound = number(destination, &endpoints, &slots, mask, &known)
            unsafe destinations[unchecked: row] = destinationFound
        }
        count = known
    }
    @inline(__always)
    private static func number(
        _ endpoint: Endpoint, _ endpoints: inout MutableSpan<Endpoint>, _ slots: inout MutableSpan<UInt32>,
        _ mask: Int, _ count: inout Int
    ) -> UInt32 {
        var slot = Int(truncatingIfNeeded: endpoint.hash) & mask, held = unsafe slots[unchecked: slot]
        var difference = endpoints[Int(held)].difference(endpoint), probes = 0
        while min(difference, UInt64(held)) != 0 {  // ends: after at most `probesMax` turns
            slot = (slot &+ 1) & mask
            probes &+= 1
            held = unsafe probes == probesMax ? 0 : slots[unchecked: slot]
            difference = endpoints[Int(held)].difference(endpoint)
        }
        let isNew = held == 0, next = count &+ 1
        unsafe endpoints[unchecked: next] = endpoint
        let number = isNew ? UInt32(truncatingIfNeeded: next) : held
        unsafe slots[unchecked: slot] = number
        count = isNew ? next : count
        return isNew ? number | newBit : number
    }

    /// Numbers the conversation of each row.
    /// - Parameters:
    ///   - sources, destinations: the rows' endpoints, from `numberEndpoints`; the other columns are as many.
    ///   - before: how many rows came before these.
    ///   - ends: by number; room for one more a row, and one.
    ///   - count: of the conversations so far, at most `before`.
    ///   - firstRows, sourceWords, destinationWords: get, of each conversation, its first row, and its endpoints'
    ///     numbers or 0 where one is used for the first time. Room for one more than conversations.
    ///   - turns: get, of each row, 0 if it is its conversation's first, 1 if it goes the same way, 2 if the other.
    ///   - backs, backRows, backPlaces: get, of each row that is no first, how many conversations are newer than its
    ///     own, the row, and its conversation's place << 1 | 1 if it goes the other way. Room for one more than rows.
    package static func numberConversations(
        sources: Span<UInt32>, destinations: Span<UInt32>, sourcePorts: Span<UInt16>, destinationPorts: Span<UInt16>,
        protocols: Span<UInt8>, before: Int, _ ends: inout MutableSpan<Ends>, _ slots: inout MutableSpan<UInt32>,
        mask: Int, count: inout Int, firstRows: inout MutableSpan<UInt32>, sourceWords: inout MutableSpan<UInt32>,
        destinationWords: inout MutableSpan<UInt32>, turns: inout MutableSpan<UInt8>,
        backs: inout MutableSpan<UInt32>, backRows: inout MutableSpan<UInt32>, backPlaces: inout MutableSpan<UInt32>
    ) {
        let rows = sources.count, last = before + rows
        precondition(rows == destinations.count && rows == protocols.count, "\(rows) rows")
        precondition(rows == sourcePorts.count && rows == destinationPorts.count, "\(rows) rows")
        precondition(mask >= 0 && mask < slots.count, "a mask of \(mask)")
        precondition(0 <= count && count <= before && last < ends.count && last <= turns.count, "\(last) rows")
        precondition(last < firstRows.count && last < sourceWords.count && last < destinationWords.count, "\(last)")
        precondition(last < backs.count && last < backRows.count && last < backPlaces.count, "\(last) rows")
        var known = count
        for index in 0..<rows {
            let (source, destination) = unsafe (sources[unchecked: index], destinations[unchecked: index])
            let top = unsafe UInt64(protocols[unchecked: index]) << 56, row = before &+ index
            let pair = unsafe Ends(
                source: top | UInt64(source & ~newBit) << 16 | UInt64(sourcePorts[unchecked: index]),
                destination: top | UInt64(destination & ~newBit) << 16 | UInt64(destinationPorts[unchecked: index]))
            unsafe firstRows[unchecked: known] = UInt32(truncatingIfNeeded: row)
            unsafe sourceWords[unchecked: known] = source & newBit == 0 ? source : 0
            unsafe destinationWords[unchecked: known] = destination & newBit == 0 ? destination : 0
            let next = row &- known  // how many backs there are
            let found = number(pair, &ends, &slots, mask, &known)
            unsafe turns[unchecked: row] = found.turn
            unsafe backs[unchecked: next] = UInt32(truncatingIfNeeded: known) &- found.number
            unsafe backRows[unchecked: next] = UInt32(truncatingIfNeeded: row)
            unsafe backPlaces[unchecked: next] = (found.number &- 1) << 1 | UInt32(found.turn >> 1)
        }
        count = known
    }
    @inline(__always)
    private static func number(
        _ pair: Ends, _ ends: inout MutableSpan<Ends>, _ slots: inout MutableSpan<UInt32>, _ mask: Int,
        _ count: inout Int
    ) -> (turn: UInt8, number: UInt32) {
        // The same hash whichever way it goes.
        var slot = Int(truncatingIfNeeded: fold(pair.source ^ secret1, pair.destination ^ secret1)) & mask
        var held = unsafe slots[unchecked: slot], probes = 0, found = ends[Int(held)]
        var ahead = found.difference(pair), back = found.difference(fromReverse: pair)
        while min(min(ahead, back), UInt64(held)) != 0 {  // ends: after at most `probesMax` turns
            slot = (slot &+ 1) & mask
            probes &+= 1
            held = unsafe probes == probesMax ? 0 : slots[unchecked: slot]
            found = ends[Int(held)]
            (ahead, back) = (found.difference(pair), found.difference(fromReverse: pair))
        }
        let isNew = held == 0, next = count &+ 1
        unsafe ends[unchecked: next] = pair
        let number = isNew ? UInt32(truncatingIfNeeded: next) : held
        unsafe slots[unchecked: slot] = number
        count = isNew ? next : count
        return (isNew ? 0 : ahead == 0 ? 1 : 2, number)
    }
}
