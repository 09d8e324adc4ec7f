import FlowModel
import InformationElements

/// What few records have: flags, other observers, estimates of distinct values, elements without a column. JSON only;
/// CSV and the table have fixed columns and leave it out.
///
/// Invariants: after the members for columns; each member's name once, whatever a template repeats; an element's type
/// in the registry decides what its value is in JSON:
/// - integers, floats and times are numbers; a time counts the unit of its type since 1970 UTC;
/// - booleans are true and false; MAC and IP addresses, and strings, are strings;
/// - lists, and elements that a record has more than once, are arrays; octets without a reading are hexadecimal digits;
/// - not-a-number and infinities are the strings of RFC 7373 §4.4.
extension FlowTextWriter {
    static func appendRarities(
        _ columns: FlowColumns, _ record: FlowRecord, _ registry: ElementRegistry, _ out: inout [UInt8]
    ) {
        appendFlags(record.flags, &out)
        if record.observers != 0 { appendObservers(columns, record, &out) }
        if let pair = columns.sketches.pair(at: record.sketch) {
            out.appendField("distinctPorts", Self.count(pair.ports))
            out.appendField("distinctPeers", Self.count(pair.peers))
        }
        if record.extra != 0 { appendExtras(columns.extras, at: record.extra, registry, &out) }
    }

    private static func count(_ sketch: DistinctSketch) -> UInt64 { UInt64(exactly: sketch.estimate.rounded()) ?? 0 }

    private static let flagNames: [(RecordFlags, String)] = [
        (.timesEstimated, "timesEstimated"), (.timesClamped, "timesClamped"), (.templateBorrowed, "templateBorrowed"),
        (.held, "held"), (.portsSummed, "portsSummed"), (.denied, "denied"), (.secondary, "secondary"),
        (.observedElsewhere, "observedElsewhere"),
    ]
    private static func appendFlags(_ flags: RecordFlags, _ out: inout [UInt8]) {
        guard !flags.isEmpty else { return }
        out.appendKey("recordFlags")
        out.appendArray(flagNames.filter { flags.contains($0.0) }) { out, flag in out.appendString(flag.1) }
    }

    private static func appendObservers(_ columns: FlowColumns, _ record: FlowRecord, _ out: inout [UInt8]) {
        var addresses: [IPAddress] = []
        for number in columns.observerSets.set(at: record.observers) where Int(number) < columns.exporters.count {
            let address = columns.exporters[Int(number)].address
            if !addresses.contains(address) { addresses.append(address) }
        }
        guard !addresses.isEmpty else { return }
        out.appendKey("observedBy")
        out.appendArray(addresses) { out, address in out.appendQuoted(address) }
    }

    private static func appendExtras(
        _ extras: ExtraElements, at place: UInt32, _ registry: ElementRegistry, _ out: inout [UInt8]
    ) {
        var members: [(name: String, values: [ElementValue])] = [], places: [String: Int] = [:]
        extras.walk(place) { field, range in
            guard field.element != paddingOctets else { return }
            let element = registry.information(field.element)
            guard let value = registry.reading(extras.octets[range], as: element) else { return }
            let name = memberName(element.name)
            if let known = places[name] {
                members[known].values.append(value)
            } else {
                places[name] = members.count
                members.append((name, [value]))
            }
        }
        for member in members {
            out.appendKey(member.name)
            if member.values.count == 1, let value = member.values.first {
                out.appendValue(value)
            } else {
                out.appendArray(member.values) { out, value in out.appendValue(value) }
            }
        }
    }
    private static let paddingOctets = ElementKey(id: 210)

