internal import FlowModel
internal import NetworkTable
internal import Platform
internal import WireBytes

/// Which networks were looked for in history, so that a restart looks for none again: a file, replaced as a whole.
///
///     "WEIRHUNT" version(1) checksum(4) then each network: high(8) low(8) length(1), in the table's order
///
/// Numbers have their low octets first. A damaged file counts as none: everything is looked for once more, and what was
/// found before is known.
struct HuntedNetworks: Sendable {
    let path: String
    private static let magic = Array("WEIRHUNT".utf8) + [1]
    private static let networkBytes = 17, bytesMax = 64 << 20

    func read() -> NetworkTable? {
        let start = Self.magic.count + 4
        guard let bytes = try? readFile(path, bytesMax: Self.bytesMax), bytes.starts(with: Self.magic),
            bytes.count >= start, (bytes.count - start) % Self.networkBytes == 0
        else { return nil }
        let body = Array(bytes[start...])
        guard Self.word(bytes[Self.magic.count..<start]) == UInt64(body.withBytes { CRC32C.checksum($0) }) else {
            return nil
        }
        var networks: [IPNetwork] = []
        networks.reserveCapacity(body.count / Self.networkBytes)
        for at in stride(from: 0, to: body.count, by: Self.networkBytes) {
            let address = IPAddress(high: Self.word(body[at..<at + 8]), low: Self.word(body[at + 8..<at + 16]))
            guard body[at + 16] <= (address.isV4 ? 32 : 128) else { return nil }
            networks.append(IPNetwork(address, length: Int(body[at + 16])))
        }
        return NetworkTable(networks)
    }
    private static func word(_ octets: ArraySlice<UInt8>) -> UInt64 {
        octets.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Durable on return.
    func write(_ table: NetworkTable) throws(SystemError) {
        var body: [UInt8] = []
        body.reserveCapacity(table.count * Self.networkBytes)
        for place in 0..<table.count {
            let network = table[place]
            for word in [network.address.high, network.address.low] {
                for octet in 0..<8 { body.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * octet))) }
            }
            body.append(UInt8(clamping: network.length))
        }
        let sum = body.withBytes { CRC32C.checksum($0) }
        let head = Self.magic + (0..<4).map { UInt8(truncatingIfNeeded: sum >> UInt32(8 * $0)) }
        try placeFile(path, with: head + body, draft: path + ".part", replacing: true)
    }
}
