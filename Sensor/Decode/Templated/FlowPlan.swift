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
/// it depends on.
struct FlowPlan: Sendable {
    /// Octets of one record; with variable-length fields the least that one can have. At least 1 in a stored template.
    private(set) var recordLength = 0
    private(set) var ops: [FieldOp] = []
    /// The reverse side's ops (RFC 5103), for the second record of a biflow. Empty for uniflows.
    private(set) var reverseOps: [FieldOp] = []
    /// Which sampler or selector saw the packets: its rate comes with options.
    private(set) var selector = FieldPlace.none
    /// Start and end since the exporter's start, when the record doesn't say when that was.
    private(set) var uptimes: FieldOp?
    /// The length of each field when some are variable; empty otherwise.
    private(set) var variableLengths: [UInt16] = []

    init(fields: [FieldSpec]) {
        var places: [FieldPlace] = []
        for (index, field) in fields.enumerated() {
            places.append(FieldPlace(offset: recordLength, width: Int(field.length), field: index))
            recordLength += field.isVariable ? 1 : Int(field.length)
        }
        if fields.contains(where: \.isVariable) { variableLengths = fields.map(\.length) }
        let forward = FirstFields(fields, places, enterprise: 0)
        ops = forward.ops(for: Element.all)
        if !ops.contains(where: { $0.target == .start || $0.target == .end }) {
            ops += forward.ops(for: Element.observationTimes)
        }
        if let sampling = forward.samplingOp { ops.append(sampling) }
        let relative = ops.filter { $0.form == .uptime && $0.second == .none }
        if relative.count == 2 {  // the start comes first in the table
            uptimes = relative[0]
            uptimes?.form = .unsigned
            uptimes?.second = relative[1].place
        }
        selector =
            forward.place(of: Element.selectorID, 1...8) ?? forward.place(of: Element.flowSamplerID, 1...8)
            ?? .none
        reverseOps = Self.reverseOps(fields, places)
    }

    //= RFC 5103 §6.1
    /// Only a side with counters of its own makes a second record.
    private static func reverseOps(_ fields: [FieldSpec], _ places: [FieldPlace]) -> [FieldOp] {
        let carried: Set<Target> = [.octets, .packets, .tcpControlBits, .ipClassOfService, .vlan, .start, .end]
        let all = FirstFields(fields, places, enterprise: Element.reverseEnterprise).ops(for: Element.all)
        let ops = all.filter { carried.contains($0.target) }
        return ops.contains { $0.target == .octets || $0.target == .packets } ? ops : []
    }
}

//= RFC 7011 §8
/// The first field of each element: of repeated ones the first feeds the column, the others are passed over.
private struct FirstFields {
    private var byID: [UInt16: FieldPlace] = [:]

    init(_ fields: [FieldSpec], _ places: [FieldPlace], enterprise: UInt32) {
        for (field, place) in zip(fields, places) where field.enterprise == enterprise && byID[field.id] == nil {
            byID[field.id] = place
        }
    }

    /// The field of element `id` when its length can hold the element.
    func place(of id: UInt16, _ widths: ClosedRange<Int>) -> FieldPlace? {
        guard let place = byID[id], widths.contains(place.width) || place.width == Int(FieldSpec.variableLength)
        else { return nil }
        return place
    }

    func ops(for elements: [Element]) -> [FieldOp] {
        var ops: [FieldOp] = [], taken: Set<Target> = []
        for element in elements where !taken.contains(element.target) {
            guard let place = place(of: element.id, element.widths) else { continue }
            taken.insert(element.target)
            var op = FieldOp(target: element.target, form: element.form, widths: element.widths, place: place)
            if let other = element.target.fourthVersionCounterpart, taken.contains(other) {
                op.isOverlay = true
                op.second = self.place(of: Element.ipVersion, 1...1) ?? .none
            }
            if element.form == .uptime { op.second = self.place(of: Element.systemInitTime, 8...8) ?? .none }
            ops.append(op)
        }
        return ops
    }

    var samplingOp: FieldOp? {
        for id in [Element.samplingInterval, Element.samplerRandomInterval] {
            guard let place = place(of: id, 1...4) else { continue }
            return FieldOp(target: .sampling, form: .unsigned, widths: 1...4, place: place)
        }
        let ratios: [(UInt16, UInt16, Form)] = [
            (Element.packetInterval, Element.packetSpace, .intervalAndSpace),
            (Element.samplingSize, Element.samplingPopulation, .sizeAndPopulation),
        ]
        for (first, second, form) in ratios {
            guard let a = place(of: first, 1...4), let b = place(of: second, 1...4) else { continue }
            return FieldOp(target: .sampling, form: form, widths: 1...4, place: a, second: b)
        }
        return nil
    }
}

extension Target {
    /// The IPv4 target of the same column, when this is an IPv6 one.
    fileprivate var fourthVersionCounterpart: Target? {
        switch self {
        case .sourceV6: .sourceV4
        case .destinationV6: .destinationV4
        case .nextHopV6: .nextHopV4
        case .sourcePrefixV6: .sourcePrefixV4
        case .destinationPrefixV6: .destinationPrefixV4
        default: nil
        }
    }
}
