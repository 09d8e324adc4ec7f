internal import Synchronization

/// Lets few questions work at a time, so that decoding history leaves threads to everybody else: Swift's pool has one a
/// core, and a question that never waits would hold its own. The event loops have threads of their own.
final class QueryGate: Sendable {
    private struct Waiter {
        let id: UInt64
        let answer: @Sendable (Result<Void, QueryError>) -> Void
    }
    private struct State {
        var free: Int
        var ids: UInt64 = 0
        var waiting: [Waiter] = []
    }
    private let state: Mutex<State>
    private let waitingMax: Int

    init(atOnce: Int, waitingMax: Int) {
        state = Mutex(State(free: atOnce))
        self.waitingMax = waitingMax
    }

    /// Calls `body` when there is room. Throws `.busy` when too many wait already.
    func pass<Value: Sendable>(
        _ body: () async throws(QueryError) -> Value
    ) async throws(QueryError) -> Value {
        try await enter()
        defer { leave() }
        return try await body()
    }

    private func enter() async throws(QueryError) {
        let id = state.withLock { state in
            state.ids += 1
            return state.ids
        }
        let result: Result<Void, QueryError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waiter = Waiter(id: id) { continuation.resume(returning: $0) }
                if let answer = admit(waiter, isCancelled: Task.isCancelled) { waiter.answer(answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
            }
            waiter?.answer(.failure(.cancelled))
        }
        try result.get()
    }
    private func admit(_ waiter: Waiter, isCancelled: Bool) -> Result<Void, QueryError>? {
        state.withLock { state in
            if isCancelled { return .failure(.cancelled) }
            if state.free > 0 {
                state.free -= 1
                return .success(())
            }
            guard state.waiting.count < waitingMax else { return .failure(.busy) }
            state.waiting.append(waiter)
            return nil
        }
    }
    private func leave() {
        let next = state.withLock { state -> Waiter? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.answer(.success(()))
    }
}
