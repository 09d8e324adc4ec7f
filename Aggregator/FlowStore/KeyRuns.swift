/// Sequences of one sensor and epoch as runs: what was compacted has come in order, so a day has few.
///
/// Invariant: runs rise, and between two of them at least one sequence is missing. Sequences are compared as the signed
/// numbers with the same bits, which is how SQLite orders them.
struct KeyRuns: Equatable {
    struct Run: Equatable {
        var first: Int64, last: Int64
    }
    private(set) var runs: [Run]

    /// - Parameter runs: in any order, overlapping or not.
    init(_ runs: [Run]) {
        self.runs = []
        for run in runs.filter({ $0.first <= $0.last }).sorted(by: { $0.first < $1.first }) { append(run) }
    }
    /// These and `sequences`.
    func adding(_ sequences: [Int64]) -> KeyRuns {
        KeyRuns(runs + sequences.map { Run(first: $0, last: $0) })
    }

    /// `run` begins where the last one does, or later.
    private mutating func append(_ run: Run) {
        guard let last = runs.last, last.last == .max || run.first <= last.last + 1 else { return runs.append(run) }
        runs[runs.count - 1].last = max(last.last, run.last)
    }
}
