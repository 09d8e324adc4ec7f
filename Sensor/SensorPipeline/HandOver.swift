internal import Platform
internal import Synchronization

/// The way of sealed batches from the receivers' threads to the spool's: bounded in bytes; when full, the newest is
/// refused.
///
/// Who takes lets batches gather for a moment: what is kept together costs one sync, and against a window's seconds
/// the moment is nothing.
final class HandOver: Sendable {
    private struct State {
        var batches: [SealedBatch] = []
        var bytes = 0
        /// Batches were taken, and the taker has not come back for more.
        var isTakerBusy = false
        var isEnded = false
    }
    private let state = Mutex(State())
    private let waker: Waker
    private let bytesMax: Int
    private let gathering: Duration

    init(bytesMax: Int, gathering: Duration = .milliseconds(200)) throws(SensorError) {
        self.bytesMax = bytesMax
        self.gathering = gathering
        waker = try Waker.make()
    }

    /// False when there is no room: the caller counts the batch as lost. One batch always fits.
    func offer(_ batch: SealedBatch) -> Bool {
        let (isTaken, isNews) = state.withLock { state in
            let before = state.bytes
            guard before == 0 || before + batch.body.count <= bytesMax else { return (false, false) }
            state.batches.append(batch)
            state.bytes += batch.body.count
            return (true, before == 0 || before < hurryBytes && state.bytes >= hurryBytes)
        }
        if isNews { waker.wake() }
        return isTaken
    }
    /// No more will be offered.
    func end() {
        state.withLock { $0.isEnded = true }
        waker.wake()
    }
    /// All that wait, oldest first, after waiting for some; nil at the end, when all have been taken.
    func next() -> [SealedBatch]? {
        var hasGathered = false
        while true {  // ends: with batches, or once ended and empty
            waker.clear()  // calls from before this look are about what it sees
            let (batches, isEnded, isWaiting) = state.withLock { state in
                let isDue = hasGathered || state.isEnded || state.bytes >= hurryBytes
                guard isDue, !state.batches.isEmpty else {
                    state.isTakerBusy = false
                    return ([SealedBatch](), state.isEnded, !state.batches.isEmpty)
                }
                defer { (state.batches, state.bytes) = ([], 0) }
                state.isTakerBusy = true
                return (state.batches, state.isEnded, false)
            }
            if !batches.isEmpty { return batches }
            if isEnded { return nil }
            waker.sleep(atMost: isWaiting ? gathering : .seconds(1))
            hasGathered = isWaiting
        }
    }
    /// Fuller than this, nothing is waited for.
    private var hurryBytes: Int { bytesMax / 4 }
    /// Nothing waits, and what was taken has been dealt with.
    var isIdle: Bool { state.withLock { $0.batches.isEmpty && !$0.isTakerBusy } }
    /// 0 empty, 1 full.
    var fillFraction: Double { state.withLock { Double($0.bytes) / Double(max(bytesMax, 1)) } }
}
