package import Identity
internal import Synchronization

/// What all tenants know about strangers at a time. A value; the one in use is `CurrentIntelligence`'s.
package struct IntelligenceEdition: Sendable {
    /// One more than that of the edition before; 0 is the empty one.
    package let generation: UInt64
    /// Of tenants without feeds and allow-lists of their own.
    package let shared: Intelligence
    private let own: [TenantID: Intelligence]

    package static let none = IntelligenceEdition(generation: 0, shared: .none, own: [:])

    package init(generation: UInt64, shared: Intelligence, own: [TenantID: Intelligence]) {
        (self.generation, self.shared, self.own) = (generation, shared, own)
    }
    package subscript(tenant: TenantID) -> Intelligence { own[tenant] ?? shared }
}

/// The edition in use, for all who ask: replaced as a whole, while work under way keeps the one it began with.
///
/// Who stores records that it matched says so with `begin` and `end`: from `isBehind` a hunt in history knows that no
/// records are under way that were matched with an older edition and are not in history yet.
package final class CurrentIntelligence: Sendable {
    private struct State {
        var edition = IntelligenceEdition.none
        /// The oldest generation that work under way uses, by as many workers.
        var inUse: UInt64?
        var workers = 0
    }
    private let state = Mutex(State())

    package init() {}

    package var edition: IntelligenceEdition { state.withLock { $0.edition } }

    /// - Returns: the generation of the new edition.
    @discardableResult
    package func replace(shared: Intelligence, own: [TenantID: Intelligence]) -> UInt64 {
        state.withLock { state in
            state.edition = IntelligenceEdition(
                generation: state.edition.generation &+ 1, shared: shared, own: own)
            return state.edition.generation
        }
    }

    /// The edition to match the next records with, until `end`.
    package func begin() -> IntelligenceEdition {
        state.withLock { state in
            state.workers += 1
            state.inUse = min(state.inUse ?? .max, state.edition.generation)
            return state.edition
        }
    }
    /// What was matched since `begin` is in history.
    package func end() {
        state.withLock { state in
            state.workers -= 1
            if state.workers == 0 { state.inUse = nil }
        }
    }
    /// Whether records are under way that were matched with an older edition than `generation`.
    package func isBehind(_ generation: UInt64) -> Bool {
        state.withLock { state in state.inUse.map { $0 < generation } ?? false }
    }
}
