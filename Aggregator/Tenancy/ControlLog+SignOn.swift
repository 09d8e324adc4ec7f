internal import GRDB
package import Identity

/// Whom a tenant's provider says to have signed in.
package struct SignedOn: Sendable {
    /// Of settings; in events as `signon:NAME`.
    package let provider: String, tenant: TenantID
    /// What names somebody at the provider, for ever; addresses change hands.
    package let issuer: String, subject: String
    /// Verified by the provider.
    package let email: String?, name: String?
    /// What the groups say; nil: nothing.
    package let standing: Standing?

    package init(
        provider: String, tenant: TenantID, issuer: String, subject: String, email: String?, name: String?,
        standing: Standing?
    ) {
        (self.provider, self.tenant, self.issuer, self.subject) = (provider, tenant, issuer, subject)
        (self.email, self.name, self.standing) = (email, name, standing)
    }
}

extension ControlLog {
    package enum SignOnOutcome: Sendable {
        case signedIn(token: OpaqueToken, session: Session)
        /// No group of theirs may anything here; if they were members, they are none any more.
        case noRole
        /// Somebody new, without an address that the provider has verified.
        case noAddress
        /// The address is somebody's who is not this tenant's alone: a tenant's provider can't say who that is.
        case notOnlyHere
        case disabled
        /// The directory's rules are against it, such as for the last owner.
        case refused(DirectoryRefusal)
    }

    /// Makes somebody whom a provider vouches for a member as the groups say, and begins a session that reaches this
    /// tenant and no other: whoever runs the provider could be any of its people.
    package func signOn(
        _ who: SignedOn, address: String, agent: String, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> SignOnOutcome {
        let draft = SessionDraft(address: address, agent: agent, using: &generator)
        let newID = "usr-" + String(generator.next(), radix: 36)
        return try write { db in
            guard try Self.tenantID(who.tenant, in: db) != nil else { throw ControlError.unknownTenant(who.tenant) }
            let directory = try known.upToDate(in: db)
            let linked = try String.fetchOne(
                db, sql: "SELECT person FROM subject WHERE issuer = ? AND subject = ?",
                arguments: [who.issuer, who.subject])
            switch directory.decide(who, linked: linked, newID: newID) {
            case .refused(let outcome): return outcome
            case .removed(let events):
                try Self.append(events, by: who.actor, at: now, in: db)
                return .noRole
            case .member(let person, let events):
                try Self.append(events, by: who.actor, at: now, in: db)
                try link(who, person, at: now, in: db, isNew: linked == nil)
                let session = try start(draft, of: person, in: who.tenant, provider: who.provider, at: now, in: db)
                return .signedIn(token: draft.token, session: session)
            }
        }
    }
    private func link(_ who: SignedOn, _ person: String, at now: Int64, in db: Database, isNew: Bool) throws {
        guard isNew else { return }
        try Self.note(
            "subjectLinked", tenant: who.tenant.rawValue, subject: person, detail: "", by: who.actor, at: now, in: db)
        try db.execute(
            sql: "INSERT INTO subject (issuer, subject, person) VALUES (?, ?, ?)",
            arguments: [who.issuer, who.subject, person])
    }
}

extension SignedOn {
    var actor: String { "signon:\(provider)" }
}

extension Directory {
    enum SignOnDecision {
        case member(String, [DirectoryEvent])
        case removed([DirectoryEvent])
        case refused(ControlLog.SignOnOutcome)
    }

    /// - Parameters:
    ///   - linked: whom the provider's subject was before.
    ///   - newID: for who is new.
    func decide(_ who: SignedOn, linked: String?, newID: String) -> SignOnDecision {
        let provider = Granter(who.actor, scopes: nil)
        do throws(DirectoryRefusal) {
            let found = linked.flatMap { people[$0] } ?? who.email.flatMap { person(email: $0) }
            guard found?.isDisabled != true,
                !provisioning(of: who.tenant).isDeactivated(person: found?.id, email: who.email)
            else { return .refused(.disabled) }
            guard let standing = who.standing else {
                // What the provider gave it takes back.
                guard linked != nil, let found, members[who.tenant]?[found.id] != nil else { return .refused(.noRole) }
                return .removed(try removeMember(found.id, of: who.tenant, by: provider))
            }
            guard let found else { return try join(who, standing, newID) }
            if linked == nil {
                let isElsewhere = members.contains { $0.key != who.tenant && $0.value[found.id] != nil }
                guard !found.isOperator, !isElsewhere, members[who.tenant]?[found.id] != nil else {
                    return .refused(.notOnlyHere)
                }
            }
            guard members[who.tenant]?[found.id] != standing else { return .member(found.id, []) }
            return .member(found.id, try setMember(found.id, standing, in: who.tenant, by: provider))
        } catch {
            return .refused(.refused(error))
        }
    }
    private func join(
        _ who: SignedOn, _ standing: Standing, _ newID: String
    ) throws(DirectoryRefusal) -> SignOnDecision {
        guard let email = who.email else { return .refused(.noAddress) }
        let events = try add(newID, email: email, name: who.name.map { String($0.prefix(100)) } ?? email)
        guard scopes(of: standing.role, in: who.tenant) != nil else { throw .unknownRole }
        return .member(
            newID,
            events + [
                .memberSet(
                    tenant: who.tenant, person: newID, role: standing.role, reach: standing.reach.text)
            ])
    }
}
