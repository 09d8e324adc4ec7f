internal import GRDB
package import Identity

/// What a tenant may have kept for a shorter time than the node keeps it.
package enum KeptKind: String, Sendable, CaseIterable, Codable {
    /// Flow records.
    case records
    /// Sums of them by time.
    case sums
    /// Closed incidents, with all that was said of them.
    case incidents
}

/// How long tenants want things kept.
extension ControlLog {
    package static let retentionDays = 1...36_500

    /// What was set, in days.
    package func retention(of tenant: TenantID) throws(ControlError) -> [KeptKind: Int] {
        try retentions()[tenant] ?? [:]
    }
    /// All tenants', for who carries it out.
    package func retentions() throws(ControlError) -> [TenantID: [KeptKind: Int]] {
        try read { db in
            var all: [TenantID: [KeptKind: Int]] = [:]
            for row in try Row.fetchAll(db, sql: "SELECT * FROM retention") {
                guard let tenant = TenantID(row["tenant"] as String), let kind = KeptKind(rawValue: row["kind"]) else {
                    continue
                }
                all[tenant, default: [:]][kind] = row["days"]
            }
            return all
        }
    }
    /// - Parameter days: within `retentionDays`; nil: as the node does.
    package func setRetention(
        _ kind: KeptKind, days: Int?, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) {
        try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            try Self.note(
                "retentionSet", tenant: tenant, subject: "\(kind.rawValue) \(days.map(String.init) ?? "as the node")",
                by: actor, at: now, in: db)
            try db.execute(
                sql: "DELETE FROM retention WHERE tenant = ? AND kind = ?",
                arguments: [tenant.rawValue, kind.rawValue])
            guard let days else { return }
            try db.execute(
                sql: "INSERT INTO retention (tenant, kind, days) VALUES (?, ?, ?)",
                arguments: [tenant.rawValue, kind.rawValue, days])
        }
    }
}
