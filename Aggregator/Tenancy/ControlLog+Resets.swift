internal import GRDB
package import Identity

/// Tokens with which somebody who has lost the password sets another, once. They come by mail, or from an
/// administrator, who never knows the password.
extension ControlLog {
    package static let resetLifetime: Int64 = 3_600_000
    /// Between two that were asked for by mail.
    package static let resetMailInterval: Int64 = 5 * 60_000

    /// For an administrator to hand over.
    package func makeReset(
        of person: String, in tenant: TenantID, by granter: Granter, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> OpaqueToken {
        let token = OpaqueToken(.reset, using: &generator)
        try write { db in
            try known.upToDate(in: db).checkReset(of: person, in: tenant, by: granter)
            try Self.keep(token, of: person, tenant: tenant.rawValue, by: granter.name, at: now, in: db)
        }
        return token
    }

    /// For who asked at the own address.
    /// - Returns: nil when nobody of that address may sign in, or was sent one just now.
    package func makeReset(
        email: String, by actor: String, at now: Int64, using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> (token: OpaqueToken, person: Person)? {
        let token = OpaqueToken(.reset, using: &generator)
        return try write { db in
            guard let person = try known.upToDate(in: db).person(email: email), !person.isDisabled else { return nil }
            let last = try Int64.fetchOne(
                db, sql: "SELECT MAX(madeMilliseconds) FROM passwordReset WHERE person = ?", arguments: [person.id])
            if let last, abs(now - last) < Self.resetMailInterval { return nil }
            try Self.keep(token, of: person.id, tenant: "", by: actor, at: now, in: db)
            return (token, person)
        }
    }
    private static func keep(
        _ token: OpaqueToken, of person: String, tenant: String, by actor: String, at now: Int64, in db: Database
    ) throws {
        try note("passwordResetOffered", tenant: tenant, subject: person, detail: "", by: actor, at: now, in: db)
        try db.execute(sql: "DELETE FROM passwordReset WHERE expiresMilliseconds <= ?", arguments: [now])
        try db.execute(
            sql: """
                INSERT INTO passwordReset (sha256, person, madeMilliseconds, expiresMilliseconds) VALUES (?, ?, ?, ?)
                """, arguments: [token.digest, person, now, now + resetLifetime])
    }

    /// Whose password `text` would change now. Asked before a password is hashed; `resetPassword` asks again.
    package func resetting(_ text: String, at now: Int64) throws(ControlError) -> Person? {
        guard let token = OpaqueToken(text, for: .reset) else { return nil }
        return try read { try person(of: token, at: now, in: $0) }
    }
    /// Sets the password and ends all sessions of the person; the authenticator stays.
    /// - Returns: false: the token is no good.
    package func resetPassword(_ text: String, to hash: String, at now: Int64) throws(ControlError) -> Bool {
        guard let token = OpaqueToken(text, for: .reset) else { return false }
        return try write { db in
            guard let person = try person(of: token, at: now, in: db) else { return false }
            try Self.keep(hash, of: person.id, by: person.id, at: now, in: db)
            try db.execute(sql: "DELETE FROM session WHERE person = ?", arguments: [person.id])
            return true
        }
    }
    private func person(of token: OpaqueToken, at now: Int64, in db: Database) throws -> Person? {
        let id = try String.fetchOne(
            db, sql: "SELECT person FROM passwordReset WHERE sha256 = ? AND expiresMilliseconds > ?",
            arguments: [token.digest, now])
        guard let id, let person = try known.upToDate(in: db).people[id], !person.isDisabled else { return nil }
        return person
    }

    /// Takes a member's authenticator and recovery codes away.
    /// - Returns: false when there was none.
    package func removeFactor(
        of person: String, in tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) -> Bool {
        try read { try known.upToDate(in: $0).checkReset(of: person, in: tenant, by: granter) }
        return try removeFactor(of: person, by: granter.name, at: now)
    }
}
