internal import FlowModel
internal import PreAggregate
internal import Synchronization

/// A closed window on its way, and which intake thread it came from.
struct HandedWindow: Sendable {
    var rows: SummedRows
    let worker: Int
}

/// The way of closed windows from the intake's threads to the spool's: bounded; when full, the newest is refused. And
/// the way back of their memory, so that a busy sensor's windows need no new pages.
final class HandOver: Sendable {
    private struct State {
        var windows: [HandedWindow] = []
        var emptied: [HandedWindow] = []
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
    func offer(_ rows: SummedRows, from worker: Int = 0) -> Bool {
        let isTaken = state.withLock { state in
            guard state.windows.count < capacity else { return false }
            state.windows.append(HandedWindow(rows: rows, worker: worker))
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
    func next() -> HandedWindow? {
        while true {  // ends: with a window, or once ended and empty
            let (window, isEnded) = state.withLock { state in
                (state.windows.isEmpty ? nil : state.windows.removeFirst(), state.isEnded)
            }
            if window != nil || isEnded { return window }
            waker.wait(atMostMilliseconds: 1_000)
        }
    }
    /// What is sealed goes back to the thread it came from.
    func giveBack(_ window: consuming HandedWindow) {
        window.rows.columns.removeAll()
        let emptied = window
        state.withLock { state in
            if state.emptied.count < capacity { state.emptied.append(emptied) }
        }
    }
    func takeBack(worker: Int) -> SummedRows? {
        state.withLock { state in
            state.emptied.firstIndex { $0.worker == worker }.map { state.emptied.remove(at: $0).rows }
        }
    }
    var count: Int { state.withLock { $0.windows.count } }
    /// 0 empty, 1 full.
    var fillFraction: Double { Double(count) / Double(max(capacity, 1)) }
}