    /// An element that a column's member has the name of gets `_2` behind it: what the record has beside the column.
    private static func memberName(_ name: String) -> String {
        fixedNames.contains(name) ? name + "_2" : name
    }
    /// The members for columns and those made here.
    package static let fixedNames: Set<String> = [
        "flowStartMilliseconds", "flowEndMilliseconds", "exporterIPv4Address", "exporterIPv6Address",
        "observationDomainId", "exportProtocol", "sourceIPv4Address", "sourceIPv6Address", "destinationIPv4Address",
        "destinationIPv6Address", "sourceTransportPort", "destinationTransportPort", "icmpTypeCodeIPv4",
        "icmpTypeCodeIPv6", "protocolIdentifier", "tcpControlBits", "ipClassOfService", "octetDeltaCount",
        "packetDeltaCount", "deltaFlowCount", "ingressInterface", "egressInterface", "bgpSourceAsNumber",
        "bgpDestinationAsNumber", "sourceIPv4PrefixLength", "sourceIPv6PrefixLength", "destinationIPv4PrefixLength",
        "destinationIPv6PrefixLength", "ipNextHopIPv4Address", "ipNextHopIPv6Address", "vlanId", "flowDirection",
        "samplingInterval", "exportTimeMilliseconds", "collectionTimeMilliseconds", "recordFlags", "observedBy",
        "distinctPorts", "distinctPeers",
    ]
}

extension Array where Element == UInt8 {
    /// A value as JSON has it.
    mutating func appendValue(_ value: ElementValue) {
        switch value {
        case .unsigned(let number): appendDecimal(number)
        case .signed(let number): appendDecimal(number)
        case .float(let number): appendFloat(number)
        case .boolean(let isTrue): append(contentsOf: (isTrue ? "true" : "false").utf8)
        case .mac(let bits): appendMAC(bits)
        case .text(let text): appendString(text)
        case .time(let count, _): appendDecimal(count)
        case .address(let address): appendQuoted(address)
        case .list(let values): appendArray(values) { out, value in out.appendValue(value) }
        case .octets(let octets): appendHex(octets)
        }
    }
    mutating func appendArray<Items: Collection>(
        _ items: Items, _ appendItem: (inout [UInt8], Items.Element) -> Void
    ) {
        append(UInt8(ascii: "["))
        var isFirst = true
        for item in items {
            if !isFirst { append(Ascii.comma) }
            isFirst = false
            appendItem(&self, item)
        }
        append(UInt8(ascii: "]"))
    }
    /// Of all addresses, also the absent one: `::`.
    fileprivate mutating func appendQuoted(_ address: IPAddress) {
        append(Ascii.quote)
        appendAddress(address)
        append(Ascii.quote)
    }
    //= RFC 7373 §4.4
    fileprivate mutating func appendFloat(_ number: Double) {
        if number.isNaN { return appendString("NaN") }
        if number.isInfinite { return appendString(number < 0 ? "-inf" : "+inf") }
        append(contentsOf: number.description.utf8)
    }
    fileprivate mutating func appendMAC(_ bits: UInt64) {
        append(Ascii.quote)
        for shift in stride(from: 40 as UInt64, through: 0, by: -8) {
            appendHexDigits(UInt8(truncatingIfNeeded: bits >> shift))
            if shift > 0 { append(Ascii.colon) }
        }
        append(Ascii.quote)
    }
    fileprivate mutating func appendHex(_ octets: [UInt8]) {
        append(Ascii.quote)
        for octet in octets { appendHexDigits(octet) }
        append(Ascii.quote)
    }
    fileprivate mutating func appendHexDigits(_ octet: UInt8) {
        for digit in [octet >> 4, octet & 15] { append(digit < 10 ? Ascii.zero + digit : 0x57 + digit) }
    }
    /// RFC 8259 §7: quotes, backslashes and control characters are escaped. Also U+007F to U+009F and the line and
    /// paragraph separators: terminals and JavaScript obey them.
    mutating func appendString(_ text: String) {
        append(Ascii.quote)
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C:
                append(Ascii.backslash)
                append(UInt8(truncatingIfNeeded: scalar.value))
            case 0x20..<0x7F: append(UInt8(truncatingIfNeeded: scalar.value))
            case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029:
                append(contentsOf: [Ascii.backslash, UInt8(ascii: "u")])
                appendHexDigits(UInt8(truncatingIfNeeded: scalar.value >> 8))
                appendHexDigits(UInt8(truncatingIfNeeded: scalar.value))
            default: append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
            }
        }
        append(Ascii.quote)
    }
}
