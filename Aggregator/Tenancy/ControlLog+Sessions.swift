internal import Foundation
internal import GRDB
package import Identity

/// Passwords as hashes, and sessions. Both are asked of the database each time, so what ends one ends it for the next
/// request on every process that has the file.
extension ControlLog {
    // MARK: Passwords

    /// What a password is tried against; nil: there is nobody of that address who may sign in.
    package func passwordHash(email: String) throws(ControlError) -> (person: String, hash: String)? {
        try read { db in
            guard let person = try known.upToDate(in: db).person(email: email), !person.isDisabled else { return nil }
            let hash = try String.fetchOne(
                db, sql: "SELECT hash FROM password WHERE person = ?", arguments: [person.id])
            return hash.map { (person.id, $0) }
        }
    }

    /// Ends all sessions of the person but one: who changes a password may have lost the old one.
    package func setPassword(
        _ hash: String, of person: String, keeping session: String? = nil, by actor: String, at now: Int64
    ) throws(ControlError) {
        try write { db in
            guard try known.upToDate(in: db).people[person] != nil else { throw DirectoryRefusal.unknownPerson }
            try Self.keep(hash, of: person, by: actor, at: now, in: db)
            try db.execute(
                sql: "DELETE FROM session WHERE person = ? AND id IS NOT ?", arguments: [person, session])
        }
    }
    static func keep(_ hash: String, of person: String, by actor: String, at now: Int64, in db: Database) throws {
        try note("passwordSet", tenant: "", subject: person, detail: "", by: actor, at: now, in: db)
        try db.execute(
            sql: """
                INSERT INTO password (person, hash, setMilliseconds) VALUES (?, ?, ?)
                ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, setMilliseconds = excluded.setMilliseconds
                """, arguments: [person, hash, now])
        // What was to let somebody in without the old password has no use any more.
        try db.execute(sql: "DELETE FROM passwordReset WHERE person = ?", arguments: [person])
    }

    // MARK: Sessions

