package import Detect
package import FlowModel
package import Identity
package import Settings

extension IncidentPolicy {
    /// - `incidents.assets` (list): `networks` (networks), `criticality` (`low`, `normal`, `high`, `critical`),
    ///   `tenants` (names; all without).
    /// - `incidents.sla.low` … `.critical`: `acknowledge`, `resolve` (durations, 1m…365d; no clocks without).
    /// - `incidents.playbooks` (list, at most 100): `name`, `rules` (patterns; none: started by people only),
    ///   `severityMin` (`low`), `tenants`, `steps` (list of `title` and, for an action, the `channel` that is told once
    ///   a person approves).
    package init(_ reader: SettingsReader) throws(SettingError) {
        self.init()
        for element in try reader.elements(of: "assets") {
            let names = Criticality.allCases.map(\.rawValue)
            let criticality = try element.choice("criticality", default: "high", of: names)
            assets.append(
                Assets(
                    networks: try element.networks("networks"), criticality: .init(rawValue: criticality) ?? .normal,
                    tenants: try element.tenants("tenants")))
        }
        let levels = reader.scoped(to: "sla"), minute = Duration.seconds(60), year = Duration.seconds(365 * 86_400)
        for severity in Severity.allCases where levels.has(severity.rawValue) {
            let level = levels.scoped(to: severity.rawValue)
            serviceLevels[severity] = ServiceLevel(
                acknowledge: try level.duration("acknowledge", default: nil, in: minute...year).wholeMilliseconds,
                resolve: try level.duration("resolve", default: nil, in: minute...year).wholeMilliseconds)
        }
        for element in try reader.elements(of: "playbooks", countMax: 100) { playbooks.append(try Playbook(element)) }
        let names = playbooks.map(\.name)
        guard Set(names).count == names.count else { throw reader.error("playbooks", "two have the same name") }
    }
}

extension Playbook {
    init(_ reader: SettingsReader) throws(SettingError) {
        self.init(name: try reader.string("name"))
        guard name.utf8.count <= 100 else { throw reader.error("name", "is longer than 100 octets") }
        rules = try reader.strings("rules", default: [])
        severityMin = try reader.severity("severityMin", default: .low)
        tenants = try reader.tenants("tenants")
        for element in try reader.elements(of: "steps", countMax: 50) {
            let title = try element.string("title")
            guard title.utf8.count <= IncidentTask.titleOctetsMax else { throw element.error("title", "is too long") }
            steps.append(Step(title: title, channel: try element.optionalString("channel")))
        }
        guard !steps.isEmpty else { throw reader.error("steps", "a playbook has at least one") }
    }
}

extension SettingsReader {
    /// Networks: `10.0.0.0/8`, `2001:db8::1`.
    package func networks(_ key: String, default fallback: [String]? = nil) throws(SettingError) -> [IPNetwork] {
        var networks: [IPNetwork] = []
        for text in try strings(key, default: fallback, countMax: 10_000) {
            guard let network = IPNetwork(text) else { throw error(key, "\"\(text)\" is not a network") }
            networks.append(network)
        }
        return networks
    }
    /// Tenants' names; none when the key is absent.
    package func tenants(_ key: String) throws(SettingError) -> Set<TenantID> {
        var tenants: Set<TenantID> = []
        for text in try strings(key, default: [], countMax: 10_000) {
            guard let tenant = TenantID(text) else { throw error(key, "\"\(text)\" is not a tenant's name") }
            tenants.insert(tenant)
        }
        return tenants
    }
    package func severity(_ key: String, default fallback: Severity) throws(SettingError) -> Severity {
        let text = try choice(key, default: fallback.rawValue, of: Severity.allCases.map(\.rawValue))
        return Severity(rawValue: text) ?? fallback
    }
}

extension Duration {
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
