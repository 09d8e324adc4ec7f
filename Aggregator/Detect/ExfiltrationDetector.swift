/// Exfiltration: an inside host that sends one outside address far more than it is used to send to anyone.
///
/// Method: octets sent against octets received in an hour, and against the 95th percentile of the host's own hours: a
/// histogram of their logarithms whose weights decay, so a few hours, however large, don't move it (a quantile is
/// robust) and old habits fade.
/// Invariants: only what inside hosts send on connections of their own counts, so a server's downloads don't; records
/// of less than `uploadMin` octets are left out on both sides. Not here: slow trickles, many small connections.
import FlowModel
import Identity

struct ExfiltrationDetector: Detector {
    static let name = "exfiltration"
    static let rule = RuleInfo(
        id: "exfiltration", title: "Upload far beyond the host's usual", tactics: ["TA0010"], techniques: ["T1048"])
    static let rules = [rule]
    static let interest: Aspects = .upload
    static let hourMilliseconds: Int64 = 3_600_000
    /// Smaller records, scaled by sampling, make no exfiltration worth the search.
    static let uploadMin = 16_384.0

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<UploadEntry>
    private var hosts: EventTable<UploadProfile>
    var evictions: UInt64 { book.evictions &+ hosts.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters)
        hosts = EventTable(entriesMax: parameters.tableEntriesMax / 2, itemsMax: parameters.itemsMax)
    }

    mutating func observe(_ sight: FlowSight) {
        let octets = min(Double(sight.octets), 1e15) * sight.samplingInterval
        guard octets >= Self.uploadMin, !sight.source.isGroup, !sight.destination.isGroup,
            !sight.flags.contains(.denied)
        else { return }
        let isFromInside = parameters.isInside(sight.source), isToInside = parameters.isInside(sight.destination)
        guard isFromInside != isToInside else { return }
        let hour = epoch(of: sight.start, width: Self.hourMilliseconds)
        guard isFromInside else {
            let key = WindowKey(first: sight.destination, second: sight.source, epoch: hour)
            return book.updateIfPresent(key, recency: sight.recency) { $0.received += octets }
        }
        // The other end called: a server's answers.
        guard sight.initiator == .source else { return }
        let key = WindowKey(first: sight.source, second: sight.destination, epoch: hour)
        let octetsMin = parameters.exfiltrationOctetsMin
        book.update(key, recency: sight.recency) { entry in
            entry.sent += octets
            entry.port = sight.destinationPort
            entry.totals.add(sight)
            return entry.sent >= octetsMin
        }
        hosts.update(WindowKey(first: sight.source, epoch: 0), recency: sight.recency) { $0.add(octets, in: hour) }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (hosts, tenant, parameters) = (hosts, tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            let profile = hosts[WindowKey(first: key.first, epoch: 0)]
            let usual = profile?.usual(hoursMin: parameters.exfiltrationHoursMin)
            let needed =
                usual.map { max(parameters.exfiltrationOctetsMin, parameters.exfiltrationUsualFactor * $0) }
                ?? parameters.exfiltrationUnlearnedOctetsMin
            let isUpload = entry.sent >= parameters.exfiltrationRatioMin * entry.received
            let isPassed = SampledLimit.isPassed(
                fullness: entry.sent / max(needed, 1), packets: Double(entry.totals.packets),
                interval: entry.totals.samplingInterval)
            guard (isUpload && isPassed) || entry.announcement.isRaised else { return nil }
            return Verdict(magnitude: entry.sent) { update in
                let beside =
                    usual.map { $0 > 0 ? "; its usual hour has \(scaled($0))octets" : "; it usually sends nothing" }
                    ?? "; its usual is not known yet"
                var finding = Finding(
                    Self.rule, of: tenant, entity: "\(key.first)|\(key.second)",
                    windowStart: key.epoch * Self.hourMilliseconds,
                    title:
                        "\(key.first) sent \(scaled(entry.sent))octets to \(key.second) port \(portText(entry.port)) "
                        + "\(lasting(from: entry.totals.first, to: entry.totals.last)), got "
                        + "\(scaled(entry.received))back\(beside)",
                    severity: usual == nil ? .low : entry.sent >= 10 * needed ? .high : .medium,
                    attackers: [key.first], victims: [key.second], ports: [entry.port], totals: entry.totals,
                    observed: entry.sent, threshold: needed, unit: "octets", update: update)
                finding.evidence.confidence = SampledLimit.confidence(
                    fullness: entry.sent / max(needed, 1), packets: Double(entry.totals.packets),
                    interval: entry.totals.samplingInterval)
                return finding
            }
        }
    }

    func save(to writer: inout SnapshotWriter) {
        book.save(to: &writer)
        hosts.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try book.restore(from: &reader)
        try hosts.restore(from: &reader)
    }
}

/// What one host sent one outside address in one hour, and got.
struct UploadEntry: CaseEntry {
    /// Octets, scaled by sampling.
    var sent = 0.0, received = 0.0
    /// The last record's destination port.
    var port: UInt16 = 0
    /// Of what was sent.
    var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { 0 }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(sent)
        writer.add(received)
        writer.add(UInt64(port))
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        sent = try reader.nextDouble()
        received = try reader.nextDouble()
        port = try reader.nextSmall(UInt16.self)
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
