internal import Identity

/// Who changes something.
package struct Granter: Sendable, Hashable {
    /// In events.
    package let name: String
    /// Nobody gives what they don't have, or takes from who has more. Nil: the node's command line and operators, whom
    /// this does not bind.
    package let scopes: Set<Scope>?

    package init(_ name: String, scopes: Set<Scope>?) { (self.name, self.scopes) = (name, scopes) }

    func holds(_ asked: Set<Scope>) -> Bool { scopes.map { $0.isSuperset(of: asked) } ?? true }
}

/// Why a change of the directory is refused.
package enum DirectoryRefusal: Error, Equatable, Sendable {
    case badEmail, badName, badReach
    case emailTaken
    case unknownPerson, unknownRole, unknownAccount, unknownInvitation
    /// The granter lacks some of what would be given, or of what who is touched has.
    case beyondGranter
    /// A tenant that has owners keeps one, the platform an operator.
    case lastOwner, lastOperator
    case roleInUse
    /// Who is in another tenant too, or an operator, is not one tenant's to change.
    case notOnlyHere
    case tooMany(max: Int)
    /// It is not what the caller saw.
    case changed
}

/// What may happen: each answers with the events, or says why not. No clock, no chance, no storage.
extension Directory {
    package static let peopleMax = 100_000, membersMax = 10_000, rolesMax = 100, accountsMax = 1_000
    package static let invitationsMax = 1_000, invitationLifetimeMax: Int64 = 14 * 86_400_000

