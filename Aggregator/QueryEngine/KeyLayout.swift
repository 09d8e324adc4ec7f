internal import BatchFormat
internal import FlowModel
internal import Identity

/// How the keys of groups are packed into words: the first key's bits highest, so that comparing words is comparing
/// keys in their order. There are two layouts of the same keys: one for rows whose addresses are all IPv4, with 32 bits
/// an address, and a wide one for all others.
struct KeyLayout: Sendable {
    enum Part: Sendable {
        /// One word of an address, cut to a mask; that of IPv4 addresses is another one.
        case high(AddressEnd, mask: UInt64)
        case low(AddressEnd, mask: UInt64, v4: UInt64)
        /// An IPv4 address, cut to a mask.
        case v4(AddressEnd, UInt64)
        case number(FlowKey)
    }
    struct Place: Sendable {
        let part: Part
        let word: Int
        let shift: UInt64
        let bits: UInt64
    }
    let keys: [FlowKey]
    let isNarrow: Bool
    private(set) var places: [Place] = []
    private(set) var words = 0
    private var bitsLeft: UInt64 = 0

    /// - Parameter keys: in the order in which groups of equal sums are sorted.
    init(_ keys: [FlowKey], isNarrow: Bool) {
        self.keys = keys
        self.isNarrow = isNarrow
        add(keys)
        // Also a table without keys has a word to hash.
        words = max(words, 1)
    }
    /// The wide layout of two lists of keys: the second begins with a word of its own.
    init(_ keys: [FlowKey], then others: [FlowKey]) {
        self.keys = keys + others
        isNarrow = false
        add(keys)
        words = max(words, 1)
        bitsLeft = 0
        add(others)
    }
    private mutating func add(_ keys: [FlowKey]) {
        for key in keys {
            if let (end, v4, v6) = key.address {
                let mask = Self.mask(bits: v6), v4Mask = v4 == 0 ? 0 : UInt64(UInt32.max << UInt32(32 - v4))
                if isNarrow {
                    add(.v4(end, v4Mask), bits: 32)
                } else {
                    add(.high(end, mask: mask.high), bits: 64)
                    add(.low(end, mask: mask.low, v4: v4Mask | ~UInt64(UInt32.max)), bits: 64)
                }
            } else {
                add(.number(key), bits: key.bits)
            }
        }
    }
    private mutating func add(_ part: Part, bits: UInt64) {
        if bitsLeft < bits {
            words += 1
            bitsLeft = 64
        }
        bitsLeft -= bits
        places.append(Place(part: part, word: words - 1, shift: bitsLeft, bits: bits))
    }
    private static func mask(bits: Int) -> (high: UInt64, low: UInt64) {
        (
            bits == 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits)),
            bits <= 64 ? 0 : bits >= 128 ? .max : ~(.max >> UInt64(bits - 64))
        )
    }

    /// Whether a key is an address: only then there is a narrow layout and a wide one.
    static func hasAddresses(_ keys: [FlowKey]) -> Bool { keys.contains { $0.address != nil } }
}

extension FlowKey {
    /// The address that a key is made of, and how many of its bits count in each family.
    var address: (end: AddressEnd, v4: Int, v6: Int)? {
        switch self {
        case .sourceAddress: (.source, 32, 128)
        case .destinationAddress: (.destination, 32, 128)
        case .nextHop: (.nextHop, 32, 128)
        case .sourceNetwork(let v4, let v6): (.source, min(max(v4, 0), 32), min(max(v6, 0), 128))
        case .destinationNetwork(let v4, let v6): (.destination, min(max(v4, 0), 32), min(max(v6, 0), 128))
        default: nil
        }
    }
    /// Of the packed number.
    var bits: UInt64 {
        switch self {
        case .protocolIdentifier, .codePoint, .direction, .family: 8
        case .sourceTransportPort, .destinationTransportPort, .tcpControlBits, .vlan, .sourceCountry,
            .destinationCountry:
            16
        case .service: 24
        case .time: 48
        default: 32
        }
    }
    /// What must be decoded for it.
    var fields: FieldSet {
        switch self {
        case .sourceAddress, .sourceNetwork, .family, .sourceCountry, .sourceSystem: .sourceIPAddress
        case .destinationAddress, .destinationNetwork, .destinationCountry, .destinationSystem:
            .destinationIPAddress
        case .nextHop: .ipNextHopAddress
        case .sourceTransportPort: .sourceTransportPort
        case .destinationTransportPort: .destinationTransportPort
        case .protocolIdentifier: .protocolIdentifier
        case .service: [.sourceTransportPort, .destinationTransportPort, .protocolIdentifier]
        case .sourceAS: .bgpSourceAsNumber
        case .destinationAS: .bgpDestinationAsNumber
        case .ingressInterface: .ingressInterface
        case .egressInterface: .egressInterface
        case .exporter: .exporter
        case .site, .sensor: []
        case .tcpControlBits: .tcpControlBits
        case .codePoint: .ipClassOfService
        case .vlan: .vlanId
        case .direction: .flowDirection
        case .time: .flowEndMilliseconds
        }
    }
    /// Where the key stands in the order of keys.
    var rank: Int {
        switch self {
        case .time: 0
        case .sourceAddress: 1
        case .sourceNetwork: 2
        case .destinationAddress: 3
        case .destinationNetwork: 4
        case .nextHop: 5
        case .sourceTransportPort: 6
        case .destinationTransportPort: 7
        case .protocolIdentifier: 8
        case .service: 9
        case .sourceAS: 10
        case .destinationAS: 11
        case .exporter: 12
        case .ingressInterface: 13
        case .egressInterface: 14
        case .site: 15
        case .sensor: 16
        case .tcpControlBits: 17
        case .codePoint: 18
        case .vlan: 19
        case .direction: 20
        case .family: 21
        case .sourceCountry: 22
        case .destinationCountry: 23
        case .sourceSystem: 24
        case .destinationSystem: 25
        }
    }
}

/// Names that have numbers only within a question: given out in order of first use, the same from block to block.
struct KeyNames: Sendable {
    private(set) var exporters: [ExporterKey] = []
    private(set) var sensors: [SensorIdentity] = []
    private(set) var sites: [String] = []
    private var exporterNumbers: [ExporterKey: UInt32] = [:]
    private var sensorNumbers: [SensorIdentity: UInt32] = [:]
    private var siteNumbers: [String: UInt32] = [:]

    mutating func number(of exporter: ExporterKey) -> UInt32 { Self.number(exporter, &exporters, &exporterNumbers) }
    mutating func number(of sensor: SensorIdentity) -> UInt32 { Self.number(sensor, &sensors, &sensorNumbers) }
    mutating func number(ofSite site: String) -> UInt32 { Self.number(site, &sites, &siteNumbers) }

    private static func number<Name: Hashable>(
        _ name: Name, _ names: inout [Name], _ numbers: inout [Name: UInt32]
    ) -> UInt32 {
        if let known = numbers[name] { return known }
        let number = UInt32(truncatingIfNeeded: names.count)
        numbers[name] = number
        names.append(name)
        return number
    }
}
