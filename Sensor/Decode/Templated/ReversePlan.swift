import FlowModel
import WireBytes

/// The other side of records that count both directions of a conversation: of biflows (RFC 5103), and of records with
/// an initiator's and a responder's counters.
struct ReversePlan: ~Copyable, Sendable {
    /// What differs from the forward side, its ends exchanged.
    let ops: [FieldOp]
    /// Read first: a side that counted nothing makes no record. Either may be `none`.
    let octets: FieldOp?, packets: FieldOp?
    /// The extra fields of the reverse side's record.
    let extras: ExtraPlan
    /// They are the very same as the forward side's.
    let sharesExtras: Bool

    private static let elements = Element.all.filter { !$0.target.isEnd }

    //= RFC 5103 §6.1
    /// nil when the template has no counters for a reverse side: then its reverse elements stay with the record.
    static func take(from fields: inout TemplateFields, _ selection: ExtraSelection) -> ReversePlan? {
        guard fields.mayBeBiflow else { return nil }
        var trial = fields
        var ops = trial.take(elements, reverse: true)
        if !ops.contains(where: { $0.target == .tcpControlBits }) {
            ops += trial.takeYAFFlags(reverse: true)
        }
        if fields.hasTaken(231) || fields.hasTaken(298) {
            ops += trial.take(
                Element.responder.filter { other in !ops.contains { $0.target == other.target } })
        }
        let octets = ops.first { $0.target == .octets }
        let packets = ops.first { $0.target == .packets }
        guard octets != nil || packets != nil else { return nil }
        fields = trial
        let own = fields.leftReverse
        let ownKeys = Set(own.compactMap { Element.forward(of: trial.specs[$0].key) })
        let shared = fields.left(isBiflow: true).filter { !ownKeys.contains(trial.specs[$0].key) }
        let extras = ExtraPlan((own + shared).sorted(), of: fields, selection, isReverse: true)
        let sharesExtras = own.isEmpty && !extras.opposite.exists
        return ReversePlan(
            ops: ops.filter { $0.target != .octets && $0.target != .packets }, octets: octets, packets: packets,
            extras: extras, sharesExtras: sharesExtras)
    }
}

/// What one side of a record counted.
struct Counters: Equatable, Sendable {
    var octets: UInt64 = 0
    var packets: UInt64 = 0
    static let zero = Counters()
}

extension DatagramDecoder {
    /// Finishes the record in `row`, which begins at `start` of `body`, or whose places are in `scratch`: what its
    /// event makes of its counters, and a record of its own for its reverse side.
    mutating func finish(
        _ row: Int, _ body: RawSpan, at start: Int, by plan: FlowPlan, _ context: RecordContext,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        var back = Counters.zero
        switch plan.reverse {
        case .none: break
        case .some(let reverse):
            back.octets = value(of: reverse.octets, body, at: start, plan)
            back.packets = value(of: reverse.packets, body, at: start, plan)
        }
        if let events = plan.events {
            applyEvent(events, to: row, &back, body, at: start, plan, in: &columns, &result)
        }
        switch plan.reverse {
        case .none: return
        case .some(let reverse):
            addReverse(reverse, back, row, body, at: start, by: plan, context, into: &columns, &result)
        }
    }

    private mutating func addReverse(
        _ reverse: borrowing ReversePlan, _ back: Counters, _ row: Int, _ body: RawSpan, at start: Int,
        by plan: FlowPlan, _ context: RecordContext, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) {
        guard back != .zero else {
            result.reverseSidesEmpty += 1
            return
        }
        let rows = columns.extend(by: 1)
        let other = rows.lowerBound
        columns[other] = columns[row].reversed(back)
        for op in reverse.ops {
            if let op = placed(op, at: start, plan) {
                columns.apply(op, rows, body, at: 0, stride: 0, context)
            }
        }
        result.timesClamped += columns.repairTimes(rows, context)
        if reverse.sharesExtras { return }
        columns.extra[other] = 0
        if reverse.extras.isEmpty { return }
        columns.extra[other] =
            plan.shape.isFixed
            ? columns.addExtras(reverse.extras, 1, body, at: start, stride: 0)
            : columns.addExtras(reverse.extras, body, scratch)
        if columns.extra[other] == 0 { result.extrasOmitted += 1 }
    }

    private func value(of op: FieldOp?, _ body: RawSpan, at start: Int, _ plan: FlowPlan) -> UInt64 {
        guard let op, let placed = placed(op, at: start, plan) else { return 0 }
        return body.beInteger(at: placed.place.offset, width: placed.place.width)
    }
}

extension FlowRecord {
    /// The other direction of the same conversation: ends exchanged, and counted what `counters` say. What a reply's
    /// ICMP type is can't be known from the request.
    fileprivate func reversed(_ counters: Counters) -> FlowRecord {
        var other = self
        (other.sourceIPAddress, other.destinationIPAddress) = (destinationIPAddress, sourceIPAddress)
        (other.sourceTransportPort, other.destinationTransportPort) =
            IPProtocol.isICMP(protocolIdentifier)
            ? (0, 0) : (destinationTransportPort, sourceTransportPort)
        (other.ingressInterface, other.egressInterface) = (egressInterface, ingressInterface)
        (other.bgpSourceAsNumber, other.bgpDestinationAsNumber) = (
            bgpDestinationAsNumber, bgpSourceAsNumber
        )
        (other.sourceIPPrefixLength, other.destinationIPPrefixLength) =
            (destinationIPPrefixLength, sourceIPPrefixLength)
        (other.octetDeltaCount, other.packetDeltaCount, other.tcpControlBits) = (
            counters.octets, counters.packets, 0
        )
        other.flowDirection = flowDirection == 255 ? 255 : 1 - min(flowDirection, 1)
        other.ipNextHopAddress = .absent
        return other
    }
}
