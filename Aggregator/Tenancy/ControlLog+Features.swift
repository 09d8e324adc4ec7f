internal import GRDB
package import Identity

/// A feature that somebody turned off, or on again.
package struct FeatureSetting: Hashable, Sendable {
    package let feature: Feature, isOn: Bool
    package let atMilliseconds: Int64, actor: String
}

/// Which features a tenant has. Asked with each request to a route of one, so a change counts with the next.
extension ControlLog {
    /// What was ever set, by the features' order.
    package func features(of tenant: TenantID) throws(ControlError) -> [FeatureSetting] {
        let rows = try read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM feature WHERE tenant = ?", arguments: [tenant.rawValue])
        }
        return Feature.allCases.compactMap { feature in
            rows.first { $0["name"] == feature.rawValue }.map {
                FeatureSetting(
                    feature: feature, isOn: $0["isOn"], atMilliseconds: $0["atMilliseconds"], actor: $0["actor"])
            }
        }
    }
    package func has(_ feature: Feature, _ tenant: TenantID) throws(ControlError) -> Bool {
        try read { db in
            try Bool.fetchOne(
                db, sql: "SELECT isOn FROM feature WHERE tenant = ? AND name = ?",
                arguments: [tenant.rawValue, feature.rawValue])
        } ?? true
    }
    package func set(
        _ feature: Feature, to isOn: Bool, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) {
        try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            try Self.note(
                isOn ? "featureOn" : "featureOff", tenant: tenant, subject: feature.rawValue, by: actor, at: now,
                in: db)
            try db.execute(
                sql: """
                    INSERT INTO feature (tenant, name, isOn, atMilliseconds, actor) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (tenant, name) DO UPDATE SET isOn = excluded.isOn,
                        atMilliseconds = excluded.atMilliseconds, actor = excluded.actor
                    """, arguments: [tenant.rawValue, feature.rawValue, isOn, now, actor])
        }
    }
}
