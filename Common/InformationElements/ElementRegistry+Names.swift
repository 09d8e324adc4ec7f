package import FlowModel

/// From names back to numbers.
extension ElementRegistry {
    /// The element of this name, also of `reverse…` and `e9id12345`; nil when no element has it. Takes as long as
    /// reading through the table.
    package func element(named name: String) -> InformationElement? {
        if let known = elements.values.first(where: { $0.name == name }) { return known }
        if name.hasPrefix("reverse"), let forward = reverse(named: name) { return forward }
        return Self.unknown(named: name).map { information($0) }
    }

    /// All numbers under which elements of these names may come: with those of NetFlow v9, which has no enterprises.
    /// - Throws: the first name that no element has.
    package func keys(named names: [String]) throws(ElementError) -> Set<ElementKey> {
        var keys: Set<ElementKey> = []
        for (index, name) in names.enumerated() {
            guard let element = element(named: name) else {
                let similar = elements.values.filter { $0.name.lowercased() == name.lowercased() }.map(\.name).min()
                let hint = similar.map { "; \($0) is" } ?? ""
                throw ElementError(index: index, problem: "\(shown(name)) is not the name of an element\(hint)")
            }
            keys.insert(element.key)
            keys.formUnion(Self.others(than: element.key).filter { self.element($0)?.name == name })
        }
        return keys
    }

    /// Numbers that may stand for the element `key` too.
    private static func others(than key: ElementKey) -> [ElementKey] {
        var netFlow9: [UInt16] = key.enterprise == 0 ? [key.id] : []
        if key.enterprise == Enterprise.cisco { netFlow9 = [key.id | 0x8000] }
        if key.enterprise == Enterprise.ntop {
            let (id, isTooLarge) = key.id.addingReportingOverflow(Enterprise.ntopBase)
            netFlow9 = isTooLarge ? [] : [id]
        }
        return netFlow9.flatMap { id in
            [
                ElementKey(id: id),
                ElementKey(enterprise: id < 0x8000 ? Enterprise.netFlow9 : Enterprise.netFlow9High, id: id & 0x7FFF),
            ]
        }
    }

    /// `reverseOctetDeltaCount` under the number that IANA's elements have there.
    private func reverse(named name: String) -> InformationElement? {
        let rest = name.dropFirst("reverse".count)
        guard let first = rest.first else { return nil }
        for name in [first.lowercased() + rest.dropFirst(), String(rest)] {
            guard let element = elements.values.first(where: { $0.name == name }) else { continue }
            switch element.key.enterprise {
            case 0: return self.element(ElementKey(enterprise: Enterprise.reverse, id: element.key.id))
            case Enterprise.cert:
                return self.element(ElementKey(enterprise: Enterprise.cert, id: element.key.id | 0x4000))
            default: continue
            }
        }
        return nil
    }

    /// `e9id12345`, written just so.
    private static func unknown(named name: String) -> ElementKey? {
        guard name.hasPrefix("e") else { return nil }
        let digits = name.dropFirst().prefix { $0.isASCII && $0.isNumber }
        let rest = name.dropFirst(1 + digits.count)
        guard rest.hasPrefix("id"), let enterprise = UInt32(digits), let id = UInt16(rest.dropFirst(2)),
            "e\(enterprise)id\(id)" == name
        else { return nil }
        return ElementKey(enterprise: enterprise, id: id)
    }
}
