/// Distributed scans: many sources that each try a few ports of one host, together most of it.
///
/// Method: the failed first contacts of `Contact`, summed by the host that is tried instead of by the one that tries;
/// sources that hide behind each other show in the victim's view (Gates, "Coordinated Scan Detection", NDSS 2009, sets
/// out the model of one adversary with many sources and little overlap).
/// Invariants: no source has more than a quarter of the attempts, else it is a scan of its own; a port and a source
/// count once. Not here: whether the sources belong together: the Internet's background noise looks the same, so the
/// severity is low.
import FlowModel
import Identity

struct DistributedScanDetector: Detector {
    static let name = "distributed-scan"
    static let rule = RuleInfo(
        id: "distributed-scan", title: "Scan of one host from many sources", tactics: ["TA0043"],
        techniques: ["T1046", "T1595.001"])
    static let rules = [rule]
    static let interest: Aspects = .failing

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<TriedEntry>
    var evictions: UInt64 { book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters, share: 2)
    }

    mutating func observe(_ sight: FlowSight) {
        // Only records that can be failures are worth the reading.
        guard sight.isTCP, !sight.has(TCPFlag.ack) || sight.has(TCPFlag.rst), let contact = Contact(sight),
            contact.outcome == .failed
        else { return }
        let key = WindowKey(
            first: contact.responder, epoch: epoch(of: sight.start, width: parameters.scanWindowMilliseconds))
        let port = DistinctItem(value: IPAddress(port: contact.port), time: sight.start, isAnswered: false)
        let (portsMin, sourcesMin) = (parameters.distributedPortsMin, parameters.distributedSourcesMin)
        let itemsMax = parameters.itemsPerEntryMax
        book.update(key, recency: sight.recency) { entry in
            _ = entry.ports.insert(port, max: itemsMax)
            entry.sources.add(1, to: contact.initiator)
            entry.totals.add(sight)
            return entry.ports.count >= portsMin && entry.sources.count >= sourcesMin
        }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, parameters) = (tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            let isSpread = entry.sources.most <= 0.25 * entry.sources.all
            guard isSpread || entry.announcement.isRaised else { return nil }
            let ports = entry.ports.count, sources = entry.sources.count
            return Verdict(magnitude: Double(ports)) { update in
                let atLeast = sources >= HostSums.hostsMax ? "at least " : ""
                return Finding(
                    Self.rule, of: tenant, entity: "\(key.first)",
                    windowStart: key.epoch * parameters.scanWindowMilliseconds,
                    title: "\(atLeast)\(counted(sources)) sources tried \(counted(ports)) TCP ports of \(key.first) "
                        + "without success \(lasting(from: entry.totals.first, to: entry.totals.last))",
                    severity: .low, attackers: Array(entry.sources.loaded.prefix(Finding.entitiesMax - 1)),
                    victims: [key.first], totals: entry.totals, observed: Double(ports),
                    threshold: Double(parameters.distributedPortsMin), unit: "ports", update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) { book.save(to: &writer) }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) { try book.restore(from: &reader) }
}

/// Who tried which ports of one host in one window, without success.
struct TriedEntry: CaseEntry {
    var ports = DistinctItems()
    /// Attempts by source.
    var sources = HostSums()
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { ports.count + sources.count }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        ports.save(to: &writer)
        sources.save(to: &writer)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        ports = try DistinctItems(from: &reader)
        sources = try HostSums(from: &reader)
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
