/// The state behind `FloodDetector`: a bucket is one host in a few seconds, a case one host's hot buckets in a window.
import FlowModel

/// The rates at which a class of traffic becomes a flood.
struct FloodLimit {
    let packets: Double, bits: Double
    init(_ kind: FloodClass, _ parameters: DetectorParameters) {
        switch kind {
        case .datagrams: (packets, bits) = (parameters.floodPacketsPerSecond, parameters.floodBitsPerSecond)
        case .conversation, .summed:
            (packets, bits) = (parameters.conversationPacketsPerSecond, parameters.conversationBitsPerSecond)
        case .empty: (packets, bits) = (parameters.emptyPacketsPerSecond, parameters.floodBitsPerSecond)
        }
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
    func isFull(_ parameters: DetectorParameters) -> Bool {
        FloodClass.allCases.contains { fullness(of: $0, parameters) >= 1 }
    }
    mutating func markTaken() {
        (takenPackets, takenOctets, takenFlows) = (packets.sum(), octets.sum(), flows)
    }

    /// How full the limits of `kind` are: 1 is a flood. Large packets of the empty class are held to the packet limit
    /// of datagrams: a tunnel carries work.
    func fullness(of kind: FloodClass, _ parameters: DetectorParameters) -> Double {
        let seconds = Double(max(parameters.floodBucketMilliseconds, 1)) / 1_000, limit = limit(of: kind, parameters)
        let (count, size) = (packets[kind.rawValue], octets[kind.rawValue])
        let isLarge = kind == .empty && size > count * parameters.floodSmallPacketOctets
        let packetLimit = isLarge ? parameters.floodPacketsPerSecond : limit.packets
        return max(count / seconds / packetLimit, size * 8 / seconds / limit.bits)
    }

    func limit(of kind: FloodClass, _ parameters: DetectorParameters) -> FloodLimit {
        FloodLimit(kind == .summed && sums?.isCrowd == true ? .datagrams : kind, parameters)
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
        recency = try reader.nextSigned()
    }
}

struct FloodCase: WindowEntry {
    /// The class and the rates of the fullest bucket.
    private(set) var kind = FloodClass.datagrams
    /// The limits of `kind` were those of datagrams: of a crowd's sums.
    private var isCrowd = false
    private(set) var packetsPerSecond = 0.0, bitsPerSecond = 0.0
    private var fullness = 0.0
    private(set) var transport: UInt8 = 0
    private(set) var samplingInterval = 1.0
    /// All classes' traffic in the hot buckets.
    private(set) var packets = 0.0, octets = 0.0, flows: UInt64 = 0
    private(set) var start = Int64.max, end = Int64.min
    private(set) var sources = DistinctItems()
    private(set) var sums: FloodSums?
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { sources.count }

    /// - Parameter start: of the bucket, in ms.
    mutating func take(_ bucket: FloodBucket, start: Int64, _ parameters: DetectorParameters) {
        let width = max(parameters.floodBucketMilliseconds, 1), seconds = Double(width) / 1_000
        for kind in FloodClass.allCases {
            let full = bucket.fullness(of: kind, parameters)
            guard full >= 1, full >= fullness else { continue }
            (fullness, self.kind, transport) = (full, kind, bucket.transport)
            isCrowd = bucket.sums?.isCrowd == true
            packetsPerSecond = bucket.packets[kind.rawValue] / seconds
            bitsPerSecond = bucket.octets[kind.rawValue] * 8 / seconds
        }
        let more = bucket.untaken
        packets += more.packets
        octets += more.octets
        flows &+= more.flows
        samplingInterval = max(samplingInterval, bucket.samplingInterval)
        self.start = min(self.start, start)
        end = max(end, start + width)
        if let more = bucket.sums {
            if sums == nil { sums = more } else { sums?.merge(more) }
        }
        for source in bucket.sources.list { _ = sources.insert(source, max: parameters.itemsPerEntryMax) }
    }

    func limit(_ parameters: DetectorParameters) -> FloodLimit {
        FloodLimit(kind == .summed && isCrowd ? .datagrams : kind, parameters)
    }
    func sourcesText(_ itemsMax: Int) -> String {
        if let sums { return "about " + counted(max(sums.sources.count, sources.count)) }
        return (sources.count >= itemsMax ? "at least " : "") + counted(sources.count)
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        writer.add(kind.rawValue)
        for value in [packetsPerSecond, bitsPerSecond, fullness, samplingInterval, packets, octets] {
            writer.add(value)
        }
        writer.add(UInt64(transport))
        writer.add(flows)
        for time in [start, end, recency] { writer.add(time) }
        sources.save(to: &writer)
        writer.add(isCrowd)
        FloodSums.save(sums, to: &writer)
        announcement.save(to: &writer)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        guard let kind = FloodClass(rawValue: Int(try reader.nextSmall(UInt8.self))) else { throw .damaged }
        self.kind = kind
        packetsPerSecond = try reader.nextDouble()
        bitsPerSecond = try reader.nextDouble()
        fullness = try reader.nextDouble()
        samplingInterval = try reader.nextDouble()
        packets = try reader.nextDouble()
        octets = try reader.nextDouble()
        transport = try reader.nextSmall(UInt8.self)
        flows = try reader.next()
        start = try reader.nextSigned()
        end = try reader.nextSigned()
        recency = try reader.nextSigned()
        sources = try DistinctItems(from: &reader)
        isCrowd = try reader.nextBool()
        sums = try FloodSums.next(from: &reader)
        announcement = try Announcement(from: &reader)
    }
}
