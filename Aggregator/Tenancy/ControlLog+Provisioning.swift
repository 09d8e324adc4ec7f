internal import GRDB
package import Identity

/// Users and groups as a tenant's own directory keeps them (SCIM 2.0). Who loses the place here loses the sessions in
/// the same transaction.
extension ControlLog {
    /// - Parameters:
    ///   - id: nil: somebody new.
    ///   - body: changes what is known; of somebody new that is only `userName`, which it sets.
    /// - Throws: `.refused`: `.changed` when `expected` is not the version of now, `.unknownPerson`, `.emailTaken` …
    package func provisionUser(
        _ id: String?, in tenant: TenantID, expecting expected: Int? = nil, by actor: String, at now: Int64,
        standing: GroupStanding, using generator: inout some RandomNumberGenerator,
        _ body: (inout ProvisionedUser) throws -> Void
    ) throws(ControlError) -> ProvisionedUser {
        let newID = Self.provisionedID("scu", &generator), personID = Self.provisionedID("usr", &generator)
        return try provision(tenant, by: actor, at: now) { directory, granter in
            let known = id.flatMap { directory.provisioning(of: tenant).users[$0] }
            guard id == nil || known != nil else { throw DirectoryRefusal.unknownPerson }
            var user = known ?? ProvisionedUser(id: newID, userName: "", at: now)
            try body(&user)
            user.changedMilliseconds = now
            return try directory.provision(
                user, in: tenant, expecting: expected, newID: personID, by: granter, standing)
        } found: { directory in
            directory.provisioning(of: tenant).users[id ?? newID]
        }
    }
    package func unprovisionUser(
        _ id: String, of tenant: TenantID, expecting expected: Int? = nil, by actor: String, at now: Int64
    ) throws(ControlError) {
        _ = try provision(tenant, by: actor, at: now) { directory, granter in
            try directory.unprovision(id, of: tenant, expecting: expected, by: granter)
        } found: { _ in
            true
        }
    }
    /// - Parameter body: changes the group and the ids of its users.
    package func provisionGroup(
        _ id: String?, in tenant: TenantID, expecting expected: Int? = nil, by actor: String, at now: Int64,
        standing: GroupStanding, using generator: inout some RandomNumberGenerator,
        _ body: (inout ProvisionedGroup, inout Set<String>) throws -> Void
    ) throws(ControlError) -> ProvisionedGroup {
        let newID = Self.provisionedID("scg", &generator)
        return try provision(tenant, by: actor, at: now) { directory, granter in
            let own = directory.provisioning(of: tenant), known = id.flatMap { own.groups[$0] }
            guard id == nil || known != nil else { throw DirectoryRefusal.unknownPerson }
            var group = known ?? ProvisionedGroup(id: newID, displayName: "", at: now)
            var members = own.members[group.id] ?? []
            try body(&group, &members)
            group.changedMilliseconds = now
            return try directory.provision(
                group, members: members, in: tenant, expecting: expected,
                newID: { Self.provisionedID("usr", &generator) }, by: granter, standing)
        } found: { directory in
            directory.provisioning(of: tenant).groups[id ?? newID]
        }
    }
    package func unprovisionGroup(
        _ id: String, of tenant: TenantID, expecting expected: Int? = nil, by actor: String, at now: Int64,
        standing: GroupStanding, using generator: inout some RandomNumberGenerator
    ) throws(ControlError) {
        _ = try provision(tenant, by: actor, at: now) { directory, granter in
            try directory.unprovisionGroup(
                id, of: tenant, expecting: expected, newID: { Self.provisionedID("usr", &generator) }, by: granter,
                standing)
        } found: { _ in
            true
        }
    }

    private func provision<Found>(
        _ tenant: TenantID, by actor: String, at now: Int64,
        _ decide: (Directory, Granter) throws -> [DirectoryEvent], found: (Directory) -> Found?
    ) throws(ControlError) -> Found {
        try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            let before = try known.upToDate(in: db)
            // What groups mean is the settings', so it is not bound to what the key may.
            let events = try decide(before, Granter(actor, scopes: nil))
            try Self.append(events, by: actor, at: now, in: db)
            for case .memberRemoved(_, let person) in events {
                try Self.endSessions(of: person, in: tenant, by: actor, at: now, in: db)
            }
            guard let found = found(try known.upToDate(in: db)) else { throw DirectoryRefusal.unknownPerson }
            return found
        }
    }
    private static func endSessions(
        of person: String, in tenant: TenantID, by actor: String, at now: Int64, in db: Database
    ) throws {
        let ids = try String.fetchAll(
            db, sql: "SELECT id FROM session WHERE person = ? AND (tenant = ? OR tenant IS NULL)",
            arguments: [person, tenant.rawValue])
        for id in ids {
            try note("sessionEnded", tenant: "", subject: id, detail: "", by: actor, at: now, in: db)
            try db.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [id])
        }
    }
    private static func provisionedID(_ kind: String, _ generator: inout some RandomNumberGenerator) -> String {
        kind + "-" + String(generator.next(), radix: 36)
    }
}
