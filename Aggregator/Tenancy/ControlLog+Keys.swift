internal import Foundation
internal import GRDB
package import Identity

/// A tenant's API keys: kept as digests, asked for at each request, so that a revocation elsewhere counts at once.
extension ControlLog {
    /// Makes a key. The returned secret is its only copy.
    /// - Parameters:
    ///   - name: 1 to 100 characters, for people.
    ///   - account: the service account that it is for: its role and reach bound the key's.
    package func createKey(
        tenant: TenantID, name: String, scopes: Set<Scope> = Scope.usual, reach: Reach = .whole, account: String? = nil,
        expiresMilliseconds: Int64? = nil, by actor: String, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> (key: APIKey, record: APIKeyRecord) {
        guard (1...100).contains(name.count) else { throw .badName(name) }
        guard reach.isKeepable else { throw .badReach }
        let key = APIKey(using: &generator)
        let record = APIKeyRecord(
            id: "key-" + String(generator.next(), radix: 36), tenant: tenant, name: name, scopes: scopes,
            reach: reach, account: account, createdMilliseconds: now, expiresMilliseconds: expiresMilliseconds,
            revokedMilliseconds: nil, usedMilliseconds: nil)
        try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            if let account {
                let found = try known.upToDate(in: db).accounts[account]
                guard found?.tenant == tenant, found?.isDisabled == false else {
                    throw ControlError.refused(.unknownAccount)
                }
            }
            try Self.note("keyCreated", tenant: tenant, subject: record.id, by: actor, at: now, in: db)
            try db.execute(
                sql: """
                    INSERT INTO apiKey
                        (id, tenant, name, sha256, scopes, createdMilliseconds, expiresMilliseconds, reach,
                        account)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    record.id, tenant.rawValue, name, Data(key.digest),
                    scopes.map(\.rawValue).sorted().joined(separator: " "), now, expiresMilliseconds, reach.text,
                    account,
                ])
        }
        return (key, record)
    }

    package func keys(of tenant: TenantID) throws(ControlError) -> [APIKeyRecord] {
        try read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM apiKey WHERE tenant = ? ORDER BY createdMilliseconds, id",
                arguments: [tenant.rawValue]
            ).compactMap(Self.record)
        }
    }

    /// Takes effect with the next request that shows the key.
    /// - Parameters:
    ///   - tenant: whose it must be; nil: anybody's.
    ///   - granter: nobody revokes what may more.
    package func revokeKey(
        id: String, of tenant: TenantID? = nil, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try write { db in
            let row = try Row.fetchOne(db, sql: "SELECT * FROM apiKey WHERE id = ?", arguments: [id])
            guard let record = row.flatMap(Self.record), tenant == nil || record.tenant == tenant else {
                throw ControlError.unknownKey(id: id)
            }
            guard granter.holds(record.scopes) else { throw ControlError.refused(.beyondGranter) }
            guard record.revokedMilliseconds == nil else { return }
            try Self.note("keyRevoked", tenant: record.tenant, subject: id, by: granter.name, at: now, in: db)
            try db.execute(sql: "UPDATE apiKey SET revokedMilliseconds = ? WHERE id = ?", arguments: [now, id])
        }
    }
    package func revokeKey(id: String, by actor: String, at now: Int64) throws(ControlError) {
        try revokeKey(id: id, by: Granter(actor, scopes: nil), at: now)
    }

    /// Who shows this key. Asks the database each time, so a revocation elsewhere counts at once.
    package func authenticate(_ text: String, at now: Int64) throws -> Principal {
        guard let key = APIKey(text) else { throw AuthenticationError.notAKey }
        let (found, directory) = try read { db in
            let row = try Row.fetchOne(db, sql: "SELECT * FROM apiKey WHERE sha256 = ?", arguments: [Data(key.digest)])
            return (row.flatMap(Self.record), try known.upToDate(in: db))
        }
        guard let found else { throw AuthenticationError.unknownKey }
        guard found.revokedMilliseconds == nil else { throw AuthenticationError.revoked(keyID: found.id) }
        if let end = found.expiresMilliseconds, end <= now { throw AuthenticationError.expired(keyID: found.id) }
        noteUse(of: found, at: now)
        guard let account = found.account else {
            return Principal(tenant: found.tenant, keyID: found.id, scopes: found.scopes, reach: found.reach)
        }
        guard let rights = directory.rights(ofAccount: account) else {
            throw AuthenticationError.disabledAccount(keyID: found.id)
        }
        return Principal(
            tenant: found.tenant, keyID: found.id, scopes: found.scopes.intersection(rights.scopes),
            reach: rights.reach)
    }

    /// To the minute. A key is as good when its use can't be written.
    private func noteUse(of key: APIKeyRecord, at now: Int64) {
        if let used = key.usedMilliseconds, abs(now - used) < Self.useEveryMilliseconds { return }
        try? write { db in
            try db.execute(sql: "UPDATE apiKey SET usedMilliseconds = ? WHERE id = ?", arguments: [now, key.id])
        }
    }
    private static let useEveryMilliseconds: Int64 = 60_000

    private static func record(_ row: Row) -> APIKeyRecord? {
        guard let tenant = TenantID(row["tenant"] as String), let reach = Reach(text: row["reach"] as String) else {
            return nil
        }
        let scopes = (row["scopes"] as String).split(separator: " ").compactMap { Scope(rawValue: String($0)) }
        return APIKeyRecord(
            id: row["id"], tenant: tenant, name: row["name"], scopes: Set(scopes), reach: reach,
            account: row["account"], createdMilliseconds: row["createdMilliseconds"],
            expiresMilliseconds: row["expiresMilliseconds"],
            revokedMilliseconds: row["revokedMilliseconds"], usedMilliseconds: row["usedMilliseconds"])
    }
}
