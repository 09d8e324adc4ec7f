internal import Detect
package import Identity
internal import Incidents

/// What a tenant may ask of notification: its own channels and messages, and the policy for proposals.
package struct NotifyDesk: Sendable {
    package let policy: MitigationPolicy
    /// The names of a tenant's channels.
    package let channels: @Sendable (TenantID) async -> [String]
    /// What waits for a tenant's news to be told, oldest first.
    package let outbox: @Sendable (TenantID) async -> [Outbox.Entry]
    /// Sends a test by one of a tenant's channels; nil when it has no such.
    package let test: @Sendable (TenantID, String) async -> Outbox.Result?

    package init(
        policy: MitigationPolicy, channels: @escaping @Sendable (TenantID) async -> [String],
        outbox: @escaping @Sendable (TenantID) async -> [Outbox.Entry],
        test: @escaping @Sendable (TenantID, String) async -> Outbox.Result?
    ) {
        (self.policy, self.channels, self.outbox, self.test) = (policy, channels, outbox, test)
    }

    /// Of a node that tells nobody.
    package static let none = NotifyDesk(
        policy: MitigationPolicy(), channels: { _ in [] }, outbox: { _ in [] }, test: { _, _ in nil })
}

extension Message {
    /// Says what it is; of an incident that does not exist.
    package static func test(of tenant: TenantID, at now: Int64) -> Message {
        let evidence = Evidence(observed: 1, threshold: 1, unit: "messages", flows: 0, packets: 0, octets: 0)
        let finding = Finding(
            id: String(repeating: "0", count: 32), rule: "test", title: "A test of this channel: nothing has happened",
            severity: .low, tactics: [], techniques: [], entities: [], ports: [], start: now, end: now,
            windowStart: now, evidence: evidence, update: 0)
        let brief = IncidentBrief(Incident(opening: finding))
        let id = "msg_" + digest128(["test", tenant.rawValue, String(now)])
        return Message(id: id, tenant: tenant, at: now, body: .single(brief, .opened))
    }
}
