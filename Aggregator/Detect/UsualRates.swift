/// What is usual for a tenant's hosts, or networks, and how much higher or lower their own limits are for that.
///
/// Method: of each of the last seven days the peak of the buckets is known. What was reached on three of them is usual
/// (an order statistic, so that two days don't move it, however large), and the limit is twice that where this is
/// more than everybody's. Where ten times the largest of the seven is less than everybody's limit, the limit is that,
/// and not below a quarter. A bucket above the present limit teaches the limit, no more.
/// Invariants: bounded by a `FingerprintTable`, with a count of its own of what makes room; nothing is learned from
/// records that are ahead of the sensor's clock; what a day teaches counts from the next on. Not here: buckets.
import FlowModel
import Identity

/// What a limit is multiplied with.
struct FloodRatio: Equatable {
    var packets = 1.0, bits = 1.0
    static let even = FloodRatio()

    var isLower: Bool { packets < 1 || bits < 1 }
    var isHigher: Bool { packets > 1 || bits > 1 }
    /// Nothing below 1.
    var raisedOnly: FloodRatio { FloodRatio(packets: max(packets, 1), bits: max(bits, 1)) }
}

/// One host's ratios by `FloodClass`, and what its day has been so far: kept beside a bucket's sums, so that it is
/// looked up once a bucket.
struct FloodScale: Sendable {
    private var packets = SIMD4<Float>(repeating: 1), bits = SIMD4<Float>(repeating: 1)
    /// Steps that need not be learned again.
    private var knownPackets = SIMD4<UInt8>.zero, knownOctets = SIMD4<UInt8>.zero

    subscript(kind: FloodClass) -> FloodRatio {
        get { FloodRatio(packets: Double(packets[kind.rawValue]), bits: Double(bits[kind.rawValue])) }
        set {
            packets[kind.rawValue] = Float(newValue.packets)
            bits[kind.rawValue] = Float(newValue.bits)
            if newValue.isLower { isLower = true }
        }
    }

    /// Whether any limit of the host's own is below everybody's.
    private(set) var isLower = false

    /// - Returns: what the host's day has to learn of these rates a second, if it is more than it knows.
    @inline(__always)
    mutating func lesson(_ kind: FloodClass, packets: Double, octets: Double) -> FloodLesson? {
        let index = kind.rawValue
        let lesson = FloodLesson(kind: kind, packets: RateStep.of(packets), octets: RateStep.of(octets))
        guard lesson.packets > knownPackets[index] || lesson.octets > knownOctets[index] else { return nil }
        know(kind, lesson.packets, lesson.octets)
        return lesson
    }
    mutating func know(_ kind: FloodClass, _ packets: UInt8, _ octets: UInt8) {
        let index = kind.rawValue
        knownPackets[index] = max(knownPackets[index], packets)
        knownOctets[index] = max(knownOctets[index], octets)
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        for index in packets.indices {
            writer.add(UInt64(packets[index].bitPattern))
            writer.add(UInt64(bits[index].bitPattern))
            writer.add(UInt64(knownPackets[index]))
            writer.add(UInt64(knownOctets[index]))
        }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        guard reader.edition >= .usual else { return }
        for index in packets.indices {
            packets[index] = Float(bitPattern: try reader.nextSmall(UInt32.self))
            bits[index] = Float(bitPattern: try reader.nextSmall(UInt32.self))
            knownPackets[index] = try reader.nextSmall(UInt8.self)
            knownOctets[index] = try reader.nextSmall(UInt8.self)
            guard packets[index] > 0, bits[index] > 0, packets[index].isFinite, bits[index].isFinite else {
                throw .damaged
            }
            isLower = isLower || packets[index] < 1 || bits[index] < 1
        }
    }
}

/// A day's peak that is larger than the one known.
struct FloodLesson {
    let kind: FloodClass
    let packets: UInt8, octets: UInt8
}

struct UsualRates: Sendable {
    private var table: FingerprintTable<UsualPeaks>
    private let keys: KeyHash, parameters: FloodUsual
    /// Everybody's, by `FloodClass`.
    private let limits: [FloodLimit]
    private let bucket: Int64
    var evictions: UInt64 { table.evictions }

    /// A host is noted as seen in one of so many buckets that it gets something in.
    private static let bucketsBetween: UInt64 = 16
    /// What is less than this part of a limit is not measured, so it is taken for that much.
    private let measured: Double
    private static let dayMilliseconds: Int64 = 86_400_000
    /// How far ahead of the sensor's clock a record may be to be learned from.
    private static let aheadMax: Int64 = 3_600_000

