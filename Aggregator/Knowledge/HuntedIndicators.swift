internal import FlowModel
internal import Intelligence
internal import NetworkTable
internal import Platform
internal import WireBytes

/// What was looked for in history.
struct HuntedIndicators: Sendable {
    private(set) var table = NetworkTable([])
    /// By number: whether the system's networks were known then, and looked for.
    private(set) var systems: [UInt32: Bool] = [:]

    init() {}
    init(_ set: IndicatorSet) {
        let known = set.systems.isEmpty ? [] : set.announced.known
        self.init(
            set.table, Dictionary(uniqueKeysWithValues: set.systems.map { ($0, known.contains($0)) }))
    }
    init(_ table: NetworkTable, _ systems: [UInt32: Bool]) { (self.table, self.systems) = (table, systems) }

    /// What of this was not looked for before: networks, and systems, also those whose networks are known by now.
    func new(since before: HuntedIndicators) -> (networks: [IPNetwork], systems: [UInt32]) {
        let systems = self.systems.filter { number, isPlaced in
            before.systems[number].map { isPlaced && !$0 } ?? true
        }
        return (table.networks(notIn: before.table), systems.keys.sorted())
    }
}

/// The same as a file, so that a restart looks for none again; replaced as a whole.
///
///     "WEIRHUNT" version(1) checksum(4) count(4)
///     then each network: high(8) low(8) length(1), in the table's order
///     then each system: number(4) 1 where its networks were known, else 0
///
/// Numbers have their low octets first. Version 1 has networks alone, and no count. A damaged file counts as none:
/// everything is looked for once more, and what was found before is known.
struct HuntedFile: Sendable {
    let path: String
    private static let magic = Array("WEIRHUNT".utf8)
    private static let networkBytes = 17, systemBytes = 5, bytesMax = 64 << 20

    func read() -> HuntedIndicators? {
        let start = Self.magic.count + 5
        guard let bytes = try? readFile(path, bytesMax: Self.bytesMax), bytes.starts(with: Self.magic),
            bytes.count >= start
        else { return nil }
        let body = bytes[start...], sum = Self.word(bytes[(start - 4)..<start])
        guard sum == UInt64(Array(body).withBytes { CRC32C.checksum($0) }) else { return nil }
        switch bytes[Self.magic.count] {
        case 1: return Self.networks(body).map { HuntedIndicators($0, [:]) }
        case 2:
            guard body.count >= 4 else { return nil }
            let count = Int(Self.word(body.prefix(4))), rest = body.dropFirst(4)
            guard count <= rest.count / Self.networkBytes, let table = Self.networks(rest.prefix(count * 17)),
                let systems = Self.systems(rest.dropFirst(count * 17))
            else { return nil }
            return HuntedIndicators(table, systems)
        default: return nil
        }
    }
    private static func networks(_ body: ArraySlice<UInt8>) -> NetworkTable? {
        guard body.count.isMultiple(of: networkBytes) else { return nil }
        var networks: [IPNetwork] = []
        networks.reserveCapacity(body.count / networkBytes)
        for at in stride(from: body.startIndex, to: body.endIndex, by: networkBytes) {
            let address = IPAddress(high: word(body[at..<at + 8]), low: word(body[at + 8..<at + 16]))
            guard body[at + 16] <= (address.isV4 ? 32 : 128) else { return nil }
            networks.append(IPNetwork(address, length: Int(body[at + 16])))
        }
        return NetworkTable(networks)
    }
    private static func systems(_ body: ArraySlice<UInt8>) -> [UInt32: Bool]? {
        guard body.count.isMultiple(of: systemBytes) else { return nil }
        var systems: [UInt32: Bool] = [:]
        for at in stride(from: body.startIndex, to: body.endIndex, by: systemBytes) {
            systems[UInt32(truncatingIfNeeded: word(body[at..<at + 4]))] = body[at + 4] == 1
        }
        return systems
    }
    private static func word(_ octets: ArraySlice<UInt8>) -> UInt64 {
        octets.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Durable on return.
    func write(_ hunted: HuntedIndicators) throws(SystemError) {
        func octets(_ value: some FixedWidthInteger, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        let table = hunted.table
        var body = octets(table.count, 4)
        body.reserveCapacity(4 + table.count * Self.networkBytes + hunted.systems.count * Self.systemBytes)
        for place in 0..<table.count {
            let network = table[place]
            body += octets(network.address.high, 8) + octets(network.address.low, 8)
            body.append(UInt8(clamping: network.length))
        }
        for (number, isPlaced) in hunted.systems.sorted(by: { $0.key < $1.key }) {
            body += octets(number, 4) + [isPlaced ? 1 : 0]
        }
        let sum = body.withBytes { CRC32C.checksum($0) }
        try placeFile(path, with: Self.magic + [2] + octets(sum, 4) + body, draft: path + ".part", replacing: true)
    }
}