    func add(_ id: String, email: String, name: String) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard people.count < Self.peopleMax else { throw .tooMany(max: Self.peopleMax) }
        let address = try Self.address(email)
        guard person(email: address) == nil else { throw .emailTaken }
        try Self.check(name)
        return [.personAdded(id: id, email: address, name: name)]
    }
    func disable(_ id: String, _ isDisabled: Bool) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard let person = people[id] else { throw .unknownPerson }
        guard person.isDisabled != isDisabled else { return [] }
        if isDisabled && person.isOperator { try keepsOperator(without: id) }
        return [.personDisabled(id: id, isDisabled: isDisabled)]
    }
    func setOperator(_ id: String, _ isOperator: Bool) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard let person = people[id] else { throw .unknownPerson }
        guard person.isOperator != isOperator else { return [] }
        if !isOperator { try keepsOperator(without: id) }
        return [.operatorSet(id: id, isOperator: isOperator)]
    }

    // MARK: Roles and members

    func setRole(
        _ name: String, _ scopes: Set<Scope>, in tenant: TenantID, by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard TenantID(name) != nil, Role(rawValue: name) == nil else { throw .badName }
        let own = roles[tenant] ?? [:]
        guard own[name] != nil || own.count < Self.rolesMax else { throw .tooMany(max: Self.rolesMax) }
        guard granter.holds(scopes.union(own[name] ?? [])) else { throw .beyondGranter }
        return [.roleSet(tenant: tenant, name: name, scopes: scopes.map(\.rawValue).sorted())]
    }
    func removeRole(_ name: String, in tenant: TenantID) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard roles[tenant]?[name] != nil else { throw .unknownRole }
        let isUsed =
            members[tenant]?.values.contains { $0.role == name } == true
            || accounts.values.contains { $0.tenant == tenant && $0.standing.role == name }
            || invitations.values.contains { $0.tenant == tenant && $0.standing.role == name }
        guard !isUsed else { throw .roleInUse }
        return [.roleRemoved(tenant: tenant, name: name)]
    }
    func setMember(
        _ person: String, _ standing: Standing, in tenant: TenantID, by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard people[person] != nil else { throw .unknownPerson }
        try check(standing, in: tenant, by: granter)
        if let old = members[tenant]?[person] {
            try check(old, in: tenant, by: granter)
            if standing != Standing(role: Role.owner.rawValue) { try keepsOwner(tenant, without: person) }
        } else {
            guard (members[tenant]?.count ?? 0) < Self.membersMax else { throw .tooMany(max: Self.membersMax) }
        }
        return [.memberSet(tenant: tenant, person: person, role: standing.role, reach: standing.reach.text)]
    }
    func removeMember(
        _ person: String, of tenant: TenantID, by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard let old = members[tenant]?[person] else { throw .unknownPerson }
        try check(old, in: tenant, by: granter)
        try keepsOwner(tenant, without: person)
        return [.memberRemoved(tenant: tenant, person: person)]
    }

    /// Whether the granter may let a member in anew: with another password, or without the authenticator. Whoever may
    /// do that could become the member, so the member must be this tenant's alone, and may no more than the granter.
    func checkReset(of person: String, in tenant: TenantID, by granter: Granter) throws(DirectoryRefusal) {
        guard let found = people[person], let standing = members[tenant]?[person] else { throw .unknownPerson }
        try check(standing, in: tenant, by: granter)
        let isElsewhere = members.contains { $0.key != tenant && $0.value[person] != nil }
        guard !found.isOperator, !isElsewhere else { throw .notOnlyHere }
    }

    // MARK: Invitations and accounts

    func invite(
        _ email: String, _ standing: Standing, to tenant: TenantID, id: String, sha256: String, expires: Int64,
        by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        let standingNow = invitations.values.filter { $0.tenant == tenant }.count
        guard standingNow < Self.invitationsMax else { throw .tooMany(max: Self.invitationsMax) }
        let address = try Self.address(email)
        try check(standing, in: tenant, by: granter)
        return [
            .invited(
                tenant: tenant, id: id, email: address, role: standing.role, reach: standing.reach.text,
                sha256: sha256, expiresMilliseconds: expires)
        ]
    }
    func withdraw(_ id: String, of tenant: TenantID) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard invitations[id]?.tenant == tenant else { throw .unknownInvitation }
        return [.invitationEnded(tenant: tenant, id: id, isAccepted: false)]
    }
    /// Who has the token joins as who was invited: somebody known by the address, or a new person.
    /// - Parameter newID: for a new person.
    func accept(
        sha256: String, name: String, newID: String, at now: Int64
    ) throws(DirectoryRefusal) -> (person: String, events: [DirectoryEvent]) {
        guard let invitation = invitations.values.first(where: { $0.sha256 == sha256 }),
            invitation.expiresMilliseconds > now
        else { throw .unknownInvitation }
        let known = person(email: invitation.email)
        guard known?.isDisabled != true,
            !provisioning(of: invitation.tenant).isDeactivated(person: known?.id, email: invitation.email)
        else { throw .unknownInvitation }
        let (tenant, standing) = (invitation.tenant, invitation.standing), id = known?.id ?? newID
        var events = known == nil ? try add(newID, email: invitation.email, name: name) : []
        // An old invitation takes nothing from who has become a member meanwhile.
        if members[tenant]?[id] == nil {
            events.append(.memberSet(tenant: tenant, person: id, role: standing.role, reach: standing.reach.text))
        }
        return (id, events + [.invitationEnded(tenant: tenant, id: invitation.id, isAccepted: true)])
    }

    func addAccount(
        _ id: String, _ name: String, _ standing: Standing, in tenant: TenantID, by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        let count = accounts.values.filter { $0.tenant == tenant && !$0.isDisabled }.count
        guard count < Self.accountsMax else { throw .tooMany(max: Self.accountsMax) }
        try Self.check(name)
        try check(standing, in: tenant, by: granter)
        return [.accountSet(tenant: tenant, id: id, name: name, role: standing.role, reach: standing.reach.text)]
    }
    func disableAccount(
        _ id: String, of tenant: TenantID, by granter: Granter
    ) throws(DirectoryRefusal) -> [DirectoryEvent] {
        guard let account = accounts[id], account.tenant == tenant else { throw .unknownAccount }
        try check(account.standing, in: tenant, by: granter)
        return account.isDisabled ? [] : [.accountDisabled(tenant: tenant, id: id)]
    }

    // MARK: Checks

    /// The role is one, and the granter has what it gives.
    private func check(
        _ standing: Standing, in tenant: TenantID, by granter: Granter
    ) throws(DirectoryRefusal) {
        guard standing.reach.isKeepable else { throw .badReach }
        guard let scopes = scopes(of: standing.role, in: tenant) else { throw .unknownRole }
        guard granter.holds(scopes) else { throw .beyondGranter }
    }
    private func keepsOwner(_ tenant: TenantID, without person: String) throws(DirectoryRefusal) {
        let owner = Standing(role: Role.owner.rawValue), all = members[tenant] ?? [:]
        guard all[person] == owner else { return }
        let others = all.contains { $0.key != person && $0.value == owner && people[$0.key]?.isDisabled == false }
        guard others else { throw .lastOwner }
    }
    private func keepsOperator(without person: String) throws(DirectoryRefusal) {
        let others = people.values.contains { $0.id != person && $0.isOperator && !$0.isDisabled }
        guard others || people[person]?.isDisabled == true else { throw .lastOperator }
    }
    private static func check(_ name: String) throws(DirectoryRefusal) {
        guard (1...100).contains(name.count), name.utf8.count <= 400 else { throw .badName }
    }
    /// In lower case. Not a proof that mail arrives: printable ASCII with one `@` inside.
    static func address(_ text: String) throws(DirectoryRefusal) -> String {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard (3...254).contains(text.utf8.count), parts.count == 2, parts.allSatisfy({ !$0.isEmpty }),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && ![0x22, 0x2C, 0x3B, 0x3C, 0x3E].contains($0) })
        else { throw .badEmail }
        return text.lowercased()
    }
}
