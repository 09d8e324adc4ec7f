import FlowModel

/// A template's fields while a plan is made of them: where each lies, and which are spoken for.
struct TemplateFields {
    let specs: [FieldSpec]
    let places: [FieldPlace]
    /// Octets of a record, a variable-length field counted as the one octet that it has at least.
    let recordLength: Int
    private var first: [ElementKey: FieldPlace] = [:]
    private var taken: Set<Int> = []

    //= RFC 7011 §8
    /// Of a repeated element the first feeds the column, the others stay with the record in their order. Junos has the
    /// time of a translation event twice: the first is the event's, the second that of the port block's allocation.
    init(_ specs: [FieldSpec]) {
        self.specs = specs
        var places: [FieldPlace] = [], length = 0
        for (index, field) in specs.enumerated() {
            places.append(FieldPlace(offset: length, width: Int(field.length), field: index))
            length += field.isVariable ? 1 : Int(field.length)
            if first[field.key] == nil { first[field.key] = places[index] }
        }
        (self.places, recordLength) = (places, length)
    }

    /// The field of `element` when its length can hold the element.
    func place(of element: ElementKey, _ widths: ClosedRange<Int>) -> FieldPlace? {
        guard let place = first[element], widths.contains(place.width) || place.width == Int(FieldSpec.variableLength)
        else { return nil }
        return place
    }

    /// The ops for those of `elements` that the template has, of the reverse side on demand; takes their fields.
    mutating func take(_ elements: [Element], reverse: Bool = false) -> [FieldOp] {
        var ops: [FieldOp] = [], targets: Set<Target> = []
        for element in elements where !targets.contains(element.target) {
            let key = ElementKey(enterprise: element.enterprise, id: element.id)
            guard let key = reverse ? Element.reverse(of: key) : key, let place = place(of: key, element.widths)
            else { continue }
            targets.insert(element.target)
            var op = FieldOp(target: element.target, form: element.form, widths: element.widths, place: place)
            if let other = element.target.fourthVersionCounterpart, targets.contains(other) {
                op.isOverlay = true
                op.second = self.place(of: ElementKey(id: Element.ipVersion), 1...1) ?? .none
            }
            if element.form == .uptime {
                op.second = self.place(of: ElementKey(id: Element.systemInitTime), 8...8) ?? .none
            }
            ops.append(op)
        }
        for op in ops { take(op) }
        return ops
    }
    private mutating func take(_ op: FieldOp) {
        taken.insert(op.place.field)
        if op.second.exists { taken.insert(op.second.field) }
    }

    /// Whether IANA's element `id` fills a column.
    func hasTaken(_ id: UInt16) -> Bool { first[ElementKey(id: id)].map { taken.contains($0.field) } ?? false }

    /// YAF's flags, the first packet's and those of the rest together.
    mutating func takeYAFFlags(reverse: Bool = false) -> [FieldOp] {
        Element.yafFlags.flatMap { take([$0], reverse: reverse) }
    }

    //= RFC 5477 §8.2
    mutating func takeSampling() -> FieldOp? {
        for id in [Element.samplingInterval, Element.samplerRandomInterval] {
            guard let place = place(of: ElementKey(id: id), 1...4) else { continue }
            let op = FieldOp(target: .sampling, form: .unsigned, widths: 1...4, place: place)
            take(op)
            return op
        }
        for pair in SamplingRatio.all {
            guard let a = place(of: ElementKey(id: pair.first), 1...4),
                let b = place(of: ElementKey(id: pair.second), 1...4)
            else { continue }
            let op = FieldOp(target: .sampling, form: pair.form, widths: 1...4, place: a, second: b)
            take(op)
            return op
        }
        return nil
    }

    /// The fields that nothing has taken and that say something, in the template's order. In a biflow those of the
    /// reverse side are not among them.
    func left(isBiflow: Bool) -> [Int] {
        let isFamilyKnown = specs.indices.contains { taken.contains($0) && Self.addresses.contains(specs[$0].key) }
        return specs.indices.filter { index in
            let field = specs[index]
            if taken.contains(index) || field.length == 0 || field.key == ElementKey(id: Element.paddingOctets) {
                return false
            }
            if isFamilyKnown, field.key == ElementKey(id: Element.ipVersion) { return false }
            return !isBiflow || Element.forward(of: field.key) == nil
        }
    }
    /// Those of the reverse side that nothing has taken.
    var leftReverse: [Int] {
        specs.indices.filter {
            !taken.contains($0) && specs[$0].length > 0 && Element.forward(of: specs[$0].key) != nil
                && specs[$0].id != Element.paddingOctets
        }
    }
    private static let addresses = Set([8, 12, 27, 28].map { ElementKey(id: $0) })
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
    /// Who talks to whom: what the reverse side has exchanged, not told once more.
    var isEnd: Bool {
        switch self {
        case .sourceV4, .destinationV4, .sourceV6, .destinationV6, .sourcePort, .destinationPort,
            .protocolIdentifier:
            true
        default: false
        }
    }
}
