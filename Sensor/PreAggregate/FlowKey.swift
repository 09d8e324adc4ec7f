internal import FlowModel

/// What makes two records the same flow: everything but counters, times and what follows from the addresses (AS
/// numbers, prefix lengths, next hop). 64 octets, one cache line.
struct FlowKey: Equatable, BitwiseCopyable {
    var sourceHigh: UInt64, sourceLow: UInt64, destinationHigh: UInt64, destinationLow: UInt64
    /// Source port, destination port, VLAN, protocol, class of service: 16 + 16 + 16 + 8 + 8 bits.
    var transport: UInt64
    /// Ingress and egress interface.
    var interfaces: UInt64
    /// The table's number of the exporter, and the bits of the sampling interval.
    var exporterAndSampling: UInt64
    /// Direction as `FlowColumns` holds it, and the flags that keep rows apart.
    var directionAndFlags: UInt64

    /// Rows that differ in these are never one: summed ports stand for many, and a secondary row is not counted.
    static let distinguishing: RecordFlags = [.portsSummed, .secondary]

    /// The key of one row, coarsened to `fidelity`.
    /// - Parameter exporter: the table's number of the row's exporter.
    @inline(__always)
    init(_ columns: FlowColumns, _ row: Int, exporter: UInt32, fidelity: Fidelity) {
        sourceHigh = columns.sourceHigh[row]
        sourceLow = columns.sourceLow[row]
        destinationHigh = columns.destinationHigh[row]
        destinationLow = columns.destinationLow[row]
        let number = columns.protocolIdentifier[row]
        let ports = PortRule.kept(
            source: columns.sourceTransportPort[row], destination: columns.destinationTransportPort[row],
            protocolIdentifier: number, at: fidelity)
        let isHost = fidelity == .host
        let vlan = isHost ? 0 : columns.vlanId[row], tos = isHost ? 0 : columns.ipClassOfService[row]
        transport =
            UInt64(ports.source) << 48 | UInt64(ports.destination) << 32 | UInt64(vlan) << 16 | UInt64(number) << 8
            | UInt64(tos)
        interfaces = isHost ? 0 : UInt64(columns.ingressInterface[row]) << 32 | UInt64(columns.egressInterface[row])
        exporterAndSampling = UInt64(exporter) << 32 | UInt64(columns.samplingInterval[row].bitPattern)
        var flags = RecordFlags(rawValue: columns.flags[row]).intersection(Self.distinguishing)
        if ports.isSummed { flags.insert(.portsSummed) }
        directionAndFlags = UInt64(columns.flowDirection[row]) << 8 | UInt64(flags.rawValue)
    }

    /// A mix of all bits that can't be steered without the seed (multiply and fold, as in wyhash).
    @inline(__always)
    func hash(_ seed: UInt64) -> UInt64 {
        let a = Self.fold(sourceLow ^ seed, destinationLow ^ 0x9E37_79B9_7F4A_7C15)
        let b = Self.fold(transport ^ seed ^ 0xD6E8_FEB8_6659_FD93, interfaces ^ 0xA076_1D64_78BD_642F)
        let c = Self.fold(sourceHigh ^ seed ^ 0xE703_7ED1_A0B4_28DB, destinationHigh ^ 0x8EBC_6AF0_9C88_C6E3)
        let d = Self.fold(exporterAndSampling ^ seed ^ 0x5895_65E3_9D4B_1F2B, directionAndFlags ^ 0xC2B2_AE3D_27D4_EB4F)
        return Self.fold(a ^ c ^ seed, b ^ d ^ 0x1656_67B1_9E37_79F9)
    }
    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}

/// How the ports of a record are coarsened.
enum PortRule {
    /// The ports that are kept at `fidelity`, and whether one was summed away.
    ///
    /// At `service` the client's port goes: of two different ports the larger one, if it is 1024 or more. Equal ports
    /// (NTP, IKE) and two well-known ones are kept, as is what a protocol without ports has there, so ICMP's type and
    /// code. At `host` both go, for every protocol.
    @inline(__always)
    static func kept(
        source: UInt16, destination: UInt16, protocolIdentifier: UInt8, at fidelity: Fidelity
    ) -> (source: UInt16, destination: UInt16, isSummed: Bool) {
        switch fidelity {
        case .full: return (source, destination, false)
        case .host: return (0, 0, source != 0 || destination != 0)
        case .service:
            guard source != destination, max(source, destination) >= 1_024, IPProtocol.hasPorts(protocolIdentifier)
            else { return (source, destination, false) }
            return source > destination ? (0, destination, true) : (source, 0, true)
        }
    }
}
