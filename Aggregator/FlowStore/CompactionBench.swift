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
    private struct Idle {
        var bench: CompactionBench?
        /// ms since 1970 UTC.
        var since: Int64 = 0
    }
    private let idle = Mutex(Idle())
    /// A busy site fills a segment in seconds to minutes; what waits longer may as well begin anew.
    private static let idleMax: UInt64 = 300_000

    /// One for segments of so many rows.
    func take(rowsMax: Int) -> CompactionBench {
        let found = idle.withLock { idle in
            defer { idle.bench = nil }
            return idle.bench
        }
        return found.flatMap { $0.rowsMax == rowsMax ? $0 : nil } ?? CompactionBench(rowsMax: rowsMax)
    }
    /// - Parameter bench: with nothing in it.
    func giveBack(_ bench: CompactionBench, now: Int64) { idle.withLock { $0 = Idle(bench: bench, since: now) } }
    /// Gives the memory up if nothing has used it for a while.
    func clear(now: Int64) {
        idle.withLock { if (now &- $0.since).magnitude > Self.idleMax { $0.bench = nil } }
    }
}
