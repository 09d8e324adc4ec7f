/// Volumetric floods: more packets or octets per second to one host than hosts take.
///
/// Method: event time is cut into buckets of a few seconds; a record's counters, scaled by its sampling interval, are
/// spread evenly over [start, end], so a long flow that is exported at once is no burst. Three classes of traffic have
/// limits of their own, because a download, a stream of datagrams and a stream of empty packets differ (`FloodClass`).
/// A host whose days are known has limits of its own (`UsualRates`), looked up once a bucket.
/// Invariants: a bucket's rate counts each record once, in any order; a bucket of six hours ago fills as well as one of
/// now. Not here: reflected traffic below the limits (`ReflectionDetector`).
import FlowModel
import Identity

/// What a record's packets are to the host that gets them.
enum FloodClass: Int, CaseIterable {
    /// Asked for by nobody as far as a record can tell: UDP without QUIC.
    case datagrams
    /// TCP with ACK (or without control bits at all), and UDP from port 443.
    case conversation
    /// TCP without ACK, ICMP, and protocols other than TCP and UDP.
    case empty
    /// UDP whose ports were summed away: datagrams, where they come from many sources for few ports, else conversation,
    /// since it may be QUIC.
    case summed

    /// Those that have limits of their own, in the order of their numbers.
    static let held: [FloodClass] = [.datagrams, .conversation, .empty]

    init(_ sight: FlowSight) {
        if sight.isTCP {
            // Of many sources' flows together some have an ACK: what they have on average tells.
            let isCrowd = sight.source.isAbsent && sight.samplingInterval <= 1 && sight.flows >= 64
            if isCrowd, sight.packets < 2 * UInt64(sight.flows) {
                self = .empty
                return
            }
            self = sight.controlBits == 0 || sight.has(Bit.ack) ? .conversation : .empty
        } else if sight.isUDP {
            let isSummed = sight.isPortless && sight.sourcePort == 0
            self = isSummed ? .summed : sight.sourcePort == 443 ? .conversation : .datagrams
        } else {
            self = .empty
        }
    }
}

struct FloodDetector: Detector {
    static let name = "flood"
    static let rule = RuleInfo(
        id: "flood", title: "Flood on one host", tactics: ["TA0040"], techniques: ["T1498"])
    static let rules = [rule]
    static let interest: Aspects = .arriving

    let tenant: TenantID, parameters: DetectorParameters
    private let keys: KeyHash, gate: FloodGate, spread: FloodSpread
    /// All hosts; flagged when there is a bucket.
    private var cells: FingerprintTable<FloodCell>
    /// Hosts that come near a limit.
    private var buckets: EventTable<FloodBucket>
    private var cases: EventTable<FloodCase>
    private let measure: FloodMeasure
    /// What hosts usually get.
    private var usual: UsualRates
    /// Buckets over a limit since the last settling, and cases with something unsaid.
    private var hot = Agenda(), unsaid = Agenda()
    /// Of the records at hand.
    private var visits = [FloodVisit](repeating: .none, count: SightChunk.sightsMax), warmth: UInt64 = 0
    /// Of long records, which have several; more are not gathered, so that they stay in the cache.
    private var pieces: [FloodVisit] = []
    private static let piecesTogether = 128
    private var clock: WindowClock
    /// Of the batch at hand.
    private var sketches = DistinctCounts()
    var evictions: UInt64 { cells.evictions &+ buckets.evictions &+ cases.evictions }
    var reopenings: UInt64 { buckets.reopenings &+ cases.reopenings }
    var otherEvictions: [String: UInt64] { ["flood-usual": usual.evictions] }

    init(tenant: TenantID, parameters: DetectorParameters) {
        self.tenant = tenant
        self.parameters = parameters
        clock = WindowClock(width: parameters.floodBucketMilliseconds)
        (keys, gate, spread) = (KeyHash(tenant), FloodGate(parameters), FloodSpread(parameters))
        measure = FloodMeasure(parameters)
        cells = FingerprintTable(entriesMax: parameters.tableEntriesMax / 4)
        buckets = EventTable(entriesMax: parameters.tableEntriesMax, itemsMax: parameters.itemsMax)
        cases = EventTable(entriesMax: parameters.tableEntriesMax / 8, itemsMax: parameters.itemsMax)
        usual = UsualRates(
            parameters, keys, limits: FloodClass.allCases.map { FloodLimit($0, parameters) },
            measured: FloodGate.part, share: 4)
    }

    mutating func begin(_ columns: FlowColumns, rows: Range<Int>) { sketches = columns.sketches }

    mutating func observe(_ chunk: borrowing SightChunk) {
        let count = plan(chunk)
        for place in 0..<count { add(chunk.sights[visits[place].index], visits[place]) }
        for index in chunk.indices where chunk.aspects[index].contains([.arriving, .lengthy]) {
            gather(chunk.sights[index], index)
            if pieces.count >= Self.piecesTogether { addPieces(chunk) }
        }
        addPieces(chunk)
    }

