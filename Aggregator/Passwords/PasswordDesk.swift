/// Passwords and second factors: how they are kept and tried. Pure but for the threads that hash.
///
/// Not here: whose they are (`Tenancy`), how often somebody may try (`API`).
internal import Platform
package import Settings
internal import Synchronization

/// Hashes and tries passwords: few at a time, since each takes `Argon2Cost.kibibytes`, and not on the threads that
/// requests are answered on.
package final class PasswordDesk: Sendable {
    package enum Failure: Error, Equatable, Sendable {
        /// Too many wait already: to be said as 429 or 503.
        case busy
        case noMemory
    }
    private struct State {
        var running = 0, most = 0
        var waiting: [CheckedContinuation<Bool, Never>] = []
    }
    private let state = Mutex(State())
    private let cost: Argon2Cost, atOnce: Int, waitingMax: Int
    /// Of a password that nobody has: unknown accounts are tried against it, so that they take as long.
    private let decoy: String

    /// - Parameters:
    ///   - atOnce: of hashes.
    ///   - waitingMax: of who waits for one of them; more are refused.
    package init(
        cost: Argon2Cost = .standard, atOnce: Int = 2, waitingMax: Int = 32
    ) {
        (self.cost, self.atOnce, self.waitingMax) = (cost, max(atOnce, 1), waitingMax)
        decoy = cost.prefix + "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    }

    /// The most hashes that were made at once.
    package var most: Int { state.withLock { $0.most } }

    /// - Returns: what is kept in the place of the password.
    package func hash(
        _ password: Secret, using generator: inout some RandomNumberGenerator
    ) async throws(Failure) -> String {
        let salt = (0..<Argon2.saltOctets).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let text = try await working { [cost] in Argon2.hash(password.bytes, salt: salt, cost) }
        guard let text else { throw .noMemory }
        return text
    }

    /// - Parameter kept: nil when there is no such account; then false, after as long.
    package func verify(_ password: Secret, against kept: String?) async throws(Failure) -> Bool {
        let isRight = try await working { [cost, decoy] in Argon2.verify(password.bytes, kept ?? decoy, cost) }
        return isRight && kept != nil
    }

    private func working<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async throws(Failure) -> Value {
        try await enter()
        defer { leave() }
        return await onThread(work)
    }

    private enum Turn { case now, later, never }

    private func enter() async throws(Failure) {
        let isIn = await withCheckedContinuation { (turn: CheckedContinuation<Bool, Never>) in
            let mine = state.withLock { state -> Turn in
                if state.running < atOnce {
                    state.running += 1
                    state.most = max(state.most, state.running)
                    return .now
                }
                guard state.waiting.count < waitingMax else { return .never }
                state.waiting.append(turn)
                return .later
            }
            switch mine {
            case .now: turn.resume(returning: true)
            case .never: turn.resume(returning: false)
            case .later: break  // `leave` resumes it
            }
        }
        guard isIn else { throw .busy }
    }
    private func leave() {
        // Who waits gets the place; else it is free.
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.running -= 1
            return nil
        }
        next?.resume(returning: true)
    }
}
