import FlowModel

/// What a template says about one field.
struct FieldSpec: Equatable, Sendable {
    /// The element's number without the enterprise bit.
    var id: UInt16
    /// In octets; `variableLength` means that each record says it.
    var length: UInt16
    /// 0 for IANA's own elements.
    var enterprise: UInt32 = 0
    /// A field of an options template that says what the others are about.
    var isScope = false

    //= RFC 7011 §7
    static let variableLength: UInt16 = 65_535
    var isVariable: Bool { length == Self.variableLength }
    var key: ElementKey { ElementKey(enterprise: enterprise, id: id) }
}

/// Where a field lies in a record: by itself in records of fixed length, by `field` in the others.
struct FieldPlace: Equatable, Sendable {
    /// Counted from the record's first octet.
    var offset: Int
    /// In octets; 0 stands for "no such field".
    var width: Int
    /// Index into the template's fields.
    var field: Int
    static let none = FieldPlace(offset: 0, width: 0, field: -1)
    var exists: Bool { field >= 0 }
}

/// One column's share of a template: read `place` of each record as `form` into `target`.
struct FieldOp: Sendable {
    var target: Target
    var form: Form
    /// Write only where the record isn't served by an earlier op: an IPv6 address over an unused IPv4 one.
    var isOverlay = false
    /// Lengths that fit; checked again for each record when the length is variable.
    var widths: ClosedRange<Int>
    var place: FieldPlace
    /// The other half of a pair: ipVersion for an overlay, the initial time for `uptime`, the divisor of a ratio.
    var second = FieldPlace.none
}

/// A data template, ready to be applied: one op for each column that it fills, in an order in which each op finds what
/// it depends on; and all other fields, to be taken along as they are.
///
/// Never changed after `init`, so a set in work keeps the layout it began with. Its parts are no objects of their own,
/// which each set would have to count.
final class FlowPlan: Sendable {
    let shape: RecordShape
    let ops: [FieldOp]
    /// The same ops for records of fixed length: the common ones by column, and the others.
    let common: CommonPlaces
    let rareOps: [FieldOp]
    let hasRareOps: Bool
    /// The other side of a record that counts both directions; nil for uniflows.
    let reverse: ReversePlan?
    /// Which sampler saw the packets: its rate comes with options.
    let sampler: SamplerPlaces
    /// Start and end since the exporter's start, when the record doesn't say when that was.
    let uptimes: FieldOp?
    /// The fields that no op reads.
    let extras: ExtraPlan
    /// What a firewall did with the connection; nil when the template has no such field.
    let events: EventPlan?

    init(fields specs: [FieldSpec], extras selection: ExtraSelection = .all) {
        var fields = TemplateFields(specs)
        var ops = fields.take(Element.all)
        if !ops.contains(where: { $0.target == .tcpControlBits }) { ops += fields.takeYAFFlags() }
        if !ops.contains(where: { $0.target == .start || $0.target == .end }) {
            ops += fields.take(Element.observationTimes)
        }
        if let sampling = fields.takeSampling() { ops.append(sampling) }
        self.ops = ops
        (common, rareOps) = CommonPlaces.split(ops)
        hasRareOps = !rareOps.isEmpty
        let relative = ops.filter { $0.form == .uptime && $0.second == .none }
        uptimes = relative.count == 2 ? Self.pair(relative[0], relative[1]) : nil  // the start comes first in the table
        sampler = SamplerPlaces(fields)
        events = EventPlan(fields, ops)
        reverse = ReversePlan.take(from: &fields, selection)
        extras = ExtraPlan(fields.left(isBiflow: reverse != nil), of: fields, selection)
        // One that tells of both directions or of a connection's events is read twice, and makes a second record.
        shape = RecordShape(specs, weight: reverse != nil || events != nil ? 6 : 1)
    }

    private static func pair(_ start: FieldOp, _ end: FieldOp) -> FieldOp {
        var pair = start
        pair.form = .unsigned
        pair.second = end.place
        return pair
    }
}

/// Where a record names the device that chose its packets; each `none` when it doesn't.
struct SamplerPlaces: Sendable {
    /// A selector's or sampler's number.
    let selector: FieldPlace
    /// The number of a sequence of selectors, one behind the other.
    let sequence: FieldPlace
    let lineCard: FieldPlace
    var isNone: Bool { !selector.exists && !sequence.exists && !lineCard.exists }

    init(_ fields: TemplateFields) {
        func place(_ id: UInt16) -> FieldPlace? { fields.place(of: ElementKey(id: id), 1...8) }
        selector = place(Element.selectorID) ?? place(Element.flowSamplerID) ?? .none
        sequence = place(Element.selectionSequenceID) ?? .none
        lineCard = place(Element.lineCardID) ?? .none
    }
}

/// What a firewall says of a connection (Cisco NSEL; IANA firewallEvent).
struct EventPlan: Sendable {
    let event: FieldPlace
    let flowID: FieldPlace
    /// The counters are the connection's own from its start, not what was added since the last record.
    let countsTotals: Bool

    init?(_ fields: TemplateFields, _ ops: [FieldOp]) {
        func place(_ id: UInt16, _ widths: ClosedRange<Int>) -> FieldPlace? {
            fields.place(of: ElementKey(id: id), widths)
        }
        guard let event = place(Element.firewallEvent, 1...4) ?? place(Element.firewallEventASA, 1...4)
        else { return nil }
        self.event = event
        flowID = place(Element.flowID, 1...8) ?? .none
        let counters = ops.filter { $0.target == .octets || $0.target == .packets }
        countsTotals = counters.allSatisfy { [231, 298, 85, 86].contains(fields.specs[$0.place.field].id) }
    }
}