    /// Asks memory for the cells of all buckets that a long record reaches into, before the first of them is needed.
    private mutating func gather(_ sight: FlowSight, _ index: Int) {
        let detail = UInt64(sight.floodClass.rawValue), host = sight.destinationHash, keys = keys
        var warmth: UInt64 = 0
        FloodSpan(sight, spread).forEachBucket { bucket, share in
            let hash = keys.of(host, detail: detail, epoch: bucket)
            warmth &+= cells.warm(hash)
            pieces.append(FloodVisit(hash: hash, bucket: bucket, share: share, index: index))
        }
        self.warmth &+= warmth
    }
    private mutating func addPieces(_ chunk: borrowing SightChunk) {
        var pieces: [FloodVisit] = []
        swap(&pieces, &self.pieces)
        for piece in pieces { add(chunk.sights[piece.index], piece) }
        pieces.removeAll(keepingCapacity: true)
        swap(&pieces, &self.pieces)
    }

    /// What records of at most a bucket's length add to; those that reach into a second one are left out.
    private mutating func plan(_ chunk: borrowing SightChunk) -> Int {
        var count = 0, visits: [FloodVisit] = []
        swap(&visits, &self.visits)
        defer { swap(&visits, &self.visits) }
        for index in chunk.indices where chunk.aspects[index].contains(.arriving) {
            if chunk.aspects[index].contains(.lengthy) { continue }
            let sight = chunk.sights[index], detail = UInt64(sight.floodClass.rawValue)
            let bucket = clock.number(of: sight.start)
            let hash = keys.of(sight.destinationHash, detail: detail, epoch: bucket)
            visits[count] = FloodVisit(hash: hash, bucket: bucket, share: 1, index: index)
            count += 1
        }
        for place in 0..<count { warmth &+= cells.warm(visits[place].hash) }
        return count
    }

    /// Every record comes in a chunk.
    mutating func observe(_ sight: FlowSight) {}

    @inline(__always)
    private mutating func add(_ sight: FlowSight, _ visit: FloodVisit) {
        let more = FloodCell(sight, share: visit.share), kind = sight.floodClass
        let (place, isNew) = cells.place(of: visit.hash)
        if isNew, UsualRates.isTurn(visit.hash) { see(sight, in: visit.bucket) }
        guard !cells.isFlagged(place) else { return add(more, sight, kind, to: visit.bucket) }
        cells[place].add(more)
        guard gate.isNear(cells[place], kind) else { return }
        cells.setFlag(place, to: true)
        add(cells[place], sight, kind, to: visit.bucket)
    }

    /// Quiet hosts are known by their being there.
    @inline(never)
    private mutating func see(_ sight: FlowSight, in bucket: Int64) {
        guard parameters.mayBeInside(sight.destination) else { return }
        usual.see(sight.destinationHash, in: bucket, sight)
    }

    /// - Parameter more: of the record, or all that its cell has counted.
    @inline(never)
    private mutating func add(_ more: FloodCell, _ sight: FlowSight, _ kind: FloodClass, to bucket: Int64) {
        let key = WindowKey(first: sight.destination, epoch: bucket)
        let measure = measure, sourcesMax = parameters.itemsPerEntryMax, sketches = sketches
        var answer = buckets.update(key, recency: sight.recency) { entry in
            let isNew = entry.flows == 0
            entry.add(more, to: kind)
            var rates = entry.rates(of: kind, measure)
            // Few hosts come near a limit, so few pay for a list of sources.
            if rates.fullness >= FloodGate.part {
                entry.note(sight, sketches.pair(at: sight.sketch), sourcesMax: sourcesMax)
                // What they are held to may hang on who sent.
                if kind == .summed || entry.scale.isLower { rates = entry.rates(of: kind, measure) }
            }
            return isNew ? FloodAnswer(isNew: true) : entry.hold(sight, rates)
        }
        if answer.isNew {
            let isOwn = parameters.mayBeInside(sight.destination)
            let scale = usual.scale(of: sight.destinationHash, in: bucket, isOwn: isOwn)
            answer = buckets.update(key, recency: sight.recency) { entry in
                entry.scale = scale
                return entry.hold(sight, entry.rates(of: kind, measure))
            }
        }
        if let lesson = answer.lesson { usual.learn(lesson, of: sight.destinationHash, in: bucket, sight) }
        if answer.isHot { hot.add(key) }
    }

    mutating func settle(received: Int64) -> [Finding] { weigh(received: received, isLast: false) }
    mutating func finish() -> [Finding] { weigh(received: .max, isLast: true) }

    private mutating func weigh(received: Int64, isLast: Bool) -> [Finding] {
        sketches = DistinctCounts()
        for key in hot.take() { enter(key) }
        return unsaid.take().compactMap { say($0, received: received, isLast: isLast) }
    }

