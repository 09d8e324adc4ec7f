/// The state behind `FloodDetector`: a bucket is one host in a few seconds, a case one host's hot buckets in a window.
import FlowModel

/// The rates at which a class of traffic becomes a flood.
struct FloodLimit {
    let packets: Double, bits: Double
    init(_ kind: FloodClass, _ parameters: DetectorParameters) {
        switch kind {
        case .datagrams: (packets, bits) = (parameters.floodPacketsPerSecond, parameters.floodBitsPerSecond)
        case .conversation:
            (packets, bits) = (parameters.conversationPacketsPerSecond, parameters.conversationBitsPerSecond)
        case .empty: (packets, bits) = (parameters.emptyPacketsPerSecond, parameters.floodBitsPerSecond)
        }
    }
}

struct FloodBucket: WindowEntry {
    /// By `FloodClass`.
    private(set) var packets: [Double] = [0, 0, 0], octets: [Double] = [0, 0, 0]
    var flows: UInt64 = 0
    var samplingInterval = 1.0
    /// Of the record that last found the bucket over a limit.
    var transport: UInt8 = 0
    var sources = DistinctItems()
    /// What a case already has.
    private var takenPackets = 0.0, takenOctets = 0.0, takenFlows: UInt64 = 0
    var recency = Int64.min
    var itemCount: Int { sources.count }

    var untaken: (packets: Double, octets: Double, flows: UInt64) {
        (packets.reduce(0, +) - takenPackets, octets.reduce(0, +) - takenOctets, flows &- takenFlows)
    }

    mutating func add(packets more: Double, octets moreOctets: Double, to kind: FloodClass) {
        packets[kind.rawValue] += more
        octets[kind.rawValue] += moreOctets
    }
    mutating func markTaken() {
        (takenPackets, takenOctets, takenFlows) = (packets.reduce(0, +), octets.reduce(0, +), flows)
    }

    /// How full the limits of `kind` are: 1 is a flood. Large packets of the empty class are held to the packet limit
    /// of datagrams: a tunnel carries work.
    func fullness(of kind: FloodClass, _ parameters: DetectorParameters) -> Double {
        let seconds = Double(max(parameters.floodBucketMilliseconds, 1)) / 1_000, limit = FloodLimit(kind, parameters)
        let (count, size) = (packets[kind.rawValue], octets[kind.rawValue])
        let isLarge = kind == .empty && size > count * parameters.floodSmallPacketOctets
        let packetLimit = isLarge ? parameters.floodPacketsPerSecond : limit.packets
        return max(count / seconds / packetLimit, size * 8 / seconds / limit.bits)
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for value in packets + octets + [samplingInterval, takenPackets, takenOctets] { writer.add(value) }
        writer.add(flows)
        writer.add(takenFlows)
        writer.add(UInt64(transport))
        sources.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for index in 0..<3 { packets[index] = try reader.nextDouble() }
        for index in 0..<3 { octets[index] = try reader.nextDouble() }
        samplingInterval = try reader.nextDouble()
        takenPackets = try reader.nextDouble()
        takenOctets = try reader.nextDouble()
        flows = try reader.next()
        takenFlows = try reader.next()
        transport = try reader.nextSmall(UInt8.self)
        sources = try DistinctItems(from: &reader)
        recency = try reader.nextSigned()
    }
}

struct FloodCase: WindowEntry {
    /// The class and the rates of the fullest bucket.
    private(set) var kind = FloodClass.datagrams
    private(set) var packetsPerSecond = 0.0, bitsPerSecond = 0.0
    private var fullness = 0.0
    private(set) var transport: UInt8 = 0
    private(set) var samplingInterval = 1.0
    /// All classes' traffic in the hot buckets.
    private(set) var packets = 0.0, octets = 0.0, flows: UInt64 = 0
    private(set) var start = Int64.max, end = Int64.min
    private(set) var sources = DistinctItems()
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
        for source in bucket.sources.list { _ = sources.insert(source, max: parameters.itemsPerEntryMax) }
    }

    func sourcesText(_ itemsMax: Int) -> String {
        (sources.count >= itemsMax ? "at least " : "") + counted(sources.count)
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
        announcement = try Announcement(from: &reader)
    }
}
