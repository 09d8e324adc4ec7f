/// Carpet bombing: a flood spread over a network so that no single host gets enough to be noticed.
///
/// Method: the buckets of `FloodDetector`, by network instead of host, over datagrams and empty packets only; with the
/// spread over hosts, and what the network sends in answer, since calls and games of many desks go both ways (Heinrich
/// et al., "New Kids on the DRDoS Block", PAM 2021, group attacks on prefixes as such). A network whose days are known
/// has limits of its own (`UsualRates`).
/// Invariants: a host's own flood is none; a bucket counts each record once, in any order. Not here: networks longer
/// than /24 (or /64) that lie in several; TCP with ACK.
import FlowModel
import Identity

struct CarpetBombingDetector: Detector {
    static let name = "carpet-bombing"
    static let rule = RuleInfo(
        id: "carpet-bombing", title: "Flood over a network", tactics: ["TA0040"], techniques: ["T1498.001"])
    static let rules = [rule]
    static let interest: Aspects = .loose

    let tenant: TenantID, parameters: DetectorParameters
    private let keys: KeyHash, gate: CarpetGate, spread: FloodSpread
    private var clock: WindowClock
    /// All networks; flagged when there is a bucket.
    private var cells: FingerprintTable<CarpetCell>
    /// Networks that come near a limit.
    private var buckets: EventTable<CarpetBucket>
    private var cases: CaseBook<CarpetCase>
    private var hot = Agenda()
    /// What networks usually get.
    private var usual: UsualRates
    var evictions: UInt64 { cells.evictions &+ buckets.evictions &+ cases.evictions }
    var reopenings: UInt64 { buckets.reopenings &+ cases.reopenings }
    var otherEvictions: [String: UInt64] { ["carpet-bombing-usual": usual.evictions] }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        clock = WindowClock(width: parameters.floodBucketMilliseconds)
        (keys, gate, spread) = (KeyHash(tenant), CarpetGate(parameters), FloodSpread(parameters))
        cells = FingerprintTable(entriesMax: parameters.tableEntriesMax / 16)
        buckets = EventTable(entriesMax: parameters.tableEntriesMax / 4, itemsMax: parameters.itemsMax)
        cases = CaseBook(parameters, share: 16)
        usual = UsualRates(
            parameters, keys, limits: FloodClass.allCases.map { CarpetRates.limit($0, parameters) },
            measured: CarpetGate.part, share: 16)
    }

    mutating func observe(_ sight: FlowSight) {
        let visit = CarpetVisit(sight, keys), edge = clock.number(of: sight.end)
        guard sight.hasEstimatedTimes || clock.number(of: sight.start) != edge else {
            return add(FloodCell(sight, share: 1), sight, visit, to: edge)
        }
        FloodSpan(sight, spread).forEachBucket { bucket, share in
            add(FloodCell(sight, share: share), sight, visit, to: bucket)
        }
    }

    @inline(__always)
    private mutating func add(_ more: FloodCell, _ sight: FlowSight, _ visit: CarpetVisit, to bucket: Int64) {
        if sight.isUDP { noteSent(more.packets, sight, from: visit.home, visit.homeHash, in: bucket) }
        let kind = sight.floodClass
        guard kind == .datagrams || kind == .empty else { return }
        let hash = keys.of(visit.networkHash, detail: 0, epoch: bucket), (place, isNew) = cells.place(of: hash)
        if isNew, UsualRates.isTurn(hash), parameters.mayBeInside(sight.destination) {
            usual.see(visit.networkHash, in: bucket, sight)
        }
        var cell = cells.isFlagged(place) ? CarpetCell() : cells[place]
        cell.add(more, isEmpty: kind == .empty)
        if !cells.isFlagged(place) {
            cells[place] = cell
            guard gate.isNear(cell) else { return }
            cells.setFlag(place, to: true)
        }
        add(cell, more.packets, sight, visit, to: bucket)
    }

    /// What a network sends counts beside what it gets, from the first that it got on.
    private mutating func noteSent(
        _ packets: Double, _ sight: FlowSight, from home: IPAddress, _ hash: UInt64, in bucket: Int64
    ) {
        guard let place = cells.find(keys.of(hash, detail: 0, epoch: bucket)) else { return }
        guard cells.isFlagged(place) else {
            cells[place].sent += packets
            return
        }
        buckets.updateIfPresent(WindowKey(first: home, epoch: bucket), recency: sight.recency) { $0.sent += packets }
    }

    /// - Parameter more: of the record, or all that its cell has counted; `packets` are the record's.
    @inline(never)
    private mutating func add(
        _ more: CarpetCell, _ packets: Double, _ sight: FlowSight, _ visit: CarpetVisit, to bucket: Int64
    ) {
        let limits = parameters, key = WindowKey(first: visit.network, epoch: bucket)
        var answer = buckets.update(key, recency: sight.recency) { entry in
            let isNew = entry.flows == 0
            entry.add(more)
            let rates = CarpetRates(entry, limits)
            // Few networks come near a limit, so few pay for a list of hosts.
            if rates.fullness >= CarpetGate.listedPart { entry.hosts.add(packets, to: sight.destination) }
            return isNew ? CarpetAnswer(isNew: true) : entry.hold(rates)
        }
        if answer.isNew {
            let isOwn = limits.mayBeInside(sight.destination)
            let scale = usual.scale(of: visit.networkHash, in: bucket, isOwn: isOwn)
            answer = buckets.update(key, recency: sight.recency) { entry in
                entry.scale = scale
                return entry.hold(CarpetRates(entry, limits))
            }
        }
        if let lesson = answer.lesson { usual.learn(lesson, of: visit.networkHash, in: bucket, sight) }
        if let lesson = answer.emptyLesson { usual.learn(lesson, of: visit.networkHash, in: bucket, sight) }
        if answer.isHot { hot.add(key) }
    }

    /// Its /24, or its /64 of IPv6.
    @inline(__always)
    static func network(of address: IPAddress) -> IPAddress {
        IPAddress(high: address.high, low: address.isV4 ? address.low & ~0xFF : 0)
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        let (tenant, limits, keys, usual) = (tenant, parameters, keys, usual)
        for key in hot.take() {
            guard let bucket = buckets[key] else { continue }
            let rates = CarpetRates(bucket, limits)
            guard bucket.isCarpet(rates, limits) else { continue }
            let start = key.epoch * limits.floodBucketMilliseconds
            let window = WindowKey(first: key.first, epoch: epoch(of: start, width: limits.floodWindowMilliseconds))
            cases.update(window, recency: bucket.recency) {
                $0.take(bucket, rates, start: start, width: max(limits.floodBucketMilliseconds, 1))
            }
            buckets.updateKnown(key) { $0.markTaken() }
        }
        return cases.settle(received: received, isLast: isLast) { key, entry in
            Verdict(magnitude: Double(entry.totals.packets)) { update in
                let length = key.first.isV4 ? 24 : 64
                let beside = usual.text(
                    of: keys.host(key.first), at: entry.totals.first, entry.kind,
                    FloodRatio(packets: entry.ratio, bits: entry.ratio), byPackets: entry.byPackets)
                var finding = Finding(
                    Self.rule, of: tenant, entity: "\(key.first)",
                    windowStart: key.epoch * limits.floodWindowMilliseconds,
                    title: "\(counted(entry.hosts)) hosts of \(key.first)/\(length) together got up to "
                        + "\(counted(Int(min(entry.packetsPerSecond, 1e15)))) packets/s and "
                        + "\(scaled(entry.bitsPerSecond))bit/s, none more than a quarter of it\(beside)",
                    severity: .flood(own: entry.fullness, plain: entry.plainFullness), attackers: [],
                    victims: entry.victims,
                    totals: entry.totals, observed: entry.fullness, threshold: 1, unit: "of the limit", update: update)
                finding.evidence.confidence = SampledLimit.confidence(
                    fullness: entry.fullness,
                    packets: entry.packetsPerSecond * Double(max(limits.floodBucketMilliseconds, 1)) / 1_000,
                    interval: entry.totals.samplingInterval)
                return finding
            }
        }
    }

    func save(to writer: inout SnapshotWriter) {
        cells.save(to: &writer)
        buckets.save(to: &writer)
        cases.save(to: &writer)
        hot.save(to: &writer)
        usual.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try cells.restore(from: &reader)
        try buckets.restore(from: &reader)
        try cases.restore(from: &reader)
        try hot.restore(from: &reader)
        try usual.restore(from: &reader)
    }
}

/// The networks of a record's ends.
private struct CarpetVisit {
    let home: IPAddress, network: IPAddress
    let homeHash: UInt64, networkHash: UInt64

    @inline(__always)
    init(_ sight: FlowSight, _ keys: KeyHash) {
        home = CarpetBombingDetector.network(of: sight.source)
        network = CarpetBombingDetector.network(of: sight.destination)
        (homeHash, networkHash) = (keys.host(home), keys.host(network))
    }
}
