internal import BatchFormat
package import FlowModel
internal import WireBytes

/// Which addresses a segment may have, at either end of a flow: a split-block Bloom filter (as Parquet's) of the
/// addresses themselves and of their /24 (IPv4) or /64 (IPv6). About 1 % of all questions get a yes too many.
///
///     bloom := slice *                           block := 8 words :4; one bit of each is a key's
///     slice := block * 127 (the last: the rest) | checksum :4
///
/// In slices, so that a question reads the two that can answer it and no others. Version 1 has one slice with all
/// blocks. A slice that is not at hand answers yes.
package struct SegmentBloom: Sendable {
    private let places: BloomPlaces
    /// Blocks of the slices that are at hand.
    private var slices: [Int: [UInt8]] = [:]

    /// The filter of the segment with this head, of which nothing is at hand: `supply` brings what `needs` names.
    package init(_ head: SegmentHead) throws(SegmentError) {
        places = try BloomPlaces(octets: head.bloomBytes, isSliced: head.version > 1)
    }
    /// Reads and checks a whole filter.
    package init(_ bytes: [UInt8]) throws(SegmentError) {
        places = try BloomPlaces(octets: bytes.count, isSliced: true)
        try supply(bytes, at: 0)
    }

    /// Which octets of the filter must be supplied so that `mayContain` knows of all `networks` what there is to know,
    /// rising. Where most of it would be needed, all of it.
    package func needs(_ networks: some Sequence<IPNetwork>) -> [Range<Int>] {
        guard places.sliceCount > 1 else { return [places.octets(ofSlices: 0..<places.sliceCount)] }
        var wanted: Set<Int> = []
        for network in networks {
            BloomKey.forEach(of: network) { wanted.insert(places.slice(ofBlock: places.block(of: $0))) }
            if 2 * wanted.count > places.sliceCount { return [places.octets(ofSlices: 0..<places.sliceCount)] }
        }
        return wanted.sorted().map { places.octets(ofSlices: $0..<($0 + 1)) }
    }

    /// Takes octets that `needs` named, from `start` on.
    package mutating func supply(_ bytes: [UInt8], at start: Int) throws(SegmentError) {
        var at = 0
        while at < bytes.count {
            let slice = places.slice(atOctet: start + at), range = places.octets(ofSlices: slice..<(slice + 1))
            guard range.lowerBound == start + at, range.count <= bytes.count - at, slice < places.sliceCount else {
                throw .truncated(wanted: range.count, has: bytes.count - at)
            }
            let end = at + range.count - BloomPlaces.checksumBytes
            let isSound = bytes.withBytes { Checksum.of($0.extracting(at..<end)) == $0.le32(at: end) }
            guard isSound else { throw .bloomDamaged }
            slices[slice] = Array(bytes[at..<end])
            at += range.count
        }
    }

    /// Whether the filter knows anything of a network: of those that are wider than /24 (IPv4) or /64 (IPv6) nothing is
    /// noted.
    package static func knows(_ network: IPNetwork) -> Bool { network.length >= BloomKey.noted(of: network.address) }

    /// False: no row has this address as its source or destination.
    package func mayContain(_ address: IPAddress) -> Bool {
        // Its network is a second question, and mostly a stranger's network is strange, too.
        holds(BloomKey(address)) && holds(BloomKey(networkOf: address))
    }
    /// False: no row has a source or destination in this network. Always true for those of which `knows` is false.
    package func mayContain(_ network: IPNetwork) -> Bool {
        guard Self.knows(network) else { return true }
        var isIn = true
        BloomKey.forEach(of: network) { isIn = isIn && holds($0) }
        return isIn
    }

    private func holds(_ key: BloomKey) -> Bool {
        let block = places.block(of: key), slice = places.slice(ofBlock: block)
        guard let bytes = slices[slice] else { return true }
        let at = BloomPlaces.blockBytes * (block - slice * places.sliceBlocks)
        return bytes.withBytes { span in
            (0..<8).allSatisfy { span.le32(at: at + 4 * $0) & key.bit(ofWord: $0) != 0 }
        }
    }
}

/// Makes filters.
struct BloomMaker {
    /// The octets of the filter of `endpoints`, which are sorted by address.
    static func bytes(of endpoints: [Endpoint]) -> [UInt8] {
        var keys: [BloomKey] = [], previous: IPAddress?, previousNetwork: IPAddress?
        keys.reserveCapacity(2 * endpoints.count)
        for endpoint in endpoints where previous != endpoint.address {
            previous = endpoint.address
            keys.append(BloomKey(endpoint.address))
            let network = BloomKey.network(of: endpoint.address)
            if previousNetwork != network { keys.append(BloomKey(networkOf: network)) }
            previousNetwork = network
        }
        let places = BloomPlaces(keys: keys.count)
        var wordArray = [UInt32](repeating: 0, count: 8 * places.blocks)
        var words = wordArray.mutableSpan
        for key in keys {
            let block = 8 * places.block(of: key)
            for word in 0..<8 { words[block + word] |= key.bit(ofWord: word) }
        }
        return places.bytes(wordArray)
    }
}

