/// Which of some words was probably meant.
enum Spelling {
    /// The nearest of `words`, when at most a third of the letters are wrong. Among equals the one that begins in the
    /// same way for longest, then the first by name.
    static func nearest(to word: String, in words: some Sequence<String>) -> String? {
        let letters = Array(word.utf8)
        guard (2...40).contains(letters.count) else { return nil }
        let limit = max(1, letters.count / 3)
        var best: Match?
        for candidate in words where abs(candidate.utf8.count - letters.count) <= limit {
            let others = Array(candidate.utf8)
            let distance = distance(letters, others)
            guard distance <= limit else { continue }
            let shared = zip(letters, others).prefix { $0 == $1 }.count
            let match = Match(distance: distance, different: others.count - shared, word: candidate)
            best = best.map { min($0, match) } ?? match
        }
        return best?.word
    }

    private struct Match: Comparable {
        let distance: Int, different: Int, word: String
        static func < (a: Match, b: Match) -> Bool {
            (a.distance, a.different, a.word) < (b.distance, b.different, b.word)
        }
    }

    /// Letters to add, drop, change or swap with their neighbour (optimal string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = [], above = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var row = [i + 1]
            for (j, right) in b.enumerated() {
                var cost = min(above[j] + (left == right ? 0 : 1), above[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, left == b[j - 1], a[i - 1] == right { cost = min(cost, before[j - 1] + 1) }
                row.append(cost)
            }
            (before, above) = (above, row)
        }
        return above[b.count]
    }
}
