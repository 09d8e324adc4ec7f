import Foundation
import Identity
import Platform
import TestKit
import Testing

@testable import Tenancy

@Suite("Tenants and API keys")
struct TenancyTests {
    private let folder: TemporaryFolder
    private let log: ControlLog
    private let acme: TenantID, other: TenantID

    init() throws {
        folder = try TemporaryFolder()
        log = try ControlLog(folder: folder.path)
        acme = try #require(TenantID("acme"))
        other = try #require(TenantID("other"))
        try log.createTenant(acme, by: "test", at: 1)
        try log.createTenant(other, by: "test", at: 2)
    }

    private func key(of tenant: TenantID, expires: Int64? = nil) throws -> (key: APIKey, record: APIKeyRecord) {
        var generator = SystemRandomNumberGenerator()
        return try log.createKey(
            tenant: tenant, name: "script", expiresMilliseconds: expires, by: "test", at: 3, using: &generator)
    }

    @Test("a key gives its own tenant and no other") func keyGivesTenant() throws {
        let first = try key(of: acme), second = try key(of: other)
        let one = try log.authenticate(first.key.secret, at: 10), two = try log.authenticate(second.key.secret, at: 10)
        #expect(one.tenant == acme)
        #expect(two.tenant == other)
        #expect(try log.keys(of: acme).map(\.id) == [first.record.id])
    }

    @Test("a revoked, expired, unknown or mistyped key gives nobody, and the case says why") func refusals() throws {
        let made = try key(of: acme, expires: 100)
        #expect(throws: AuthenticationError.expired(keyID: made.record.id)) {
            try log.authenticate(made.key.secret, at: 100)
        }
        try log.revokeKey(id: made.record.id, by: "test", at: 50)
        #expect(throws: AuthenticationError.revoked(keyID: made.record.id)) {
            try log.authenticate(made.key.secret, at: 60)
        }
        var generator = SeededGenerator(seed: 9)
        let foreign = APIKey(using: &generator).secret
        #expect(throws: AuthenticationError.unknownKey) { try log.authenticate(foreign, at: 10) }
        let last = foreign.last == "a" ? "b" : "a"
        #expect(throws: AuthenticationError.notAKey) { try log.authenticate(foreign.dropLast() + last, at: 10) }
        #expect(throws: AuthenticationError.notAKey) { try log.authenticate("", at: 10) }
    }

    @Test("no file of the log holds a key's secret") func secretsAreNotStored() throws {
        let made = try key(of: acme)
        let stored = try String(decoding: Array(Data(contentsOf: folder.file("control.sqlite"))), as: UTF8.self)
        #expect(!stored.contains(made.key.secret))
        #expect(stored.contains(made.record.id), "the search itself works")
    }

    @Test("what one process writes, another that has the file open sees at once") func sharedFile() throws {
        let second = try ControlLog(folder: folder.path)
        let made = try key(of: acme)
        let seen = try second.authenticate(made.key.secret, at: 10)
        #expect(seen.keyID == made.record.id)
        try second.revokeKey(id: made.record.id, by: "test", at: 20)
        #expect(throws: AuthenticationError.self) { try log.authenticate(made.key.secret, at: 30) }
    }

    @Test("tenants are made once, and keys only for tenants there are") func tenantRules() throws {
        let log = self.log, acme = self.acme
        #expect(throws: ControlError.tenantExists(acme)) { try log.createTenant(acme, by: "test", at: 5) }
        let nobody = try #require(TenantID("nobody"))
        #expect(throws: ControlError.unknownTenant(nobody)) { try key(of: nobody) }
        #expect(throws: ControlError.unknownKey(id: "key-x")) { try log.revokeKey(id: "key-x", by: "test", at: 5) }
        #expect(try log.tenants() == [acme, other])
    }

    @Test("of rules every version is kept, the newest counts, and one that was removed is gone") func sigmaRules()
        throws
    {
        func set(_ state: String?, text: String? = nil) throws -> Int {
            try log.setSigmaRule("web", text: text, state: state, level: nil, of: acme, by: "ada", at: 7)
        }
        #expect(try set(nil, text: "title: web") == 1 && set("test") == 2)
        #expect(try log.sigmaRules(of: acme).map(\.version) == [2] && log.sigmaRules(of: other).isEmpty)
        #expect(try log.removeSigmaRule("web", of: other, by: "bob", at: 8) == false)
        #expect(try log.removeSigmaRule("web", of: acme, by: "bob", at: 8))
        #expect(try log.removeSigmaRule("web", of: acme, by: "bob", at: 9) == false)
        #expect(try log.sigmaRules(of: acme).isEmpty)
        #expect(try set("enabled") == 4)
        let versions = try log.sigmaVersions("web", of: acme)
        #expect(versions.map(\.state) == [nil, "test", "enabled"] && versions.map(\.actor) == ["ada", "ada", "ada"])
        let long = String(repeating: "x", count: ControlLog.sigmaTextBytesMax + 1)
        #expect(throws: ControlError.self) { try set(nil, text: long) }
        let nobody = try #require(TenantID("nobody"))
        #expect(throws: ControlError.unknownTenant(nobody)) {
            try log.setSigmaRule("web", text: nil, state: "test", level: nil, of: nobody, by: "ada", at: 7)
        }
    }

    @Test("the checksum of a key is the CRC-32 of IEEE 802.3") func checksum() {
        #expect(CRC32.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(Base62.encode(.max, digits: 6) == Array("4gfFC3".utf8))
    }
}
