/// One comparison that every record which a rule matches passes: made before the rule is run, which costs ten times as
/// much.
import FilterLanguage
import FlowModel

struct RuleGuard: Sendable {
    enum Column: UInt8, Sendable { case none, octets, packets, transport, refused }
    var column = Column.none
    var lower: UInt64 = 0, upper: UInt64 = .max

    init() {}
    init(_ predicate: SigmaPredicate) {
        switch predicate {
        case .and(let members):
            let all = members.map { RuleGuard($0) }
            self =
                all.first { $0.column == .octets || $0.column == .packets } ?? all.first { $0.column != .none }
                ?? .init()
        case .test(.number(let column, let set)):
            guard let first = set.ranges.first, let last = set.ranges.last else { return }
            switch column {
            case .octets, .originatorOctets, .responderOctets: self.column = .octets
            case .packets, .originatorPackets, .responderPackets: self.column = .packets
            case .transport: self.column = .transport
            case .refused: self.column = .refused
            default: return
            }
            (lower, upper) = (first.lowerBound, last.upperBound)
        default: break
        }
    }
}

struct RuleCandidate: Sendable {
    let rule: Int32
    let guarding: RuleGuard
}

/// What guards look at, of one record.
struct GuardSight {
    let octets: UInt64, packets: UInt64, transport: UInt64, refused: UInt64

    init(_ columns: borrowing FlowColumns, row: Int) {
        (octets, packets) = (columns.octetDeltaCount[row], columns.packetDeltaCount[row])
        transport = UInt64(columns.protocolIdentifier[row])
        refused = columns.flags[row] & RecordFlags.denied.rawValue == 0 ? 0 : 1
    }

    @inline(__always)
    func passes(_ guarding: RuleGuard) -> Bool {
        let value =
            switch guarding.column {
            case .none: guarding.lower
            case .octets: octets
            case .packets: packets
            case .transport: transport
            case .refused: refused
            }
        return guarding.lower <= value && value <= guarding.upper
    }
}
