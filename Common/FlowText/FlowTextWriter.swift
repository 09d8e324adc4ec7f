package import FlowModel
package import InformationElements

/// Flow records as text: NDJSON for programs, CSV for spreadsheets, aligned columns for people.
///
/// Invariants: names are IPFIX's (IANA) and always in the same order; a row is one line; every JSON line is valid by
/// itself (RFC 8259: no NaN, no infinity, integers as they are); what is not in a record is left out of JSON and empty
/// in CSV. Only octets are appended to an array the caller owns, so that a million plain rows cost no strings. Elements
/// without a column follow in JSON under their names in the registry of elements.
/// Not here: what to write them to, and everything that isn't a flow record.
package struct FlowTextWriter: Sendable {
    private let registry: ElementRegistry

    package init(registry: ElementRegistry = .standard) { self.registry = registry }

    /// One JSON object and a line feed.
    package func ndjson(_ columns: FlowColumns, row: Int, into out: inout [UInt8]) {
        Self.json(columns, row: row, registry: registry, into: &out)
        out.append(Ascii.lineFeed)
    }

    /// One JSON object alone, to be put into other JSON. `row` must be below `columns.count`.
    package static func json(
        _ columns: FlowColumns, row: Int, registry: ElementRegistry = .standard, into out: inout [UInt8]
    ) {
        let record = columns[row]
        out.append(contentsOf: "{\"flowStartMilliseconds\":".utf8)
        out.appendDecimal(record.flowStartMilliseconds)
        out.appendField("flowEndMilliseconds", record.flowEndMilliseconds)
        appendExporter(columns.exporterKey(ofRow: row), &out)
        appendEnds(record, &out)
        appendTraffic(record, &out)
        appendRouting(record, &out)
        if let sampling = SamplingText(record.samplingInterval) {
            out.appendKey("samplingInterval")
            sampling.append(to: &out)
        }
        if record.exportMilliseconds != 0 { out.appendField("exportTimeMilliseconds", record.exportMilliseconds) }
        if record.receiveMilliseconds != 0 {
            out.appendField("collectionTimeMilliseconds", record.receiveMilliseconds)
        }
        appendRarities(columns, record, registry, &out)
        out.append(UInt8(ascii: "}"))
    }

    private static func appendExporter(_ key: ExporterKey, _ out: inout [UInt8]) {
        out.appendAddress(key.address, "exporterIPv4Address", "exporterIPv6Address")
        out.appendField("observationDomainId", key.observationDomain)
        out.appendKey("exportProtocol")
        out.append(UInt8(ascii: "\""))
        out.append(contentsOf: key.exportProtocol.name.utf8)
        out.append(UInt8(ascii: "\""))
    }

    private static func appendEnds(_ record: FlowRecord, _ out: inout [UInt8]) {
        out.appendAddress(record.sourceIPAddress, "sourceIPv4Address", "sourceIPv6Address")
        out.appendAddress(record.destinationIPAddress, "destinationIPv4Address", "destinationIPv6Address")
        if let port = record.sourcePortIfAny { out.appendField("sourceTransportPort", port) }
        if let port = record.destinationPortIfAny { out.appendField("destinationTransportPort", port) }
        switch record.protocolIdentifier {
        case IPProtocol.icmp: out.appendField("icmpTypeCodeIPv4", record.destinationTransportPort)
        case IPProtocol.icmpv6: out.appendField("icmpTypeCodeIPv6", record.destinationTransportPort)
        default: break
        }
        out.appendField("protocolIdentifier", record.protocolIdentifier)
    }

    private static func appendTraffic(_ record: FlowRecord, _ out: inout [UInt8]) {
        out.appendFieldUnlessZero("tcpControlBits", record.tcpControlBits)
        out.appendFieldUnlessZero("ipClassOfService", record.ipClassOfService)
        out.appendField("octetDeltaCount", record.octetDeltaCount)
        out.appendField("packetDeltaCount", record.packetDeltaCount)
        if record.deltaFlowCount != 1 { out.appendField("deltaFlowCount", record.deltaFlowCount) }
    }

    private static func appendRouting(_ record: FlowRecord, _ out: inout [UInt8]) {
        out.appendFieldUnlessZero("ingressInterface", record.ingressInterface)
        out.appendFieldUnlessZero("egressInterface", record.egressInterface)
        out.appendFieldUnlessZero("bgpSourceAsNumber", record.bgpSourceAsNumber)
        out.appendFieldUnlessZero("bgpDestinationAsNumber", record.bgpDestinationAsNumber)
        out.appendFieldUnlessZero(
            record.sourceIPAddress.isV4 ? "sourceIPv4PrefixLength" : "sourceIPv6PrefixLength",
            record.sourceIPPrefixLength)
        out.appendFieldUnlessZero(
            record.destinationIPAddress.isV4 ? "destinationIPv4PrefixLength" : "destinationIPv6PrefixLength",
            record.destinationIPPrefixLength)
        out.appendAddress(record.ipNextHopAddress, "ipNextHopIPv4Address", "ipNextHopIPv6Address")
        out.appendFieldUnlessZero("vlanId", record.vlanId)
        if record.flowDirection != 255 { out.appendField("flowDirection", record.flowDirection) }
    }
}

extension FlowRecord {
    /// The source port of a record that has one: of a protocol with ports, or of no stated protocol. A port that was
    /// summed away is not in the record.
    var sourcePortIfAny: UInt16? { portIfAny(sourceTransportPort) }
    /// As `sourcePortIfAny`. ICMP's type and code are no port.
    var destinationPortIfAny: UInt16? { portIfAny(destinationTransportPort) }

    private func portIfAny(_ port: UInt16) -> UInt16? {
        if port != 0 { return IPProtocol.isICMP(protocolIdentifier) ? nil : port }
        return IPProtocol.hasPorts(protocolIdentifier) && !flags.contains(.portsSummed) ? port : nil
    }
}

/// A sampling interval as text: nil for 0 and for what no number can say. Whole numbers have no `.0`.
struct SamplingText {
    private let interval: Float

    init?(_ interval: Float) {
        guard interval.isFinite, interval > 0 else { return nil }
        self.interval = interval
    }
    func append(to out: inout [UInt8]) {
        if let whole = UInt64(exactly: interval) {
            out.appendDecimal(whole)
        } else {
            out.append(contentsOf: interval.description.utf8)
        }
    }
}
