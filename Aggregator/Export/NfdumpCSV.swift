internal import FlowModel
internal import FlowText

/// The lines of `nfdump -o csv` (nfdump 1.7.1), times in UTC. Columns that Weir has nothing for are as nfdump prints
/// them for records without.
struct NfdumpCSV {
    /// nfdump numbers exporters as it meets them.
    private var exporters: [ExporterKey: Int] = [:]
    private static let exportersMax = 65_536

    static func header(into out: inout [UInt8]) {
        let labels = (1...10).map { "mpls\($0)" }.joined(separator: ",")
        out.append(
            contentsOf: ("ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,"
                + "nhb,svln,dvln,ismc,odmc,idmc,osmc,\(labels),cl,sl,al,ra,eng,exid,tr\n").utf8)
    }

    mutating func line(_ columns: FlowColumns, row: Int, into out: inout [UInt8]) {
        let flow = columns[row], key = columns.exporterKey(ofRow: row)
        let extras = Extras(columns.extras.values(at: flow.extra))
        var cells = Self.times(flow) + Self.ends(flow)
        cells += Self.counters(flow, extras) + Self.routing(flow, extras) + Self.links(flow, extras)
        let domain = key.observationDomain
        cells += [
            "    0.000", "    0.000", "    0.000", Self.text(key.address), "\(domain >> 8 & 0xFF)/\(domain & 0xFF)",
            String(number(of: key)), UTCText.text(milliseconds: flow.receiveMilliseconds),
        ]
        out.append(contentsOf: cells.joined(separator: ",").utf8)
        out.append(UInt8(ascii: "\n"))
    }

    private mutating func number(of exporter: ExporterKey) -> Int {
        if let known = exporters[exporter] { return known }
        guard exporters.count < Self.exportersMax else { return 0 }
        exporters[exporter] = exporters.count + 1
        return exporters.count
    }

    private static func times(_ flow: FlowRecord) -> [String] {
        let (span, isOver) = flow.flowEndMilliseconds.subtractingReportingOverflow(flow.flowStartMilliseconds)
        return [flow.flowStartMilliseconds, flow.flowEndMilliseconds].map { milliseconds in
            String(UTCText.text(milliseconds: milliseconds).prefix { $0 != "." })
        } + [UTCText.seconds(milliseconds: isOver ? 0 : span)]
    }
    private static func ends(_ flow: FlowRecord) -> [String] {
        [
            text(flow.sourceIPAddress), text(flow.destinationIPAddress), String(flow.sourceTransportPort),
            String(flow.destinationTransportPort), NfdumpProtocols.name(flow.protocolIdentifier),
            flags(flow.tcpControlBits),
        ]
    }
    private static func counters(_ flow: FlowRecord, _ extras: Extras) -> [String] {
        [
            String(extras.number(89)), String(flow.ipClassOfService), String(flow.packetDeltaCount),
            String(flow.octetDeltaCount), String(extras.number(24)), String(extras.number(23)),
        ]
    }
    private static func routing(_ flow: FlowRecord, _ extras: Extras) -> [String] {
        [
            String(flow.ingressInterface), String(flow.egressInterface), String(flow.bgpSourceAsNumber),
            String(flow.bgpDestinationAsNumber), String(flow.sourceIPPrefixLength),
            String(flow.destinationIPPrefixLength), String(extras.number(55)),
            String(flow.flowDirection == 255 ? 0 : flow.flowDirection), text(flow.ipNextHopAddress),
            text(extras.address(18) ?? extras.address(63) ?? .absent),
        ]
    }
    private static func links(_ flow: FlowRecord, _ extras: Extras) -> [String] {
        [String(flow.vlanId), String(extras.number(59))]
            + [56, 57, 80, 81].map { extras.mac($0) } + (70...79).map { extras.label($0) }
    }

    private static func text(_ address: IPAddress) -> String { address.isAbsent ? "0.0.0.0" : address.description }
    /// Eight places, a dot for each bit that is not set.
    private static func flags(_ bits: UInt16) -> String {
        String(zip("CEUAPRSF", (0..<8).reversed()).map { letter, bit in bits & 1 << UInt16(bit) == 0 ? "." : letter })
    }
}

/// Values of IANA's elements that a record has beside its columns.
private struct Extras {
    private let values: [ExtraValue]
    init(_ values: [ExtraValue]) { self.values = values }

    private func octets(_ id: UInt16) -> [UInt8]? { values.first { $0.element == ElementKey(id: id) }?.octets }

    func number(_ id: UInt16) -> UInt64 {
        guard let octets = octets(id), octets.count <= 8 else { return 0 }
        return octets.reduce(0) { $0 << 8 | UInt64($1) }
    }
    func address(_ id: UInt16) -> IPAddress? { octets(id).flatMap { IPAddress(octets: $0) } }
    func mac(_ id: UInt16) -> String {
        let octets = octets(id).flatMap { $0.count == 6 ? $0 : nil } ?? [0, 0, 0, 0, 0, 0]
        return octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
    /// label-experimental bits-bottom of stack (RFC 3032 §2.1).
    func label(_ id: UInt16) -> String {
        let bits = number(id) & 0xFF_FFFF
        return "\(bits >> 4)-\(bits >> 1 & 7)-\(bits & 1)"
    }
}

extension IPAddress {
    /// From 4 or 16 octets, most significant first; nil for other counts.
    init?(octets: some Collection<UInt8>) {
        switch octets.count {
        case 4: self.init(v4: octets.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self.init(
                high: octets.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                low: octets.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }
}
