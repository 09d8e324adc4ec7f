/// Records as events, events in entries, answers as findings.
import Detect
import FlowModel
import Identity

extension SigmaEvent {
    init(_ columns: borrowing FlowColumns, _ sight: inout RowSight) {
        let row = sight.row, limit = EventTime.range.upperBound
        let received = min(max(columns.receiveMilliseconds[row], 0), limit)
        let start = min(max(columns.flowStartMilliseconds[row], 0), limit)
        let moment = start > 0 ? start : received
        time = moment
        end = max(min(columns.flowEndMilliseconds[row], limit), moment)
        attacker = sight.address(.originator, columns)
        victim = sight.address(.responder, columns)
        port = UInt16(exactly: sight.number(.responderPort, columns)) ?? 0
        flows = UInt64(max(columns.deltaFlowCount[row], 1))
        packets = columns.packetDeltaCount[row]
        octets = columns.octetDeltaCount[row]
        isAnswer = sight.isAnswer(columns)
        let sampling = Double(columns.samplingInterval[row])
        samplingInterval = sampling > 1 && sampling < 1e7 ? sampling : 1
    }

    /// Another watch's match: when it came true.
    init(_ answer: SigmaAnswer, _ evidence: SigmaEvidence) {
        time = max(answer.time, 0)
        end = max(answer.time, 0)
        attacker = evidence.attackers.first ?? .absent
        victim = evidence.victims.first ?? .absent
        port = evidence.ports.first ?? 0
        (flows, packets, octets) = (evidence.flows, evidence.packets, evidence.octets)
        samplingInterval = evidence.samplingInterval
    }
}

extension SigmaWatch.Input {
    /// The group and the values of a record; nil when it lacks one of the fields.
    func columns(_ columns: borrowing FlowColumns, _ sight: inout RowSight) -> (SigmaGroup, SigmaGroup)? {
        guard case .record(let group, let values) = origin else { return nil }
        var groups = SigmaGroup(), results = SigmaGroup()
        for place in group.indices {
            guard let value = sight.value(group[place], columns) else { return nil }
            groups[place] = value
        }
        for place in values.indices {
            guard let value = sight.value(values[place], columns) else { return nil }
            results[place] = value
        }
        return (groups, results)
    }
}

extension RowSight {
    /// An address, or a number in the low word; nil for what the record lacks.
    fileprivate mutating func value(_ column: SigmaField.Column, _ columns: borrowing FlowColumns) -> IPAddress? {
        switch column {
        case .address(let column):
            let address = address(column, columns)
            return address.isAbsent ? nil : address
        case .number(let column):
            let number = number(column, columns)
            return number == NumberColumn.absent ? nil : IPAddress(high: 0, low: number)
        }
    }
}

extension SigmaGroup {
    func chosen(_ places: [Int]) -> SigmaGroup {
        var chosen = SigmaGroup()
        for (place, source) in places.enumerated() { chosen[place] = self[source] }
        return chosen
    }
}

extension SigmaEntry {
    mutating func add(_ event: SigmaEvent, as kind: SigmaWatch.Kind, input: Int, values: SigmaGroup) {
        evidence.add(event)
        switch kind {
        case .match: break
        case .eventCount: insert(time: event.time, input: 0, weight: event.flows)
        case .temporal, .temporalOrdered: insert(time: event.time, input: input, weight: 1)
        case .sum: insert(time: event.time, input: 0, weight: values.a.low)
        case .valueCount:
            let isOne = values.b.isAbsent && values.c.isAbsent && values.d.isAbsent
            insert(value: isOne ? values.a : values.mixed, time: event.time, count: 1)
        case .average: measure(values.a.low)
        case .percentile: insert(number: values.a.low, time: event.time, count: 1)
        }
    }
}

extension SigmaEvidence {
    /// With what the window before had.
    func joined(to previous: SigmaEvidence) -> SigmaEvidence {
        var joined = previous
        joined.merge(self)
        return joined
    }
}

extension Finding {
    init(
        _ tenant: TenantID, _ watch: SigmaWatch, _ key: SigmaKey, _ evidence: SigmaEvidence, _ answer: SigmaAnswer,
        update: Int, isLeast: Bool
    ) {
        var names: [String] = [], attackers: [IPAddress] = [], victims: [IPAddress] = []
        for (place, role) in watch.roles.enumerated() {
            let value = key.values[place]
            names.append(role == nil ? String(value.low) : value.description)
            if role == .attacker { attackers.append(value) }
            if role == .victim { victims.append(value) }
        }
        if attackers.isEmpty { attackers = evidence.attackers }
        if victims.isEmpty { victims = evidence.victims }
        let window = key.epoch &* watch.span
        var shown = Evidence(
            observed: answer.observed, threshold: watch.threshold, unit: watch.unit, flows: evidence.flows,
            packets: evidence.packets, octets: evidence.octets)
        if evidence.samplingInterval > 1 { shown.samplingInterval = evidence.samplingInterval }
        let least = isLeast ? "at least " : ""
        let victimCount = victims.count >= SigmaEntry.hostsMax ? "\(victims.count) or more" : "\(victims.count)"
        let ends = Self.ends(attackers, victims, victimCount)
        self.init(
            id: StableHash.hex128(
                tenant.rawValue, "sigma", watch.info.id, names.joined(separator: "|"), String(window)),
            rule: watch.info.id, title: "\(watch.title): \(least)\(Self.short(answer.observed)) \(watch.unit)\(ends)",
            severity: watch.severity, tactics: watch.info.tactics, techniques: watch.info.techniques,
            entities: Self.entities(attackers, victims), ports: evidence.ports.sorted(), start: evidence.first,
            end: max(evidence.first, evidence.last), windowStart: window, evidence: shown, update: update)
    }

    private static func ends(_ attackers: [IPAddress], _ victims: [IPAddress], _ count: String) -> String {
        var text = ""
        if attackers.count == 1 { text += " from \(attackers[0])" }
        if attackers.count > 1 { text += " from \(attackers.count) hosts" }
        if victims.count == 1 { text += " to \(victims[0])" }
        if victims.count > 1 { text += " to \(count) hosts" }
        return text
    }
    private static func entities(_ attackers: [IPAddress], _ victims: [IPAddress]) -> [FindingEntity] {
        func entity(_ host: IPAddress, _ role: FindingEntity.Role) -> FindingEntity {
            FindingEntity(type: host.isV4 ? "ipv4-addr" : "ipv6-addr", role: role, value: host.description)
        }
        let half = Finding.entitiesMax / 2
        let first = attackers.prefix(max(half, Finding.entitiesMax - victims.count))
        let rest = victims.prefix(Finding.entitiesMax - first.count)
        return first.map { entity($0, .attacker) } + rest.map { entity($0, .victim) }
    }
    /// Without digits behind the point where there is nothing to tell.
    private static func short(_ value: Double) -> String {
        let rounded = (min(max(value, -1e15), 1e15) * 100).rounded() / 100
        return rounded == rounded.rounded() ? String(Int64(rounded)) : String(rounded)
    }
}
