internal import BatchFormat
package import FlowModel
internal import WireBytes

/// Which addresses a segment may have, at either end of a flow: a split-block Bloom filter (as Parquet's) of the
/// addresses themselves and of their /24 (IPv4) or /64 (IPv6). About 1 % of all questions get a yes too many.
///
///     bloom := block * | checksum :4           block := 8 words :4; one bit of each is a key's
package struct SegmentBloom: Sendable {
    private var words: [UInt32]

    /// Bits for each key: 1 % of wrong answers takes 10.5.
    private static let keyBits = 12
    static let prefixV4 = 24, prefixV6 = 64

    /// An empty filter with room for `keys` keys.
    init(keys: Int) {
        let blocks = max((keys * Self.keyBits + 255) / 256, 1)
        words = [UInt32](repeating: 0, count: 8 * min(blocks, SegmentLimit.bloomBytesMax / 32))
    }
    /// Reads and checks a filter.
    package init(_ bytes: [UInt8]) throws(SegmentError) {
        guard bytes.count <= SegmentLimit.bloomBytesMax + 4 else {
            throw .tooLarge(bytes.count, max: SegmentLimit.bloomBytesMax + 4)
        }
        guard bytes.count >= 36, bytes.count % 32 == 4 else { throw .truncated(wanted: 36, has: bytes.count) }
        let end = bytes.count - 4
        let isSound = bytes.withBytes { Checksum.of($0.extracting(0..<end)) == $0.le32(at: end) }
        guard isSound else { throw .bloomDamaged }
        words = bytes.withBytes { span in (0..<(end / 4)).map { span.le32(at: 4 * $0) } }
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * words.count + 4)
        for word in words { bytes.appendLE(word) }
        bytes.appendLE(bytes.withBytes { Checksum.of($0) })
        return bytes
    }

    /// False: no row has this address as its source or destination.
    package func mayContain(_ address: IPAddress) -> Bool {
        guard holds(Self.hash(address, length: 128)) else { return false }
        // Its network is a second question, and mostly a stranger's network is strange, too.
        let network = Self.network(address)
        return holds(Self.hash(network, length: network.isV4 ? Self.prefixV4 : Self.prefixV6))
    }

    /// False: no row has a source or destination in this network. Always true for networks wider than /24 (IPv4) and
    /// /64 (IPv6), of which nothing is noted.
    package func mayContain(_ network: IPNetwork) -> Bool {
        let noted = network.address.isV4 ? Self.prefixV4 : Self.prefixV6
        if network.length == (network.address.isV4 ? 32 : 128) { return mayContain(network.address) }
        guard network.length >= noted else { return true }
        return holds(Self.hash(network.address.prefix(noted), length: noted))
    }

    /// The filter of `endpoints`, which are sorted by address.
    init(_ endpoints: [Endpoint]) {
        var addresses: [IPAddress] = [], networks: [IPAddress] = []
        addresses.reserveCapacity(endpoints.count)
        for endpoint in endpoints where addresses.last != endpoint.address {
            addresses.append(endpoint.address)
            let network = Self.network(endpoint.address)
            if networks.last != network { networks.append(network) }
        }
        self.init(keys: addresses.count + networks.count)
        for address in addresses { insert(Self.hash(address, length: 128)) }
        for network in networks { insert(Self.hash(network, length: network.isV4 ? Self.prefixV4 : Self.prefixV6)) }
    }
    private static func network(_ address: IPAddress) -> IPAddress {
        address.isV4
            ? IPAddress(v4: address.v4 & 0xFFFF_FF00) : IPAddress(high: address.high, low: 0)
    }

    private mutating func insert(_ hash: UInt64) {
        let block = Self.block(hash, words.count)
        for word in 0..<8 { words[block + word] |= Self.bit(hash, word) }
    }
    private func holds(_ hash: UInt64) -> Bool {
        let block = Self.block(hash, words.count)
        for word in 0..<8 where words[block + word] & Self.bit(hash, word) == 0 { return false }
        return true
    }
    private static func block(_ hash: UInt64, _ words: Int) -> Int {
        8 * Int(truncatingIfNeeded: (hash >> 32).multipliedFullWidth(by: UInt64(words / 8) << 32).high)
    }
    private static func bit(_ hash: UInt64, _ word: Int) -> UInt32 {
        1 << ((UInt32(truncatingIfNeeded: hash) &* salts[word]) >> 27)
    }
    private static let salts: [UInt32] = [
        0x47B6_137B, 0x4497_4D91, 0x8824_AD5B, 0xA2B7_289D, 0x7054_95C7, 0x2DF1_424B, 0x9EFC_4947, 0x5C6B_FB31,
    ]
    /// The same for all segments, so that a question is hashed once.
    private static func hash(_ address: IPAddress, length: Int) -> UInt64 {
        let low = address.low ^ 0xA076_1D64_78BD_642F
        let high = address.high ^ UInt64(truncatingIfNeeded: length) << 56 ^ 0xE703_7ED1_A0B4_28DB
        let mixed = ConversationHash.fold(low, high)
        return ConversationHash.fold(mixed ^ 0x8BB8_4B93_962E_ACC9, 0x4B33_A62E_D433_D4A3)
    }
}
