/// One of the flow records that a finding rests on, kept with it: evidence that outlives the flows' retention.
///
/// In JSON it has the names of `GET /v1/flows`.
package import FlowModel

package struct FlowSample: Equatable, Sendable {
    package var source: IPAddress, destination: IPAddress
    package var sourcePort: UInt16, destinationPort: UInt16
    package var transport: UInt8
    package var controlBits: UInt16
    /// In ms since 1970 UTC, as the exporter told them.
    package var start: Int64, end: Int64
    package var packets: UInt64, octets: UInt64

    init(_ columns: borrowing FlowColumns, row: Int) {
        source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
        destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
        sourcePort = columns.sourceTransportPort[row]
        destinationPort = columns.destinationTransportPort[row]
        transport = columns.protocolIdentifier[row]
        controlBits = columns.tcpControlBits[row]
        (start, end) = (columns.flowStartMilliseconds[row], columns.flowEndMilliseconds[row])
        (packets, octets) = (columns.packetDeltaCount[row], columns.octetDeltaCount[row])
    }

    fileprivate func isLike(_ other: FlowSample) -> Bool {
        source == other.source && destination == other.destination && transport == other.transport
            && destinationPort == other.destinationPort
    }
    fileprivate func touches(_ ports: [UInt16]) -> Bool {
        ports.contains(destinationPort) || ports.contains(sourcePort)
    }
}

extension Finding {
    package static let samplesMax = 5
    /// Records of a batch that are looked at closer for it.
    private static let candidatesMax = 64

    /// Takes some of the records of the batch that brought it: between its ends, within its time; first those of its
    /// ports, and of each pair and port one before a second.
    package mutating func takeSamples(of columns: borrowing FlowColumns, rows: Range<Int>) {
        func addresses(_ role: FindingEntity.Role) -> Set<IPAddress> {
            Set(entities.filter { $0.role == role }.compactMap { IPAddress($0.value) })
        }
        let attackers = addresses(.attacker), victims = addresses(.victim)
        guard !attackers.isEmpty || !victims.isEmpty else { return }
        var candidates: [FlowSample] = []
        for row in rows where columns.flowStartMilliseconds[row] <= end && columns.flowEndMilliseconds[row] >= start {
            let source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
            let destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
            guard Self.isBetween(source, destination, attackers, victims) else { continue }
            candidates.append(FlowSample(columns, row: row))
            if candidates.count >= Self.candidatesMax { break }
        }
        let ports = ports, touching = candidates.filter { $0.touches(ports) }
        let ordered = touching + candidates.filter { !$0.touches(ports) }
        var chosen: [FlowSample] = [], rest: [FlowSample] = []
        for sample in ordered {
            if chosen.contains(where: { $0.isLike(sample) }) { rest.append(sample) } else { chosen.append(sample) }
        }
        let samples = Array((chosen + rest).prefix(Self.samplesMax))
        evidence.samples = samples.isEmpty ? nil : samples
    }
    private static func isBetween(
        _ a: IPAddress, _ b: IPAddress, _ attackers: Set<IPAddress>, _ victims: Set<IPAddress>
    ) -> Bool {
        if victims.isEmpty { return attackers.contains(a) || attackers.contains(b) }
        if attackers.isEmpty { return victims.contains(a) || victims.contains(b) }
        return attackers.contains(a) && victims.contains(b) || victims.contains(a) && attackers.contains(b)
    }
}

extension FlowSample: Codable {
    private enum Key: String, CodingKey {
        case flowStartMilliseconds, flowEndMilliseconds, sourceIPv4Address, sourceIPv6Address, destinationIPv4Address,
            destinationIPv6Address, sourceTransportPort, destinationTransportPort, protocolIdentifier, tcpControlBits,
            packetDeltaCount, octetDeltaCount
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        func address(_ keys: Key...) throws -> IPAddress {
            for key in keys {
                if let text = try values.decodeIfPresent(String.self, forKey: key), let address = IPAddress(text) {
                    return address
                }
            }
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "a flow without an address"))
        }
        source = try address(.sourceIPv4Address, .sourceIPv6Address)
        destination = try address(.destinationIPv4Address, .destinationIPv6Address)
        sourcePort = try values.decode(UInt16.self, forKey: .sourceTransportPort)
        destinationPort = try values.decode(UInt16.self, forKey: .destinationTransportPort)
        transport = try values.decode(UInt8.self, forKey: .protocolIdentifier)
        controlBits = try values.decode(UInt16.self, forKey: .tcpControlBits)
        start = try values.decode(Int64.self, forKey: .flowStartMilliseconds)
        end = try values.decode(Int64.self, forKey: .flowEndMilliseconds)
        packets = try values.decode(UInt64.self, forKey: .packetDeltaCount)
        octets = try values.decode(UInt64.self, forKey: .octetDeltaCount)
    }
    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode("\(source)", forKey: source.isV4 ? .sourceIPv4Address : .sourceIPv6Address)
        try values.encode(
            "\(destination)", forKey: destination.isV4 ? .destinationIPv4Address : .destinationIPv6Address)
        try values.encode(sourcePort, forKey: .sourceTransportPort)
        try values.encode(destinationPort, forKey: .destinationTransportPort)
        try values.encode(transport, forKey: .protocolIdentifier)
        try values.encode(controlBits, forKey: .tcpControlBits)
        try values.encode(start, forKey: .flowStartMilliseconds)
        try values.encode(end, forKey: .flowEndMilliseconds)
        try values.encode(packets, forKey: .packetDeltaCount)
        try values.encode(octets, forKey: .octetDeltaCount)
    }
}
