internal import Synchronization

/// The way of closed windows from the intake's thread to the spool's: bounded; when full, the newest is refused.
final class HandOver: Sendable {
    private struct State {
        var windows: [ClosedWindow] = []
        var isEnded = false
    }
    private let state = Mutex(State())
    private let waker: SystemWaker
    private let capacity: Int

    init(capacity: Int) throws(SensorError) {
        self.capacity = capacity
        waker = try SystemWaker()
    }

    /// False when there is no room: the caller counts the window as lost.
    func offer(_ window: ClosedWindow) -> Bool {
        let isTaken = state.withLock { state in
            guard state.windows.count < capacity else { return false }
            state.windows.append(window)
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
    /// The oldest window, waiting for one; nil at the end, when all have been taken.
    func next() -> ClosedWindow? {
        while true {  // ends: with a window, or once ended and empty
            let (window, isEnded) = state.withLock { state in
                (state.windows.isEmpty ? nil : state.windows.removeFirst(), state.isEnded)
            }
            if window != nil || isEnded { return window }
            waker.wait(atMostMilliseconds: 1_000)
        }
    }
    var count: Int { state.withLock { $0.windows.count } }
}
