/// What a group's events come to: the questions that correlations ask, each over stretches of time.
import FlowModel

/// The answer that made a watch true.
struct SigmaAnswer: Equatable, Sendable {
    /// In the watch's unit; the largest there was.
    var observed: Double
    /// When it first was so, in ms.
    var time: Int64
}

extension SigmaWatch {
    /// The answer in any stretch of `span` that ends in the window of `entry`; nil when it never holds.
    /// - Parameter previous: the window before, unless its own finding has been raised: that has been said.
    func rising(_ entry: SigmaEntry, after previous: SigmaEntry?) -> SigmaAnswer? {
        switch kind {
        case .match: return SigmaAnswer(observed: Double(entry.evidence.flows), time: entry.evidence.first)
        case .eventCount, .sum:
            let all = (previous?.total ?? 0).adding(entry.total)
            guard holds(scaled(all)) else { return nil }
            return largestSum(entry, after: previous)
        case .valueCount: return mostValues(entry, after: previous)
        case .temporal: return together(entry, after: previous)
        case .temporalOrdered: return inOrder(entry, after: previous)
        case .average, .percentile: return nil
        }
    }

    /// Sums and percentiles are held in the column's unit and asked for in the rule's.
    func scaled(_ value: UInt64) -> Double { Double(value) / Double(inputs.first?.scale ?? 1) }

    private func largestSum(_ entry: SigmaEntry, after previous: SigmaEntry?) -> SigmaAnswer? {
        let samples = (previous?.samples ?? []) + entry.samples
        var left = 0, sum: UInt64 = 0, answer: SigmaAnswer?
        for right in samples.indices {
            sum = sum.adding(samples[right].weight)
            while samples[left].time < samples[right].time &- span {  // ends: at `right` at the latest
                sum = sum == .max ? .max : sum - samples[left].weight
                left += 1
            }
            guard right >= samples.count - entry.samples.count, holds(scaled(sum)) else { continue }
            answer = SigmaAnswer(
                observed: max(answer?.observed ?? 0, scaled(sum)), time: answer?.time ?? samples[right].time)
        }
        return answer
    }

    /// Different values: one counts from its first time in this window on, or until `span` after its last time in the
    /// window before.
    private func mostValues(_ entry: SigmaEntry, after previous: SigmaEntry?) -> SigmaAnswer? {
        let before = previous?.values ?? []
        guard holds(Double(before.count + entry.values.count)) else { return nil }
        var changes: [(time: Int64, step: Int)] = [], count = before.count
        var known: [IPAddress: Int64] = [:]
        for value in entry.values { known[value.value] = value.first }
        for value in before {
            let end = value.last &+ span
            if let again = known[value.value], again <= end { continue }  // without a gap
            changes.append((end &+ 1, -1))
        }
        let lasting = [IPAddress: Int64](before.map { ($0.value, $0.last &+ span) }, uniquingKeysWith: max)
        for value in entry.values where (lasting[value.value] ?? .min) < value.first {
            changes.append((value.first, 1))
        }
        changes.sort { $0.time != $1.time ? $0.time < $1.time : $0.step < $1.step }
        var answer: SigmaAnswer?
        for change in changes {
            count += change.step
            guard change.step > 0, holds(Double(count)) else { continue }
            answer = SigmaAnswer(observed: max(answer?.observed ?? 0, Double(count)), time: answer?.time ?? change.time)
        }
        return answer
    }

    private func together(_ entry: SigmaEntry, after previous: SigmaEntry?) -> SigmaAnswer? {
        let samples = (previous?.samples ?? []) + entry.samples
        var counts = [Int](repeating: 0, count: 64), present: UInt64 = 0, left = 0
        var answer: SigmaAnswer?
        for right in samples.indices {
            let input = Int(samples[right].input) & 63
            counts[input] += 1
            present |= 1 << UInt64(input)
            while samples[left].time < samples[right].time &- span {  // ends: at `right` at the latest
                let gone = Int(samples[left].input) & 63
                counts[gone] -= 1
                if counts[gone] == 0 { present &= ~(1 << UInt64(gone)) }
                left += 1
            }
            guard right >= samples.count - entry.samples.count, holds(present: present) else { continue }
            let observed = Double(present.nonzeroBitCount)
            answer = SigmaAnswer(
                observed: max(answer?.observed ?? 0, observed), time: answer?.time ?? samples[right].time)
        }
        return answer
    }

    /// For each input, the latest time at which events of all inputs up to it, in order, can have begun.
    private func inOrder(_ entry: SigmaEntry, after previous: SigmaEntry?) -> SigmaAnswer? {
        let samples = (previous?.samples ?? []) + entry.samples
        var begun = [Int64](repeating: .min, count: inputs.count)
        for right in samples.indices {
            let input = Int(samples[right].input), time = samples[right].time
            guard input < begun.count else { continue }
            let start = input == 0 ? time : begun[input - 1]
            guard start != .min, start >= time &- span else { continue }
            begun[input] = max(begun[input], start)
            if input == begun.count - 1, right >= samples.count - entry.samples.count {
                return SigmaAnswer(observed: Double(inputs.count), time: time)
            }
        }
        return nil
    }

    /// The answer for a window that is over.
    func closing(_ entry: SigmaEntry, end: Int64) -> SigmaAnswer? {
        var present: UInt64 = 0
        for sample in entry.samples { present |= 1 << UInt64(sample.input & 63) }
        let observed: Double
        switch kind {
        case .match, .eventCount, .sum: observed = scaled(entry.total)
        case .valueCount: observed = Double(entry.values.count)
        case .average:
            guard entry.measured > 0 else { return nil }
            observed = entry.sum / Double(entry.measured) / Double(inputs.first?.scale ?? 1)
        case .percentile(let percent):
            guard let value = Self.percentile(percent, entry.values) else { return nil }
            observed = scaled(value)
        case .temporal, .temporalOrdered:
            guard holds(present: present) else { return nil }
            return SigmaAnswer(observed: Double(present.nonzeroBitCount), time: end - 1)
        }
        return holds(observed) ? SigmaAnswer(observed: observed, time: end - 1) : nil
    }

    /// The least value that so many percent of all do not exceed (nearest rank).
    private static func percentile(_ percent: Double, _ values: [SigmaEntry.Value]) -> UInt64? {
        let total = values.reduce(UInt64(0)) { $0.adding($1.count) }
        let rank = max((Double(total) * percent / 100).rounded(.up), 1)
        var passed: UInt64 = 0
        for value in values {
            passed = passed.adding(value.count)
            if Double(passed) >= rank { return value.value.low }
        }
        return values.last?.value.low
    }
}
