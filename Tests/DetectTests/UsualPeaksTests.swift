import Platform
import TestKit
import Testing

@testable import Detect

@Suite("Peaks of days") struct UsualPeaksTests {
    @Test("a rate lies within its step, which is at most an eighth wide; steps rise; no number traps") func steps() {
        forAll(runs: 500) { generator, seed in
            let rate = Double.random(in: 1...3e9, using: &generator), step = RateStep.of(rate)
            #expect(RateStep.low(step) <= rate && rate < RateStep.high(step), "SEED=\(seed)")
            #expect(RateStep.high(step) <= 1.125 * RateStep.low(step), "SEED=\(seed)")
            #expect(RateStep.of(rate * 1.2) > step, "SEED=\(seed)")
        }
        #expect([-1, 0, 0.99, Double.nan, -.infinity].map { RateStep.of($0) } == [0, 0, 0, 0, 0])
        #expect([1, 1e300, .infinity].map { RateStep.of($0) } == [1, 255, 255])
        #expect(RateStep.low(0) == 0 && RateStep.high(0) == 1)
    }

    /// What `UsualPeaks` should say, by day.
    private struct Model {
        var steps: [Int64: UInt8] = [:], latest: Int64 = 0

        mutating func note(_ day: Int64, _ step: UInt8) {
            latest = max(latest, day)
            guard latest - day < 8 else { return }
            steps[day] = max(steps[day] ?? 0, step)
        }
        func past(before day: Int64) -> [UInt8] {
            steps.filter { $0.key < day && $0.key >= day - 7 && latest - $0.key < 8 }
                .sorted { $0.key > $1.key }.map(\.value)
        }
    }

    @Test("whatever the order of days, it knows what a list of days would, for each class by itself") func model() {
        forAll(runs: 300) { generator, seed in
            var peaks = UsualPeaks(), packets = Model(), octets = Model(), now: Int64 = 20_500
            for _ in 0..<40 {
                now += Int64.random(in: 0...1, using: &generator)
                let day = now - Int64.random(in: 0...9, using: &generator)
                let more = UInt8.random(in: 0...255, using: &generator),
                    size = UInt8.random(in: 0...255, using: &generator)
                peaks.note(day, 1, packets: more, octets: size)
                packets.note(day, more)
                octets.note(day, size)
                let asked = now + Int64.random(in: -9...9, using: &generator), past = peaks.past(1, before: asked)
                #expect(past.packets == packets.past(before: asked), "SEED=\(seed)")
                #expect(past.octets == octets.past(before: asked), "SEED=\(seed)")
                #expect(peaks.past(0, before: asked).packets.allSatisfy { $0 == 0 }, "SEED=\(seed)")
            }
        }
    }

    @Test("what was reached on three days is usual: two days more don't move it") func usual() {
        #expect(PastPeaks.usual([9, 200, 8, 255, 7, 6, 5], days: 3) == 9)
        #expect(PastPeaks.usual([9, 200], days: 3) == 0)
        #expect(PastPeaks.usual([], days: 0) == 0)
    }

    @Test("hostile days do not trap") func hostile() {
        var peaks = UsualPeaks()
        for day in [Int64.max, 5, 4_294_967_296, -7, Int64.min, 4_294_967_295] as [Int64] {
            peaks.note(day, 2, packets: 7, octets: 7)
            peaks.note(day, 9, packets: 7, octets: 7)
            _ = (peaks.past(2, before: day), peaks.past(9, before: day), peaks.peak(2, on: day))
        }
    }
}
