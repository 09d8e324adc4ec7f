/// Findings that a tenant does not want incidents of: scoped, owned, and over at some time. What one hides is kept, so
/// that people can see what that was.
package import Detect
package import FlowModel

package struct IncidentException: Equatable, Sendable, Codable {
    /// What it says of a finding. What is empty does not restrict; not all is empty.
    package struct Scope: Equatable, Sendable {
        /// Rule ids; one that ends in `*` stands for all that begin so.
        package var rules: [String] = []
        /// All of the finding's addresses of this role, or of each when nil, lie in these.
        package var networks: [IPNetwork] = []
        package var role: FindingEntity.Role?
        /// The finding has ports, and only these.
        package var ports: [UInt16] = []
        package init() {}

        package static let partsMax = 256

        func matches(_ finding: Finding) -> Bool {
            guard rules.isEmpty || rules.contains(where: { RulePattern.matches($0, finding.rule) }) else {
                return false
            }
            if !ports.isEmpty {
                guard !finding.ports.isEmpty, finding.ports.allSatisfy(ports.contains) else { return false }
            }
            guard !networks.isEmpty else { return true }
            let watched = finding.entities.filter { role == nil || $0.role == role }
            return !watched.isEmpty
                && watched.allSatisfy { entity in
                    guard let address = IPAddress(entity.value) else { return false }
                    return networks.contains { $0.contains(address) }
                }
        }

        func check() throws(IncidentError) {
            guard !rules.isEmpty || !networks.isEmpty else {
                throw .badEdit("an exception names rules or networks")
            }
            guard rules.count + networks.count + ports.count <= Self.partsMax else {
                throw .badEdit("an exception has at most \(Self.partsMax) rules, networks and ports")
            }
            guard rules.allSatisfy({ (1...100).contains($0.utf8.count) && $0 != "*" }) else {
                throw .badEdit("a rule is its id, or the beginning of ids and a *")
            }
        }
    }

    /// `exc_` and 32 hexadecimal digits.
    package var id: String
    package var scope: Scope
    package var reason: String
    /// Who answers for it.
    package var owner: String
    package var createdBy: String
    package var createdAt: EventTime, expiresAt: EventTime
    package var endedAt: EventTime?, endedBy: String?
    /// Findings so far.
    package var hidden = 0

    package static let activeMax = 500, lifetimeMax: Int64 = 366 * 86_400_000, hiddenKeptMax = 10_000
    package static let reasonOctetsMax = 2_000

    package func isActive(at now: Int64) -> Bool { endedAt == nil && now < expiresAt.milliseconds }
}

/// One finding that an exception kept from being an incident.
package struct HiddenFinding: Equatable, Sendable, Codable {
    package var exception: String
    package var at: EventTime
    package var finding: Finding
}

/// What an exception would have hidden, had it been there.
package struct ExceptionPreview: Equatable, Sendable, Codable {
    package var from: EventTime
    package var findings = 0
    /// Of which nothing would be left, and of which something would.
    package var wholeIncidents = 0, partIncidents = 0
    package var bySeverity: [String: Int] = [:]
    /// Some of the first, newest first.
    package var examples: [String] = []
    /// Whether there were more incidents than were looked at.
    package var isPartial = false

    package static let incidentsMax = 10_000, examplesMax = 20
}

extension IncidentException.Scope: Codable {
    enum CodingKeys: String, CodingKey { case rules, networks, role, ports }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        rules = try container.decodeIfPresent([String].self, forKey: .rules) ?? []
        networks = try (container.decodeIfPresent([String].self, forKey: .networks) ?? []).map { text in
            guard let network = IPNetwork(text) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .networks, in: container, debugDescription: "not a network: \(text.prefix(100))")
            }
            return network
        }
        role = try container.decodeIfPresent(FindingEntity.Role.self, forKey: .role)
        ports = try container.decodeIfPresent([UInt16].self, forKey: .ports) ?? []
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(rules, forKey: .rules)
        try container.encode(networks.map(\.description), forKey: .networks)
        try container.encodeIfPresent(role, forKey: .role)
        try container.encode(ports, forKey: .ports)
    }
}
