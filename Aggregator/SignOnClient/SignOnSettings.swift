internal import FlowModel
internal import Identity
package import Notify
package import OpenID
package import Settings
internal import Tenancy

/// The providers that tenants' people sign in with.
///
/// - `signOn.url` (text, required with providers): how browsers reach the API, `https://weir.example`. A provider is
///   told to send people to `URL/v1/signon/NAME/callback`.
/// - `signOn.allow` (networks): special-purpose addresses that providers may be at, such as `10.0.0.0/8`.
/// - `signOn.ports` (numbers, `443, 8443`): that providers may be asked at.
/// - `signOn.providers` (list, at most 256), each with `name` (1 to 63 of a-z 0-9 -), `tenant`, `issuer` (an https
///   address), `client`, `secret` (`file:PATH` or `env:NAME`; a public client without), `scopes` (`openid, email,
///   profile, groups`), `groupsClaim` (`groups`), `trust` (path of authorities; the machine's without), `trustEmail`
///   (`false`; for a provider that gives addresses it knows, and does not say `email_verified`), `plainHTTP` (`false`,
///   for a provider on this machine), `role` (of who is in no group; not let in without) and `roles`;
///   - `roles` (list, asked in this order): `group`, `role`, and `sites` and `exporters` to be seen (all without).
package struct SignOnSettings: Equatable, Sendable {
    package private(set) var providers: [SignOnProvider] = []
    package private(set) var url = "", egress = EgressPolicy()

    package init(_ reader: SettingsReader) throws(SettingError) {
        for element in try reader.elements(of: "providers", countMax: 256) {
            providers.append(try Self.provider(element))
        }
        let names = providers.map(\.name)
        guard Set(names).count == names.count else { throw reader.error("providers", "two have the same name") }
        for text in try reader.strings("allow", default: []) {
            guard let network = IPNetwork(text) else { throw reader.error("allow", "\"\(text)\" is no network") }
            egress.allowed.append(network)
        }
        let ports = try reader.strings("ports", default: ["443", "8443"])
        egress.ports = Set(ports.compactMap { Int($0) })
        guard egress.ports.count == Set(ports).count, egress.ports.allSatisfy((1...65_535).contains) else {
            throw reader.error("ports", "are numbers from 1 to 65535")
        }
        if providers.contains(where: \.allowsPlain) { egress.schemes.insert(.http) }
        guard !providers.isEmpty else { return }
        url = try reader.string("url")
        let rest = url.dropFirst("https://".count)
        guard url.hasPrefix("https://"), !rest.isEmpty, !rest.contains(where: { "/?#@ ".contains($0) }) else {
            throw reader.error("url", "\"\(url)\" is not https://HOST or https://HOST:PORT")
        }
    }

    private static func provider(_ reader: SettingsReader) throws(SettingError) -> SignOnProvider {
        let name = try reader.string("name"), tenantName = try reader.string("tenant")
        guard TenantID(name) != nil else { throw reader.error("name", "is not 1 to 63 of a-z 0-9 -") }
        guard let tenant = TenantID(tenantName) else {
            throw reader.error("tenant", "\"\(tenantName)\" is not a tenant's name")
        }
        let issuer = try reader.string("issuer"), plain = try reader.bool("plainHTTP", default: false)
        let isWeb = issuer.hasPrefix("https://") || plain && issuer.hasPrefix("http://")
        guard isWeb, (try? WebhookURL(issuer)) != nil, !issuer.contains("?") else {
            throw reader.error("issuer", "\"\(issuer)\" is not an https address")
        }
        var provider = SignOnProvider(
            name: name, tenant: tenant, issuer: issuer, client: try reader.string("client"))
        provider.secret = try reader.optionalSecret("secret")
        provider.scopes = try reader.strings("scopes", default: provider.scopes, countMax: 20)
        guard provider.scopes.contains("openid") else { throw reader.error("scopes", "openid is not among them") }
        provider.groupsClaim = try reader.string("groupsClaim", default: provider.groupsClaim)
        provider.trust = try reader.optionalPath(of: "trust")
        provider.allowsPlain = plain
        provider.trustsEmail = try reader.bool("trustEmail", default: false)
        provider.standing = try reader.optionalString("role").map { Standing(role: $0) }
        for element in try reader.elements(of: "roles", countMax: 1_000) {
            provider.mappings.append(.init(group: try element.string("group"), try standing(element)))
        }
        guard provider.standing != nil || !provider.mappings.isEmpty else {
            throw reader.error("roles", "nobody would be let in: give a role, or roles of groups")
        }
        return provider
    }
    private static func standing(_ reader: SettingsReader) throws(SettingError) -> Standing {
        func names(_ key: String) throws(SettingError) -> Set<String>? {
            reader.has(key) ? Set(try reader.strings(key, default: [])) : nil
        }
        let role = try reader.string("role")
        return Standing(role: role, reach: Reach(sites: try names("sites"), exporters: try names("exporters")))
    }
}