    /// - Parameters:
    ///   - limits: everybody's, by `FloodClass`.
    ///   - measured: the part of a limit from which on there are buckets.
    init(_ parameters: DetectorParameters, _ keys: KeyHash, limits: [FloodLimit], measured: Double, share: Int) {
        table = FingerprintTable(entriesMax: parameters.tableEntriesMax / share)
        (self.keys, self.limits, self.measured) = (keys, limits, measured)
        self.parameters = parameters.floodUsual
        bucket = max(parameters.floodBucketMilliseconds, 1)
    }

    /// Whether this is one of the buckets in which it is noted that the host is there: so that it costs next to
    /// nothing, and a host that gets something in a hundred buckets of a day, by the clock or not, is hardly ever
    /// passed over.
    /// - Parameter cell: the hash of the host and the bucket; a table's cells are found by other bits of it.
    @inline(__always)
    static func isTurn(_ cell: UInt64) -> Bool { cell & (bucketsBetween - 1) == 0 }

    /// Notes that a host, by its `KeyHash.host`, is there.
    mutating func see(_ host: UInt64, in bucket: Int64, _ sight: FlowSight) {
        guard let day = day(of: bucket, sight) else { return }
        let place = table.place(of: key(host)).place
        var peaks = table[place]
        peaks.note(day)
        table[place] = peaks
    }
    mutating func learn(_ lesson: FloodLesson, of host: UInt64, in bucket: Int64, _ sight: FlowSight) {
        guard let day = day(of: bucket, sight) else { return }
        let place = table.place(of: key(host)).place
        var peaks = table[place]
        peaks.note(day, lesson.kind.rawValue, packets: lesson.packets, octets: lesson.octets)
        table[place] = peaks
    }
    private func key(_ host: UInt64) -> UInt64 { keys.of(host, detail: 0, epoch: 0) }
    /// Nil ahead of the sensor's clock: an exporter whose clock is wrong must not make all days of a host too old.
    private func day(of bucket: Int64, _ sight: FlowSight) -> Int64? {
        let start = bucket &* self.bucket
        return start <= sight.received &+ Self.aheadMax ? start / Self.dayMilliseconds : nil
    }

    /// What a host's limits are in a bucket.
    /// - Parameter isOwn: it may be the tenant's; of others that are quiet nothing is known but what they have with it.
    func scale(of host: UInt64, in bucket: Int64, isOwn: Bool) -> FloodScale {
        var scale = FloodScale()
        guard let place = table.find(key(host)) else { return scale }
        let peaks = table[place], day = bucket &* self.bucket / Self.dayMilliseconds
        for kind in FloodClass.held {
            let today = peaks.peak(kind.rawValue, on: day), ratio = ratio(peaks.past(kind.rawValue, before: day), kind)
            scale.know(kind, today.packets, today.octets)
            scale[kind] = isOwn ? ratio : ratio.raisedOnly
        }
        return scale
    }
    private func ratio(_ past: PastPeaks, _ kind: FloodClass) -> FloodRatio {
        guard past.days >= parameters.days else { return .even }
        let limit = limits[kind.rawValue]
        return FloodRatio(
            packets: ratio(past.packets, of: limit.packets), bits: ratio(past.octets, of: limit.bits / 8))
    }
    private func ratio(_ steps: [UInt8], of limit: Double) -> Double {
        let usual = RateStep.low(PastPeaks.usual(steps, days: parameters.days))
        let raised = min(parameters.factor * usual / limit, parameters.raiseMax)
        guard raised <= 1 else { return raised }
        let lowered = max(parameters.quietFactor * most(steps, of: limit) / limit, parameters.quietShare)
        return min(lowered, 1)
    }
    private func most(_ steps: [UInt8], of limit: Double) -> Double {
        max(RateStep.high(steps.max() ?? 0), measured * limit)
    }

    /// What a title says of why the limit is not everybody's; empty where it is.
    func text(of host: UInt64, at time: Int64, _ kind: FloodClass, _ ratio: FloodRatio, byPackets: Bool) -> String {
        let own = byPackets ? ratio.packets : ratio.bits, limit = limits[kind.rawValue]
        guard own != 1, let place = table.find(key(host)) else { return "" }
        let past = table[place].past(kind.rawValue, before: time / Self.dayMilliseconds)
        let steps = byPackets ? past.packets : past.octets, base = byPackets ? limit.packets : limit.bits / 8
        let rate = own > 1 ? RateStep.low(PastPeaks.usual(steps, days: parameters.days)) : most(steps, of: base)
        let amount = byPackets ? "\(counted(Int(min(rate.rounded(.up), 1e15)))) packets/s" : "\(scaled(rate * 8))bit/s"
        return own > 1 ? "; \(amount) are usual for it" : "; its last days had at most \(amount)"
    }

    func save(to writer: inout SnapshotWriter) { table.save(to: &writer) }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        guard reader.edition >= .usual else { return }
        try table.restore(from: &reader)
    }
}
