/// Carpet bombing: a flood spread over a network so that no single host gets enough to be noticed.
///
/// Method: the buckets of `FloodDetector`, by network instead of host, over datagrams and empty packets only; with the
/// spread over hosts, and what the network sends in answer, since calls and games of many desks go both ways (Heinrich
/// et al., "New Kids on the DRDoS Block", PAM 2021, group attacks on prefixes as such).
/// Invariants: a host's own flood is none; a bucket counts each record once, in any order. Not here: networks longer
/// than /24 (or /64) that lie in several; TCP with ACK.
import FlowModel
import Identity

struct CarpetBombingDetector: Detector {
    static let name = "carpet-bombing"
    static let rule = RuleInfo(
        id: "carpet-bombing", title: "Flood over a network", tactics: ["TA0040"], techniques: ["T1498.001"])
    static let rules = [rule]

    let tenant: TenantID, parameters: DetectorParameters
    private var buckets: EventTable<CarpetBucket>
    private var cases: CaseBook<CarpetCase>
    private var hot = Agenda()
    var evictions: UInt64 { buckets.evictions &+ cases.evictions }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        buckets = EventTable(entriesMax: parameters.tableEntriesMax / 4, itemsMax: parameters.itemsMax)
        cases = CaseBook(parameters, share: 16)
    }

    mutating func observe(_ sight: FlowSight) {
        let kind = FloodClass(sight), isFlood = kind == .datagrams || kind == .empty
        guard isFlood || sight.isUDP, sight.packets > 0, !sight.flags.contains(.denied), !sight.destination.isGroup,
            !sight.source.isGroup
        else { return }
        let (limits, network) = (parameters, Self.network(of: sight.destination))
        let home = Self.network(of: sight.source)
        FloodSpan(sight, limits).forEachBucket { bucket, share in
            let scale = share * sight.samplingInterval
            let packets = min(Double(sight.packets), 1e15) * scale, octets = min(Double(sight.octets), 1e15) * scale
            if sight.isUDP {
                let key = WindowKey(first: home, epoch: bucket)
                buckets.updateIfPresent(key, recency: sight.recency) { $0.sent += packets }
            }
            guard isFlood else { return }
            let key = WindowKey(first: network, epoch: bucket)
            let isHot = buckets.update(key, recency: sight.recency) { entry in
                entry.add(sight, packets: packets, octets: octets, isEmpty: kind == .empty)
                let fullness = entry.fullness(limits)
                // Few networks come near a limit, so few pay for a list of hosts.
                if fullness >= 1.0 / 16 { entry.hosts.add(packets, to: sight.destination) }
                return fullness >= 1
            }
            if isHot { hot.add(key) }
        }
    }

    static func network(of address: IPAddress) -> IPAddress { address.prefix(address.isV4 ? 24 : 64) }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, limits) = (tenant, parameters)
        for key in hot.take() {
            guard let bucket = buckets[key], bucket.isCarpet(limits) else { continue }
            let start = key.epoch * limits.floodBucketMilliseconds
            let window = WindowKey(first: key.first, epoch: epoch(of: start, width: limits.floodWindowMilliseconds))
            cases.update(window, recency: bucket.recency) { $0.take(bucket, start: start, limits) }
            buckets.updateKnown(key) { $0.markTaken() }
        }
        return cases.settle(received: received, isLast: isLast) { key, entry in
            Verdict(magnitude: Double(entry.totals.packets)) { update in
                let length = key.first.isV4 ? 24 : 64
                return Finding(
                    Self.rule, of: tenant, entity: "\(key.first)",
                    windowStart: key.epoch * limits.floodWindowMilliseconds,
                    title: "\(counted(entry.hosts)) hosts of \(key.first)/\(length) together got up to "
                        + "\(counted(Int(min(entry.packetsPerSecond, 1e15)))) packets/s and "
                        + "\(scaled(entry.bitsPerSecond))bit/s, none more than a quarter of it",
                    severity: entry.fullness >= 5 ? .critical : .high, attackers: [], victims: entry.victims,
                    totals: entry.totals, observed: entry.fullness, threshold: 1, unit: "of the limit", update: update)
            }
        }
    }

    func save(to writer: inout SnapshotWriter) {
        buckets.save(to: &writer)
        cases.save(to: &writer)
        hot.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try buckets.restore(from: &reader)
        try cases.restore(from: &reader)
        try hot.restore(from: &reader)
    }
}

/// How a record's counters are spread over buckets of event time.
struct FloodSpan {
    private let from: Int64, start: Int64, end: Int64, width: Int64
    /// A record is cut into at most this many pieces, whatever the settings.
    private static let bucketsMax: Int64 = 1_024

    init(_ sight: FlowSight, _ parameters: DetectorParameters) {
        width = max(parameters.floodBucketMilliseconds, 1)
        let isUntimed = sight.flags.contains(.timesEstimated) && sight.start == sight.end
        start = isUntimed ? max(0, sight.end - parameters.floodUntimedMilliseconds) : sight.start
        end = sight.end
        // Older pieces than the spread allows are left out; the rate of those that count is the record's own.
        from = max(start, end - min(parameters.floodSpreadMaxMilliseconds, width * Self.bucketsMax))
    }

    /// Calls `body` with each bucket's number and the share of the record that lies in it.
    @inline(__always)
    func forEachBucket(_ body: (_ bucket: Int64, _ share: Double) -> Void) {
        let duration = Double(end - start)
        var bucket = epoch(of: from, width: width)
        repeat {
            let low = max(from, bucket * width), high = min(end, (bucket + 1) * width)
            body(bucket, duration > 0 ? Double(high - low) / duration : 1)
            bucket += 1
        } while bucket * width < end
    }
}
