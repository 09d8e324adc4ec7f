internal import Foundation
package import Platform

/// Runs `body` with `runs` different seeds; `SEED=42` runs that one alone. Put the seed into every expectation's
/// comment, so that a failure says how to replay it.
package func forAll(
    runs: Int = 100, from first: UInt64 = 1, _ body: (_ generator: inout SeededGenerator, _ seed: UInt64) throws -> Void
) rethrows {
    if let text = ProcessInfo.processInfo.environment["SEED"], let seed = UInt64(text) {
        var generator = SeededGenerator(seed: seed)
        return try body(&generator, seed)
    }
    for seed in first..<(first + UInt64(runs)) {
        var generator = SeededGenerator(seed: seed)
        try body(&generator, seed)
    }
}
