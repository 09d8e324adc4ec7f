package import Identity
package import Settings
package import Tenancy

/// One provider that a tenant's people sign in with, as settings give it.
package struct SignOnProvider: Sendable, Equatable {
    /// What members of a group are in the tenant.
    package struct Mapping: Sendable, Equatable {
        package let group: String, standing: Standing
        package init(group: String, _ standing: Standing) { (self.group, self.standing) = (group, standing) }
    }
    /// In addresses.
    package let name: String
    /// Whose people it knows. Nobody gets into another tenant by it.
    package let tenant: TenantID
    package let issuer: String, client: String
    /// Nil: a public client, which PKCE alone ties to its code.
    package var secret: SecretReference?
    package var scopes = ["openid", "email", "profile", "groups"], groupsClaim = "groups"
    /// Asked in this order; the first group that somebody is in says what they are.
    package var mappings: [Mapping] = []
    /// For who is in none of the groups; nil: they are not let in.
    package var standing: Standing?
    /// A PEM file of certificate authorities; the machine's own without.
    package var trust: String?
    /// Addresses count although the provider does not say that it has verified them.
    package var trustsEmail = false
    /// `http` too, for a provider on this machine.
    package var allowsPlain = false

    package init(name: String, tenant: TenantID, issuer: String, client: String) {
        (self.name, self.tenant, self.issuer, self.client) = (name, tenant, issuer, client)
    }

    package func standing(of groups: [String]) -> Standing? {
        let groups = Set(groups)
        return mappings.first { groups.contains($0.group) }?.standing ?? standing
    }
}
