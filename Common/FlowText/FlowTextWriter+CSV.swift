package import FlowModel

/// CSV (RFC 4180 without its carriage returns): one fixed header; no value needs quotes. IPv4 and IPv6 share a column,
/// so its name leaves the version out.
extension FlowTextWriter {
    private static let csvColumns = [
        "flowStartMilliseconds", "flowEndMilliseconds", "exporterIPAddress", "observationDomainId", "exportProtocol",
        "sourceIPAddress", "destinationIPAddress", "sourceTransportPort", "destinationTransportPort", "icmpTypeCode",
        "protocolIdentifier", "tcpControlBits", "ipClassOfService", "octetDeltaCount", "packetDeltaCount",
        "deltaFlowCount", "ingressInterface", "egressInterface", "bgpSourceAsNumber", "bgpDestinationAsNumber",
        "sourceIPPrefixLength", "destinationIPPrefixLength", "ipNextHopAddress", "vlanId", "flowDirection",
        "samplingInterval", "exportTimeMilliseconds", "collectionTimeMilliseconds",
    ]

    package func csvHeader(into out: inout [UInt8]) {
        out.append(contentsOf: Self.csvColumns.joined(separator: ",").utf8)
        out.append(Ascii.lineFeed)
    }

    /// One line. `row` must be below `columns.count`.
    package func csv(_ columns: FlowColumns, row: Int, into out: inout [UInt8]) {
        let record = columns[row], exporter = columns.exporterKey(ofRow: row)
        out.appendDecimal(record.flowStartMilliseconds)
        out.appendCell(record.flowEndMilliseconds)
        out.appendCell(exporter.address)
        out.appendCell(exporter.observationDomain)
        out.append(Ascii.comma)
        out.append(contentsOf: exporter.exportProtocol.name.utf8)
        out.appendCell(record.sourceIPAddress)
        out.appendCell(record.destinationIPAddress)
        out.appendCell(record.sourcePortIfAny)
        out.appendCell(record.destinationPortIfAny)
        out.appendCell(IPProtocol.isICMP(record.protocolIdentifier) ? record.destinationTransportPort : nil)
        out.appendCell(record.protocolIdentifier)
        out.appendCell(record.tcpControlBits)
        out.appendCell(record.ipClassOfService)
        out.appendCell(record.octetDeltaCount)
        out.appendCell(record.packetDeltaCount)
        out.appendCell(record.deltaFlowCount)
        out.appendCell(record.ingressInterface)
        out.appendCell(record.egressInterface)
        out.appendCell(record.bgpSourceAsNumber)
        out.appendCell(record.bgpDestinationAsNumber)
        out.appendCell(record.sourceIPPrefixLength)
        out.appendCell(record.destinationIPPrefixLength)
        out.appendCell(record.ipNextHopAddress)
        out.appendCell(record.vlanId)
        out.appendCell(record.flowDirection == 255 ? nil : record.flowDirection)
        out.append(Ascii.comma)
        SamplingText(record.samplingInterval)?.append(to: &out)
        out.appendCell(record.exportMilliseconds)
        out.appendCell(record.receiveMilliseconds)
        out.append(Ascii.lineFeed)
    }
}

extension Array where Element == UInt8 {
    fileprivate mutating func appendCell(_ value: (some BinaryInteger)?) {
        append(Ascii.comma)
        if let value { appendDecimal(value) }
    }
    fileprivate mutating func appendCell(_ address: IPAddress) {
        append(Ascii.comma)
        if !address.isAbsent { appendAddress(address) }
    }
}
