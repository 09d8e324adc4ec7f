package import Dedupe
internal import FlowModel
internal import PreAggregate
internal import Synchronization

/// Dedupe across observers for all receivers of a site: an exporter of one may see what one of another sees. Each
/// window passes through it, one at a time.
package final class ObserverBoard: Sendable {
    private struct State: ~Copyable {
        var dedupe: ObserverDedupe
        var totals = DedupeTotals()
    }
    private let state: Mutex<State>
    package let isOff: Bool

    /// - Parameter seed: of the windows' conversation hashes.
    package init(_ settings: ObserverDedupeSettings, seed: UInt64) {
        state = Mutex(State(dedupe: ObserverDedupe(settings: settings, seed: seed)))
        isOff = settings.mode == .off
    }
    func apply(_ window: inout SummedRows) -> DedupeReport {
        guard !isOff else { return DedupeReport() }
        return state.withLock { state in
            let report = state.dedupe.apply(&window.columns, hashes: window.conversations)
            state.totals.add(report)
            return report
        }
    }
    /// How far exporters' clocks are ahead, in ms, where that is more than dedupe bears by itself.
    func follow(clockSkews: [ExporterKey: Int64]) { state.withLock { $0.dedupe.clockSkews = clockSkews } }
    package var totals: DedupeTotals { state.withLock { $0.totals } }
}

/// A receiver's windows on their way out: dedupe -> sealed batches. It works on the receiver's own thread, while the
/// rows are in its processor's cache: another one would have to fetch each of them. No I/O.
package struct WindowSealer: ~Copyable {
    private let board: ObserverBoard
    private var sealer: BatchSealer

    package init(rowsMax: Int, board: ObserverBoard) {
        self.board = board
        sealer = BatchSealer(rowsMax: rowsMax)
    }

    /// Seals the closed windows of `worker`, whose ledger gets what other observers saw as well, and gives it back
    /// their memory.
    package mutating func seal(from worker: inout SensorWorker) -> [SealedBatch] {
        var batches: [SealedBatch] = [], windows = worker.takeClosed()
        windows.reverse()
        while var window = windows.popLast() {
            worker.seenElsewhere(board.apply(&window).elsewhere)
            for var batch in sealer.seal(window) {
                // As the worker's book has them, so that what is decoded under a name is sealed under it.
                batch.shares = batch.shares.map { (key: worker.ledger.keyHeld(for: $0.key), share: $0.share) }
                batches.append(batch)
            }
            // Taken out and consumed: were anything else to hold its memory, clearing it would copy it first.
            worker.recycle(consume window)
        }
        worker.entriesLeftOut = sealer.entriesLeftOut
        return batches
    }
}
