internal import FlowModel

/// A template as the simulated exporter has it: elements by number (IANA "IPFIX Information Elements"; RFC 3954 §8 has
/// the same numbers) and where each one's value comes from.
struct Layout: Sendable, Equatable {
    enum Value: UInt8, Sendable {
        case sourceAddress, destinationAddress, zeros, sourcePort, destinationPort, protocolNumber, flags, tos, ingress
        case egress, octets, packets, start, end, direction, vlan, sourceAS, destinationAS, sourcePrefix
        case destinationPrefix, nextHop, icmp, translatedAddress, translatedPort, ipVersion, text, boot, rate, sampler
        case reverseOctets, reversePackets, reverseFlags, reverseStart, reverseEnd, event, extendedEvent, eventTime
        case initiatorOctets, responderOctets, initiatorPackets, responderPackets, flowID, unknown
    }
    struct Field: Sendable, Equatable {
        var element: UInt16
        /// Octets; 65535 for a length in the record (RFC 7011 §7).
        var length: UInt16
        var value: Value
        /// 0 for IANA's elements.
        var enterprise: UInt32 = 0
        init(_ element: UInt16, _ length: UInt16, _ value: Value, enterprise: UInt32 = 0) {
            (self.element, self.length, self.value, self.enterprise) = (element, length, value, enterprise)
        }
    }
    var id: UInt16
    var fields: [Field]

    /// The most that a record can take.
    var recordBytesMax: Int { fields.reduce(0) { $0 + ($1.length == 65_535 ? 40 : Int($1.length)) } }
}

/// The kinds of records, each with its template: 256 on.
enum Slot: Int, CaseIterable, Sendable {
    case v4, v6, translated, event
    var templateID: UInt16 { UInt16(256 + rawValue) }
    init?(name: String?) {
        guard let found = ["v4": Slot.v4, "v6": .v6, "translated": .translated][name ?? ""] else { return nil }
        self = found
    }
}

extension Layout {
    /// RFC 5103's enterprise number for the reverse direction, and one for documentation (RFC 5612).
    static let reversePEN: UInt32 = 29_305, examplePEN: UInt32 = 32_473

    /// The layout of `slot` in its usual form, changed by the knobs.
    static func usual(_ slot: Slot, _ exportProtocol: ExportProtocol, _ knobs: SimulationKnobs) -> Layout {
        let isIPFIX = exportProtocol == .ipfix
        if slot == .event {
            // 33002 has the bit that announces an enterprise number in IPFIX: only NetFlow v9 can say it.
            return Layout(id: slot.templateID, fields: eventFields.filter { !isIPFIX || $0.element < 0x8000 })
        }
        var fields = addresses(slot, knobs)
        fields += [
            Field(7, 2, .sourcePort), Field(11, 2, .destinationPort), Field(4, 1, .protocolNumber),
            Field(6, 1, .flags), Field(5, 1, .tos), Field(10, knobs.reducedSize ? 2 : 4, .ingress),
            Field(14, knobs.reducedSize ? 2 : 4, .egress), Field(1, knobs.reducedSize ? 5 : 8, .octets),
            Field(2, knobs.reducedSize ? 3 : 8, .packets),
        ]
        fields += times(knobs.times ?? (isIPFIX ? .milliseconds : .uptime), isIPFIX: isIPFIX)
        fields += [
            Field(61, 1, .direction), Field(58, 2, .vlan), Field(16, 4, .sourceAS), Field(17, 4, .destinationAS),
            Field(slot == .v6 ? 29 : 9, 1, .sourcePrefix), Field(slot == .v6 ? 30 : 13, 1, .destinationPrefix),
        ]
        if slot == .translated { fields += [Field(225, 4, .translatedAddress), Field(227, 2, .translatedPort)] }
        if knobs.icmpElement { fields.append(Field(slot == .v6 ? 139 : 32, 2, .icmp)) }
        if knobs.samplingForm == .record, knobs.samplingInterval > 1, !knobs.samplingUnknown {
            fields.append(Field(34, 4, .rate))
        }
        if knobs.samplingInterval > 1, knobs.samplingForm == .random || knobs.samplingForm == .selector {
            fields.append(knobs.samplingForm == .selector ? Field(302, 8, .sampler) : Field(48, 1, .sampler))
        }
        if knobs.biflow {
            fields += [
                Field(1, 8, .reverseOctets, enterprise: reversePEN),
                Field(2, 8, .reversePackets, enterprise: reversePEN),
                Field(6, 1, .reverseFlags, enterprise: reversePEN),
                Field(152, 8, .reverseStart, enterprise: reversePEN),
                Field(153, 8, .reverseEnd, enterprise: reversePEN),
            ]
        }
        // Juniper names a NAT's event time and the time of its port's allocation with one number.
        if knobs.repeatedElements { fields += [Field(323, 8, .start), Field(323, 8, .end)] }
        if knobs.unknownElements {
            fields.insert(isIPFIX ? Field(77, 6, .unknown, enterprise: examplePEN) : Field(32_077, 6, .unknown), at: 2)
        }
        if knobs.variableLength { fields.insert(Field(460, 65_535, .text), at: 3) }
        if knobs.padding != nil { fields.append(Field(210, 3, .zeros)) }
        return Layout(id: slot.templateID, fields: fields)
    }

