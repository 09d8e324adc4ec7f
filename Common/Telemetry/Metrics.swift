internal import Synchronization

/// A count that only grows (or follows another count that does). Any thread may add.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)
    init() {}

    package func add(_ more: UInt64 = 1) { count.wrappingAdd(more, ordering: .relaxed) }
    package func add(_ more: Int) { if more > 0 { add(UInt64(more)) } }
    /// Takes over a total that is counted elsewhere, such as the kernel's: never falls.
    package func follow(_ total: UInt64) { count.max(total, ordering: .relaxed) }
    package var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A value that goes both ways. Any thread may set it.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)
    init() {}

    package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    package func set(_ value: Int) { set(Double(value)) }
    package func set(_ value: UInt64) { set(Double(value)) }
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// How often values fell into each bucket, and their sum.
package final class Histogram: Sendable {
    struct State {
        /// One a bucket, not yet cumulated; the last is for what is above all bounds.
        var counts: [UInt64]
        var sum = 0.0
    }
    let bounds: [Double]
    private let state: Mutex<State>

    init(buckets: [Double]) {
        precondition(!buckets.isEmpty && buckets.allSatisfy(\.isFinite), "a histogram has finite buckets")
        precondition(zip(buckets, buckets.dropFirst()).allSatisfy(<), "buckets rise")
        bounds = buckets
        state = Mutex(State(counts: [UInt64](repeating: 0, count: buckets.count + 1)))
    }
    /// Counts one value; `NaN` is not one.
    package func observe(_ value: Double) {
        guard !value.isNaN else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[bucket] &+= 1
            $0.sum += value
        }
    }
    var snapshot: State { state.withLock { $0 } }
}
