internal import GRDB
package import Identity

/// A tenant's own names for networks: what `@servers` in a filter stands for. Kept as text; what a network is, is the
/// business of who reads it.
extension ControlLog {
    package static let namedNetworksMax = 1_000

    /// 1 to 63 of `A-Z a-z 0-9 . _ -`.
    package static func isNetworksName(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { octet in
                (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
                    || [0x2D, 0x2E, 0x5F].contains(octet)
            }
    }

    package func namedNetworks(of tenant: TenantID) throws(ControlError) -> [String: [String]] {
        try read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT name, networks FROM namedNetworks WHERE tenant = ?", arguments: [tenant.rawValue])
            var named: [String: [String]] = [:]
            for row in rows { named[row["name"]] = (row["networks"] as String).split(separator: " ").map(String.init) }
            return named
        }
    }

    /// Sets or replaces a name.
    /// - Parameter networks: without spaces.
    package func setNamedNetworks(
        _ name: String, _ networks: [String], of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) {
        guard Self.isNetworksName(name), networks.allSatisfy({ !$0.contains(" ") }) else { throw .badName(name) }
        try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            let others = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM namedNetworks WHERE tenant = ? AND name <> ?",
                arguments: [tenant.rawValue, name])
            guard (others ?? 0) < Self.namedNetworksMax else {
                throw ControlError.tooManyNames(max: Self.namedNetworksMax)
            }
            try Self.note("networksSet", tenant: tenant, subject: name, by: actor, at: now, in: db)
            try db.execute(
                sql: """
                    INSERT INTO namedNetworks (tenant, name, networks) VALUES (?, ?, ?)
                    ON CONFLICT (tenant, name) DO UPDATE SET networks = excluded.networks
                    """,
                arguments: [tenant.rawValue, name, networks.joined(separator: " ")])
        }
    }

    /// - Returns: false when there was no such name.
    package func removeNamedNetworks(
        _ name: String, of tenant: TenantID, by actor: String, at now: Int64
    ) throws(ControlError) -> Bool {
        try write { db in
            try db.execute(
                sql: "DELETE FROM namedNetworks WHERE tenant = ? AND name = ?", arguments: [tenant.rawValue, name])
            guard db.changesCount > 0 else { return false }
            try Self.note("networksRemoved", tenant: tenant, subject: name, by: actor, at: now, in: db)
            return true
        }
    }
}