    /// - Returns: the token, of which this is the only copy.
    package func startSession(
        of person: String, address: String, agent: String, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> (token: OpaqueToken, session: Session) {
        let draft = SessionDraft(address: address, agent: agent, using: &generator)
        let session = try write { db in
            // Who is in one tenant only need not choose.
            let tenants = try known.upToDate(in: db).members.filter { $0.value[person] != nil }.map(\.key)
            return try start(draft, of: person, in: tenants.count == 1 ? tenants[0] : nil, at: now, in: db)
        }
        return (draft.token, session)
    }
    func start(
        _ draft: SessionDraft, of person: String, in tenant: TenantID?, provider: String? = nil, at now: Int64,
        in db: Database
    ) throws -> Session {
        guard try known.upToDate(in: db).people[person]?.isDisabled == false else {
            throw DirectoryRefusal.unknownPerson
        }
        let session = Session(
            id: draft.id, person: person, tenant: tenant, createdMilliseconds: now, seenMilliseconds: now,
            address: draft.address, agent: draft.agent, provider: provider)
        try Self.note("sessionStarted", tenant: "", subject: draft.id, detail: "", by: person, at: now, in: db)
        try db.execute(
            sql: """
                INSERT INTO session
                    (id, sha256, person, tenant, createdMilliseconds, seenMilliseconds, address, agent, provider)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                draft.id, draft.token.digest, person, tenant?.rawValue, now, now, session.address, session.agent,
                provider,
            ])
        try Self.endOldest(of: person, at: now, in: db)
        return session
    }
    private static func endOldest(of person: String, at now: Int64, in db: Database) throws {
        try db.execute(
            sql: """
                DELETE FROM session WHERE createdMilliseconds <= ? OR seenMilliseconds <= ? OR (person = ? AND id NOT IN
                    (SELECT id FROM session WHERE person = ? ORDER BY createdMilliseconds DESC, rowid DESC LIMIT ?))
                """,
            arguments: [
                now - SessionLimits.absoluteMilliseconds, now - SessionLimits.idleMilliseconds, person, person,
                SessionLimits.countMax,
            ])
    }

    /// Who shows this token; nil: nobody any more.
    /// - Parameter isActive: false for what goes on without anybody: it does not count as a request.
    package func signedIn(
        _ text: String, at now: Int64, isActive: Bool = true
    ) throws(ControlError) -> SignedIn? {
        guard let token = OpaqueToken(text, for: .session) else { return nil }
        let found = try read { db -> SignedIn? in
            let row = try Row.fetchOne(db, sql: "SELECT * FROM session WHERE sha256 = ?", arguments: [token.digest])
            guard let session = row.flatMap(Self.session), Self.isGood(session, at: now),
                let person = try known.upToDate(in: db).people[session.person], !person.isDisabled
            else { return nil }
            return SignedIn(session: session, person: person)
        }
        if isActive, let session = found?.session, now - session.seenMilliseconds >= SessionLimits.seenEveryMilliseconds
        {
            try write { db in
                try db.execute(
                    sql: "UPDATE session SET seenMilliseconds = ? WHERE id = ?", arguments: [now, session.id])
            }
        }
        return found
    }

    /// What a signed-in person may in the tenant that was chosen. Operators who are no members may read, and what they
    /// chose is an event.
    package func principal(of caller: SignedIn) throws(ControlError) -> Principal? {
        guard let tenant = caller.session.tenant else { return nil }
        let rights = try directory().rights(of: caller.person.id, in: tenant)
        if let rights {
            return Principal(tenant: tenant, keyID: caller.person.id, scopes: rights.scopes, reach: rights.reach)
        }
        guard caller.person.isOperator, caller.session.provider == nil else { return nil }
        var visitor = Principal(tenant: tenant, keyID: caller.person.id, scopes: Role.viewer.scopes, reach: .whole)
        visitor.isVisitor = true
        return visitor
    }

    /// - Parameter reason: why an operator looks into a tenant; kept.
    /// - Returns: false when the person has nothing to do with that tenant, or there is none.
    package func chooseTenant(
        _ tenant: TenantID, _ caller: SignedIn, reason: String, at now: Int64
    ) throws(ControlError) -> Bool {
        guard caller.session.provider == nil || caller.session.tenant == tenant else { return false }
        return try write { db in
            let directory = try known.upToDate(in: db)
            let isMember = directory.rights(of: caller.person.id, in: tenant) != nil
            guard try Self.tenantID(tenant, in: db) != nil,
                isMember || directory.people[caller.person.id]?.isOperator == true && caller.session.provider == nil
            else { return false }
            if !isMember {
                try Self.note(
                    "operatorEntered", tenant: tenant.rawValue, subject: String(reason.prefix(400)), detail: "",
                    by: caller.person.id, at: now, in: db)
            }
            try db.execute(
                sql: "UPDATE session SET tenant = ? WHERE id = ?", arguments: [tenant.rawValue, caller.session.id])
            return true
        }
    }

    /// Newest first.
    package func sessions(of person: String, at now: Int64) throws(ControlError) -> [Session] {
        try read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM session WHERE person = ? ORDER BY createdMilliseconds DESC, rowid DESC",
                arguments: [person]
            ).compactMap(Self.session).filter { Self.isGood($0, at: now) }
        }
    }
    /// - Returns: false when the person has no such session.
    package func endSession(
        _ id: String, of person: String, by actor: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            try db.execute(sql: "DELETE FROM session WHERE id = ? AND person = ?", arguments: [id, person])
            guard db.changesCount > 0 else { return false }
            try Self.note("sessionEnded", tenant: "", subject: id, detail: "", by: actor, at: now, in: db)
            return true
        }
    }

    /// A clock that was set back must not make a session last longer.
    private static func isGood(_ session: Session, at now: Int64) -> Bool {
        let age = now - session.createdMilliseconds, idle = now - session.seenMilliseconds
        return age < SessionLimits.absoluteMilliseconds && idle < SessionLimits.idleMilliseconds
            && age >= -SessionLimits.idleMilliseconds
    }
    private static func session(_ row: Row) -> Session? {
        Session(
            id: row["id"], person: row["person"], tenant: (row["tenant"] as String?).flatMap { TenantID($0) },
            createdMilliseconds: row["createdMilliseconds"], seenMilliseconds: row["seenMilliseconds"],
            address: row["address"], agent: row["agent"], provider: row["provider"])
    }
}

/// What of a session is made before it is kept.
struct SessionDraft {
    let id: String, token: OpaqueToken, address: String, agent: String

    init(address: String, agent: String, using generator: inout some RandomNumberGenerator) {
        token = OpaqueToken(.session, using: &generator)
        id = "ses-" + String(generator.next(), radix: 36)
        self.address = String(address.prefix(SessionLimits.textOctetsMax))
        self.agent = String(agent.prefix(SessionLimits.textOctetsMax))
    }
}
