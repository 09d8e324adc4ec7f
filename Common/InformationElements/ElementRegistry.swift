package import FlowModel

/// Names and types of information elements: IANA's, those of enterprises that exporters in the field use, and a site's
/// own. What a decoder has no column for is printed by this registry.
///
/// Invariants: every number has a name: `e9id12345` when nothing is known of it. Looking up costs no allocation for
/// elements of the table. The table (`elements.csv`, one line an element) is parsed at first use, not at the start.
/// Numbers that stand for others, so that one line serves several encodings:
/// - enterprise 29305 is the reverse direction of IANA's elements (RFC 5103 §6.1), 6871 with bit 14 that of CERT's;
/// - NetFlow v9 has no enterprises. Numbers from 57472 on are ntop's from 0 on, other ones from 32768 on are Cisco's
///   from 0 on: the enterprise bit, set without an enterprise;
/// - enterprises 4294967294 and 4294967295 are where collectors put NetFlow v9's own numbers when they forward them.
/// Not here: which elements fill columns (`Decode`), how values are printed (`FlowText`).
package struct ElementRegistry: Sendable {
    private(set) var elements: [ElementKey: InformationElement] = [:]

    /// All elements that Weir knows by itself.
    package static let standard: ElementRegistry = {
        var registry = ElementRegistry()
        var lines = ElementLines(PackageResources.elements_csv)
        registry.elements.reserveCapacity(2_048)
        while let element = lines.nextSound() { registry.elements[element.key] = element }
        return registry
    }()

    private init() {}

    /// Elements with a line of their own.
    package var count: Int { elements.count }
    package var all: [InformationElement] { elements.values.sorted { $0.key < $1.key } }

    /// The element of this number; nil when nothing is known of it.
    package func element(_ key: ElementKey) -> InformationElement? {
        if let known = elements[key] { return known }
        if let forwarded = Self.netFlow9(key) { return element(forwarded)?.under(key) }
        let (base, isReverse) = Self.base(of: key)
        guard base != key, let known = elements[base] else { return nil }
        return known.under(key, prefix: isReverse ? "reverse" : "")
    }

    /// As `element`, with `e<enterprise>id<number>` and octets for the unknown.
    package func information(_ key: ElementKey) -> InformationElement {
        element(key) ?? InformationElement(key, "e\(key.enterprise)id\(key.id)", .octetArray)
    }

    /// What `octets`, the value of element `key` as the exporter sent it, stand for; nil when there are none and the
    /// type needs some.
    package func reading(_ octets: ArraySlice<UInt8>, as key: ElementKey) -> ElementValue? {
        reading(octets, as: information(key))
    }
    package func reading(_ octets: ArraySlice<UInt8>, as element: InformationElement) -> ElementValue? {
        ElementReader(registry: self).value(octets, element.dataType)
    }

    /// With `more` elements, each of which may take the place of a known one.
    /// - Throws: when two of them, or one of them and a known one of another number, have the same name.
    package func adding(_ more: [InformationElement]) throws(ElementError) -> ElementRegistry {
        var result = self, mine: Set<ElementKey> = [], names: [String: ElementKey] = [:]
        for element in elements.values { names[element.name] = element.key }
        for element in more { elements[element.key].map { names[$0.name] = nil } }
        for (index, element) in more.enumerated() {
            guard mine.insert(element.key).inserted else {
                throw ElementError(index: index, problem: "\(element.key.text) is there twice")
            }
            if let holder = names[element.name], holder != element.key {
                throw ElementError(index: index, problem: "name: \(element.name) is the name of \(holder.text)")
            }
            names[element.name] = element.key
            result.elements[element.key] = element
        }
        return result
    }

    /// The number whose line describes `key`, and whether `key` is its reverse direction.
    private static func base(of key: ElementKey) -> (key: ElementKey, isReverse: Bool) {
        switch key.enterprise {
        case Enterprise.reverse: (ElementKey(id: key.id), true)
        case Enterprise.cert where key.id & 0x4000 != 0:
            (ElementKey(enterprise: Enterprise.cert, id: key.id & 0x3FFF), true)
        case 0 where key.id >= Enterprise.ntopBase:
            (ElementKey(enterprise: Enterprise.ntop, id: key.id - Enterprise.ntopBase), false)
        case 0 where key.id >= 0x8000: (ElementKey(enterprise: Enterprise.cisco, id: key.id & 0x7FFF), false)
        default: (key, false)
        }
    }
    /// The NetFlow v9 number that a collector forwarded as `key`.
    private static func netFlow9(_ key: ElementKey) -> ElementKey? {
        switch key.enterprise {
        case Enterprise.netFlow9: ElementKey(id: key.id & 0x7FFF)
        case Enterprise.netFlow9High: ElementKey(id: key.id | 0x8000)
        default: nil
        }
    }
}

/// What is wrong with an element to be added.
package struct ElementError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Its place in the list, from 0.
    package let index: Int
    package let problem: String
    package init(index: Int, problem: String) { (self.index, self.problem) = (index, problem) }
    package var description: String { "element \(index + 1): \(problem)" }
}

/// Private enterprise numbers (IANA "Private Enterprise Numbers") with rules of their own.
package enum Enterprise {
    package static let cisco: UInt32 = 9, cert: UInt32 = 6_871, vmware: UInt32 = 6_876, reverse: UInt32 = 29_305,
        ntop: UInt32 = 35_632
    /// Where ntop's elements begin among NetFlow v9's numbers.
    static let ntopBase: UInt16 = 57_472
    /// Where other collectors put NetFlow v9's numbers below and from 32768 on.
    static let netFlow9: UInt32 = 0xFFFF_FFFE, netFlow9High: UInt32 = 0xFFFF_FFFF
}

extension ElementKey {
    var text: String { enterprise == 0 ? "element \(id)" : "element \(id) of enterprise \(enterprise)" }
}
