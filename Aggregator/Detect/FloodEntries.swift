/// The state behind `FloodDetector`: a bucket is one host in a few seconds (a case, one host's hot buckets in a window,
/// is in `FloodCase.swift`).
import FlowModel

/// The rates at which a class of traffic becomes a flood.
struct FloodLimit {
    let packets: Double, bits: Double

    init(packets: Double, bits: Double) { (self.packets, self.bits) = (packets, bits) }
    init(_ kind: FloodClass, _ parameters: DetectorParameters) {
        switch kind {
        case .datagrams: (packets, bits) = (parameters.floodPacketsPerSecond, parameters.floodBitsPerSecond)
        case .conversation, .summed:
            (packets, bits) = (parameters.conversationPacketsPerSecond, parameters.conversationBitsPerSecond)
        case .empty: (packets, bits) = (parameters.emptyPacketsPerSecond, parameters.floodBitsPerSecond)
        }
    }
    /// In whole packets and bits, as people read them; not below one.
    func times(_ ratio: FloodRatio) -> FloodLimit {
        FloodLimit(
            packets: ratio.packets == 1 ? packets : max((packets * ratio.packets).rounded(), 1),
            bits: ratio.bits == 1 ? bits : max((bits * ratio.bits).rounded(), 1))
    }
}

/// What rates are held to, taken out of the parameters once: these have lists, which a copy for each record would
/// count.
struct FloodMeasure {
    let bucketMilliseconds: Int64, smallPacketOctets: Double, usual: FloodUsual
    private let datagrams: FloodLimit, conversation: FloodLimit, empty: FloodLimit

    init(_ parameters: DetectorParameters) {
        bucketMilliseconds = max(parameters.floodBucketMilliseconds, 1)
        (smallPacketOctets, usual) = (parameters.floodSmallPacketOctets, parameters.floodUsual)
        datagrams = FloodLimit(.datagrams, parameters)
        (conversation, empty) = (FloodLimit(.conversation, parameters), FloodLimit(.empty, parameters))
    }
    subscript(kind: FloodClass) -> FloodLimit {
        switch kind {
        case .datagrams: datagrams
        case .conversation, .summed: conversation
        case .empty: empty
        }
    }
}

/// A class's packets and octets a second, beside their limits.
struct FloodRates {
    let packets: Double, octets: Double
    /// The class whose limits these are.
    let held: FloodClass
    /// Large packets of the empty class: work in a tunnel. It is held to the packet limit of datagrams, in so far as
    /// its octets are usual.
    let isLarge: Bool
    private let base: FloodLimit
    /// How full everybody's limits are: 1 is a flood.
    let fullness: Double
    /// Of the bucket, scaled, and the interval that they are scaled by.
    let count: Double, samplingInterval: Double
    /// Of the limits of the host's own to everybody's.
    var ratio = FloodRatio.even

    init(
        packets: Double, octets: Double, held: FloodClass, isLarge: Bool, base: FloodLimit, count: Double,
        samplingInterval: Double
    ) {
        (self.count, self.samplingInterval) = (count, samplingInterval)
        (self.packets, self.octets, self.held) = (packets, octets, held)
        (self.isLarge, self.base) = (isLarge, base)
        fullness = Self.fullness(packets, octets, base)
    }
    var limit: FloodLimit { base.times(isLarge ? FloodRatio(packets: ratio.bits, bits: ratio.bits) : ratio) }
    /// How full the host's own limits are. Most hosts have everybody's.
    var ownFullness: Double { ratio == .even ? fullness : Self.fullness(packets, octets, limit) }
    /// Whether it is a flood; of sampled packets, whether by more than chance.
    var isHot: Bool {
        SampledLimit.isPassed(fullness: ownFullness, packets: count, interval: samplingInterval)
    }
    @inline(__always)
    private static func fullness(_ packets: Double, _ octets: Double, _ limit: FloodLimit) -> Double {
        max(packets / limit.packets, octets * 8 / limit.bits)
    }
}

/// Whom sums of flows came from and which ports they went to, in sketches.
struct FloodSums {
    var ports = DistinctSketch(), sources = DistinctSketch()

    /// Sources by the dozen for each port: a service under load or under attack, not somebody's downloads.
    var isCrowd: Bool { sources.count >= 64 && sources.count >= 16 * ports.count }

    mutating func merge(_ other: FloodSums) {
        ports.merge(other.ports)
        sources.merge(other.sources)
    }
    static func save(_ sums: FloodSums?, to writer: inout SnapshotWriter) {
        writer.add(sums != nil)
        sums?.ports.save(to: &writer)
        sums?.sources.save(to: &writer)
    }
    static func next(from reader: inout SnapshotReader) throws(SnapshotError) -> FloodSums? {
        guard try reader.nextBool() else { return nil }
        return FloodSums(ports: try DistinctSketch(from: &reader), sources: try DistinctSketch(from: &reader))
    }
}

/// What a bucket says to one more record.
struct FloodAnswer {
    /// The bucket was made for it: it is to be held once the host's limits were looked up.
    var isNew = false
    var isHot = false
    var lesson: FloodLesson?
}