    /// Moves what a hot bucket has newly counted into the case of its host and window.
    private mutating func enter(_ key: WindowKey) {
        guard let bucket = buckets[key], bucket.isHot(measure) else { return }
        let width = parameters.floodBucketMilliseconds, start = key.epoch * width
        let caseKey = WindowKey(
            first: key.first, epoch: epoch(of: start, width: parameters.floodWindowMilliseconds))
        let measure = measure, sourcesMax = parameters.itemsPerEntryMax
        cases.update(caseKey, recency: bucket.recency) {
            $0.take(bucket, start: start, measure, sourcesMax: sourcesMax)
        }
        buckets.updateKnown(key) { $0.markTaken() }
        unsaid.add(caseKey)
    }

    private mutating func say(_ key: WindowKey, received: Int64, isLast: Bool) -> Finding? {
        guard let entry = cases[key] else { return nil }
        var announcement = entry.announcement
        // Growth is that of what was sent; the peak alone would hide a flood that goes on at the same rate.
        let isDue = announcement.isDue(
            magnitude: entry.packets, received: received, pace: parameters.updatePaceMilliseconds, isLast: isLast)
        if !isDue, entry.packets > announcement.saidMagnitude { unsaid.add(key) }
        guard isDue else { return nil }
        cases.updateKnown(key) { $0.announcement = announcement }
        return finding(key, entry, update: announcement.update)
    }

    private func finding(_ key: WindowKey, _ entry: FloodCase, update: Int) -> Finding {
        let limit = entry.limit(parameters)
        let byPackets = entry.packetsPerSecond / limit.packets >= entry.bitsPerSecond / limit.bits
        let sources = entry.sources.list
        let named = sources.count <= 8 && entry.sums == nil ? sources.map { FindingEntity($0.value, .attacker) } : []
        var evidence = Evidence(
            observed: byPackets ? entry.packetsPerSecond : entry.bitsPerSecond,
            threshold: byPackets ? limit.packets : limit.bits, unit: byPackets ? "packets/s" : "bit/s",
            flows: entry.flows, packets: UInt64(min(entry.packets, 9e18)), octets: UInt64(min(entry.octets, 9e18)))
        if entry.samplingInterval > 1 { evidence.samplingInterval = entry.samplingInterval }
        evidence.confidence = SampledLimit.confidence(
            fullness: entry.fullness,
            packets: entry.packetsPerSecond * Double(max(parameters.floodBucketMilliseconds, 1)) / 1_000,
            interval: entry.samplingInterval)
        return Finding(
            tenant: tenant, rule: Self.rule, entity: "\(key.first)",
            windowStart: key.epoch * parameters.floodWindowMilliseconds, title: title(key, entry, byPackets: byPackets),
            severity: isLoad(entry) ? .low : .flood(own: entry.fullness, plain: entry.plainFullness),
            entities: [FindingEntity(key.first, .victim)] + named, ports: [],
            span: (entry.start, entry.end), evidence: evidence, update: update)
    }
    private func title(_ key: WindowKey, _ entry: FloodCase, byPackets: Bool) -> String {
        let sources = entry.sources.list
        let who =
            sources.count == 1 && entry.sums == nil
            ? "from \(sources[0].value)" : "from \(entry.sourcesText(parameters.itemsPerEntryMax)) sources"
        let sampled = entry.samplingInterval > 1 ? ", scaled from 1 in \(Int(entry.samplingInterval)) packets" : ""
        let beside = usual.text(
            of: keys.host(key.first), at: entry.start, entry.heldClass, entry.ratio, byPackets: byPackets)
        return "\(key.first) got up to \(counted(Int(min(entry.packetsPerSecond, 1e15)))) packets/s and "
            + "\(scaled(entry.bitsPerSecond))bit/s of \(transportName(entry.transport)) \(who)\(sampled)\(beside)"
    }

    /// Conversations of own hosts among themselves, each of which is known: a storage server at work looks the same.
    private func isLoad(_ entry: FloodCase) -> Bool {
        entry.kind == .conversation && entry.sums == nil && entry.sources.count > 0
            && entry.sources.count < parameters.itemsPerEntryMax
            && entry.sources.list.allSatisfy { parameters.isInside($0.value) }
    }

    func save(to writer: inout SnapshotWriter) {
        cells.save(to: &writer)
        buckets.save(to: &writer)
        cases.save(to: &writer)
        hot.save(to: &writer)
        unsaid.save(to: &writer)
        usual.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        try cells.restore(from: &reader)
        try buckets.restore(from: &reader)
        try cases.restore(from: &reader)
        try hot.restore(from: &reader)
        try unsaid.restore(from: &reader)
        try usual.restore(from: &reader)
    }
}

extension Severity {
    /// Of a flood.
    /// - Parameters:
    ///   - own: how many times the limit of its victim's own.
    ///   - plain: how many times everybody's limit; below that it is a flood for its victim only, which is less sure.
    static func flood(own: Double, plain: Double) -> Severity {
        plain >= 1 ? min(own, plain) >= 5 ? .critical : .high : own >= 2 ? .medium : .low
    }
}
