import Platform
import TestKit
import Testing

@testable import FlowStore

@Suite("Runs of keys")
struct KeyRunsTests {
    @Test("hold what was added and nothing else, in as few runs as can be") func asASet() {
        forAll(runs: 200) { generator, seed in
            var runs = KeyRuns([]), all: Set<Int64> = []
            for _ in 0..<20 {
                let more = (0..<Int.random(in: 0...10, using: &generator)).map { _ in
                    Int64.random(in: -30...30, using: &generator)
                }
                runs = runs.adding(more)
                all.formUnion(more)
            }
            #expect(Set(runs.runs.flatMap { Array($0.first...$0.last) }) == all, "SEED=\(seed)")
            let starts = all.filter { !all.contains($0 - 1) }
            #expect(runs.runs.map(\.first) == starts.sorted(), "SEED=\(seed)")
        }
    }

    @Test("the ends of the numbers are numbers") func extremes() {
        let runs = KeyRuns([]).adding([.max, .max - 1, .min, .min + 1, .max])
        #expect(runs.runs == [.init(first: .min, last: .min + 1), .init(first: .max - 1, last: .max)])
        #expect(runs.adding([.max]) == runs)
    }
}
