internal import Synchronization

/// Texts of incidents that were read once and are sound. Reading and writing a page of a hundred anew for everybody who
/// looks at the console takes longer than all else of it; and a row that was damaged must not pass unread.
///
/// By the whole text, not by id and revision: nothing is to be thrown away when an incident changes, and no tenant gets
/// another's. Bounded by `octetsMax`; when full, it begins anew.
final class IncidentTexts: Sendable {
    private struct State {
        var known: Set<String> = []
        var octets = 0
    }
    private let state = Mutex(State())
    private let octetsMax: Int

    init(octetsMax: Int = 32 << 20) { self.octetsMax = octetsMax }

    /// Nothing of who is gone stays in memory.
    func forget() { state.withLock { $0 = State() } }

    /// - Parameter check: throws for what is not sound; called without a lock.
    func check(_ text: String, _ check: (String) throws -> Void) rethrows {
        if state.withLock({ $0.known.contains(text) }) { return }
        try check(text)
        state.withLock { state in
            let size = text.utf8.count
            if state.octets + size > octetsMax { state = State() }
            if size <= octetsMax, state.known.insert(text).inserted { state.octets += size }
        }
    }
}
