internal import FlowModel

enum FirewallEvent: UInt8, Sendable {
    case created = 1, deleted = 2, denied = 3, updated = 5
}

/// The values of templates' fields.
extension ExportEncoder {
    mutating func appendRecord(_ seen: Sighting, _ slot: Slot, event: FirewallEvent?) {
        let index = slot.rawValue, openedAt = open[index].openedAt
        // Taken out and put back, so that a field costs one check of who else holds the array, not two.
        var body: [UInt8] = []
        swap(&body, &open[index].body)
        for field in layouts[index].fields {
            switch field.value {
            case .sourceAddress: Self.append(seen.flow.sourceIPAddress, field, to: &body)
            case .destinationAddress: Self.append(seen.flow.destinationIPAddress, field, to: &body)
            case .zeros: body += [UInt8](repeating: 0, count: Int(field.length))
            case .text: Self.appendText(of: seen, to: &body)
            case .start, .end, .reverseStart, .reverseEnd: appendTime(seen, field, openedAt, to: &body)
            default: body.put(number(field.value, seen, event), width: Int(field.length))
            }
        }
        swap(&body, &open[index].body)
    }

    @inline(__always)
    private static func append(_ address: IPAddress, _ field: Layout.Field, to body: inout [UInt8]) {
        if field.length == 4 {
            body.put32(address.v4)
        } else {
            body.put(address)
        }
    }

    @inline(__always)
    private func number(_ value: Layout.Value, _ seen: Sighting, _ event: FirewallEvent?) -> UInt64 {
        switch value {
        case .sourcePort: return UInt64(seen.flow.sourceTransportPort)
        case .destinationPort:
            let isElsewhere = knobs.icmpElement && IPProtocol.isICMP(seen.flow.protocolIdentifier)
            return isElsewhere ? 0 : UInt64(seen.flow.destinationTransportPort)
        case .protocolNumber: return UInt64(seen.flow.protocolIdentifier)
        case .flags: return UInt64(seen.flow.tcpControlBits)
        case .tos: return UInt64(seen.flow.ipClassOfService)
        case .ingress: return UInt64(seen.flow.ingressInterface)
        case .egress: return UInt64(seen.flow.egressInterface)
        case .octets: return seen.flow.octetDeltaCount
        case .packets: return seen.flow.packetDeltaCount
        case .direction: return UInt64(seen.flow.flowDirection)
        case .vlan: return UInt64(seen.flow.vlanId)
        case .sourceAS: return UInt64(seen.flow.bgpSourceAsNumber)
        case .destinationAS: return UInt64(seen.flow.bgpDestinationAsNumber)
        case .sourcePrefix: return UInt64(seen.flow.sourceIPPrefixLength)
        case .destinationPrefix: return UInt64(seen.flow.destinationIPPrefixLength)
        case .translatedAddress: return UInt64(seen.translatedAddress)
        case .translatedPort: return UInt64(seen.translatedPort)
        default: return rareNumber(value, seen, event)
        }
    }
    private func rareNumber(_ value: Layout.Value, _ seen: Sighting, _ event: FirewallEvent?) -> UInt64 {
        let flow = seen.flow
        switch value {
        case .icmp: return IPProtocol.isICMP(flow.protocolIdentifier) ? UInt64(flow.destinationTransportPort) : 0
        case .ipVersion: return flow.sourceIPAddress.isV4 ? 4 : 6
        case .boot: return UInt64(bitPattern: boot)
        case .rate: return UInt64(samplingInterval)
        case .sampler: return 1
        case .reverseOctets, .responderOctets: return seen.reverse?.octets ?? 0
        case .reversePackets, .responderPackets: return seen.reverse?.packets ?? 0
        case .initiatorOctets: return flow.octetDeltaCount
        case .initiatorPackets: return flow.packetDeltaCount
        case .reverseFlags: return UInt64(seen.reverse?.flags ?? 0)
        case .event: return UInt64(event?.rawValue ?? 0)
        case .extendedEvent: return event == .denied ? 1_001 : 0
        case .eventTime:
            return UInt64(bitPattern: event == .created ? flow.flowStartMilliseconds : flow.flowEndMilliseconds)
        case .flowID:
            return UInt64(flow.sourceTransportPort) << 16 | flow.sourceIPAddress.low & 0xFFFF
        case .unknown: return 0x0000_C0FF_EE00_0000 >> 24
        default: return 0
        }
    }

    private func appendTime(_ seen: Sighting, _ field: Layout.Field, _ openedAt: Int64, to body: inout [UInt8]) {
        let time: Int64
        switch field.value {
        case .start: time = seen.flow.flowStartMilliseconds
        case .end: time = seen.flow.flowEndMilliseconds
        case .reverseStart: time = seen.reverse?.start ?? 0
        default: time = seen.reverse?.end ?? 0
        }
        let value: UInt64
        switch field.element {
        case 21, 22: value = UInt64(uptime(time))
        case 150, 151: value = UInt64(time / 1_000)
        case 154, 155: value = Self.ntp(time, ignoring: 11)
        case 156, 157: value = Self.ntp(time, ignoring: 0)
        case 158, 159:
            let sent = clock(openedAt) / 1_000 * 1_000
            value = UInt64(max(sent - time, 0)) &* 1_000
        default: value = UInt64(bitPattern: time)
        }
        body.put(value, width: Int(field.length))
    }
    /// RFC 7011 §6.1.9, §6.1.10: seconds since 1900 and a fraction of 32 bits, of which microseconds leave 11 unused.
    /// Rounded up, so that cutting it down to milliseconds gives `time` again.
    static func ntp(_ time: Int64, ignoring bits: UInt64) -> UInt64 {
        let seconds = UInt64(time / 1_000) + 2_208_988_800
        var fraction = (UInt64(time % 1_000) << 32 + 999) / 1_000
        let step = UInt64(1) << bits
        fraction = (fraction + step - 1) / step * step
        return seconds << 32 | fraction
    }

    /// RFC 7011 §7: one octet of length, or 255 and two; short names may come with the long form, too.
    private static func appendText(of seen: Sighting, to body: inout [UInt8]) {
        let number = seen.flow.destinationTransportPort, text = Array("site-\(number % 977).example".utf8)
        if number & 1 == 0 {
            body.append(UInt8(text.count))
        } else {
            body.append(255)
            body.put16(UInt16(text.count))
        }
        body += text
    }
}
