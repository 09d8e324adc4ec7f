/// DNS tunnels, from the shape of flows alone: a host that sends one server many queries that are long on average.
///
/// Method: what Ellens et al. ("Flow-Based Detection of DNS Tunnels", AIMS 2013) found to tell tunnels: octets and
/// packets per flow with one server. Names carry the data, so queries are long; resolvers take a new port for each
/// query (RFC 5452), so hundreds from one port are a tunnel's own socket and need less length.
/// Invariants: lengths are those of DNS messages, without IP and UDP headers; between two servers (53 to 53) nothing is
/// counted. Not here: names, as flows have none; DNS over TLS or HTTPS.
import FlowModel
import Identity

struct DNSTunnelDetector: Detector {
    static let name = "dns-tunnel"
    static let rule = RuleInfo(
        id: "dns-tunnel", title: "Tunnel through DNS", tactics: ["TA0011", "TA0010"],
        techniques: ["T1071.004", "T1572"])
    static let rules = [rule]
    static let interest: Aspects = .names
    private static let port: UInt16 = 53
    /// A record of more queries than that is worth a look whatever their length.
    private static let packetsNotable: UInt64 = 20

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<TunnelEntry>
    var evictions: UInt64 { book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters, share: 2)
    }

    mutating func observe(_ sight: FlowSight) {
        guard sight.isUDP, sight.packets > 0, sight.sourcePort != sight.destinationPort,
            sight.sourcePort == Self.port || sight.destinationPort == Self.port, !sight.source.isGroup,
            !sight.destination.isGroup
        else { return }
        let isQuery = sight.destinationPort == Self.port
        let (client, server) = isQuery ? (sight.source, sight.destination) : (sight.destination, sight.source)
        let key = WindowKey(
            first: client, second: server, epoch: epoch(of: sight.start, width: parameters.tunnelWindowMilliseconds))
        let octets = Self.messageOctets(sight)
        let isNotable =
            octets >= parameters.tunnelOnePortQueryOctets * Double(sight.packets)
            || sight.packets >= Self.packetsNotable
        // Ordinary lookups are many; they only count beside notable ones.
        guard isQuery, isNotable else {
            return book.updateIfPresent(key, recency: sight.recency) { $0.add(sight, octets: octets, isQuery: isQuery) }
        }
        let parameters = parameters
        book.update(key, recency: sight.recency) { entry in
            entry.add(sight, octets: octets, isQuery: true)
            return entry.queries >= entry.needed(parameters)
        }
    }

    /// Of all messages of the record, without their IP and UDP headers.
    private static func messageOctets(_ sight: FlowSight) -> Double {
        let headers = (sight.source.isV4 ? 28 : 48) * Double(sight.packets)
        return max(Double(sight.octets) - headers, 0)
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, parameters) = (tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            guard entry.queries >= entry.needed(parameters) else { return nil }
            let isOnePort = entry.onePortShare >= 0.8
            let needed = isOnePort ? parameters.tunnelOnePortQueryOctets : parameters.tunnelQueryOctets
            guard entry.octetsPerQuery >= needed || entry.announcement.isRaised else { return nil }
            return Verdict(magnitude: Double(entry.queries)) { update in
                let queries = counted(Int(min(entry.queries, 1 << 53)))
                let from = isOnePort ? " from one port" : ""
                let answers = entry.answers == 0 ? "" : ", answers of \(Int(entry.octetsPerAnswer))"
                var finding = Finding(
                    Self.rule, of: tenant, entity: "\(key.first)|\(key.second)",
                    windowStart: key.epoch * parameters.tunnelWindowMilliseconds,
                    title:
                        "\(key.first) sent \(key.second) \(queries) DNS queries\(from) of \(Int(entry.octetsPerQuery))"
                        + " octets on average\(answers), \(lasting(from: entry.totals.first, to: entry.totals.last))",
                    severity: .medium, attackers: [key.first], victims: [key.second], ports: [Self.port],
                    totals: entry.totals, observed: entry.octetsPerQuery, threshold: needed, unit: "octets/query",
                    update: update)
                finding.evidence.confidence = entry.confidence(parameters)
                return finding
            }
        }
    }

    func save(to writer: inout SnapshotWriter) { book.save(to: &writer) }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) { try book.restore(from: &reader) }
}

/// One client's queries to one server in one window.
struct TunnelEntry: CaseEntry {
    private(set) var queries: UInt64 = 0, answers: UInt64 = 0
    private var queryOctets = 0.0, answerOctets = 0.0
    /// The client port that leads, and by how many queries (Boyer and Moore's majority vote): a port with a share s of
    /// all leads by at least 2s - 1 of them.
    private var port: UInt16 = 0
    private var lead: UInt64 = 0
    private(set) var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { 0 }

    var octetsPerQuery: Double { queryOctets / max(Double(queries), 1) }
    var octetsPerAnswer: Double { answerOctets / max(Double(answers), 1) }
    /// At most the share of queries that the leading client port has.
    var onePortShare: Double { port == 0 ? 0 : (1 + Double(lead) / max(Double(queries), 1)) / 2 }

    /// Queries that must be seen.
    func needed(_ parameters: DetectorParameters) -> UInt64 {
        let limit = max(parameters.tunnelQueriesMin, 1)
        return UInt64(
            SampledLimit.seen(limit, interval: totals.samplingInterval, atLeast: min(limit, Self.meanOfMin)))
    }
    /// A mean of fewer says little.
    private static let meanOfMin = 10
    func confidence(_ parameters: DetectorParameters) -> Double? {
        let scaled = Double(queries) * totals.samplingInterval
        return SampledLimit.confidence(
            fullness: scaled / Double(max(parameters.tunnelQueriesMin, 1)), packets: scaled,
            interval: totals.samplingInterval)
    }

    /// - Parameter octets: of the record's DNS messages together.
    mutating func add(_ sight: FlowSight, octets: Double, isQuery: Bool) {
        let packets = min(sight.packets, 1 << 40)
        guard isQuery else {
            answers &+= packets
            answerOctets += octets
            return
        }
        queries &+= packets
        queryOctets += octets
        totals.add(sight)
        if sight.sourcePort == port {
            lead &+= packets
        } else if lead >= packets {
            lead -= packets
        } else {
            (port, lead) = (sight.sourcePort, packets - lead)
        }
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for word in [queries, answers, UInt64(port), lead] { writer.add(word) }
        writer.add(queryOctets)
        writer.add(answerOctets)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        queries = try reader.next()
        answers = try reader.next()
        port = try reader.nextSmall(UInt16.self)
        lead = try reader.next()
        queryOctets = try reader.nextDouble()
        answerOctets = try reader.nextDouble()
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
