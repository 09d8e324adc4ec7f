internal import Foundation
package import JetStream
internal import Synchronization

/// Which nodes there are, by their heartbeats in a stream that forgets after a few seconds, and so how many groups each
/// may own.
package final class NodeRoster: Sendable {
    private struct State {
        var nodes = 1
        var owned: Set<Int> = []
    }
    private let api: JetStreamAPI, groups: Int
    /// This node's.
    package let node: String
    private let state = Mutex(State())
    private static let stream = "WEIR_NODES"
    private static let forgottenAfter = Duration.seconds(6)
    static let beatEvery = Duration.seconds(2)

    package init(_ api: JetStreamAPI, node: String, groups: Int) {
        (self.api, self.node, self.groups) = (api, node, groups)
    }
    package func prepare(replicas: Int) async throws(JetStreamError) {
        _ = try await api.ensure(
            StreamSettings(
                name: Self.stream, subjects: ["weir.node.*"], replicas: replicas, discard: .old,
                messagesPerSubjectMax: 1, ageMax: Self.forgottenAfter, duplicateWindow: .seconds(1)))
        try await beat()
    }

    /// Says that this node is there, and counts who is.
    package func beat() async throws(JetStreamError) {
        let owned = state.withLock { $0.owned.sorted() }
        let body = try? JSONEncoder().encode(["groups": owned])
        _ = try await api.publish("weir.node.\(node)", payload: [UInt8](body ?? Data()))
        let count = try await api.subjects(Self.stream, matching: "weir.node.*").count
        state.withLock { $0.nodes = max(count, 1) }
    }
    /// What others see no more at once.
    package func leave() async { try? await api.purge(Self.stream, subject: "weir.node.\(node)") }

    package var nodes: Int { state.withLock { $0.nodes } }
    package var owned: Set<Int> { state.withLock { $0.owned } }
    private func share(_ state: State) -> Int { (groups + state.nodes - 1) / state.nodes }

    /// Whether this node has room for one more.
    package var mayTake: Bool { state.withLock { $0.owned.count < share($0) } }
    func took(_ group: Int) { state.withLock { _ = $0.owned.insert(group) } }
    func gave(_ group: Int) { state.withLock { _ = $0.owned.remove(group) } }
    /// Whether this group is one too many: the last of them.
    func shouldGiveUp(_ group: Int) -> Bool {
        state.withLock { $0.owned.count > share($0) && $0.owned.max() == group }
    }
}
