import Foundation
import GRDB
import Identity
import Platform
import TestKit
import Testing

@testable import Tenancy

@Suite("People, roles and service accounts")
struct DirectoryTests {
    private let folder: TemporaryFolder, log: ControlLog
    private let acme: TenantID, other: TenantID
    private let root = Granter("cli:root", scopes: nil)
    private let admin = Granter("usr-admin", scopes: Role.admin.scopes)
    private let day: Int64 = 86_400_000

    init() throws {
        folder = try TemporaryFolder()
        log = try ControlLog(folder: folder.path)
        acme = try #require(TenantID("acme"))
        other = try #require(TenantID("other"))
        for tenant in [acme, other] { try log.createTenant(tenant, by: "test", at: 1) }
    }

    private func person(_ email: String) throws -> String {
        var chance = SystemRandomNumberGenerator()
        return try log.addPerson(email: email, name: "Somebody", by: root, at: 2, using: &chance)
    }
    private func set(_ person: String, _ role: String, _ tenant: TenantID, by granter: Granter) throws {
        try log.setMember(person, Standing(role: role), in: tenant, by: granter, at: 3)
    }

    @Test("a person is one thing in one tenant and another in the next, and nothing where nobody said so")
    func severalTenants() throws {
        let ada = try person("Ada@Example.net")
        try set(ada, "viewer", acme, by: root)
        try log.setMember(
            ada, Standing(role: "admin", reach: Reach(sites: ["hq"])), in: other, by: root, at: 3)
        let directory = try log.directory()
        #expect(directory.person(email: "ada@example.NET")?.id == ada)
        #expect(directory.rights(of: ada, in: acme)?.scopes == Role.viewer.scopes)
        let rights = try #require(directory.rights(of: ada, in: other))
        #expect(rights.scopes == Role.admin.scopes && rights.reach == Reach(sites: ["hq"]))
        let third = try #require(TenantID("third"))
        #expect(directory.rights(of: ada, in: third) == nil && directory.rights(of: "usr-x", in: acme) == nil)
        try log.setDisabled(true, person: ada, by: root, at: 4)
        #expect(try log.directory().rights(of: ada, in: other) == nil)
        try log.setDisabled(false, person: ada, by: root, at: 5)
        try log.removeMember(ada, of: other, by: root, at: 6)
        #expect(try log.directory().rights(of: ada, in: other) == nil)
        #expect(try log.directory().rights(of: ada, in: acme) != nil)
    }

