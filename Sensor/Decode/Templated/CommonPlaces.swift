/// Where the fields that most templates have lie in a record of fixed length, column by column.
///
/// Not a list of ops: one `if` for each column is a branch that is always right from the second set of a template on,
/// a jump through a list is one that never is.
struct CommonPlaces: Sendable {
    struct Place: Sendable {
        var offset: Int32 = 0
        /// 0: not in the template.
        var width: Int32 = 0
        @inline(__always) var isThere: Bool { width > 0 }
        @inline(__always) var at: Int { Int(offset) }
        @inline(__always) var octets: Int { Int(width) }
    }
    var sourceV4 = Place(), destinationV4 = Place(), nextHopV4 = Place()
    var sourceV6 = Place(), destinationV6 = Place(), nextHopV6 = Place()
    var octets = Place(), packets = Place(), sourcePort = Place(), destinationPort = Place()
    var protocolIdentifier = Place(), tcpControlBits = Place(), ipClassOfService = Place(), direction = Place()
    var ingressInterface = Place(), egressInterface = Place(), sourceAS = Place(), destinationAS = Place()
    var vlan = Place(), sourcePrefix = Place(), destinationPrefix = Place()
    var startMilliseconds = Place(), endMilliseconds = Place()
    /// Times since the exporter's start, for headers that say how long ago that was.
    var startUptime = Place(), endUptime = Place()

    /// `ops` by column as far as they are common, and the others in their order.
    static func split(_ ops: [FieldOp]) -> (CommonPlaces, [FieldOp]) {
        var common = CommonPlaces(), rare: [FieldOp] = []
        for op in ops {
            guard let column = column(of: op) else {
                rare.append(op)
                continue
            }
            common[keyPath: column] = Place(
                offset: Int32(clamping: op.place.offset), width: Int32(clamping: op.place.width))
        }
        return (common, rare)
    }

    private static func column(of op: FieldOp) -> WritableKeyPath<CommonPlaces, Place>? {
        guard !op.isOverlay else { return nil }
        switch op.form {
        case .unsigned, .address: return plain(op.target)
        case .milliseconds: return op.target == .start ? \.startMilliseconds : \.endMilliseconds
        case .uptime where op.place.width == 4 && !op.second.exists:
            return op.target == .start ? \.startUptime : \.endUptime
        default: return nil
        }
    }
    private static func plain(_ target: Target) -> WritableKeyPath<CommonPlaces, Place>? {
        switch target {
        case .sourceV4: \.sourceV4
        case .destinationV4: \.destinationV4
        case .nextHopV4: \.nextHopV4
        case .sourceV6: \.sourceV6
        case .destinationV6: \.destinationV6
        case .nextHopV6: \.nextHopV6
        case .octets: \.octets
        case .packets: \.packets
        case .sourcePort: \.sourcePort
        case .destinationPort: \.destinationPort
        case .protocolIdentifier: \.protocolIdentifier
        case .tcpControlBits: \.tcpControlBits
        case .ipClassOfService: \.ipClassOfService
        case .ingressInterface: \.ingressInterface
        case .egressInterface: \.egressInterface
        case .sourceAS: \.sourceAS
        case .destinationAS: \.destinationAS
        case .vlan: \.vlan
        case .direction: \.direction
        case .sourcePrefixV4, .sourcePrefixV6: \.sourcePrefix
        case .destinationPrefixV4, .destinationPrefixV6: \.destinationPrefix
        case .start, .end, .icmpPairV4, .icmpPairV6, .icmpTypeV4, .icmpCodeV4, .icmpTypeV6, .icmpCodeV6, .sampling:
            nil
        }
    }
}
