/// What the detectors look at in one record: read from the columns once, shared by all of them. No references in it:
/// it is copied for every detector.
import FlowModel

struct FlowSight {
    let source: IPAddress, destination: IPAddress
    let sourcePort: UInt16, destinationPort: UInt16
    let transport: UInt8
    let controlBits: UInt16
    let packets: UInt64, octets: UInt64
    let flows: UInt32
    /// Event time in ms; `start` is never after `end`, whatever the exporter wrote.
    let start: Int64, end: Int64
    /// By the sensor's clock, in ms; `end` when the record has none.
    let received: Int64
    /// Above 1 only when the exporter samples and says so.
    let samplingInterval: Double
    let flags: RecordFlags
    /// Place of a sum's sketches in its batch (`FlowColumns.sketches`); 0 for a record that stands for itself.
    let sketch: UInt32
    /// Which end opened the conversation, and what tells it.
    private(set) var initiator = Initiator.unknown, sign = InitiatorSign.none
    /// What its packets are to the host that gets them.
    private(set) var floodClass = FloodClass.empty
    /// `KeyHash.host` of the ends, where the record is read for a `SightChunk`; else 0.
    private(set) var sourceHash: UInt64 = 0, destinationHash: UInt64 = 0

    @inline(__always)
    init(_ columns: borrowing FlowColumns, row: Int, _ keys: KeyHash, stated: Initiator, firstSeen: Initiator) {
        self.init(columns, row: row)
        if stated != .unknown {
            (initiator, sign) = (stated, .stated)
        } else if firstSeen != .unknown, sign < .firstSeen {
            (initiator, sign) = (firstSeen, .firstSeen)
        }
        (sourceHash, destinationHash) = (keys.host(source), keys.host(destination))
    }

    init(_ columns: borrowing FlowColumns, row: Int) {
        source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
        destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
        sourcePort = columns.sourceTransportPort[row]
        destinationPort = columns.destinationTransportPort[row]
        transport = columns.protocolIdentifier[row]
        controlBits = columns.tcpControlBits[row] & 0x3F
        packets = columns.packetDeltaCount[row]
        octets = columns.octetDeltaCount[row]
        flows = max(columns.deltaFlowCount[row], 1)
        // Some exporters' ends lie before their starts: the moment of the start is then all that is known.
        let time = EventTime.range
        start = min(max(columns.flowStartMilliseconds[row], 0), time.upperBound)
        end = min(max(columns.flowEndMilliseconds[row], start), time.upperBound)
        let receive = columns.receiveMilliseconds[row]
        received = receive > 0 ? min(receive, time.upperBound) : end
        let sampling = Double(columns.samplingInterval[row])
        samplingInterval = sampling > 1 && sampling < 1e7 ? sampling : 1
        flags = RecordFlags(rawValue: columns.flags[row])
        sketch = columns.sketch[row]
        (initiator, sign) = findInitiator()
        floodClass = FloodClass(self)
    }

    /// How recent the record is for making room: an exporter whose clock runs ahead must not keep its entries for ever.
    var recency: Int64 { min(end, received) }
    var isTCP: Bool { transport == Bit.tcp }
    var isUDP: Bool { transport == Bit.udp }
    var isICMP: Bool { transport == Bit.icmp || transport == Bit.icmpv6 }
    var isDenied: Bool { flags.rawValue & Bit.denied != 0 }
    var isSummed: Bool { flags.rawValue & Bit.portsSummed != 0 }
    var hasEstimatedTimes: Bool { flags.rawValue & Bit.timesEstimated != 0 }
    /// Only some of its packets were seen.
    var isSampled: Bool { samplingInterval > 1 }
    /// The port that was called is gone: the row stands for flows to any number of ports.
    var isPortless: Bool { isSummed && destinationPort == 0 }
    /// No more packets than unanswered attempts have, on average where the row is a sum.
    var isBrief: Bool {
        packets <= Contact.probePacketsMax * (isSummed ? UInt64(flows) : 1)
    }
    func has(_ bits: UInt16) -> Bool { controlBits & bits != 0 }
    var octetsPerPacket: Double { packets == 0 ? 0 : Double(octets) / Double(packets) }

    /// ICMP type; some exporters put type and code into the two ports.
    var icmpType: UInt16 {
        destinationPort == 0 ? sourcePort & 0xFF : destinationPort >> 8
    }
}

extension DistinctSketch {
    /// Notes a host as the sensors do, so that hosts with names and those summed away are told apart.
    mutating func insert(_ host: IPAddress) { insert(host.high &* 31 ^ host.low) }
    var count: Int { Int(estimate.rounded()) }

    func save(to writer: inout SnapshotWriter) {
        for index in registers.indices { writer.add(UInt64(registers[index])) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        self.init()
        for index in registers.indices { registers[index] = try reader.nextSmall(UInt8.self) }
    }
}

extension IPAddress {
    /// Multicast, broadcast, unspecified or absent: no host that could be attacked or answer.
    var isGroup: Bool {
        if isV4 { return v4 >= 0xE000_0000 || v4 == 0 }
        return high >> 56 == 0xFF || isAbsent
    }
    /// Private, shared, link-local and loopback addresses (RFC 1918, 6598, 3927, 4193, 4291).
    var isPrivate: Bool {
        if isV4 {
            return v4 >> 24 == 10 || v4 >> 20 == 0xAC1 || v4 >> 16 == 0xC0A8 || v4 >> 22 == 0x191
                || v4 >> 16 == 0xA9FE || v4 >> 24 == 127
        }
        return high >> 57 == 0xFC >> 1 || high >> 54 == 0x3FA || (high == 0 && low == 1)
    }
}
