import Identity
import Platform
import Tenancy

/// People with sessions: members of one tenant or of two, operators, and those who are nothing any more.
struct People {
    let control: ControlLog, tenants: [TenantID]
    private let root = Granter("test", scopes: nil), now = MatrixWorld.now
    private(set) var actors: [Actor] = []

    init(_ tenants: [TenantID], _ control: ControlLog, using chance: inout some RandomNumberGenerator) throws {
        (self.tenants, self.control) = (tenants, control)
        for (index, tenant) in tenants.enumerated() {
            for role in Role.allCases {
                try add(
                    "person, \(role.rawValue)", index, [(tenant, Standing(role: role.rawValue))], role.scopes,
                    using: &chance)
            }
            let own: Set<Scope> = [.readSensors, .readMembers]
            try control.setRole("netops", own, in: tenant, by: root, at: now)
            try add("person with an own role", index, [(tenant, Standing(role: "netops"))], own, using: &chance)
            let part = Standing(role: "analyst", reach: Reach(sites: ["hq"]))
            try add("person at hq", index, [(tenant, part)], Role.analyst.scopes, part.reach, using: &chance)
            // Owner there, viewer here: what counts is here.
            let there = tenants[(index + 1) % tenants.count]
            let both = [(tenant, Standing(role: "viewer")), (there, Standing(role: "owner"))]
            try add("person of two tenants", index, both, Role.viewer.scopes, using: &chance)
        }
        try addOthers(&chance)
    }

    /// Who has nothing, or has it no more.
    private mutating func addOthers(_ chance: inout some RandomNumberGenerator) throws {
        let owner = [(tenants[0], Standing(role: "owner"))]
        try add("person without a tenant", nil, [], [], using: &chance)
        let entering = try add("operator in a tenant", 1, [], Role.viewer.scopes, using: &chance)
        let outside = try add("operator outside", nil, [], [], using: &chance)
        for id in [entering, outside] { try control.setOperator(true, person: id, by: root, at: now) }
        try choose(tenants[1], actors[actors.count - 2])
        let removed = try add("person who was removed", nil, owner, [], using: &chance)
        try control.removeMember(removed, of: tenants[0], by: root, at: now)
        let disabled = try add("person who was disabled", nil, owner, [], using: &chance)
        try control.setDisabled(true, person: disabled, by: root, at: now)
        actors[actors.count - 1].isGood = false
        let out = try add("person who signed out", nil, owner, [], using: &chance)
        for session in try control.sessions(of: out, at: now) {
            _ = try control.endSession(session.id, of: out, by: out, at: now)
        }
        actors[actors.count - 1].isGood = false
        try add("person who went away", nil, owner, [], since: now - SessionLimits.idleMilliseconds, using: &chance)
        actors[actors.count - 1].isGood = false
    }

    @discardableResult
    private mutating func add(
        _ name: String, _ index: Int?, _ standings: [(TenantID, Standing)], _ scopes: Set<Scope>,
        _ reach: Reach = .whole, since: Int64 = MatrixWorld.now, using chance: inout some RandomNumberGenerator
    ) throws -> String {
        let id = try control.addPerson(
            email: "p\(actors.count)@example.net", name: name, by: root, at: now, using: &chance)
        for (tenant, standing) in standings {
            try control.setMember(id, standing, in: tenant, by: root, at: now)
        }
        let token = try control.startSession(of: id, address: "192.0.2.1", agent: "test", at: since, using: &chance)
            .token
        let actor = Actor(name: name, tenant: index, scopes: scopes, reach: reach, session: token.secret)
        actors.append(actor)
        if let index, standings.count > 1 { try choose(tenants[index], actor) }
        return id
    }
    private func choose(_ tenant: TenantID, _ actor: Actor) throws {
        guard let caller = try control.signedIn(actor.session ?? "", at: now),
            try control.chooseTenant(tenant, caller, reason: "a look", at: now)
        else { throw MatrixWorld.Missing() }
    }
}

extension MatrixWorld {
    private static let root = Granter("test", scopes: nil)

    /// A member, an invitation, a service account and a key, all of a role without permissions.
    static func plantPeople(_ tenant: inout Tenant, _ control: ControlLog) throws {
        var chance = SystemRandomNumberGenerator()
        try control.setRole(tenant.names.role, [], in: tenant.id, by: root, at: now)
        tenant.names.member = try control.addPerson(
            email: "m-\(tenant.mark)@example.net", name: tenant.mark, by: root, at: now, using: &chance)
        tenant.names.invitation = try invite(tenant, control)
        tenant.names.account = try addAccount(tenant, control)
        try restoreMember(tenant, control)
        tenant.names.key = try control.createKey(
            tenant: tenant.id, name: tenant.mark, scopes: [], by: "test", at: now, using: &chance
        ).record.id
        let mark = tenant.mark
        let user = try control.provisionUser(
            nil, in: tenant.id, by: "test", at: now, standing: { _ in nil }, using: &chance
        ) { user in
            (user.userName, user.displayName) = ("u-\(mark)@example.net", mark)
        }
        tenant.names.user = user.id
        tenant.names.group = try control.provisionGroup(
            nil, in: tenant.id, by: "test", at: now, standing: { _ in nil }, using: &chance
        ) { group, members in
            (group.displayName, members) = (mark, [user.id])
        }.id
    }
    static func restoreMember(_ tenant: Tenant, _ control: ControlLog) throws {
        try control.setMember(
            tenant.names.member, Standing(role: tenant.names.role), in: tenant.id, by: root, at: now)
    }
    /// The same each time, id and all: chance begins anew.
    @discardableResult
    static func invite(_ tenant: Tenant, _ control: ControlLog) throws -> String {
        var chance = SeededGenerator(seed: tenant.seed)
        return try control.invite(
            "i-\(tenant.mark)@example.net", Standing(role: tenant.names.role), to: tenant.id, lifetime: 86_400_000,
            by: root, at: now, using: &chance
        ).id
    }
    @discardableResult
    static func addAccount(_ tenant: Tenant, _ control: ControlLog) throws -> String {
        var chance = SeededGenerator(seed: tenant.seed)
        return try control.addAccount(
            tenant.mark, Standing(role: tenant.names.role), in: tenant.id, by: root, at: now, using: &chance)
    }
    /// Takes roles away that were made under others' names.
    static func restoreRoles(_ tenant: Tenant, _ control: ControlLog) throws {
        for name in try control.directory().roles[tenant.id, default: [:]].keys
        where name.hasPrefix("r-") && name != tenant.names.role {
            try control.removeRole(name, in: tenant.id, by: root, at: now)
        }
    }
}

extension MatrixWorld.Tenant {
    /// Another for each tenant and world.
    fileprivate var seed: UInt64 { UInt64(mark.prefix(16), radix: 16) ?? 1 }
}
