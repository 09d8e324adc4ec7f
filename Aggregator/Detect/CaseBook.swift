/// What detectors of one table share: entries that become findings, which of them have changed, and when to say so.
///
/// Invariants: an entry is weighed at most once a batch; a finding is said when raised, when it has doubled, and else
/// at the pace of `DetectorParameters.updatePaceMilliseconds`. Not here: what makes an entry a finding.
import FlowModel
import Identity

/// An entry that may become a finding.
protocol CaseEntry: WindowEntry {
    var announcement: Announcement { get set }
}

/// That an entry is a finding: how much it is, and how it is said.
struct Verdict {
    /// Grows with the attack; said again when it has doubled.
    var magnitude: Double
    /// - Parameter update: `Finding.update`.
    var finding: (_ update: Int) -> Finding
}

struct CaseBook<Entry: CaseEntry>: Sendable {
    private var table: EventTable<Entry>
    private var agenda = Agenda()
    private let pace: Int64
    var evictions: UInt64 { table.evictions }
    var reopenings: UInt64 { table.reopenings }

    /// - Parameter share: the part of the table's usual entries that this one may have is one in so many.
    init(_ parameters: DetectorParameters, share: Int = 1) {
        table = EventTable(entriesMax: parameters.tableEntriesMax / share, itemsMax: parameters.itemsMax / share)
        pace = parameters.updatePaceMilliseconds
    }

    subscript(key: WindowKey) -> Entry? { table[key] }

    /// Changes the entry of `key`, made on first use, and has it weighed after the batch if `change` returns true.
    @inline(__always)
    mutating func update(_ key: WindowKey, recency: Int64, _ change: (inout Entry) -> Bool) {
        if table.update(key, recency: recency, change) { agenda.add(key) }
    }
    /// Changes the entry of `key` if there is one; it is not weighed for that.
    @inline(__always)
    mutating func updateIfPresent(_ key: WindowKey, recency: Int64, _ change: (inout Entry) -> Void) {
        table.updateIfPresent(key, recency: recency, change)
    }
    /// The same without making the entry more recent.
    mutating func updateKnown(_ key: WindowKey, _ change: (inout Entry) -> Void) { table.updateKnown(key, change) }

    /// Weighs what has changed. `weigh` says nil for what is no finding.
    mutating func settle(
        received: Int64, isLast: Bool, _ weigh: (WindowKey, Entry) -> Verdict?
    ) -> [Finding] {
        agenda.take().compactMap { key in
            guard let entry = table[key], let verdict = weigh(key, entry) else { return nil }
            var announcement = entry.announcement
            let isDue = announcement.isDue(
                magnitude: verdict.magnitude, received: received, pace: pace, isLast: isLast)
            if !isDue, verdict.magnitude > announcement.saidMagnitude { agenda.add(key) }
            guard isDue else { return nil }
            table.updateKnown(key) { $0.announcement = announcement }
            return verdict.finding(announcement.update)
        }
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

extension Finding {
    /// What most detectors' findings have in common: an attacker, its victims, and totals.
    init(
        _ rule: RuleInfo, of tenant: TenantID, entity: String, windowStart: Int64, title: String, severity: Severity,
        attackers: [IPAddress], victims: [IPAddress], ports: [UInt16] = [], totals: Totals, observed: Double,
        threshold: Double, unit: String, update: Int
    ) {
        self.init(
            tenant: tenant, rule: rule, entity: entity, windowStart: windowStart, title: title, severity: severity,
            entities: attackers.map { FindingEntity($0, .attacker) } + victims.map { FindingEntity($0, .victim) },
            ports: ports, span: (totals.first, totals.last),
            evidence: totals.evidence(observed: observed, threshold: threshold, unit: unit), update: update)
    }
}
