internal import GRDB
package import Identity

/// One version of what a tenant said about one Sigma rule. Kept as text; what it means is the business of who reads it.
package struct SigmaRuleVersion: Hashable, Sendable {
    package let key: String
    /// The rule itself; nil: it is one of the files'.
    package let text: String?
    package let state: String?, level: String?
    /// From 1, for each rule of a tenant.
    package let version: Int
    package let atMilliseconds: Int64, actor: String
}

/// A tenant's Sigma rules: every version of each is kept, the newest counts, and one that was removed is a version,
/// too.
extension ControlLog {
    package static let sigmaRulesMax = 2_000, sigmaTextBytesMax = 64 << 10

    /// The newest version of each that is there, by key.
    package func sigmaRules(of tenant: TenantID) throws(ControlError) -> [SigmaRuleVersion] {
        try read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM sigmaRule AS one WHERE tenant = ? AND isRemoved = 0 AND version =
                        (SELECT max(version) FROM sigmaRule WHERE tenant = one.tenant AND key = one.key)
                    ORDER BY key
                    """, arguments: [tenant.rawValue]
            ).map(Self.version)
        }
    }

    /// All versions of one, oldest first.
    package func sigmaVersions(_ key: String, of tenant: TenantID) throws(ControlError) -> [SigmaRuleVersion] {
        try read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM sigmaRule WHERE tenant = ? AND key = ? AND isRemoved = 0 ORDER BY version",
                arguments: [tenant.rawValue, key]
            ).map(Self.version)
        }
    }

    /// - Parameters:
    ///   - text: of at most `sigmaTextBytesMax` octets.
    ///   - state, level: words that the reader knows.
    /// - Returns: the number of the version.
    package func setSigmaRule(
        _ key: String, text: String?, state: String?, level: String?, of tenant: TenantID, by actor: String,
        at now: Int64
    ) throws(ControlError) -> Int {
        guard (1...256).contains(key.utf8.count), text?.utf8.count ?? 0 <= Self.sigmaTextBytesMax else {
            throw .badName(String(key.prefix(80)))
        }
        return try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            let others = try Int.fetchOne(
                db, sql: "SELECT count(DISTINCT key) FROM sigmaRule WHERE tenant = ? AND key <> ?",
                arguments: [tenant.rawValue, key])
            guard (others ?? 0) < Self.sigmaRulesMax else { throw ControlError.tooManyNames(max: Self.sigmaRulesMax) }
            try Self.note("sigmaRuleSet", tenant: tenant, subject: key, by: actor, at: now, in: db)
            return try Self.add(key, text, state, level, isRemoved: false, tenant, actor, now, db)
        }
    }

    /// - Returns: false when there was no such rule.
    package func removeSigmaRule(
        _ key: String, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            let isRemoved = try Bool.fetchOne(
                db, sql: "SELECT isRemoved FROM sigmaRule WHERE tenant = ? AND key = ? ORDER BY version DESC LIMIT 1",
                arguments: [tenant.rawValue, key])
            guard isRemoved == false else { return false }
            try Self.note("sigmaRuleRemoved", tenant: tenant, subject: key, by: actor, at: now, in: db)
            _ = try Self.add(key, nil, nil, nil, isRemoved: true, tenant, actor, now, db)
            return true
        }
    }

    private static func add(
        _ key: String, _ text: String?, _ state: String?, _ level: String?, isRemoved: Bool, _ tenant: TenantID,
        _ actor: String, _ now: Int64, _ db: Database
    ) throws -> Int {
        let last = try Int.fetchOne(
            db, sql: "SELECT max(version) FROM sigmaRule WHERE tenant = ? AND key = ?",
            arguments: [tenant.rawValue, key])
        let version = (last ?? 0) + 1
        try db.execute(
            sql: """
                INSERT INTO sigmaRule (tenant, key, version, text, state, level, isRemoved, atMilliseconds, actor)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """, arguments: [tenant.rawValue, key, version, text, state, level, isRemoved, now, actor])
        return version
    }
    private static func version(_ row: Row) -> SigmaRuleVersion {
        SigmaRuleVersion(
            key: row["key"], text: row["text"], state: row["state"], level: row["level"], version: row["version"],
            atMilliseconds: row["atMilliseconds"], actor: row["actor"])
    }
}
