internal import Synchronization

/// Who asks what is being answered already waits for that answer, and gets it too: a hundred consoles that show the
/// same ask one question. Nothing is kept once it is answered. The key MUST hold all that the answer depends on, who
/// asks before all.
///
/// An answer may be a little older than the question of who joined late: by as long as it took.
package final class SharedAnswers<Key: Hashable & Sendable, Answer: Sendable>: Sendable {
    private enum Part: Sendable { case lead, share(Answer), again }
    private typealias Waiter = CheckedContinuation<Part, any Error>
    private struct State {
        var ids: UInt64 = 0
        /// A key for each that is being answered.
        var waiting: [Key: [UInt64: Waiter]] = [:]
    }
    private let state = Mutex(State())

    package init() {}

    /// Those who wait for somebody else's answer.
    package func waitingCount(_ key: Key) -> Int { state.withLock { $0.waiting[key]?.count ?? 0 } }

    /// - Throws: what `make` throws, to all who wait; `CancellationError` to who is called off.
    package func answer(_ key: Key, _ make: () async throws -> Answer) async throws -> Answer {
        while true {  // ends: each turn has one who leads, and who leads ends
            switch try await join(key) {
            case .share(let answer): return answer
            case .again: continue
            case .lead:
                do {
                    let answer = try await make()
                    finish(key) { $0.resume(returning: .share(answer)) }
                    return answer
                } catch {
                    // Who was called off alone speaks for nobody.
                    let wasCalledOff = Task.isCancelled
                    finish(key) { wasCalledOff ? $0.resume(returning: .again) : $0.resume(throwing: error) }
                    throw error
                }
            }
        }
    }

    private func join(_ key: Key) async throws -> Part {
        let id = state.withLock { state in
            state.ids += 1
            return state.ids
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: Waiter) in
                let leads = state.withLock { state -> Bool? in
                    // Asked in here: who is called off later is found below.
                    guard !Task.isCancelled else { return nil }
                    guard state.waiting[key] != nil else {
                        state.waiting[key] = [:]
                        return true
                    }
                    state.waiting[key]?[id] = waiter
                    return false
                }
                if leads == true { waiter.resume(returning: .lead) }
                if leads == nil { waiter.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let waiter = state.withLock { $0.waiting[key]?.removeValue(forKey: id) }
            waiter?.resume(throwing: CancellationError())
        }
    }
    private func finish(_ key: Key, _ tell: (Waiter) -> Void) {
        let waiters = state.withLock { $0.waiting.removeValue(forKey: key) ?? [:] }
        for waiter in waiters.values { tell(waiter) }
    }
}
