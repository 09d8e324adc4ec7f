internal import GRDB
package import Identity

/// One version of what a tenant's people set about the built-in detectors. Kept as text; what it means is the business
/// of who reads it.
package struct DetectorLimitsVersion: Hashable, Sendable {
    package let text: String
    /// From 1, for each tenant.
    package let version: Int
    package let atMilliseconds: Int64, actor: String
}

/// A tenant's own limits of detectors: every version is kept, and the newest counts.
extension ControlLog {
    package static let detectorLimitsBytesMax = 64 << 10

    /// The newest version; nil when nothing was ever set.
    package func detectorLimits(of tenant: TenantID) throws(ControlError) -> DetectorLimitsVersion? {
        try read { db in
            let row = try Row.fetchOne(
                db, sql: "SELECT * FROM detectorLimits WHERE tenant = ? ORDER BY version DESC LIMIT 1",
                arguments: [tenant.rawValue])
            guard let row else { return nil }
            return DetectorLimitsVersion(
                text: row["text"], version: row["version"], atMilliseconds: row["atMilliseconds"], actor: row["actor"])
        }
    }

    /// - Parameter text: of at most `detectorLimitsBytesMax` octets.
    /// - Returns: the number of the version.
    package func setDetectorLimits(
        _ text: String, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) -> Int {
        guard text.utf8.count <= Self.detectorLimitsBytesMax else { throw .badName(String(text.prefix(80))) }
        return try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            let last = try Int.fetchOne(
                db, sql: "SELECT max(version) FROM detectorLimits WHERE tenant = ?", arguments: [tenant.rawValue])
            let version = (last ?? 0) + 1
            try Self.note(
                "detectorLimitsSet", tenant: tenant, subject: "version \(version)", by: actor, at: now, in: db)
            try db.execute(
                sql: """
                    INSERT INTO detectorLimits (tenant, version, text, atMilliseconds, actor) VALUES (?, ?, ?, ?, ?)
                    """, arguments: [tenant.rawValue, version, text, now, actor])
            return version
        }
    }
}
