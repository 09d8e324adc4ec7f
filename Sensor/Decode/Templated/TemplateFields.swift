import FlowModel

/// A template's fields while a plan is made of them: where each lies, and which are spoken for.
struct TemplateFields {
    let specs: [FieldSpec]
    let places: [FieldPlace]
    /// The first field of each element: of IANA's lower numbers, of their reverse, and of others; by index, -1 none.
    private var first: [Int16], firstReverse: [Int16]
    private var firstOthers: [ElementKey: Int] = [:]
    private var taken: [Bool]
    /// Whether there may be counters for a reverse side.
    let mayBeBiflow: Bool

    //= RFC 7011 §8
    /// Of a repeated element the first feeds the column, the others stay with the record in their order. Junos has the
    /// time of a translation event twice: the first is the event's, the second that of the port block's allocation.
    init(_ specs: [FieldSpec]) {
        self.specs = specs
        taken = [Bool](repeating: false, count: specs.count)
        var places: [FieldPlace] = []
        var length = 0
        var mayBeBiflow = false
        var first = [Int16](repeating: -1, count: Self.plainMax)
        var firstReverse: [Int16] = []
        var others: [ElementKey: Int] = [:]
        places.reserveCapacity(specs.count)
        for (index, field) in specs.enumerated() {
            places.append(FieldPlace(offset: length, width: Int(field.length), field: index))
            length += field.isVariable ? 1 : Int(field.length)
            let number = Int(field.id)
            let place = Int16(clamping: index)
            switch field.enterprise {
            case 0 where number < Self.plainMax:
                if first[number] < 0 { first[number] = place }
                if number == 231 || number == 298 { mayBeBiflow = true }
            case Element.reverseEnterprise where number < Self.plainMax:
                if firstReverse.isEmpty { firstReverse = [Int16](repeating: -1, count: Self.plainMax) }
                if firstReverse[number] < 0 { firstReverse[number] = place }
                mayBeBiflow = true
            case 0 where field.id == Element.firewallEventASA:
                if others[field.key] == nil { others[field.key] = index }
            case Element.yafEnterprise where Self.yafNumbers.contains(field.id & ~Element.yafReverseBit):
                if others[field.key] == nil { others[field.key] = index }
                mayBeBiflow = true
            default: break  // no column is filled from it
            }
        }
        (self.places, self.mayBeBiflow) = (places, mayBeBiflow)
        (self.first, self.firstReverse, firstOthers) = (first, firstReverse, others)
    }
    /// Numbers from here on are looked up otherwise.
    private static let plainMax = 512
    private static let yafNumbers = Element.yafFlags.map(\.id)

    private func index(of element: ElementKey) -> Int? {
        let number = Int(element.id)
        guard number < Self.plainMax, element.enterprise != Element.yafEnterprise else {
            return firstOthers[element]
        }
        var found: Int16 = -1
        if element.enterprise == 0 {
            found = first[number]
        } else if element.enterprise == Element.reverseEnterprise, !firstReverse.isEmpty {
            found = firstReverse[number]
        }
        return found < 0 ? nil : Int(found)
    }

    /// The field of `element` when its length can hold the element.
    func place(of element: ElementKey, _ widths: ClosedRange<Int>) -> FieldPlace? {
        guard let index = index(of: element) else { return nil }
        let place = places[index]
        return widths.contains(place.width) || place.width == Int(FieldSpec.variableLength)
            ? place : nil
    }

    /// The ops for those of `elements` that the template has, of the reverse side on demand; takes their fields.
    mutating func take(_ elements: [Element], reverse: Bool = false) -> [FieldOp] {
        var ops: [FieldOp] = []
        var targets = TargetSet()
        for at in elements.indices {
            // Most elements are in no template: nothing of them is copied.
            let plain = ElementKey(enterprise: elements[at].enterprise, id: elements[at].id)
            guard let key = reverse ? Element.reverse(of: plain) : plain, index(of: key) != nil else { continue }
            let element = elements[at]
            guard !targets.contains(element.target), let place = place(of: key, element.widths) else { continue }
            targets.insert(element.target)
            var op = FieldOp(
                target: element.target, form: element.form, widths: element.widths, place: place)
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
        taken[op.place.field] = true
        if op.second.exists { taken[op.second.field] = true }
    }

    /// Whether IANA's element `id` fills a column.
    func hasTaken(_ id: UInt16) -> Bool { index(of: ElementKey(id: id)).map { taken[$0] } ?? false }

    /// YAF's flags, the first packet's and those of the rest together.
    mutating func takeYAFFlags(reverse: Bool = false) -> [FieldOp] {
        firstOthers.isEmpty ? [] : Element.yafFlags.flatMap { take([$0], reverse: reverse) }
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
        let isFamilyKnown = Self.addresses.contains(where: hasTaken)
        return specs.indices.filter { index in
            let field = specs[index]
            if taken[index] || field.length == 0 || field.key == ElementKey(id: Element.paddingOctets) {
                return false
            }
            if isFamilyKnown, field.key == ElementKey(id: Element.ipVersion) { return false }
            return !isBiflow || Element.forward(of: field.key) == nil
        }
    }
    /// Those of the reverse side that nothing has taken.
    var leftReverse: [Int] {
        specs.indices.filter {
            !taken[$0] && specs[$0].length > 0 && Element.forward(of: specs[$0].key) != nil
                && specs[$0].id != Element.paddingOctets
        }
    }
    private static let addresses: [UInt16] = [8, 12, 27, 28]
}

/// Some of the targets.
private struct TargetSet {
    private var bits: UInt64 = 0

    func contains(_ target: Target) -> Bool { bits & 1 << UInt64(target.rawValue) != 0 }
    mutating func insert(_ target: Target) { bits |= 1 << UInt64(target.rawValue) }
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
