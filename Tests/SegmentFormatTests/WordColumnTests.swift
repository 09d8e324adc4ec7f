import Platform
import Testing

@testable import SegmentFormat

@Suite("Words that most rows share")
struct WordColumnTests {
    @Test("each word is where it was put, whenever the first one differs") func places() {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed), column = WordColumn(), expected: [UInt64] = []
            let common = seed % 2 == 0 ? 0 : UInt64.random(in: 0...(.max), using: &generator)
            let differsFrom = Int.random(in: 0...5, using: &generator)
            for batch in 0..<5 {
                // A batch's rows lie in another order than they come, and come in chunks.
                let first = expected.count, count = Int.random(in: 1...90, using: &generator)
                let places = (first..<(first + count)).map { UInt32($0) }.shuffled(using: &generator)
                expected += [UInt64](repeating: common, count: count)
                for start in stride(from: 0, to: count, by: 32) {
                    let chunk = Array(places[start..<min(start + 32, count)])
                    let words = chunk.map { _ in
                        batch >= differsFrom && Bool.random(using: &generator)
                            ? UInt64.random(in: 0...9, using: &generator) : common
                    }
                    for (place, word) in zip(chunk, words) { expected[Int(place)] = word }
                    column.put(words, chunk.count, at: chunk, below: first + count)
                }
            }
            if let constant = column.constant {
                #expect(expected.allSatisfy { $0 == constant }, "SEED=\(seed)")
            } else {
                #expect(column.words == expected, "SEED=\(seed)")
            }
            column.removeAll()
            column.put([3, 3], 2, at: [1, 0], below: 2)
            #expect(column.constant == 3)
        }
    }
}
