internal import FlowModel

/// What makes two records one: everything that is not summed, packed into eight words so that a comparison is a few
/// instructions.
struct EntryKey: Equatable, Sendable, BitwiseCopyable {
    var sourceHigh, sourceLow, destinationHigh, destinationLow: UInt64
    /// sourceTransportPort :16 | destinationTransportPort :16 | protocolIdentifier :8 | ipClassOfService :8 |
    /// flowDirection :8 | flags :8
    var ports: UInt64
    /// ingressInterface :32 | egressInterface :32
    var interfaces: UInt64
    /// exporter :32 | bits of samplingInterval :32
    var origin: UInt64
    var vlan: UInt64

    /// Seeded, so that an exporter who can't know the seed can't make keys collide.
    @inline(__always)
    func hash(seed: UInt64) -> UInt64 {
        func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
            let product = a.multipliedFullWidth(by: b)
            return product.high ^ product.low
        }
        let first = mix(sourceLow ^ seed, destinationLow ^ 0x9E37_79B9_7F4A_7C15)
        let second = mix(ports ^ seed.byteSwapped, origin ^ 0xC2B2_AE3D_27D4_EB4F)
        let third = mix(sourceHigh ^ interfaces ^ 0x1656_67B1_9E37_79F9, destinationHigh ^ vlan ^ seed)
        return mix(first ^ third ^ 0x27D4_EB2F_1656_67C5, second ^ seed)
    }
}

/// What a key's records add up to, and what the first of them said beside.
struct EntrySums: Sendable, BitwiseCopyable {
    var octets, packets: UInt64
    var start, end, export, receive: Int64
    var flows: UInt32
    var tcpControlBits: UInt16
    var sourcePrefixLength, destinationPrefixLength: UInt8
    var sourceAS, destinationAS: UInt32
    var nextHopHigh, nextHopLow: UInt64

    /// - Returns: false, and nothing changed, when a sum would not fit: the caller opens another entry, so no count is ever wrong.
    @inline(__always)
    mutating func add(_ other: EntrySums) -> Bool {
        let (octetSum, octetsOverflow) = octets.addingReportingOverflow(other.octets)
        let (packetSum, packetsOverflow) = packets.addingReportingOverflow(other.packets)
        let (flowSum, flowsOverflow) = flows.addingReportingOverflow(other.flows)
        if octetsOverflow || packetsOverflow || flowsOverflow { return false }
        (octets, packets, flows) = (octetSum, packetSum, flowSum)
        start = min(start, other.start)
        end = max(end, other.end)
        export = max(export, other.export)
        receive = min(receive, other.receive)
        tcpControlBits |= other.tcpControlBits
        return true
    }
}

extension EntryKey {
    /// The key of `row`, cut down to `fidelity`.
    @inline(__always)
    init(_ columns: borrowing FlowColumns, row: Int, fidelity: Fidelity) {
        sourceHigh = columns.sourceHigh[row]
        sourceLow = columns.sourceLow[row]
        destinationHigh = columns.destinationHigh[row]
        destinationLow = columns.destinationLow[row]
        var source = columns.sourceTransportPort[row], destination = columns.destinationTransportPort[row]
        var flags = columns.flags[row]
        let protocolNumber = columns.protocolIdentifier[row], isHost = fidelity == .host
        if isHost {
            (source, destination) = (0, 0)
            flags |= RecordFlags.portsSummed.rawValue
        } else if fidelity == .service, IPProtocol.hasPorts(protocolNumber) {
            // The client's port is the larger one: services listen below the ephemeral range, and a wrong guess
            // between two high ports costs detail, never a count.
            if source > destination { source = 0 } else { destination = source == destination ? destination : 0 }
            flags |= RecordFlags.portsSummed.rawValue
        }
        let portWord = UInt64(source) << 48 | UInt64(destination) << 32 | UInt64(protocolNumber) << 24
        let tos = isHost ? 0 : UInt64(columns.ipClassOfService[row]) << 16
        ports = portWord | tos | UInt64(columns.flowDirection[row]) << 8 | UInt64(flags)
        interfaces = isHost ? 0 : UInt64(columns.ingressInterface[row]) << 32 | UInt64(columns.egressInterface[row])
        origin = UInt64(columns.exporter[row]) << 32 | UInt64(columns.samplingInterval[row].bitPattern)
        vlan = isHost ? 0 : UInt64(columns.vlanId[row])
    }
}

extension EntrySums {
    @inline(__always)
    init(_ columns: borrowing FlowColumns, row: Int) {
        octets = columns.octetDeltaCount[row]
        packets = columns.packetDeltaCount[row]
        start = columns.flowStartMilliseconds[row]
        end = columns.flowEndMilliseconds[row]
        export = columns.exportMilliseconds[row]
        receive = columns.receiveMilliseconds[row]
        flows = columns.deltaFlowCount[row]
        tcpControlBits = columns.tcpControlBits[row]
        sourcePrefixLength = columns.sourceIPPrefixLength[row]
        destinationPrefixLength = columns.destinationIPPrefixLength[row]
        sourceAS = columns.bgpSourceAsNumber[row]
        destinationAS = columns.bgpDestinationAsNumber[row]
        nextHopHigh = columns.nextHopHigh[row]
        nextHopLow = columns.nextHopLow[row]
    }
}