struct FloodBucket: WindowEntry {
    /// By `FloodClass`.
    private(set) var packets = SIMD4<Double>.zero, octets = SIMD4<Double>.zero
    /// Of rows that are sums, once a limit is near. None or one: out of line, as few buckets have any.
    private var sumsList: [FloodSums] = []
    var flows: UInt64 = 0
    var samplingInterval = 1.0
    /// Of the record that last found the bucket over a limit.
    var transport: UInt8 = 0
    var sources = DistinctItems()
    /// What the host's own limits are, looked up when the bucket is made.
    var scale = FloodScale()
    /// What a case already has.
    private var takenPackets = 0.0, takenOctets = 0.0, takenFlows: UInt64 = 0
    var recency = Int64.min
    var itemCount: Int { sources.count }

    private(set) var sums: FloodSums? {
        get { sumsList.first }
        set { sumsList = newValue.map { [$0] } ?? [] }
    }

    var untaken: (packets: Double, octets: Double, flows: UInt64) {
        (packets.sum() - takenPackets, octets.sum() - takenOctets, flows &- takenFlows)
    }

    mutating func add(_ more: FloodCell, to kind: FloodClass) {
        packets[kind.rawValue] += more.packets
        octets[kind.rawValue] += more.octets
        flows &+= UInt64(more.flows)
        samplingInterval = max(samplingInterval, Double(more.samplingInterval))
    }
    /// Notes who sent: by name, where there is one.
    /// - Parameter pair: of a row that is a sum.
    mutating func note(_ sight: FlowSight, _ pair: DistinctPair?, sourcesMax: Int) {
        if let pair {
            var sums = self.sums ?? FloodSums()
            sums.ports.merge(pair.ports)
            if sight.source.isAbsent { sums.sources.merge(pair.peers) } else { sums.sources.insert(sight.source) }
            self.sums = sums
        }
        guard !sight.source.isAbsent else { return }
        let source = DistinctItem(value: sight.source, time: sight.start, isAnswered: false)
        _ = sources.insert(source, max: sourcesMax)
    }
    mutating func markTaken() {
        (takenPackets, takenOctets, takenFlows) = (packets.sum(), octets.sum(), flows)
    }

    /// - Returns: of `kind`, with the limits that the host has.
    func rates(of kind: FloodClass, _ measure: FloodMeasure) -> FloodRates {
        let seconds = Double(measure.bucketMilliseconds) / 1_000, held = heldClass(of: kind)
        let (count, size) = (packets[kind.rawValue], octets[kind.rawValue])
        let isLarge = kind == .empty && size > count * measure.smallPacketOctets
        var base = measure[held]
        if isLarge { base = FloodLimit(packets: measure[.datagrams].packets, bits: base.bits) }
        var rates = FloodRates(
            packets: count / seconds, octets: size / seconds, held: held, isLarge: isLarge, base: base, count: count,
            samplingInterval: samplingInterval)
        let own = scale[held]
        rates.ratio = own.isLower && !mayBeLower(kind, held, measure.usual) ? own.raisedOnly : own
        return rates
    }
    /// Limits below everybody's are for floods of datagrams, and of what else crowds send: a download, or one scanner,
    /// is none. Of sampled packets a handful tells nothing.
    private func mayBeLower(_ kind: FloodClass, _ held: FloodClass, _ usual: FloodUsual) -> Bool {
        packets[kind.rawValue] >= usual.seenMin * samplingInterval
            && (held == .datagrams || max(sources.count, sums?.sources.count ?? 0) >= usual.sourcesMin)
    }
    private func heldClass(of kind: FloodClass) -> FloodClass {
        kind != .summed ? kind : sums?.isCrowd == true ? .datagrams : .conversation
    }

    /// Holds the class of the record just added against the host's limits.
    /// - Returns: also what the host's day has to learn. What is above its limits teaches these.
    mutating func hold(_ sight: FlowSight, _ rates: FloodRates) -> FloodAnswer {
        let limit = rates.limit, isHot = rates.isHot
        if isHot { transport = sight.transport }
        let lesson = scale.lesson(
            rates.held, packets: rates.isLarge ? 0 : min(rates.packets, limit.packets),
            octets: min(rates.octets, limit.bits / 8))
        return FloodAnswer(isHot: isHot, lesson: lesson)
    }
    func isHot(_ measure: FloodMeasure) -> Bool {
        FloodClass.allCases.contains { rates(of: $0, measure).isHot }
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for index in packets.indices { writer.add(packets[index]) }
        for index in octets.indices { writer.add(octets[index]) }
        for value in [samplingInterval, takenPackets, takenOctets] { writer.add(value) }
        writer.add(flows)
        writer.add(takenFlows)
        writer.add(UInt64(transport))
        sources.save(to: &writer)
        FloodSums.save(sums, to: &writer)
        scale.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for index in packets.indices { packets[index] = try reader.nextDouble() }
        for index in octets.indices { octets[index] = try reader.nextDouble() }
        samplingInterval = try reader.nextDouble()
        takenPackets = try reader.nextDouble()
        takenOctets = try reader.nextDouble()
        flows = try reader.next()
        takenFlows = try reader.next()
        transport = try reader.nextSmall(UInt8.self)
        sources = try DistinctItems(from: &reader)
        sums = try FloodSums.next(from: &reader)
        scale = try FloodScale(from: &reader)
        recency = try reader.nextSigned()
    }
}
