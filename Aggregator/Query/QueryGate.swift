internal import Identity
internal import Synchronization

/// Lets few questions work at a time, so that decoding history leaves threads to everybody else: Swift's pool has one a
/// core, and a question that never waits would hold its own. The event loops have threads of their own.
///
/// Fair to tenants: who has the fewest questions at work is next, of equal ones who has waited longest; and no tenant
/// has more than its share at work, so that one that asks all the time never keeps the others out for long.
final class QueryGate: Sendable {
    private struct Waiter {
        let id: UInt64
        let tenant: TenantID
        let answer: @Sendable (Result<Void, QueryError>) -> Void
    }
    private struct State {
        var free: Int
        var ids: UInt64 = 0
        var working: [TenantID: Int] = [:]
        /// In order of arrival.
        var waiting: [Waiter] = []
    }
    private let state: Mutex<State>
    private let waitingMax: Int
    private let tenantMax: Int

    /// - Parameters:
    ///   - atOnce: questions that work at the same time.
    ///   - ofTenant: of those, of one tenant.
    ///   - waitingMax: questions that wait, of all tenants; no tenant has more than half of the places while others
    ///     wait, too.
    init(atOnce: Int, ofTenant: Int, waitingMax: Int) {
        state = Mutex(State(free: max(atOnce, 1)))
        tenantMax = max(ofTenant, 1)
        self.waitingMax = waitingMax
    }

    /// Calls `body` when there is room. Throws `.busy` when too many wait already.
    func pass<Value: Sendable>(
        _ tenant: TenantID, _ body: () async throws(QueryError) -> Value
    ) async throws(QueryError) -> Value {
        try await enter(tenant)
        defer { leave(tenant) }
        return try await body()
    }

    /// A place beside the one that a question has, if it is free and nobody waits; who gets one gives it back by
    /// `leave`, soon when the gate `isWanted`.
    func enterIfFree(_ tenant: TenantID) -> Bool {
        state.withLock { state in
            guard state.free > 0, state.waiting.isEmpty, state.working[tenant, default: 0] < tenantMax else {
                return false
            }
            state.free -= 1
            state.working[tenant, default: 0] += 1
            return true
        }
    }
    /// Somebody waits for a place.
    var isWanted: Bool { state.withLock { !$0.waiting.isEmpty } }

    private func enter(_ tenant: TenantID) async throws(QueryError) {
        let id = state.withLock { state in
            state.ids += 1
            return state.ids
        }
        let result: Result<Void, QueryError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waiter = Waiter(id: id, tenant: tenant) { continuation.resume(returning: $0) }
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
            if state.free > 0, state.working[waiter.tenant, default: 0] < tenantMax {
                state.free -= 1
                state.working[waiter.tenant, default: 0] += 1
                return .success(())
            }
            let own = state.waiting.count { $0.tenant == waiter.tenant }
            let isGreedy = own < state.waiting.count && own >= waitingMax / 2
            guard state.waiting.count < waitingMax, !isGreedy else { return .failure(.busy) }
            state.waiting.append(waiter)
            return nil
        }
    }
    func leave(_ tenant: TenantID) {
        let next = state.withLock { state -> Waiter? in
            let left = state.working[tenant, default: 1] - 1
            state.working[tenant] = left > 0 ? left : nil
            state.free += 1
            let ready = state.waiting.indices.filter {
                state.working[state.waiting[$0].tenant, default: 0] < tenantMax
            }
            // `min` takes the first of equal ones: the one that has waited longest.
            let next = ready.min { a, b in
                state.working[state.waiting[a].tenant, default: 0]
                    < state.working[state.waiting[b].tenant, default: 0]
            }
            guard let next else { return nil }
            let waiter = state.waiting.remove(at: next)
            state.free -= 1
            state.working[waiter.tenant, default: 0] += 1
            return waiter
        }
        next?.answer(.success(()))
    }
}
