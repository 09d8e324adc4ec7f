/// What each record is to detectors, told once: most records concern few of them.
import FlowModel

struct Aspects: OptionSet, BitwiseCopyable, Sendable {
    let rawValue: UInt16

    /// All records.
    static let any = Aspects(rawValue: 1 << 0)
    /// Between two hosts over TCP, UDP or ICMP, and it is told which of them called.
    static let contact = Aspects(rawValue: 1 << 1)
    /// An own host's (or anybody's, without networks) call to the outside, on a port that isn't called by the clock.
    static let call = Aspects(rawValue: 1 << 2)
    /// TCP to a service where people log in; to one by which hosts are administered.
    static let login = Aspects(rawValue: 1 << 3), admin = Aspects(rawValue: 1 << 4)
    /// UDP from or to port 53, from or to an amplifying port, not between two of the same number.
    static let names = Aspects(rawValue: 1 << 5), amplifier = Aspects(rawValue: 1 << 6)
    /// The source may be serving DHCP or names, or sending mail.
    static let scarce = Aspects(rawValue: 1 << 7)
    /// TCP for `LongConnectionDetector.sliceMin` or longer.
    static let lasting = Aspects(rawValue: 1 << 8)
    /// Of some size, over the border of the own networks.
    static let upload = Aspects(rawValue: 1 << 9)
    /// It came to a host; and, from a host, it is UDP or has no work in it.
    static let arriving = Aspects(rawValue: 1 << 10), loose = Aspects(rawValue: 1 << 11)
    /// A sum of flows to many ports.
    static let portless = Aspects(rawValue: 1 << 12)
    /// TCP that may have failed.
    static let failing = Aspects(rawValue: 1 << 13)

    /// It reaches over the edge of a flood's bucket, or has no times of its own.
    static let lengthy = Aspects(rawValue: 1 << 14)

    init(rawValue: UInt16) { self.rawValue = rawValue }

    @inline(__always)
    init(_ sight: FlowSight, ports: borrowing Span<UInt8>, networks: OwnNetworks) {
        self = .any
        let isDenied = sight.isDenied
        let (here, there) = (PortTraits(sight.sourcePort, ports), PortTraits(sight.destinationPort, ports))
        if sight.isPortless { insert(.portless) }
        if sight.isTCP { addTCP(sight, there) }
        if sight.isUDP { addUDP(sight, here, there) }
        guard !sight.destination.isGroup else { return }
        let isArriving = sight.packets > 0 && !isDenied
        if isArriving { insert(.arriving) }
        guard !sight.source.isGroup else { return }
        if isArriving, sight.isUDP || sight.floodClass == .empty { insert(.loose) }
        guard sight.isTCP || sight.isUDP || sight.isICMP else { return }
        if sight.initiator != .unknown { insert(.contact) }
        let isLarge = min(Double(sight.octets), 1e15) * sight.samplingInterval >= ExfiltrationDetector.uploadMin
        guard isLarge || sight.initiator == .source else { return }
        let isFromInside = networks.isInside(sight.source), isToInside = networks.isInside(sight.destination)
        if isLarge, isFromInside != isToInside, !isDenied { insert(.upload) }
        if sight.initiator == .source, !isToInside, isFromInside || networks.isEmpty { addCall(sight, there) }
    }

    @inline(__always)
    private mutating func addTCP(_ sight: FlowSight, _ there: PortTraits) {
        if there.contains(.login) { insert(.login) }
        if there.contains(.admin) { insert(.admin) }
        if sight.destinationPort == 25 { insert(.scarce) }
        if sight.end - sight.start >= LongConnectionDetector.sliceMin { insert(.lasting) }
        if !sight.has(Bit.ack) || sight.has(Bit.rst) { insert(.failing) }
    }
    @inline(__always)
    private mutating func addUDP(_ sight: FlowSight, _ here: PortTraits, _ there: PortTraits) {
        if sight.sourcePort == 67 || sight.sourcePort == 53 { insert(.scarce) }
        guard sight.sourcePort != sight.destinationPort else { return }
        if here.contains(.amplifier) || there.contains(.amplifier) { insert(.amplifier) }
        if sight.sourcePort == 53 || sight.destinationPort == 53 { insert(.names) }
    }
    @inline(__always)
    private mutating func addCall(_ sight: FlowSight, _ there: PortTraits) {
        guard sight.isTCP || sight.isUDP, !there.contains(.periodic),
            // With control bits only an opening counts: the rest are slices of what is known already.
            !sight.isTCP || sight.controlBits == 0 || sight.has(Bit.syn),
            !sight.isSummed || (sight.flows == 1 && sight.destinationPort != 0)
        else { return }
        insert(.call)
    }
}

/// What a port's number tells.
struct PortTraits: OptionSet {
    let rawValue: UInt8
    static let login = PortTraits(rawValue: 1), admin = PortTraits(rawValue: 2)
    static let amplifier = PortTraits(rawValue: 4), periodic = PortTraits(rawValue: 8)

    init(rawValue: UInt8) { self.rawValue = rawValue }
    /// - Parameter table: `PortTraits.table`. No port above it is anybody's in particular.
    @inline(__always)
    init(_ port: UInt16, _ table: borrowing Span<UInt8>) {
        rawValue = Int(port) < table.count ? table[Int(port)] : 0
    }

    /// By port, below 32768.
    static let table: [UInt8] = (0..<32_768).map { number in
        let port = UInt16(number)
        var traits = PortTraits()
        if LoginService.on(port) != nil { traits.insert(.login) }
        if LateralMovementDetector.ports.contains(port) { traits.insert(.admin) }
        if Amplifier.on(port) != nil { traits.insert(.amplifier) }
        if BeaconDetector.periodicPorts.contains(port) { traits.insert(.periodic) }
        return traits.rawValue
    }
}

/// `DetectorParameters.ownNetworks`, ready to be asked about every record.
struct OwnNetworks {
    private struct Mask {
        let high: UInt64, low: UInt64
        let address: IPAddress
        @inline(__always)
        func contains(_ other: IPAddress) -> Bool {
            other.high & high == address.high && other.low & low == address.low
        }
    }
    private let masks: [Mask]
    let isEmpty: Bool

    init(_ networks: [IPNetwork]) {
        isEmpty = networks.isEmpty
        masks = networks.map { network in
            let all = IPAddress(high: .max, low: .max)
            // A mask of an IPv4 network holds the mapped prefix, too, so that no IPv6 address is in it.
            let mask = all.prefix(network.address.isV4 ? network.length + 96 : network.length)
            return Mask(high: mask.high, low: mask.low, address: network.address)
        }
    }
    @inline(__always)
    func isInside(_ address: IPAddress) -> Bool {
        if isEmpty { return address.isPrivate }
        for mask in masks where mask.contains(address) { return true }
        return false
    }
}
