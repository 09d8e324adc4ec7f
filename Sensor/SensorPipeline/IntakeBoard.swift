internal import Intake
internal import Platform
internal import Synchronization

/// The sockets as they are now, for all receiver threads: a reload puts up others, and each thread takes them over
/// between two rounds. Sockets whose address stays are the same before and after, so nothing that waits in them is
/// lost.
final class IntakeBoard: Sendable {
    private struct State {
        var sockets: IntakeSockets
        var generation = 1
    }
    private let state: Mutex<State>
    private let wakers: [Waker]
    let numbers = SessionNumbers()

    init(_ sockets: IntakeSockets) throws(SensorError) {
        state = Mutex(State(sockets: sockets))
        var wakers: [Waker] = []
        for _ in 0..<sockets.receiverCount { wakers.append(try Waker.make()) }
        self.wakers = wakers
    }

    var sockets: IntakeSockets { state.withLock { $0.sockets } }
    func waker(of receiver: Int) -> Waker? { receiver < wakers.count ? wakers[receiver] : nil }
    func wakeAll() {
        for waker in wakers { waker.wake() }
    }
    func replace(_ sockets: IntakeSockets) {
        state.withLock { state in
            state.sockets = sockets
            state.generation += 1
        }
        wakeAll()
    }
    /// What is up now, when it is newer than `generation`.
    func news(since generation: Int) -> (sockets: IntakeSockets, generation: Int)? {
        state.withLock { $0.generation > generation ? ($0.sockets, $0.generation) : nil }
    }
}
