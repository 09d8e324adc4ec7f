package import Detect
package import Enrichment
internal import FlowModel
package import Intelligence
internal import Settings

/// What the operator says of one tenant.
///
/// - `networks` (list of maps, none): its own networks, each with `network` (required), `name` and `tags`. Detectors
///   hold for inside what is in them; without any, what has a private address.
/// - `policies` (list of maps, none): what must not be, each with `name` (required), `from`, `to` (networks; any),
///   `ports` (numbers and ranges such as `135-139`, of the called end; any), `protocol` (`tcp`, `udp`, `icmp` or a
///   number; any) and `severity` (`low`, `medium`, `high` or `critical`; `medium`). One that names neither networks
///   nor ports is refused.
/// - `detectors`: see `DetectorTuning`.
package struct TenantKnowledge: Equatable, Sendable {
    package var networks: [AssetNetwork] = []
    package var policies: [PolicyRule] = []
    package var feeds: [FeedSettings] = [], allowLists: [FeedSettings] = []
    package var detectors = DetectorTuning()
    /// Nil: everybody's.
    package var scoring: ScoreRules?

    package static let networksMax = 10_000, policiesMax = 1_000

    package init() {}

    init(
        _ reader: SettingsReader, feeds: [FeedSettings], allowLists: [FeedSettings]
    ) throws(SettingError) {
        (self.feeds, self.allowLists) = (feeds, allowLists)
        detectors = try DetectorTuning(reader.scoped(to: "detectors"))
        for element in try reader.elements(of: "networks", countMax: Self.networksMax) {
            let text = try element.string("network")
            guard let network = IPNetwork(text) else {
                throw element.error("network", "\"\(text)\" is not a network such as 10.0.0.0/8 or 2001:db8::/32")
            }
            let tags = try element.strings("tags", default: [], countMax: AssetNetworks.tagsMax)
            networks.append(
                AssetNetwork(network: network, name: try element.string("name", default: ""), tags: tags))
        }
        for element in try reader.elements(of: "policies", countMax: Self.policiesMax) {
            let policy = try Self.policy(element)
            guard !policies.contains(where: { $0.name == policy.name }) else {
                throw element.error("name", "\"\(policy.name)\" is there twice")
            }
            policies.append(policy)
        }
    }

    private static func policy(_ reader: SettingsReader) throws(SettingError) -> PolicyRule {
        var rule = PolicyRule(
            name: try reader.string("name"), from: try reader.networks("from"), to: try reader.networks("to"))
        rule.ports = try reader.strings("ports", default: []).map { text throws(SettingError) in
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard let first = ends[0], let last = ends.last ?? first, ends.count <= 2, first <= last else {
                throw reader.error("ports", "\"\(text)\" is not a port or a range such as 135-139")
            }
            return first...last
        }
        guard !rule.from.isEmpty || !rule.to.isEmpty || !rule.ports.isEmpty else {
            throw reader.error("name", "\"\(rule.name)\" would forbid everything: give from, to or ports")
        }
        if let text = try reader.optionalString("protocol") {
            let named: [String: UInt8] = ["icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58]
            guard let number = named[text] ?? UInt8(text) else {
                throw reader.error("protocol", "\"\(text)\" is not tcp, udp, icmp, icmpv6 or a number, 0...255")
            }
            rule.transport = number
        }
        let severity = try reader.choice("severity", default: "medium", of: Severity.allCases.map(\.rawValue))
        rule.severity = Severity(rawValue: severity) ?? .medium
        return rule
    }
}
