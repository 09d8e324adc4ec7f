/// Port scans: one source, many ports of one host (vertical) or one port of many hosts (horizontal).
///
/// Method: the sequential hypothesis test of Jung et al. ("Fast Portscan Detection Using Sequential Hypothesis
/// Testing", IEEE S&P 2004) over *first contacts*. With the paper's probabilities (a scanner's contacts fail 4 times in
/// 5, others' succeed 4 times in 5) each failure is a step of +ln 4 and each success one of -ln 4, so the walk is just
/// failures less successes, and the paper's upper bound a number of steps.
/// Invariants: a port or host counts once per window however often it is tried; an answer takes its failure back.
/// Not here: who started a conversation (`FlowSight.initiator`); where that can't be told, nothing is counted.
import FlowModel
import Identity

struct PortScanDetector: Detector {
    static let name = "port-scan"
    static let vertical = RuleInfo(
        id: "port-scan-vertical", title: "Port scan of one host", tactics: ["TA0043", "TA0007"], techniques: ["T1046"])
    static let horizontal = RuleInfo(
        id: "port-scan-horizontal", title: "Scan of many hosts for one port", tactics: ["TA0043", "TA0007"],
        techniques: ["T1046"])
    static let rules = [vertical, horizontal]

    let tenant: TenantID, parameters: DetectorParameters
    private var table: EventTable<ScanEntry>
    private var agenda = Agenda()
    var evictions: UInt64 { table.evictions }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        table = EventTable(entriesMax: parameters.tableEntriesMax, itemsMax: parameters.itemsMax)
    }

    mutating func observe(_ sight: FlowSight) {
        guard let contact = Contact(sight) else { return }
        if !sight.isICMP {
            count(sight, contact, as: IPAddress(port: contact.port), under: verticalKey(sight, contact))
        }
        count(sight, contact, as: contact.responder, under: horizontalKey(sight, contact))
    }

    @inline(__always)
    private func verticalKey(_ sight: FlowSight, _ contact: Contact) -> WindowKey {
        WindowKey(
            first: contact.initiator, second: contact.responder,
            detail: ScanKey.vertical | UInt32(sight.transport) << 16,
            epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
    }
    @inline(__always)
    private func horizontalKey(_ sight: FlowSight, _ contact: Contact) -> WindowKey {
        WindowKey(
            first: contact.initiator,
            detail: ScanKey.horizontal | UInt32(sight.transport) << 16 | UInt32(contact.port),
            epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
    }

    private mutating func count(
        _ sight: FlowSight, _ contact: Contact, as value: IPAddress, under key: WindowKey
    ) {
        let isFailure = contact.outcome == .failed || contact.outcome == .weaklyFailed
        let item = DistinctItem(value: value, time: sight.start, isAnswered: !isFailure)
        let itemsMax = parameters.itemsPerEntryMax
        let hasGrown = table.update(key, recency: sight.recency) { entry in
            let change = entry.items.insert(item, max: itemsMax)
            guard isFailure else { return false }
            if contact.outcome == .weaklyFailed { entry.isWeak = true }
            entry.totals.add(sight)
            return change == .added
        }
        if hasGrown { agenda.add(key) }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        var findings: [Finding] = []
        for key in agenda.take() {
            // The next window leans on this one, so late records can complete it too.
            for candidate in [key, key.next] {
                if let finding = weigh(candidate, received: received, isLast: isLast) { findings.append(finding) }
            }
        }
        return findings
    }

    private mutating func weigh(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let entry = table[key] else { return nil }
        let previous = entry.carried == nil ? table[key.previous] : nil
        let carried = entry.carried ?? entry.carry(from: previous, span: parameters.scanWindowMilliseconds)
        let needed = threshold(key, isWeak: entry.isWeak)
        guard entry.announcement.isRaised || entry.walk + carried.walk >= needed else { return nil }
        let observed = entry.items.unanswered + carried.failed
        var announcement = entry.announcement
        let isDue = announcement.isDue(
            magnitude: Double(observed), received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, Double(observed) > announcement.saidMagnitude { agenda.add(key) }
        guard isDue else { return nil }
        table.updateKnown(key) { entry in
            entry.announcement = announcement
            entry.carried = carried
        }
        return finding(key, entry, carried, observed: observed, needed: needed, update: announcement.update)
    }

    private func threshold(_ key: WindowKey, isWeak: Bool) -> Int {
        if isWeak || ScanKey.transport(key) != IPProtocol.tcp { return parameters.scanWeakMin }
        if ScanKey.isVertical(key) { return parameters.scanPortsMin }
        return webPorts.contains(ScanKey.port(key)) ? parameters.scanWebHostsMin : parameters.scanHostsMin
    }

    func save(to writer: inout SnapshotWriter) {
        table.save(to: &writer)
        agenda.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try table.restore(from: &reader)
        try agenda.restore(from: &reader)
    }
}

/// The `detail` of a key: kind, transport and, for horizontal ones, the port.
private enum ScanKey {
    static let vertical: UInt32 = 0, horizontal: UInt32 = 1 << 24
    static func isVertical(_ key: WindowKey) -> Bool { key.detail & horizontal == 0 }
    static func transport(_ key: WindowKey) -> UInt8 { UInt8(truncatingIfNeeded: key.detail >> 16) }
    static func port(_ key: WindowKey) -> UInt16 { UInt16(truncatingIfNeeded: key.detail) }
}

extension PortScanDetector {
    private func finding(
        _ key: WindowKey, _ entry: ScanEntry, _ carried: ScanEntry.Carried, observed: Int, needed: Int, update: Int
    ) -> Finding {
        let isVertical = ScanKey.isVertical(key)
        var totals = entry.totals
        totals.first = min(totals.first, carried.first)
        let own = entry.items.list.lazy.filter { !$0.isAnswered }.map(\.value)
        let failed = (own.prefix(Finding.portsMax) + carried.values).sorted()
        let attacker = FindingEntity(key.first, .attacker)
        let victims =
            isVertical
            ? [FindingEntity(key.second, .victim)]
            : failed.prefix(Finding.entitiesMax - 1).map { FindingEntity($0, .victim) }
        let ports =
            isVertical
            ? failed.prefix(Finding.portsMax).map { UInt16(truncatingIfNeeded: $0.low) } : [ScanKey.port(key)]
        var rule = isVertical ? Self.vertical : Self.horizontal
        // An attacker inside discovers (TA0007); one outside reconnoitres first (TA0043).
        if key.first.isPrivate { rule.tactics = ["TA0007"] } else { rule.techniques.append("T1595.001") }
        return Finding(
            tenant: tenant, rule: rule, entity: "\(key.first)|\(key.second)|\(key.detail)",
            windowStart: key.epoch * parameters.scanWindowMilliseconds,
            title: title(key, entry, observed: observed, first: totals.first),
            severity: observed >= 100 ? .high : observed >= 20 ? .medium : .low,
            entities: [attacker] + victims, ports: IPProtocol.isICMP(ScanKey.transport(key)) ? [] : ports,
            span: (totals.first, totals.last),
            evidence: totals.evidence(
                observed: Double(observed), threshold: Double(needed), unit: isVertical ? "ports" : "hosts"),
            update: update)
    }

    private func title(_ key: WindowKey, _ entry: ScanEntry, observed: Int, first: Int64) -> String {
        let time = lasting(from: first, to: entry.totals.last)
        let atLeast = entry.items.count >= parameters.itemsPerEntryMax ? "at least " : ""
        let transport = ScanKey.transport(key), name = transportName(transport)
        if ScanKey.isVertical(key) {
            return "\(key.first) tried \(atLeast)\(counted(observed)) \(name) ports of \(key.second) without success "
                + time
        }
        let what = IPProtocol.isICMP(transport) ? "pinged" : "tried \(name) port \(portText(ScanKey.port(key))) on"
        return "\(key.first) \(what) \(atLeast)\(counted(observed)) hosts without success \(time)"
    }
}
