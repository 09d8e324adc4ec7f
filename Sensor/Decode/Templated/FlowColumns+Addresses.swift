import FlowModel
import WireBytes

/// Addresses, and what ICMP puts into the port columns: values that depend on others of the same record.
extension FlowColumns {
    mutating func applyAddress(
        _ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ field: (Int, Int), _ start: Int, _ stride: Int
    ) {
        let at = field.0
        let version = op.second.width == 1 ? start &+ op.second.offset : -1
        switch op.target {
        case .sourceV4: storeV4(&sourceLow, rows, data, at, stride)
        case .destinationV4: storeV4(&destinationLow, rows, data, at, stride)
        case .nextHopV4: storeV4(&nextHopLow, rows, data, at, stride)
        case .sourceV6 where op.isOverlay: overlayV6(&sourceHigh, &sourceLow, rows, data, at, stride, version)
        case .destinationV6 where op.isOverlay:
            overlayV6(&destinationHigh, &destinationLow, rows, data, at, stride, version)
        case .nextHopV6 where op.isOverlay: overlayV6(&nextHopHigh, &nextHopLow, rows, data, at, stride, version)
        case .sourceV6: storeV6(&sourceHigh, &sourceLow, rows, data, at, stride)
        case .destinationV6: storeV6(&destinationHigh, &destinationLow, rows, data, at, stride)
        case .nextHopV6: storeV6(&nextHopHigh, &nextHopLow, rows, data, at, stride)
        default: break
        }
    }

    /// ICMP type and code go where NetFlow v5 has them: type << 8 | code as the destination port.
    ///
    /// Exporters fill these fields with zeros in records of other protocols and of the other IP version, and some
    /// fill them with anything in TCP records; so they count for ICMP only, and only when they are not zero. Without
    /// a protocol in the record they count where there is no port.
    mutating func applyICMP(
        _ target: Target, _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ width: Int, _ stride: Int
    ) {
        let numbers = protocolIdentifier  // a reference, so that the other column may be written meanwhile
        let protocols = numbers.span
        var ports = destinationTransportPort.mutableSpan
        let free: UInt16 = target == .icmpCodeV4 || target == .icmpCodeV6 ? 0xFF : 0xFFFF
        var offset = at
        for row in rows {
            let value = UInt16(truncatingIfNeeded: data.beInteger(at: offset, width: width))
            offset &+= stride
            let number = protocols[row]
            guard value != 0, IPProtocol.isICMP(number) || (number == 0 && ports[row] & free == 0) else { continue }
            switch target {
            case .icmpTypeV4, .icmpTypeV6: ports[row] = value << 8 | ports[row] & 0xFF
            case .icmpCodeV4, .icmpCodeV6: ports[row] = ports[row] & 0xFF00 | value & 0xFF
            default: ports[row] = value
            }
        }
    }
}

/// Writes the IPv6 address over the IPv4 one where the record is an IPv6 one: by its ipVersion at `version` (-1: not in
/// the template), or else by the address not being zero.
private func overlayV6(
    _ high: inout [UInt64], _ low: inout [UInt64], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int,
    _ version: Int
) {
    var offset = at, versionOffset = version
    for row in rows {
        let (a, b) = (data.be64(at: offset), data.be64(at: offset &+ 8))
        let number = version < 0 ? 0 : data.u8(at: versionOffset)
        offset &+= stride
        versionOffset &+= stride
        guard number == 6 || (number != 4 && (a | b) != 0) else { continue }
        (high[row], low[row]) = (a, b)
    }
}
