import WireBytes

/// Where the fields that most templates have lie in a record of fixed length, column by column.
///
/// Not a list of ops: one `if` for each column is a branch that is always right from the second set of a template on,
/// a jump through a list is one that never is.
struct CommonPlaces: Sendable {
    var sourceV4 = RecordField(), destinationV4 = RecordField(), nextHopV4 = RecordField()
    var sourceV6 = RecordField(), destinationV6 = RecordField(), nextHopV6 = RecordField()
    var octets = RecordField(), packets = RecordField(), sourcePort = RecordField(), destinationPort = RecordField()
    var protocolIdentifier = RecordField(), tcpControlBits = RecordField(), ipClassOfService = RecordField(),
        direction = RecordField()
    var ingressInterface = RecordField(), egressInterface = RecordField(), sourceAS = RecordField(),
        destinationAS = RecordField()
    var vlan = RecordField(), sourcePrefix = RecordField(), destinationPrefix = RecordField()
    var startMilliseconds = RecordField(), endMilliseconds = RecordField()
    /// Times since the exporter's start, for headers that say how long ago that was.
    var startUptime = RecordField(), endUptime = RecordField()

    /// Where the last of them ends, in octets from the record's first.
    private(set) var reach = 0

    /// `ops` by column as far as they are common, and the others in their order.
    static func split(_ ops: [FieldOp]) -> (CommonPlaces, [FieldOp]) {
        var common = CommonPlaces(), rare: [FieldOp] = []
        for op in ops {
            guard let column = column(of: op) else {
                rare.append(op)
                continue
            }
            let field = RecordField(at: op.place.offset, width: op.place.width)
            common[keyPath: column] = field
            common.reach = max(common.reach, field.end)
        }
        return (common, rare)
    }

    private static func column(of op: FieldOp) -> WritableKeyPath<CommonPlaces, RecordField>? {
        guard !op.isOverlay else { return nil }
        switch op.form {
        case .address: return plain(op.target)
        case .unsigned: return RecordRows.widths(of: op.target).contains(op.place.width) ? plain(op.target) : nil
        case .milliseconds: return op.target == .start ? \.startMilliseconds : \.endMilliseconds
        case .uptime where op.place.width == 4 && !op.second.exists:
            return op.target == .start ? \.startUptime : \.endUptime
        default: return nil
        }
    }
    private static func plain(_ target: Target) -> WritableKeyPath<CommonPlaces, RecordField>? {
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
