/// The state behind `BeaconDetector`, and the arithmetic of a rhythm.
import FlowModel

/// How even a series of calls is.
struct Rhythm {
    /// Median interval between calls, in ms.
    let interval: Int64
    /// Median octets of a call.
    let octets: Int
    /// MAD of the intervals over their median.
    let jitter: Double
    /// MAD of the octets.
    let octetsDeviation: Double
    /// 0 to 1: the mean of four scores.
    let score: Double
    /// Calls are of like and modest size: what carries work is no beacon.
    var isAlike: Bool { octetsDeviation <= Self.octetsDeviationMax / 2 && octets <= Self.octetsMax }

    /// RITA's: with 32 octets between calls nothing is left of the score.
    static let octetsDeviationMax = 32.0
    /// A handshake and a short question: what is more carries work.
    static let octetsMax = 4_096
    /// Faster calls are a program at work.
    static let intervalMin: Int64 = 1_000

    /// - Parameter calls: by their start. Nil when there are too few or they are too fast.
    init?(_ calls: [BeaconEntry.Call]) {
        guard calls.count >= 4 else { return nil }
        let intervals = Quartiles(zip(calls.dropFirst(), calls).map { $0.start - $1.start })
        let sizes = Quartiles(calls.map { Int64($0.octets) })
        guard intervals.middle >= Self.intervalMin else { return nil }
        interval = intervals.middle
        octets = Int(sizes.middle)
        jitter = intervals.deviation / Double(intervals.middle)
        octetsDeviation = sizes.deviation
        let parts = [
            // Below these spreads the skewness is that of noise.
            intervals.symmetry(noise: Double(intervals.middle) / 10), max(1 - jitter, 0),
            sizes.symmetry(noise: Self.octetsDeviationMax), max(1 - sizes.deviation / Self.octetsDeviationMax, 0),
        ]
        score = parts.reduce(0, +) / Double(parts.count)
    }
}

/// The quartiles of some numbers, and the median of their distances from the middle one.
private struct Quartiles {
    let low: Int64, middle: Int64, high: Int64
    let deviation: Double

    init(_ numbers: [Int64]) {
        let sorted = numbers.sorted()
        func at(_ quarter: Int) -> Int64 { sorted[(sorted.count - 1) * quarter / 4] }
        let middle = at(2)
        (low, self.middle, high) = (at(1), middle, at(3))
        deviation = Double(sorted.map { abs($0 - middle) }.sorted()[(sorted.count - 1) / 2])
    }
    /// 1 less the absolute value of Bowley's skewness; 1 where the quartiles are closer than `noise`, or the middle is
    /// one of them and skewness says nothing.
    func symmetry(noise: Double) -> Double {
        let spread = Double(high - low)
        guard spread > noise, middle != low, middle != high else { return 1 }
        return 1 - abs(Double(high + low - 2 * middle)) / spread
    }
}

/// One host's calls to one outside address and port.
struct BeaconEntry: CaseEntry {
    struct Call: Sendable {
        var start: Int64, end: Int64
        var octets: UInt32
        /// The client's.
        var port: UInt16
    }
    /// The latest, by their start.
    private var calls: [Call] = []
    /// The only one so far: most hosts call most others once.
    private var lone: Call?
    /// All there have been.
    private(set) var count = 0
    private var weighAt = 0
    /// The finding's window: the day of the first call that was kept when there were enough.
    private(set) var day: Int64?
    private(set) var totals = Totals()
    var announcement = Announcement()
    var recency = Int64.min
    var itemCount: Int { lone == nil ? calls.count : 1 }

    static let callsMax = 64
    /// A record that follows its connection's last within this, in ms, is a part of it.
    static let gapMilliseconds: Int64 = 300_000

    var rhythm: Rhythm? { Rhythm(calls) }

    /// Takes in the first call, of which little is known.
    mutating func begin(with call: LoneCall, before sight: FlowSight) {
        let start = call.start(before: sight)
        lone = Call(start: start, end: start, octets: UInt32(call.octets), port: call.port)
        count = 1
        totals.add(call, from: start, samplingInterval: sight.samplingInterval)
    }
    /// Takes in a record; returns whether it is time to look at the rhythm.
    mutating func add(_ sight: FlowSight, callsMin: Int) -> Bool {
        if sight.sourcePort != 0, isPart(sight) { return false }
        let octets = sight.octets / max(UInt64(sight.flows), 1)
        let call = Call(
            start: sight.start, end: sight.end, octets: UInt32(min(octets, UInt64(UInt32.max))), port: sight.sourcePort)
        if count == 0 {
            lone = call
            count = 1
            totals.add(sight)
            return false
        }
        if let only = lone {
            calls = [only]
            lone = nil
        }
        var place = calls.count
        while place > 0, calls[place - 1].start > call.start { place -= 1 }
        // Older than all that is kept: it says nothing of the latest calls.
        guard place > 0 || calls.count < Self.callsMax else { return false }
        calls.insert(call, at: place)
        if calls.count > Self.callsMax { calls.removeFirst() }
        count += 1
        totals.add(sight)
        guard count >= callsMin else { return false }
        if day == nil, let first = calls.first {
            day = epoch(of: first.start, width: BeaconDetector.windowMilliseconds)
        }
        guard count >= weighAt || announcement.isRaised else { return false }
        weighAt = count + max(4, count / 8)
        return true
    }

    /// Whether the record is a slice or a copy of a call that is known; that call then lasts as long.
    private mutating func isPart(_ sight: FlowSight) -> Bool {
        if let only = lone {
            guard only.port == sight.sourcePort, Self.isNear(only, sight) else { return false }
            lone?.end = max(only.end, sight.end)
            return true
        }
        var place = calls.count
        while place > 0 {
            place -= 1
            guard calls[place].port == sight.sourcePort else { continue }
            guard Self.isNear(calls[place], sight) else { return false }
            calls[place].end = max(calls[place].end, sight.end)
            return true
        }
        return false
    }
    private static func isNear(_ call: Call, _ sight: FlowSight) -> Bool {
        sight.start <= call.end + gapMilliseconds && sight.end >= call.start - gapMilliseconds
    }

    init() {}
    func save(to writer: inout SnapshotWriter) {
        let calls = lone.map { [$0] } ?? calls
        writer.add(calls.count)
        for call in calls {
            writer.add(call.start)
            writer.add(call.end)
            writer.add(UInt64(call.octets))
            writer.add(UInt64(call.port))
        }
        writer.add(count)
        writer.add(weighAt)
        writer.add(day ?? -1)
        totals.save(to: &writer)
        announcement.save(to: &writer)
        writer.add(recency)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        for _ in 0..<(try reader.nextCount()) {
            let call = Call(
                start: try reader.nextSigned(), end: try reader.nextSigned(),
                octets: try reader.nextSmall(UInt32.self), port: try reader.nextSmall(UInt16.self))
            guard calls.count < Self.callsMax, EventTime.range.contains(call.start),
                EventTime.range.contains(call.end)
            else { throw .damaged }
            calls.append(call)
        }
        if calls.count == 1 {
            lone = calls.first
            calls = []
        }
        count = Int(try reader.nextSmall(Int32.self))
        weighAt = Int(try reader.nextSmall(Int32.self))
        let saved = try reader.nextSigned()
        day = saved < 0 ? nil : saved
        totals = try Totals(from: &reader)
        announcement = try Announcement(from: &reader)
        recency = try reader.nextSigned()
    }
}
