/// Policy: networks that must not speak to each other, and services on forbidden ports, as the tenant has set them.
///
/// Method: each record's opener, called end and port are held against the tenant's rules (`PolicyRule`); no statistics.
/// Invariants: without rules nothing is looked at; where the opener can't be told, a rule without ports is held against
/// both directions. What a firewall refused is told with severity low: the policy held.
package import FlowModel
import Identity

/// What must not be: a contact from one of these networks to one of those, on one of the ports.
package struct PolicyRule: Equatable, Sendable {
    /// Part of findings' ids; unique among a tenant's rules.
    package var name: String
    /// Empty: any.
    package var from: [IPNetwork], to: [IPNetwork]
    /// The called end's; empty: any.
    package var ports: [ClosedRange<UInt16>]
    /// `protocolIdentifier`; nil: any.
    package var transport: UInt8?
    package var severity: Severity

    package init(
        name: String, from: [IPNetwork] = [], to: [IPNetwork] = [], ports: [ClosedRange<UInt16>] = [],
        transport: UInt8? = nil, severity: Severity = .medium
    ) {
        self.name = name
        (self.from, self.to) = (from, to)
        (self.ports, self.transport, self.severity) = (ports, transport, severity)
    }

    func forbids(_ source: IPAddress, _ destination: IPAddress, port: UInt16, transport: UInt8) -> Bool {
        (self.transport ?? transport) == transport && (ports.isEmpty || ports.contains { $0.contains(port) })
            && (from.isEmpty || from.contains { $0.contains(source) })
            && (to.isEmpty || to.contains { $0.contains(destination) })
    }
}

struct PolicyDetector: Detector {
    static let name = "policy"
    static let rule = RuleInfo(
        id: "policy", title: "Contact that the policy forbids", tactics: ["TA0008"], techniques: ["T1021"])
    static let rules = [rule]
    static let interest: Aspects = .any
    static let hourMilliseconds: Int64 = 3_600_000

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<PolicyEntry>
    var evictions: UInt64 { book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters, share: 2)
    }

    mutating func observe(_ chunk: borrowing SightChunk) {
        if !parameters.policies.isEmpty { observeEach(chunk) }
    }

    mutating func observe(_ sight: FlowSight) {
        guard !sight.source.isGroup, !sight.destination.isGroup, sight.packets > 0 || sight.flags.contains(.denied)
        else { return }
        for (index, rule) in parameters.policies.enumerated() {
            let isForward = sight.initiator != .destination
            let isBackward = sight.initiator == .destination || (sight.initiator == .unknown && rule.ports.isEmpty)
            if isForward,
                rule.forbids(
                    sight.source, sight.destination, port: sight.destinationPort, transport: sight.transport)
            {
                note(sight, from: sight.source, to: sight.destination, port: sight.destinationPort, rule: index)
            } else if isBackward,
                rule.forbids(sight.destination, sight.source, port: sight.sourcePort, transport: sight.transport)
            {
                note(sight, from: sight.destination, to: sight.source, port: sight.sourcePort, rule: index)
            }
        }
    }

    private mutating func note(_ sight: FlowSight, from: IPAddress, to: IPAddress, port: UInt16, rule: Int) {
        let key = WindowKey(
            first: from, second: to, detail: UInt32(truncatingIfNeeded: rule),
            epoch: epoch(of: sight.start, width: Self.hourMilliseconds))
        book.update(key, recency: sight.recency) { entry in
            entry.totals.add(sight)
            if entry.ports.count < Finding.portsMax { entry.ports.insert(port) }
            if !sight.flags.contains(.denied) { entry.isAllowed = true }
            return true
        }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, policies) = (tenant, parameters.policies)
        return book.settle(received: received, isLast: isLast) { key, entry in
            guard Int(key.detail) < policies.count else { return nil }
            let policy = policies[Int(key.detail)]
            return Verdict(magnitude: Double(entry.totals.flows)) { update in
                let verb = entry.isAllowed ? "spoke to" : "tried, and was refused,"
                return Finding(
                    Self.rule, of: tenant, entity: "\(policy.name)|\(key.first)|\(key.second)",
                    windowStart: key.epoch * Self.hourMilliseconds,
                    title: "\(key.first) \(verb) \(key.second) against the policy \(policy.name), "
                        + "\(counted(Int(min(entry.totals.flows, 1 << 53)))) flows",
                    severity: entry.isAllowed ? policy.severity : .low, attackers: [key.first], victims: [key.second],
                    ports: entry.ports.sorted(), totals: entry.totals, observed: Double(entry.totals.flows),
                    threshold: 1, unit: "flows", update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) { book.save(to: &writer) }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) { try book.restore(from: &reader) }
}

/// One pair's forbidden contacts in one hour.
struct PolicyEntry: CaseEntry {
    var totals = Totals()
    var ports: Set<UInt16> = []
    /// Not all of them were refused.
    var isAllowed = false
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { ports.count }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        totals.save(to: &writer)
        writer.add(ports.count)
        for port in ports.sorted() { writer.add(UInt64(port)) }
        writer.add(isAllowed)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        totals = try Totals(from: &reader)
        for _ in 0..<(try reader.nextCount()) { ports.insert(try reader.nextSmall(UInt16.self)) }
        isAllowed = try reader.nextBool()
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