    private static func addresses(_ slot: Slot, _ knobs: SimulationKnobs) -> [Field] {
        let v4 = [Field(8, 4, .sourceAddress), Field(12, 4, .destinationAddress)]
        let v6 = [Field(27, 16, .sourceAddress), Field(28, 16, .destinationAddress)]
        guard knobs.bothFamilies else { return slot == .v6 ? v6 : v4 }
        let zeros = (slot == .v6 ? v4 : v6).map { Field($0.element, $0.length, .zeros) }
        return [Field(60, 1, .ipVersion)] + (slot == .v6 ? zeros + v6 : v4 + zeros)
    }

    private static func times(_ form: SimulationKnobs.Times, isIPFIX: Bool) -> [Field] {
        switch form {
        case .milliseconds: [Field(152, 8, .start), Field(153, 8, .end)]
        case .uptime: [Field(22, 4, .start), Field(21, 4, .end)] + (isIPFIX ? [Field(160, 8, .boot)] : [])
        case .seconds: [Field(150, 4, .start), Field(151, 4, .end)]
        case .microseconds: [Field(154, 8, .start), Field(155, 8, .end)]
        case .nanoseconds: [Field(156, 8, .start), Field(157, 8, .end)]
        case .delta: [Field(158, 4, .start), Field(159, 4, .end)]
        }
    }

    /// As a firewall's event log has it (Cisco's NSEL and NEL).
    private static let eventFields = [
        Field(148, 4, .flowID), Field(8, 4, .sourceAddress), Field(7, 2, .sourcePort), Field(10, 2, .ingress),
        Field(12, 4, .destinationAddress), Field(11, 2, .destinationPort), Field(14, 2, .egress),
        Field(4, 1, .protocolNumber), Field(225, 4, .translatedAddress), Field(227, 2, .translatedPort),
        Field(233, 1, .event), Field(33_002, 2, .extendedEvent), Field(323, 8, .eventTime), Field(152, 8, .start),
        Field(231, 4, .initiatorOctets), Field(232, 4, .responderOctets), Field(298, 4, .initiatorPackets),
        Field(299, 4, .responderPackets),
    ]

    /// The template record:
    ///     | id :2 | fields :2 | { element :2 | length :2 | enterprise :4 when the element's top bit is set } … |
    func appendTemplate(to out: inout [UInt8]) {
        out.put16(id)
        out.put16(UInt16(fields.count))
        for field in fields { Self.append(field, to: &out) }
    }
    static func append(_ field: Field, to out: inout [UInt8]) {
        out.put16(field.enterprise == 0 ? field.element : field.element | 0x8000)
        out.put16(field.length)
        if field.enterprise != 0 { out.put32(field.enterprise) }
    }
}
