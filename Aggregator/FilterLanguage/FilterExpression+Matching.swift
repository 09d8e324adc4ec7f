package import FlowModel
package import InformationElements

/// A record with all that a filter can ask about it.
package struct FilterSubject: Sendable {
    package var record: FlowRecord
    package var exporter: ExporterKey
    package var site: String
    package var sensor: String
    package var extras: [ExtraValue]

    package init(
        _ record: FlowRecord, exporter: ExporterKey, site: String = "", sensor: String = "", extras: [ExtraValue] = []
    ) {
        (self.record, self.exporter, self.site, self.sensor, self.extras) = (record, exporter, site, sensor, extras)
    }
    /// - Parameter row: must be below `columns.count`.
    package init(_ columns: FlowColumns, row: Int, site: String = "", sensor: String = "") {
        self.init(
            columns[row], exporter: columns.exporterKey(ofRow: row), site: site, sensor: sensor,
            extras: columns.extras.values(at: columns.extra[row]))
    }
}

/// What a filter means, record by record: slow, and the measure for whoever does it fast.
extension FilterExpression {
    package func matches(_ subject: FilterSubject, registry: ElementRegistry = .standard) -> Bool {
        switch self {
        case .any: true
        case .not(let inner): !inner.matches(subject, registry: registry)
        case .and(let members): members.allSatisfy { $0.matches(subject, registry: registry) }
        case .or(let members): members.contains { $0.matches(subject, registry: registry) }
        case .test(let test): test.matches(subject, registry: registry)
        }
    }
}

extension FilterTest {
    package func matches(_ subject: FilterSubject, registry: ElementRegistry = .standard) -> Bool {
        let record = subject.record
        switch self {
        case .address(let field, let set): return field.sides.contains { set.contains($0.address(of: subject)) }
        case .number(let field, let set):
            return field.sides.contains { $0.value(of: record, exporter: subject.exporter).map(set.contains) ?? false }
        case .controlBits(let set, let mask): return record.tcpControlBits & mask == set
        case .family(let family):
            return [record.sourceIPAddress, record.destinationIPAddress].contains(where: family.holds)
        case .label(.site, let labels): return labels.contains(subject.site)
        case .label(.sensor, let labels): return labels.contains(subject.sensor)
        case .label(.exportProtocol, let labels): return labels.contains(subject.exporter.exportProtocol.name)
        case .mark(let mark): return mark.flag.map(record.flags.contains) ?? (record.samplingInterval > 1)
        case .element(let test): return test.matches(subject.extras, registry: registry)
        }
    }
}

extension AddressField {
    fileprivate func address(of subject: FilterSubject) -> IPAddress {
        switch self {
        case .source, .either: subject.record.sourceIPAddress
        case .destination: subject.record.destinationIPAddress
        case .nextHop: subject.record.ipNextHopAddress
        case .exporter: subject.exporter.address
        }
    }
}

extension AddressFamily {
    package func holds(_ address: IPAddress) -> Bool {
        switch self {
        case .ipv4: address.isV4
        case .ipv6: !address.isV4 && !address.isAbsent
        }
    }
}

extension ElementTest {
    /// - Parameter extras: of one record.
    package func matches(_ extras: [ExtraValue], registry: ElementRegistry) -> Bool {
        extras.contains { value in
            guard keys.contains(value.element) else { return false }
            if case .octets(let wanted) = operand { return wanted.contains(value.octets) }
            if operand == .present { return true }
            return registry.reading(value.octets[...], as: value.element).map { holds($0) } ?? false
        }
    }

    private func holds(_ value: ElementValue) -> Bool {
        if case .list(let values) = value { return values.contains { holds($0) } }
        switch (operand, value) {
        case (.numbers(let set), .unsigned(let number)), (.numbers(let set), .mac(let number)):
            return set.contains(number)
        case (.numbers(let set), .boolean(let flag)): return set.contains(flag ? 1 : 0)
        case (.numbers(let set), .time): return value.milliseconds.map { set.contains(UInt64(max(0, $0))) } ?? false
        case (.addresses(let set), .address(let address)): return set.contains(address)
        case (.texts(let texts), .text(let text)): return texts.contains(text)
        case (.contains(let part), .text(let text)): return containsText(part, in: text)
        default: return false
        }
    }
}

/// Whether `part` occurs in `text`, A-Z and a-z being the same. Other letters count as they are written.
package func containsText(_ part: String, in text: String) -> Bool {
    func folded(_ text: String) -> [UInt8] {
        text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }
    let text = folded(text), part = folded(part)
    guard part.count <= text.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0...].starts(with: part) }
}
