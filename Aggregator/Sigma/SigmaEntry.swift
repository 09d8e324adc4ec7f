/// What is held for one group in one window, and the questions that are asked of it.
///
/// Invariants: `samples` rise by time and input, `values` by value; neither is longer than its cap. Times are exact
/// until a group has more than `samplesMax` different ones; then they are rounded, so that nothing is lost.
import Detect
import FlowModel

struct SigmaEntry: Sendable {
    /// Events at one time from one input.
    struct Sample: Hashable, Sendable {
        var time: Int64
        var input: UInt8
        /// How many, or what they add up to.
        var weight: UInt64
    }
    /// One value that was seen, when first and last, and how often.
    struct Value: Hashable, Sendable {
        var value: IPAddress
        var first: Int64, last: Int64
        var count: UInt64
    }
    static let samplesMax = 1_024, valuesMax = 4_096, hostsMax = 15, portsMax = 32

    private(set) var samples: [Sample] = []
    private(set) var values: [Value] = []
    /// Times are multiples of this, in ms.
    private(set) var tick: Int64 = 1
    /// For averages.
    private(set) var sum = 0.0
    private(set) var measured: UInt64 = 0
    /// Values that found no room.
    private(set) var forgotten: UInt64 = 0
    var evidence = SigmaEvidence()
    var announcement = SigmaAnnouncement()
    /// Changed by the batch at hand; not part of a snapshot, which is taken between two.
    var isTouched = false

    var itemCount: Int { 1 + samples.count + values.count + evidence.attackers.count + evidence.victims.count }
    var total: UInt64 { samples.reduce(0) { $0.adding($1.weight) } }

    mutating func insert(time: Int64, input: Int, weight: UInt64) {
        let sample = Sample(
            time: time - time % tick, input: UInt8(truncatingIfNeeded: input), weight: weight)
        var place = samples.count
        while place > 0, sample.isBefore(samples[place - 1]) { place -= 1 }  // late ones are rare, and not very late
        if place > 0, samples[place - 1].time == sample.time, samples[place - 1].input == sample.input {
            samples[place - 1].weight = samples[place - 1].weight.adding(weight)
        } else {
            samples.insert(sample, at: place)
        }
        while samples.count > Self.samplesMax, tick < 1 << 40 { coarsen() }  // ends: the tick doubles
    }

    private mutating func coarsen() {
        tick *= 2
        var merged: [Sample] = []
        for var sample in samples {
            sample.time -= sample.time % tick
            merged.append(sample)
        }
        merged.sort { $0.isBefore($1) }
        samples.removeAll(keepingCapacity: true)
        for sample in merged {
            if let last = samples.last, last.time == sample.time, last.input == sample.input {
                samples[samples.count - 1].weight = last.weight.adding(sample.weight)
            } else {
                samples.append(sample)
            }
        }
    }

    mutating func insert(value: IPAddress, time: Int64, count: UInt64) {
        var low = 0, high = values.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if values[middle].value < value { low = middle + 1 } else { high = middle }
        }
        if low < values.count, values[low].value == value {
            values[low].first = min(values[low].first, time)
            values[low].last = max(values[low].last, time)
            values[low].count = values[low].count.adding(count)
        } else if values.count < Self.valuesMax {
            values.insert(Value(value: value, first: time, last: time, count: count), at: low)
        } else {
            forgotten = forgotten.adding(1)
        }
    }

    /// For percentiles: a number, rounded to the more bits the fewer values there are, so that all find room.
    mutating func insert(number: UInt64, time: Int64, count: UInt64) {
        // 64 x 32 numbers of 6 bits each: fewer than there is room for.
        let bits = values.count < Self.valuesMax / 2 ? 64 : 6
        let extra = max(64 - number.leadingZeroBitCount - bits, 0)
        insert(value: IPAddress(high: 0, low: (number >> UInt64(extra)) << UInt64(extra)), time: time, count: count)
    }

    mutating func measure(_ value: UInt64) {
        sum += Double(value)
        measured += 1
    }
}

extension SigmaEntry.Sample {
    func isBefore(_ other: SigmaEntry.Sample) -> Bool {
        time != other.time ? time < other.time : input < other.input
    }
}

extension UInt64 {
    /// Without a trap whatever exporters claim.
    func adding(_ other: UInt64) -> UInt64 {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }
}

extension SigmaEntry {
    func save(to writer: inout SnapshotWriter) {
        writer.add(tick)
        writer.add(sum)
        writer.add(measured)
        writer.add(forgotten)
        writer.add(samples.count)
        for sample in samples {
            writer.add(sample.time)
            writer.add(UInt64(sample.input))
            writer.add(sample.weight)
        }
        writer.add(values.count)
        for value in values {
            value.value.save(to: &writer)
            writer.add(value.first)
            writer.add(value.last)
            writer.add(value.count)
        }
        evidence.save(to: &writer)
        announcement.save(to: &writer)
    }

    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        tick = try reader.nextSigned()
        guard tick >= 1 else { throw .damaged }
        sum = try reader.nextDouble()
        measured = try reader.next()
        forgotten = try reader.next()
        for _ in 0..<(try reader.nextCount()) {
            let sample = Sample(
                time: try reader.nextSigned(), input: try reader.nextSmall(UInt8.self), weight: try reader.next())
            if let last = samples.last, !last.isBefore(sample) { throw .damaged }
            samples.append(sample)
        }
        for _ in 0..<(try reader.nextCount()) {
            let value = Value(
                value: try IPAddress(from: &reader), first: try reader.nextSigned(), last: try reader.nextSigned(),
                count: try reader.next())
            if let last = values.last, !(last.value < value.value) { throw .damaged }
            values.append(value)
        }
        evidence = try SigmaEvidence(from: &reader)
        announcement = try SigmaAnnouncement(from: &reader)
    }
}
