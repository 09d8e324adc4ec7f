/// Connections that last: tunnels, interactive back doors and forgotten sessions.
///
/// Method: the duration of a connection, as RITA and Corelight's zeek-long-connections weigh it, with the slices that
/// an active timeout makes of it joined by their ports.
/// Invariants: both directions, and all observers' records, are one connection; a pause longer than
/// `longGapMilliseconds` ends it. Not here: UDP, which has no connections; connections so quiet that their records
/// lie further apart.
import FlowModel
import Identity

struct LongConnectionDetector: Detector {
    static let name = "long-connection"
    static let rule = RuleInfo(
        id: "long-connection", title: "Long connection", tactics: ["TA0011"], techniques: ["T1571"])
    static let rules = [rule]
    static let interest: Aspects = .lasting
    /// Shorter records are whole conversations or keep-alives, in ms.
    static let sliceMin: Int64 = 10_000

    let tenant: TenantID, parameters: DetectorParameters
    private var book: CaseBook<LongEntry>
    var evictions: UInt64 { book.evictions }
    var reopenings: UInt64 { book.reopenings }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        book = CaseBook(parameters)
    }

    mutating func observe(_ sight: FlowSight) {
        guard sight.isTCP, sight.end - sight.start >= Self.sliceMin, !sight.flags.contains(.portsSummed),
            !sight.flags.contains(.denied), !sight.source.isGroup, !sight.destination.isGroup
        else { return }
        let isForward = (sight.source, sight.sourcePort) < (sight.destination, sight.destinationPort)
        let (low, high) = isForward ? (sight.source, sight.destination) : (sight.destination, sight.source)
        let (lowPort, highPort) =
            isForward ? (sight.sourcePort, sight.destinationPort) : (sight.destinationPort, sight.sourcePort)
        let key = WindowKey(
            first: low, second: high, detail: UInt32(lowPort) << 16 | UInt32(highPort), epoch: Int64(sight.transport))
        let opener = sight.initiator
        let isLowClient = opener == (isForward ? .source : .destination)
        let callee = isLowClient ? highPort : lowPort
        let needed = Self.needed(callee, of: isLowClient ? high : low, parameters)
        let gap = parameters.longGapMilliseconds
        book.update(key, recency: sight.recency) { entry in
            entry.add(sight, gap: gap)
            if opener != .unknown { entry.client = isLowClient ? 1 : 2 }
            return entry.lasts(needed)
        }
    }

    /// How long a connection to that port is worth telling, in ms.
    private static func needed(_ port: UInt16, of server: IPAddress, _ parameters: DetectorParameters) -> Int64 {
        guard isServicePort(port) else { return parameters.longConnectionMilliseconds }
        // Inside, the services' own connections stay for weeks.
        return parameters.isInside(server) ? .max : parameters.longServiceMilliseconds
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, parameters) = (tenant, parameters)
        return book.settle(received: received, isLast: isLast) { key, entry in
            let ends = LongEnds(key, entry), needed = Self.needed(ends.serverPort, of: ends.server, parameters)
            guard entry.isAsLong(as: needed), let start = entry.namedStart else { return nil }
            let seconds = Double(entry.totals.last - entry.totals.first) / 1_000
            return Verdict(magnitude: seconds) { update in
                Finding(
                    Self.rule, of: tenant,
                    entity: "\(ends.client)|\(ends.clientPort)|\(ends.server)|\(ends.serverPort)",
                    windowStart: start,
                    title: "\(ends.client) kept a connection to \(ends.server) port \(portText(ends.serverPort)) for "
                        + "\(counted(Int(seconds) / 60)) min and \(scaled(Double(entry.totals.octets)))octets",
                    severity: .low, attackers: [ends.client], victims: [ends.server], ports: [ends.serverPort],
                    totals: entry.totals, observed: seconds,
                    threshold: Double(min(needed, parameters.longServiceMilliseconds)) / 1_000, unit: "s",
                    update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) { book.save(to: &writer) }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) { try book.restore(from: &reader) }
}

/// Which end of a connection called; where that can't be told, the end with the higher port.
private struct LongEnds {
    let client: IPAddress, server: IPAddress
    let clientPort: UInt16, serverPort: UInt16

    init(_ key: WindowKey, _ entry: LongEntry) {
        let (lowPort, highPort) = (UInt16(key.detail >> 16), UInt16(truncatingIfNeeded: key.detail))
        let isLowClient = entry.client == 0 ? lowPort > highPort : entry.client == 1
        (client, server) = isLowClient ? (key.first, key.second) : (key.second, key.first)
        (clientPort, serverPort) = isLowClient ? (lowPort, highPort) : (highPort, lowPort)
    }
}

/// One connection, both directions.
struct LongEntry: CaseEntry {
    /// 0 unknown, 1 the lower address, 2 the higher.
    var client: UInt8 = 0
    /// Start of the connection when it first was long enough: what the finding's id is made of.
    private(set) var namedStart: Int64?
    private(set) var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { 0 }

    mutating func add(_ sight: FlowSight, gap: Int64) {
        if totals.last != Int64.min {
            // What is older than the present connection was another one, with the same ports.
            if sight.end < totals.first - gap { return }
            if sight.start > totals.last + gap {
                totals = Totals()
                announcement = Announcement()
                namedStart = nil
            }
        }
        totals.add(sight)
    }
    /// Whether it lasts that long, in ms; fixes its name then.
    mutating func lasts(_ needed: Int64) -> Bool {
        guard isAsLong(as: needed) else { return false }
        if namedStart == nil { namedStart = totals.first }
        return true
    }
    func isAsLong(as needed: Int64) -> Bool { totals.last - totals.first >= needed }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(UInt64(client))
        writer.add(namedStart ?? -1)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        client = try reader.nextSmall(UInt8.self)
        let start = try reader.nextSigned()
        namedStart = start < 0 ? nil : start
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
