internal import Foundation
internal import GRDB
package import Identity
internal import Synchronization

/// The directory as the newest event left it. It is kept in memory and brought up to date from the events at each
/// question, so what another process wrote counts at once.
final class KnownDirectory: Sendable {
    private let state = Mutex<(last: Int64, directory: Directory)>((0, Directory()))

    /// - Throws: for an event that this version can't read: to go on without it might give somebody too much.
    func upToDate(in db: Database) throws -> Directory {
        try state.withLock { state in
            let rows = try Row.fetchCursor(
                db, sql: "SELECT id, detail FROM event WHERE id > ? ORDER BY id", arguments: [state.last])
            while let row = try rows.next() {  // ends: the events are finite
                let detail = row["detail"] as String
                if !detail.isEmpty {
                    state.directory.apply(try JSONDecoder().decode(DirectoryEvent.self, from: Data(detail.utf8)))
                }
                state.last = row["id"]
            }
            return state.directory
        }
    }
}

/// People, their standing in tenants, roles, invitations and service accounts. Rules are `Directory`'s; here they are
/// kept, each change as one transaction's events.
extension ControlLog {
    package func directory() throws(ControlError) -> Directory { try read { try known.upToDate(in: $0) } }

    // MARK: People

    /// - Returns: the new person's id.
    package func addPerson(
        email: String, name: String, by granter: Granter, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> String {
        let id = Self.id("usr", &generator)
        try change(by: granter, at: now) { try $0.add(id, email: email, name: name) }
        return id
    }
    package func setDisabled(
        _ isDisabled: Bool, person: String, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(by: granter, at: now) { try $0.disable(person, isDisabled) }
    }
    package func setOperator(
        _ isOperator: Bool, person: String, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(by: granter, at: now) { try $0.setOperator(person, isOperator) }
    }

    // MARK: Roles and members

    package func setRole(
        _ name: String, _ scopes: Set<Scope>, in tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(of: tenant, by: granter, at: now) { try $0.setRole(name, scopes, in: tenant, by: granter) }
    }
    package func removeRole(
        _ name: String, in tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(of: tenant, by: granter, at: now) { try $0.removeRole(name, in: tenant) }
    }
    package func setMember(
        _ person: String, _ standing: Standing, in tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(of: tenant, by: granter, at: now) { try $0.setMember(person, standing, in: tenant, by: granter) }
    }
    package func removeMember(
        _ person: String, of tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(of: tenant, by: granter, at: now) { try $0.removeMember(person, of: tenant, by: granter) }
    }

    // MARK: Invitations

    /// - Parameter lifetime: in ms, at most `Directory.invitationLifetimeMax`.
    /// - Returns: its id, and the token, of which this is the only copy.
    package func invite(
        _ email: String, _ standing: Standing, to tenant: TenantID, lifetime: Int64, by granter: Granter,
        at now: Int64, using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> (id: String, token: OpaqueToken) {
        let id = Self.id("inv", &generator), token = OpaqueToken(.invitation, using: &generator)
        let expires = now + min(max(lifetime, 0), Directory.invitationLifetimeMax)
        try change(of: tenant, by: granter, at: now) {
            try $0.invite(email, standing, to: tenant, id: id, sha256: token.digest, expires: expires, by: granter)
        }
        return (id, token)
    }
    package func withdrawInvitation(
        _ id: String, of tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(of: tenant, by: granter, at: now) { try $0.withdraw(id, of: tenant) }
    }
    /// Whether `token` invites somebody now, and whether that is somebody new, who needs a name and a password. Asked
    /// before a password is hashed; `acceptInvitation` asks again.
    package func invited(by token: String, at now: Int64) throws(ControlError) -> (email: String, isNew: Bool)? {
        guard let token = OpaqueToken(token, for: .invitation) else { return nil }
        let directory = try directory()
        guard let invitation = directory.invitations.values.first(where: { $0.sha256 == token.digest }),
            invitation.expiresMilliseconds > now
        else { return nil }
        return (invitation.email, directory.person(email: invitation.email) == nil)
    }

    /// - Parameter passwordHash: of a new person; others keep theirs.
    /// - Returns: who has joined.
    package func acceptInvitation(
        _ token: String, name: String, passwordHash: String? = nil, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> String {
        guard let token = OpaqueToken(token, for: .invitation) else { throw .refused(.unknownInvitation) }
        let newID = Self.id("usr", &generator)
        return try write { db in
            let (person, events) = try known.upToDate(in: db).accept(
                sha256: token.digest, name: name, newID: newID, at: now)
            try Self.append(events, by: person, at: now, in: db)
            if person == newID, let passwordHash {
                try Self.keep(passwordHash, of: person, by: person, at: now, in: db)
            }
            return person
        }
    }

    // MARK: Service accounts

    package func addAccount(
        _ name: String, _ standing: Standing, in tenant: TenantID, by granter: Granter, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> String {
        let id = Self.id("svc", &generator)
        try change(of: tenant, by: granter, at: now) {
            try $0.addAccount(id, name, standing, in: tenant, by: granter)
        }
        return id
    }
    /// Its keys are no good from then on.
    package func disableAccount(
        _ id: String, of tenant: TenantID, by granter: Granter, at now: Int64
    ) throws(ControlError) {
        try change(of: tenant, by: granter, at: now) { try $0.disableAccount(id, of: tenant, by: granter) }
    }

    // MARK: Events

    private func change(
        of tenant: TenantID? = nil, by granter: Granter, at now: Int64,
        _ decide: (Directory) throws -> [DirectoryEvent]
    ) throws(ControlError) {
        try write { db in
            if let tenant, try Self.tenantID(tenant, in: db) == nil { throw ControlError.unknownTenant(tenant) }
            try Self.append(try decide(try known.upToDate(in: db)), by: granter.name, at: now, in: db)
        }
    }
    static func append(
        _ events: [DirectoryEvent], by actor: String, at now: Int64, in db: Database
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for event in events {
            let (kind, tenant, subject) = event.entry
            try note(
                kind, tenant: tenant, subject: subject,
                detail: String(decoding: try encoder.encode(event), as: UTF8.self),
                by: actor, at: now, in: db)
        }
    }
    private static func id(_ kind: String, _ generator: inout some RandomNumberGenerator) -> String {
        kind + "-" + String(generator.next(), radix: 36)
    }
}
