internal import Platform
internal import Synchronization

/// The way of sealed batches from the receivers' threads to the spool's: bounded in bytes; when full, the newest is
/// refused.
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

    init(bytesMax: Int) throws(SensorError) {
        self.bytesMax = bytesMax
        waker = try Waker.make()
    }

    /// False when there is no room: the caller counts the batch as lost. One batch always fits.
    func offer(_ batch: SealedBatch) -> Bool {
        let isTaken = state.withLock { state in
            guard state.bytes == 0 || state.bytes + batch.body.count <= bytesMax else { return false }
            state.batches.append(batch)
            state.bytes += batch.body.count
            return true
        }
        if isTaken { waker.wake() }
        return isTaken
    }
    /// No more will be offered.
    func end() {
        state.withLock { $0.isEnded = true }
        waker.wake()
    }
    /// All that wait, oldest first, after waiting for some; nil at the end, when all have been taken.
    func next() -> [SealedBatch]? {
        while true {  // ends: with batches, or once ended and empty
            let (batches, isEnded) = state.withLock { state in
                defer { (state.batches, state.bytes) = ([], 0) }
                state.isTakerBusy = !state.batches.isEmpty
                return (state.batches, state.isEnded)
            }
            if !batches.isEmpty { return batches }
            if isEnded { return nil }
            waker.wait(atMost: .seconds(1))
        }
    }
    /// Nothing waits, and what was taken has been dealt with.
    var isIdle: Bool { state.withLock { $0.batches.isEmpty && !$0.isTakerBusy } }
    /// 0 empty, 1 full.
    var fillFraction: Double { state.withLock { Double($0.bytes) / Double(max(bytesMax, 1)) } }
}