/// Where a filter's blocks lie.
struct BloomPlaces {
    let blocks: Int
    /// Of each slice but the last.
    let sliceBlocks: Int
    var sliceCount: Int { (blocks + sliceBlocks - 1) / sliceBlocks }

    static let blockBytes = 32, checksumBytes = 4
    /// 4 068 octets: a few microseconds to check, and one or two of a store's pieces.
    private static let sliceBlocksMax = 127
    private static let blocksMax = SegmentLimit.bloomBytesMax / blockBytes
    /// Bits for each key: 1 % of wrong answers takes 10.5.
    private static let keyBits = 12

    /// Room for `keys` keys.
    init(keys: Int) {
        blocks = min(max((keys * Self.keyBits + 255) / 256, 1), Self.blocksMax)
        sliceBlocks = Self.sliceBlocksMax
    }
    /// - Throws: when there is no filter of so many octets.
    init(octets: Int, isSliced: Bool) throws(SegmentError) {
        let least = Self.blockBytes + Self.checksumBytes
        guard octets >= least else { throw .truncated(wanted: least, has: octets) }
        let most = SegmentLimit.bloomBytesMax + Self.checksumBytes * (Self.blocksMax / Self.sliceBlocksMax + 1)
        guard octets <= most else { throw .tooLarge(octets, max: most) }
        let slice = Self.sliceBlocksMax * Self.blockBytes + Self.checksumBytes
        let whole = isSliced ? octets / slice : 0, rest = octets - whole * slice
        guard rest == 0 || rest >= least && rest % Self.blockBytes == Self.checksumBytes else {
            throw .truncated(wanted: least, has: rest)
        }
        blocks = whole * Self.sliceBlocksMax + rest / Self.blockBytes
        sliceBlocks = isSliced ? Self.sliceBlocksMax : blocks
    }

    /// The block that a key's bits are in.
    func block(of key: BloomKey) -> Int { Int(truncatingIfNeeded: ((key.hash >> 32) &* UInt64(blocks)) >> 32) }
    func slice(ofBlock block: Int) -> Int { block / sliceBlocks }
    func slice(atOctet octet: Int) -> Int { octet / (sliceBlocks * Self.blockBytes + Self.checksumBytes) }
    /// With their checksums.
    func octets(ofSlices slices: Range<Int>) -> Range<Int> {
        start(of: slices.lowerBound)..<start(of: slices.upperBound)
    }
    private func start(of slice: Int) -> Int {
        min(slice * sliceBlocks, blocks) * Self.blockBytes + min(slice, sliceCount) * Self.checksumBytes
    }

    /// All slices of all blocks' words.
    func bytes(_ words: [UInt32]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(start(of: sliceCount))
        for slice in 0..<sliceCount {
            let first = bytes.count, end = min((slice + 1) * sliceBlocks, blocks)
            for word in (8 * slice * sliceBlocks)..<(8 * end) { bytes.appendLE(words[word]) }
            bytes.appendLE(bytes.withBytes { Checksum.of($0.extracting(first..<$0.byteCount)) })
        }
        return bytes
    }
}

/// What is noted of an address or a network: the same for all segments.
struct BloomKey {
    let hash: UInt64

    private static let prefixV4 = 24, prefixV6 = 64

    init(_ address: IPAddress) { self.init(address, length: 128) }
    /// The network of an address that is noted beside it.
    init(networkOf address: IPAddress) {
        self.init(Self.network(of: address), length: Self.noted(of: address))
    }
    private init(_ address: IPAddress, length: Int) {
        let low = address.low ^ 0xA076_1D64_78BD_642F
        let high = address.high ^ UInt64(truncatingIfNeeded: length) << 56 ^ 0xE703_7ED1_A0B4_28DB
        let mixed = ConversationHash.fold(low, high)
        hash = ConversationHash.fold(mixed ^ 0x8BB8_4B93_962E_ACC9, 0x4B33_A62E_D433_D4A3)
    }

    /// The keys that must all be there if the network is: none for wide ones.
    static func forEach(of network: IPNetwork, _ body: (BloomKey) -> Void) {
        let address = network.address
        guard network.length >= noted(of: address) else { return }
        if network.length == (address.isV4 ? 32 : 128) { body(BloomKey(address)) }
        body(BloomKey(networkOf: address))
    }
    static func noted(of address: IPAddress) -> Int { address.isV4 ? prefixV4 : prefixV6 }
    static func network(of address: IPAddress) -> IPAddress {
        address.isV4 ? IPAddress(v4: address.v4 & 0xFFFF_FF00) : IPAddress(high: address.high, low: 0)
    }

    func bit(ofWord word: Int) -> UInt32 {
        1 << ((UInt32(truncatingIfNeeded: hash) &* Self.salts[word]) >> 27)
    }
    private static let salts: InlineArray<8, UInt32> = [
        0x47B6_137B, 0x4497_4D91, 0x8824_AD5B, 0xA2B7_289D, 0x7054_95C7, 0x2DF1_424B, 0x9EFC_4947, 0x5C6B_FB31,
    ]
}