    @Test("nobody gives what they don't have, or takes from who has more") func escalation() throws {
        let ada = try person("ada@example.net"), bob = try person("bob@example.net")
        try set(ada, "owner", acme, by: root)
        #expect(throws: ControlError.refused(.beyondGranter)) { try set(bob, "owner", acme, by: admin) }
        #expect(throws: ControlError.refused(.beyondGranter)) { try set(ada, "viewer", acme, by: admin) }
        #expect(throws: ControlError.refused(.beyondGranter)) {
            try log.removeMember(ada, of: acme, by: admin, at: 4)
        }
        #expect(throws: ControlError.refused(.beyondGranter)) {
            try log.setRole("boss", [.ownTenant], in: acme, by: admin, at: 4)
        }
        try set(bob, "admin", acme, by: admin)
        #expect(try log.directory().rights(of: bob, in: acme)?.scopes == Role.admin.scopes)
        #expect(throws: ControlError.refused(.unknownRole)) { try set(bob, "emperor", acme, by: root) }
        #expect(throws: ControlError.refused(.unknownPerson)) { try set("usr-x", "viewer", acme, by: root) }
    }

    @Test("a tenant keeps an owner, the platform an operator") func lastOnes() throws {
        let ada = try person("ada@example.net"), bob = try person("bob@example.net")
        try set(ada, "owner", acme, by: root)
        #expect(throws: ControlError.refused(.lastOwner)) { try set(ada, "admin", acme, by: root) }
        #expect(throws: ControlError.refused(.lastOwner)) { try log.removeMember(ada, of: acme, by: root, at: 4) }
        try set(bob, "owner", acme, by: root)
        try set(ada, "viewer", acme, by: root)
        try log.setOperator(true, person: ada, by: root, at: 5)
        #expect(throws: ControlError.refused(.lastOperator)) {
            try log.setOperator(false, person: ada, by: root, at: 6)
        }
        #expect(throws: ControlError.refused(.lastOperator)) {
            try log.setDisabled(true, person: ada, by: root, at: 6)
        }
        try log.setOperator(true, person: bob, by: root, at: 7)
        try log.setOperator(false, person: ada, by: root, at: 8)
        #expect(try log.directory().people.values.filter(\.isOperator).map(\.id) == [bob])
    }

    @Test("a tenant's own role counts in that tenant only, changes for all who have it, and stays while it is used")
    func ownRoles() throws {
        let ada = try person("ada@example.net")
        try log.setRole("netops", [.readSensors, .writeSensors], in: acme, by: root, at: 3)
        try set(ada, "netops", acme, by: admin)
        #expect(throws: ControlError.refused(.unknownRole)) { try set(ada, "netops", other, by: root) }
        #expect(try log.directory().rights(of: ada, in: acme)?.scopes == [.readSensors, .writeSensors])
        try log.setRole("netops", [.readSensors], in: acme, by: admin, at: 4)
        #expect(try log.directory().rights(of: ada, in: acme)?.scopes == [.readSensors])
        #expect(throws: ControlError.refused(.roleInUse)) {
            try log.removeRole("netops", in: acme, by: root, at: 5)
        }
        try set(ada, "viewer", acme, by: admin)
        try log.removeRole("netops", in: acme, by: root, at: 6)
        for name in ["owner", "Net Ops", "", "-x"] {
            #expect(throws: ControlError.refused(.badName), "\(name)") {
                try log.setRole(name, [.readFlows], in: acme, by: root, at: 7)
            }
        }
    }

    @Test("an invitation works once, for its time, unless it is withdrawn, and its token is not kept")
    func invitations() throws {
        var chance = SystemRandomNumberGenerator()
        func invite(_ email: String) throws -> (id: String, token: OpaqueToken) {
            try log.invite(
                email, Standing(role: "analyst"), to: acme, lifetime: 2 * day, by: admin, at: 10, using: &chance)
        }
        func accept(_ token: OpaqueToken, at now: Int64 = 20) throws -> String {
            try log.acceptInvitation(token.secret, name: "Ada", at: now, using: &chance)
        }
        let first = try invite("ada@example.net"), late = try invite("late@example.net")
        let kept = try String(decoding: Data(contentsOf: folder.file("control.sqlite")), as: UTF8.self)
        #expect(!kept.contains(first.token.secret) && kept.contains(first.token.digest))
        let ada = try accept(first.token)
        #expect(try log.directory().rights(of: ada, in: acme)?.scopes == Role.analyst.scopes)
        #expect(throws: ControlError.refused(.unknownInvitation)) { try accept(first.token) }
        #expect(throws: ControlError.refused(.unknownInvitation)) { try accept(late.token, at: 10 + 2 * day) }
        #expect(throws: ControlError.refused(.unknownInvitation)) {
            try log.withdrawInvitation(late.id, of: other, by: root, at: 30)
        }
        try log.withdrawInvitation(late.id, of: acme, by: admin, at: 30)
        #expect(throws: ControlError.refused(.unknownInvitation)) { try accept(late.token) }
        #expect(throws: ControlError.refused(.unknownInvitation)) {
            try log.acceptInvitation("weir-invitation_x", name: "x", at: 30, using: &chance)
        }
        // Who is known joins as who they are, and keeps what they have become.
        let again = try invite("ADA@example.net")
        try set(ada, "admin", acme, by: root)
        #expect(try accept(again.token) == ada)
        #expect(try log.directory().rights(of: ada, in: acme)?.scopes == Role.admin.scopes)
        #expect(try log.directory().people.count == 1)
        for email in ["", "ada", "a@b@c", "@x", "x@", "a b@c", "a\u{e9}@b", String(repeating: "x", count: 260) + "@y"] {
            #expect(throws: ControlError.refused(.badEmail), "\(email)") { try invite(email) }
        }
    }

    @Test("a service account's keys can do what its role may and the key has, and end with it") func accounts() throws {
        var chance = SystemRandomNumberGenerator()
        let standing = Standing(role: "viewer", reach: Reach(sites: ["hq"]))
        let id = try log.addAccount("exporter", standing, in: acme, by: admin, at: 3, using: &chance)
        let made = try log.createKey(
            tenant: acme, name: "k", scopes: [.readFlows, .writeRules], account: id, by: "test", at: 4, using: &chance)
        let principal = try log.authenticate(made.key.secret, at: 5)
        #expect(principal.scopes == [.readFlows] && principal.reach == Reach(sites: ["hq"]))
        #expect(throws: ControlError.refused(.unknownAccount)) {
            try log.createKey(tenant: other, name: "k", account: id, by: "test", at: 4, using: &chance)
        }
        #expect(throws: ControlError.refused(.unknownAccount)) {
            try log.disableAccount(id, of: other, by: root, at: 6)
        }
        try log.disableAccount(id, of: acme, by: admin, at: 6)
        #expect(throws: AuthenticationError.disabledAccount(keyID: made.record.id)) {
            try log.authenticate(made.key.secret, at: 7)
        }
    }

    @Test("what one process changes, another sees at once; the events give the same directory again")
    func replay() throws {
        let second = try ControlLog(folder: folder.path)
        let ada = try person("ada@example.net")
        try set(ada, "owner", acme, by: root)
        #expect(try second.directory().rights(of: ada, in: acme) != nil)
        try second.setMember(
            try person("bob@example.net"), Standing(role: "viewer"), in: acme, by: root, at: 4)
        #expect(try log.directory() == second.directory())
        #expect(try ControlLog(folder: folder.path).directory() == log.directory())
        #expect(try log.directory().members[acme]?.count == 2)
    }

    @Test("an event that can't be read gives nobody anything") func unreadableEvents() throws {
        var chance = SystemRandomNumberGenerator()
        let made = try log.createKey(tenant: acme, name: "k", by: "test", at: 2, using: &chance)
        #expect(try log.authenticate(made.key.secret, at: 3).tenant == acme)
        try log.write { db in
            try ControlLog.note(
                "x", tenant: "acme", subject: "x", detail: #"{"fromTheFuture":{}}"#, by: "x", at: 4, in: db)
        }
        #expect(throws: ControlError.self) { try log.directory() }
        #expect(throws: ControlError.self) { try log.authenticate(made.key.secret, at: 5) }
    }

    @Test("kept events keep their form") func form() throws {
        let member = DirectoryEvent.memberSet(tenant: acme, person: "usr-1", role: "viewer", reach: "site:hq")
        let json = #"{"memberSet":{"person":"usr-1","reach":"site:hq","role":"viewer","tenant":"acme"}}"#
        #expect(try JSONDecoder().decode(DirectoryEvent.self, from: Data(json.utf8)) == member)
        var directory = Directory()
        let ofLaterVersions = #"{"roleSet":{"tenant":"acme","name":"r","scopes":["flows:read","moon:read"]}}"#
        directory.apply(try JSONDecoder().decode(DirectoryEvent.self, from: Data(ofLaterVersions.utf8)))
        directory.apply(.memberSet(tenant: acme, person: "usr-1", role: "r", reach: "planet:mars"))
        #expect(directory.scopes(of: "r", in: acme) == [.readFlows] && directory.scopes(of: "r", in: other) == nil)
        #expect(directory.members[acme]?["usr-1"]?.reach == Reach(sites: [], exporters: []), "unreadable is nothing")
    }

    @Test("a reach is kept as words, and one to nothing is not one to all") func reach() {
        for reach in [
            Reach.whole, Reach(sites: []), Reach(sites: ["hq", "lab"]),
            Reach(exporters: ["10.0.0.0/8", "2001:db8::1"]),
            Reach(sites: ["hq"], exporters: []),
        ] {
            #expect(Reach(text: reach.text) == reach, "\(reach.text)")
            #expect(reach.isWhole == reach.text.isEmpty)
        }
        #expect(Reach(text: "site:hq moon:x") == nil)
        #expect(Reach(sites: ["lab", "hq"]).text == "site:hq site:lab")
    }
}
