package import FlowModel

/// What is known of an information element: one line of the registry.
package struct InformationElement: Hashable, Sendable {
    package let key: ElementKey
    /// Letters, digits, `_` and `-`, beginning with a letter. IANA's own for its elements.
    package let name: String
    package let dataType: ElementType
    package let semantics: ElementSemantics
    /// As IANA writes it (`octets`, `packets`, `milliseconds` …); empty when there is none.
    package let units: String

    package init(
        _ key: ElementKey, _ name: String, _ dataType: ElementType, semantics: ElementSemantics = .default,
        units: String = ""
    ) {
        (self.key, self.name, self.dataType, self.semantics, self.units) = (key, name, dataType, semantics, units)
    }

    /// The same under another number, and with `prefix` before its name.
    func under(_ key: ElementKey, prefix: String = "") -> InformationElement {
        let newName = prefix.isEmpty ? name : prefix + name.prefix(1).uppercased() + name.dropFirst()
        return InformationElement(key, newName, dataType, semantics: semantics, units: units)
    }
}

/// The abstract data types of RFC 7012 §3.1 and RFC 6313 §4, and the wide flags of RFC 9740.
package enum ElementType: String, Sendable, CaseIterable {
    case octetArray, unsigned8, unsigned16, unsigned32, unsigned64, unsigned256, signed8, signed16, signed32, signed64,
        float32, float64, boolean, macAddress, string, dateTimeSeconds, dateTimeMilliseconds, dateTimeMicroseconds,
        dateTimeNanoseconds, ipv4Address, ipv6Address, basicList, subTemplateList, subTemplateMultiList
}

/// What a number counts or stands for (RFC 7012 §3.2 and the registry of semantics).
package enum ElementSemantics: String, Sendable, CaseIterable {
    case `default`, quantity, totalCounter, deltaCounter, identifier, flags, list, snmpCounter, snmpGauge
}
