internal import Synchronization

/// The way of closed windows from the intake's thread to the spool's: bounded; when full, the newest is refused.
final class HandOver: Sendable {
    private struct State {
        var windows: [ClosedWindow] = []
        var isEnded = false
    }
    private let state = Mutex(State())
    private let semaphore = SystemSemaphore()
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// False when there is no room: the caller counts the window as lost.
    func offer(_ window: ClosedWindow) -> Bool {
        let isTaken = state.withLock { state in
            guard state.windows.count < capacity else { return false }
            state.windows.append(window)
            return true
        }
        if isTaken { semaphore.post() }
        return isTaken
    }
    /// No more will be offered.
    func end() {
        state.withLock { $0.isEnded = true }
        semaphore.post()
    }
    /// The oldest window, waiting for one; nil at the end, when all have been taken.
    func next() -> ClosedWindow? {
        while true {  // ends: with a window, or once ended and empty
            let (window, isEnded) = state.withLock { state in
                (state.windows.isEmpty ? nil : state.windows.removeFirst(), state.isEnded)
            }
            if window != nil || isEnded { return window }
            semaphore.wait(atMost: .seconds(1))
        }
    }
    var count: Int { state.withLock { $0.windows.count } }
}
