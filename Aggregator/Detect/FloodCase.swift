/// What a window's hot buckets of one host are together, for `FloodDetector`.
import FlowModel

struct FloodCase: WindowEntry {
    /// The class and the rates of the fullest bucket.
    private(set) var kind = FloodClass.datagrams
    /// The limits of `kind` were those of datagrams: of a crowd's sums.
    private var isCrowd = false
    private(set) var packetsPerSecond = 0.0, bitsPerSecond = 0.0
    /// Of the host's own limits.
    private(set) var fullness = 0.0
    /// Of everybody's, in whichever bucket that was.
    private(set) var plainFullness = 0.0
    /// The host's own limits to everybody's, in the fullest bucket, and whether its packets were large.
    private(set) var ratio = FloodRatio.even
    private var isLarge = false
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
    mutating func take(_ bucket: FloodBucket, start: Int64, _ measure: FloodMeasure, sourcesMax: Int) {
        for kind in FloodClass.allCases {
            let rates = bucket.rates(of: kind, measure), full = rates.ownFullness
            guard rates.isHot else { continue }
            plainFullness = max(plainFullness, rates.fullness)
            guard full >= fullness else { continue }
            (fullness, self.kind, transport) = (full, kind, bucket.transport)
            (ratio, isLarge, isCrowd) = (rates.ratio, rates.isLarge, bucket.sums?.isCrowd == true)
            (packetsPerSecond, bitsPerSecond) = (rates.packets, rates.octets * 8)
        }
        let more = bucket.untaken
        packets += more.packets
        octets += more.octets
        flows &+= more.flows
        samplingInterval = max(samplingInterval, bucket.samplingInterval)
        self.start = min(self.start, start)
        end = max(end, start + measure.bucketMilliseconds)
        if let more = bucket.sums {
            if sums == nil { sums = more } else { sums?.merge(more) }
        }
        for source in bucket.sources.list { _ = sources.insert(source, max: sourcesMax) }
    }

    /// The class whose limits these are.
    var heldClass: FloodClass { kind == .summed ? isCrowd ? .datagrams : .conversation : kind }
    /// The host's own.
    func limit(_ parameters: DetectorParameters) -> FloodLimit {
        let base = FloodLimit(heldClass, parameters)
        guard isLarge else { return base.times(ratio) }
        return FloodLimit(packets: parameters.floodPacketsPerSecond, bits: base.bits)
            .times(FloodRatio(packets: ratio.bits, bits: ratio.bits))
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
        for value in [plainFullness, ratio.packets, ratio.bits] { writer.add(value) }
        writer.add(isLarge)
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
        plainFullness = fullness
        guard reader.edition >= .usual else { return }
        plainFullness = try reader.nextDouble()
        ratio = FloodRatio(packets: try reader.nextDouble(), bits: try reader.nextDouble())
        isLarge = try reader.nextBool()
    }
}
