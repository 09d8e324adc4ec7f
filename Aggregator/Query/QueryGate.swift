package import Identity
package import Platform
internal import Synchronization

/// Lets few questions work at a time, on threads of their own, as `TurnTable` says: so that decoding history leaves
/// Swift's pool to everybody else, and that nobody's questions wait for all of somebody else's.
package final class QueryGate: Sendable {
    private typealias Answer = @Sendable (Result<Void, QueryError>) -> Void
    private struct State {
        var table: TurnTable
        var ids: UInt64 = 0
        /// Of those who wait.
        var answers: [UInt64: Answer] = [:]
    }
    private let state: Mutex<State>
    private let time: any TimeSource

    /// Nil: the system has no threads for it; then questions work on Swift's.
    private static let threads = try? WorkThreads(count: 4, niceness: 5)

    /// - Parameters:
    ///   - atOnce: questions that work at the same time.
    ///   - ofTenant: of those, of one tenant.
    ///   - waitingMax: questions that wait, of all tenants; no tenant has more than half of the places while others
    ///     wait, too.
    package init(atOnce: Int, ofTenant: Int, waitingMax: Int, time: any TimeSource = SystemTime()) {
        let limits = TurnTable.Limits(atOnce: max(atOnce, 1), ofTenant: max(ofTenant, 1), waitingMax: waitingMax)
        state = Mutex(State(table: TurnTable(limits)))
        self.time = time
    }

    /// Calls `body` when there is room. Throws `.busy` when too many wait already.
    package func pass<Value: Sendable>(
        _ tenant: TenantID, _ body: () async throws(QueryError) -> Value
    ) async throws(QueryError) -> Value {
        try await passing(tenant) { (_) async throws(QueryError) -> Value in try await body() }
    }
    /// As `pass`, for who gives the place to others on the way. Who is within a turn of this gate has it already.
    func passing<Value: Sendable>(
        _ tenant: TenantID, _ body: (QueryTurn) async throws(QueryError) -> Value
    ) async throws(QueryError) -> Value {
        if let turn = QueryTurn.current, turn.gate === self, turn.tenant == tenant { return try await body(turn) }
        let turn = QueryTurn(gate: self, id: newID(), tenant: tenant)
        try await enter(turn)
        defer { leave(turn) }
        return try await withTaskExecutorPreference(Self.threads) { () async throws(QueryError) -> Value in
            try await body(turn)
        }
    }
    /// As `pass`, of what asks and works with the answers.
    func inTurn<Value: Sendable>(_ tenant: TenantID, _ body: () async throws -> Value) async throws -> Value {
        let turn = QueryTurn(gate: self, id: newID(), tenant: tenant)
        try await enter(turn)
        defer { leave(turn) }
        return try await withTaskExecutorPreference(Self.threads) {
            try await QueryTurn.$current.withValue(turn) { try await body() }
        }
    }

    /// A place beside the one that a question has, if it is free and nobody waits; who gets one gives it back by
    /// `leave`, soon when the gate `isWanted`.
    func enterIfFree(_ tenant: TenantID) -> QueryTurn? {
        let turn = QueryTurn(gate: self, id: newID(), tenant: tenant), now = time.monotonic()
        return state.withLock { $0.table.help(turn.id, of: tenant, at: now) } ? turn : nil
    }
    /// Somebody waits for a place.
    var isWanted: Bool { state.withLock { $0.table.waitingCount > 0 } }

    func leave(_ turn: QueryTurn) {
        let now = time.monotonic()
        let next = state.withLock { state in
            state.table.leave(turn.id, at: now).flatMap { state.answers.removeValue(forKey: $0) }
        }
        next?(.success(()))
    }

    private func newID() -> UInt64 {
        state.withLock { state in
            state.ids += 1
            return state.ids
        }
    }
    private func enter(_ turn: QueryTurn) async throws(QueryError) {
        let now = time.monotonic()
        try await waiting(turn.id) { state in
            switch state.table.arrive(turn.id, of: turn.tenant, at: now) {
            case .now: (.success(()), nil)
            case .never: (.failure(.busy), nil)
            case .later: (nil, nil)
            }
        }
    }
    /// - Returns: how long it waited.
    fileprivate func pause(_ turn: QueryTurn) async throws(QueryError) -> Duration {
        guard isWanted else { return .zero }
        let now = time.monotonic()
        try await waiting(turn.id) { state in
            let (goesOn, next) = state.table.mayGoOn(turn.id, at: now)
            return (goesOn ? .success(()) : nil, next)
        }
        return time.monotonic() - now
    }

    /// Waits until somebody answers, unless `begin` does; whom `begin` names is let in.
    private func waiting(
        _ id: UInt64, _ begin: @Sendable (inout State) -> (Result<Void, QueryError>?, next: UInt64?)
    ) async throws(QueryError) {
        let result: Result<Void, QueryError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (own, next) = state.withLock { state -> (Result<Void, QueryError>?, Answer?) in
                    // Asked in here: who is called off later finds the answer below.
                    guard !Task.isCancelled else { return (.failure(.cancelled), nil) }
                    let (own, next) = begin(&state)
                    if own == nil { state.answers[id] = { continuation.resume(returning: $0) } }
                    return (own, next.flatMap { state.answers.removeValue(forKey: $0) })
                }
                next?(.success(()))
                if let own { continuation.resume(returning: own) }
            }
        } onCancel: {
            let answer = state.withLock { state in
                state.table.giveUp(id) ? state.answers.removeValue(forKey: id) : nil
            }
            answer?(.failure(.cancelled))
        }
        try result.get()
    }
}

/// A place at the gate, from when a question begins to when it ends.
struct QueryTurn: Sendable {
    let gate: QueryGate, id: UInt64, tenant: TenantID

    /// What the running task works in, if that is more than one question.
    @TaskLocal static var current: QueryTurn?

    /// Gives the place to who should have it now, and waits until it is this one's turn again. To be called every few
    /// milliseconds.
    /// - Returns: how long it waited.
    func pause() async throws(QueryError) -> Duration { try await gate.pause(self) }
}
