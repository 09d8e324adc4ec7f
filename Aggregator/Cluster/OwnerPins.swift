internal import Foundation
package import JetStream

/// Who may try to own a group: JetStream pins one of those who ask (Handbook, "Ownership of shards"). What it gives are
/// ticks of those who wait, and say nothing but that somebody is pinned.
package struct OwnerPins: Sendable {
    /// What came of asking.
    package enum Answer: Equatable, Sendable {
        case pinned(String)
        /// Somebody else is, or nothing came.
        case nothing
        /// This pin is another's now.
        case lost
        /// Nobody knows: no server answered.
        case fault(String)
    }
    private let api: JetStreamAPI
    static let stream = "WEIR_OWNERS"
    /// After which a pinned node that does not ask any more is passed over.
    package static let timeout = Duration.seconds(3)
    private static let pullFor = Duration.seconds(1)

    package init(_ api: JetStreamAPI) { self.api = api }

    private struct Consumer: Encodable {
        let name: String, durable: String, filter: String, replicas: Int
        let acknowledge = "none", deliver = "new", groups = ["owner"]
        let policy = OwnerPins.policy, timeout = OwnerPins.timeoutNanoseconds

        private enum CodingKeys: String, CodingKey {
            case name
            case durable = "durable_name"
            case filter = "filter_subject"
            case replicas = "num_replicas"
            case acknowledge = "ack_policy"
            case deliver = "deliver_policy"
            case groups = "priority_groups"
            case policy = "priority_policy"
            case timeout = "priority_timeout"
        }
    }
    private struct Creation: Encodable {
        let stream: String, config: Consumer

        private enum CodingKeys: String, CodingKey {
            case stream = "stream_name"
            case config
        }
    }
    private struct Created: Decodable {
        struct Config: Decodable {
            let policy: String?, timeout: Int?

            private enum CodingKeys: String, CodingKey {
                case policy = "priority_policy"
                case timeout = "priority_timeout"
            }
        }
        let config: Config
    }
    private static let policy = "pinned_client", timeoutNanoseconds = 3_000_000_000

    package func prepare(groups: Int, replicas: Int) async throws(JetStreamError) {
        _ = try await api.ensure(
            StreamSettings(
                name: Self.stream, subjects: ["weir.tick.*"], replicas: replicas, discard: .old,
                messagesPerSubjectMax: 1))
        for group in 0..<groups {
            let name = "own-\(group)", filter = "weir.tick.\(group)"
            let wanted = Creation(
                stream: Self.stream,
                config: Consumer(name: name, durable: name, filter: filter, replicas: replicas))
            let made = try await api.ask(
                "CONSUMER.CREATE.\(Self.stream).\(name).\(filter)", wanted, as: Created.self)
            guard made.config.policy == Self.policy, made.config.timeout == Self.timeoutNanoseconds else {
                throw .differs(stream: Self.stream, setting: "priority_policy")
            }
        }
    }

    /// Asks once, for about a second.
    /// - Parameter pin: what this node has; nil: none.
    package func ask(_ group: Int, pin: String?) async -> Answer {
        struct Pull: Encodable {
            var batch = 1
            let expires: Int
            var group = "owner"
            let id: String?
        }
        // Whoever waits says that he does: only what is delivered pins somebody.
        if pin == nil { _ = try? await api.publish("weir.tick.\(group)") }
        guard let pull = try? JSONEncoder().encode(Pull(expires: 1_000_000_000, id: pin)) else {
            return .fault("no JSON")
        }
        let request = NATSMessage(
            subject: "$JS.API.CONSUMER.MSG.NEXT.\(Self.stream).own-\(group)", payload: [UInt8](pull))
        do throws(NATSError) {
            let answer = try await api.client.pull(request, timeout: Self.pullFor + .milliseconds(700))
            switch answer.status {
            case nil:
                guard let given = answer.headers["Nats-Pin-Id"] ?? pin else { return .nothing }
                return .pinned(given)
            case 423: return .lost
            case 404, 408: return .nothing
            case let status: return .fault("\(status ?? 0) \(answer.statusText)")
            }
        } catch {
            return .fault("\(error)")
        }
    }

    /// Lets another have it at once. Only by who is pinned.
    package func release(_ group: Int) async {
        struct Done: Decodable {}
        _ = try? await api.ask("CONSUMER.UNPIN.\(Self.stream).own-\(group)", ["group": "owner"], as: Done.self)
    }
}
