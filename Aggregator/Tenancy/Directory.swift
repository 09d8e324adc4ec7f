package import Identity

/// Somebody who signs in, with a place in any number of tenants.
package struct Person: Sendable, Hashable {
    package let id: String
    /// In lower case; unique.
    package let email: String
    package let name: String
    /// Runs the platform: no tenant's data is the operator's own.
    package var isOperator = false
    package var isDisabled = false
}

/// What somebody, or a program, is in one tenant.
package struct Standing: Sendable, Hashable {
    /// One of `Role`, or of the tenant's own.
    package let role: String
    package let reach: Reach

    package init(role: String, reach: Reach = .whole) { (self.role, self.reach) = (role, reach) }
}

/// A program of a tenant. Its keys can do what its role may, as far as they have the scopes.
package struct ServiceAccount: Sendable, Hashable {
    package let id: String, tenant: TenantID, name: String
    package var standing: Standing
    package var isDisabled = false
}

/// Somebody was asked to join a tenant, and has not answered.
package struct Invitation: Sendable, Hashable {
    package let id: String, tenant: TenantID, email: String, standing: Standing
    /// Of its token, in hexadecimal digits.
    package let sha256: String
    package let expiresMilliseconds: Int64
}

/// Who there is and what they may: the fold of all `DirectoryEvent`s. Pure; what may become an event is decided in
/// `Directory+Rules`.
package struct Directory: Sendable, Equatable {
    package private(set) var people: [String: Person] = [:]
    package private(set) var members: [TenantID: [String: Standing]] = [:]
    /// The tenants' own roles.
    package private(set) var roles: [TenantID: [String: Set<Scope>]] = [:]
    package private(set) var accounts: [String: ServiceAccount] = [:]
    /// Those that still stand; some may be past their time.
    package private(set) var invitations: [String: Invitation] = [:]
    /// What tenants' own directories have said.
    private(set) var provisionings: [TenantID: Provisioning] = [:]
    private var ids: [String: String] = [:]

    package init() {}

    package func person(email: String) -> Person? { ids[email.lowercased()].flatMap { people[$0] } }

    /// What a role may in a tenant; nil: there is no such role.
    package func scopes(of role: String, in tenant: TenantID) -> Set<Scope>? {
        Role(rawValue: role)?.scopes ?? roles[tenant]?[role]
    }

    /// What a person may in a tenant, and of how much of it; nil: nothing.
    package func rights(of person: String, in tenant: TenantID) -> (scopes: Set<Scope>, reach: Reach)? {
        guard people[person]?.isDisabled == false, let standing = members[tenant]?[person] else { return nil }
        return scopes(of: standing.role, in: tenant).map { ($0, standing.reach) }
    }
    package func rights(ofAccount id: String) -> (scopes: Set<Scope>, reach: Reach)? {
        guard let account = accounts[id], !account.isDisabled else { return nil }
        return scopes(of: account.standing.role, in: account.tenant).map { ($0, account.standing.reach) }
    }

    package mutating func apply(_ event: DirectoryEvent) {
        switch event {
        case .personAdded(let id, let email, let name):
            people[id] = Person(id: id, email: email, name: name)
            ids[email] = id
        case .personDisabled(let id, let isDisabled): people[id]?.isDisabled = isDisabled
        case .operatorSet(let id, let isOperator): people[id]?.isOperator = isOperator
        case .roleSet(let tenant, let name, let scopes):
            roles[tenant, default: [:]][name] = Set(scopes.compactMap { Scope(rawValue: $0) })
        case .roleRemoved(let tenant, let name): roles[tenant]?[name] = nil
        case .memberSet(let tenant, let person, let role, let reach):
            members[tenant, default: [:]][person] = Standing(role: role, reach: Reach(kept: reach))
        case .memberRemoved(let tenant, let person): members[tenant]?[person] = nil
        case .invited(let tenant, let id, let email, let role, let reach, let sha256, let expires):
            invitations[id] = Invitation(
                id: id, tenant: tenant, email: email, standing: Standing(role: role, reach: Reach(kept: reach)),
                sha256: sha256, expiresMilliseconds: expires)
        case .invitationEnded(_, let id, _): invitations[id] = nil
        case .accountSet(let tenant, let id, let name, let role, let reach):
            accounts[id] = ServiceAccount(
                id: id, tenant: tenant, name: name, standing: Standing(role: role, reach: Reach(kept: reach)))
        case .accountDisabled(_, let id): accounts[id]?.isDisabled = true
        case .provisionedUserSet(let tenant, let user): provisionings[tenant, default: .init()].set(user)
        case .provisionedUserRemoved(let tenant, let id): provisionings[tenant]?.removeUser(id)
        case .provisionedGroupSet(let tenant, let group): provisionings[tenant, default: .init()].set(group)
        case .provisionedGroupRemoved(let tenant, let id): provisionings[tenant]?.removeGroup(id)
        case .provisionedMembers(let tenant, let group, let added, let removed):
            provisionings[tenant]?.change(group, adding: added, removing: removed)
        }
    }
}

extension Reach {
    /// What can't be read is a reach to nothing.
    init(kept text: String) { self = Reach(text: text) ?? Reach(sites: [], exporters: []) }
}
