/// Rogue services: an inside host that answers DHCP or DNS, or sends mail to the world, where none did before.
///
/// Method: the hosts that do so in the tenant's first day of records are the known ones (an allow-list by observation,
/// as Bro's and Zeek's "known services" keep one); a later one is told once it serves enough others.
/// Invariants: learning ends by event time, and never begins again within a state. Not here: a rogue that was there
/// from the start; DNS over TCP.
import FlowModel
import Identity

/// The services that networks have few servers of.
enum ScarceService: UInt32, CaseIterable {
    case dhcp, dns, smtp
    /// Distinct clients (for mail: servers outside) before it is told.
    var othersMin: Int { self == .dhcp ? 1 : 3 }
    var text: String {
        switch self {
        case .dhcp: "answered DHCP requests of"
        case .dns: "answered DNS queries of"
        case .smtp: "sent mail to"
        }
    }
    var port: UInt16 { self == .dhcp ? 67 : self == .dns ? 53 : 25 }
}

struct RogueServiceDetector: Detector {
    static let name = "rogue-service"
    static let rule = RuleInfo(
        id: "rogue-service", title: "Service where none belongs", tactics: ["TA0006", "TA0011"], techniques: ["T1557"])
    static let rules = [rule]
    static let interest: Aspects = .scarce
    private static let othersMax = 64

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<ServerEntry>
    /// Event time of the tenant's first record.
    private var began = Int64.min
    var evictions: UInt64 { book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters, share: 8)
    }

    mutating func observe(_ chunk: borrowing SightChunk) {
        if began == Int64.min, !chunk.sights.isEmpty { began = chunk.sights[0].recency }
        observeEach(chunk)
    }

    mutating func observe(_ sight: FlowSight) {
        guard let service = service(of: sight) else { return }
        let learned = began.addingReportingOverflow(parameters.rogueLearningMilliseconds).partialValue
        let other = DistinctItem(value: sight.destination, time: sight.start, isAnswered: true)
        let key = WindowKey(first: sight.source, detail: service.rawValue, epoch: 0)
        book.update(key, recency: sight.recency) { entry in
            if sight.recency < learned { entry.isKnown = true }
            guard !entry.isKnown else { return false }
            if entry.since == Int64.min { entry.since = sight.start }
            entry.totals.add(sight)
            _ = entry.others.insert(other, max: Self.othersMax)
            return entry.others.count >= service.othersMin
        }
    }

    /// What the source does for others; nil for everything else.
    private func service(of sight: FlowSight) -> ScarceService? {
        guard !sight.flags.contains(.denied), !sight.source.isGroup, parameters.isInside(sight.source) else {
            return nil
        }
        if sight.isUDP, sight.sourcePort == 67, sight.destinationPort == 68 { return .dhcp }
        guard !sight.destination.isGroup else { return nil }
        if sight.isUDP, sight.sourcePort == 53, sight.destinationPort >= 1_024 {
            return parameters.isInside(sight.destination) ? .dns : nil
        }
        let isMail =
            sight.isTCP && sight.destinationPort == 25 && sight.has(TCPFlag.psh) && sight.initiator == .source
        return isMail && !parameters.isInside(sight.destination) ? .smtp : nil
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let tenant = tenant
        return book.settle(received: received, isLast: isLast) { key, entry in
            guard !entry.isKnown, let service = ScarceService(rawValue: key.detail) else { return nil }
            let count = entry.others.count
            var rule = Self.rule
            if service == .smtp { (rule.tactics, rule.techniques) = (["TA0011"], ["T1071.003"]) }
            if service == .dhcp { rule.techniques = ["T1557.003"] }
            return Verdict(magnitude: Double(count)) { update in
                Finding(
                    rule, of: tenant, entity: "\(key.first)|\(service)", windowStart: entry.since,
                    title: "\(key.first) \(service.text) \(counted(count)) hosts, as it never did before",
                    severity: service == .dhcp ? .medium : .low, attackers: [key.first],
                    victims: Array(entry.others.list.prefix(Finding.entitiesMax - 1).map(\.value)),
                    ports: [service.port], totals: entry.totals, observed: Double(count),
                    threshold: Double(service.othersMin), unit: "hosts", update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) {
        book.save(to: &writer)
        writer.add(began)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try book.restore(from: &reader)
        began = try reader.nextSigned()
    }
}

/// A host that serves.
struct ServerEntry: CaseEntry {
    /// It did so while the tenant's servers were learned.
    var isKnown = false
    /// Start of the first record after the learning, in ms: what a finding's id is made of.
    var since = Int64.min
    var others = DistinctItems()
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { others.count }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(isKnown)
        writer.add(since)
        others.save(to: &writer)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        isKnown = try reader.nextBool()
        since = try reader.nextSigned()
        others = try DistinctItems(from: &reader)
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
