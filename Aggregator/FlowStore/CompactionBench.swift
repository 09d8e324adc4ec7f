internal import BatchFormat
internal import SegmentFormat
internal import Synchronization

/// What a compaction works with. Of one task at a time: whoever has taken it from `CompactionBenches`.
final class CompactionBench: @unchecked Sendable {
    var encoder: SegmentEncoder
    var decoder = BatchDecoder(), rollups = RollupBuilder()
    let rowsMax: Int

    init(rowsMax: Int) {
        self.rowsMax = rowsMax
        encoder = SegmentEncoder(rowsMax: rowsMax)
    }
}

/// The bench that waits for work, at most one: memory that was used a moment ago costs a fraction of fresh memory,
/// which comes zeroed, a page at a time.
final class CompactionBenches: Sendable {
    private let idle = Mutex<CompactionBench?>(nil)

    /// One for segments of so many rows.
    func take(rowsMax: Int) -> CompactionBench {
        let found = idle.withLock { idle in
            defer { idle = nil }
            return idle
        }
        return found.flatMap { $0.rowsMax == rowsMax ? $0 : nil } ?? CompactionBench(rowsMax: rowsMax)
    }
    /// - Parameter bench: with nothing in it.
    func giveBack(_ bench: CompactionBench) { idle.withLock { $0 = bench } }
    /// Gives the memory up.
    func clear() { idle.withLock { $0 = nil } }
}
