import Foundation
import GRDB
import Identity
import Platform
import TestKit
import Testing

@testable import Tenancy

@Suite("The audit log")
struct AuditTests {
    private let folder: TemporaryFolder, log: ControlLog, acme: TenantID
    private static let events = 40

    init() throws {
        folder = try TemporaryFolder()
        log = try ControlLog(folder: folder.path)
        acme = try #require(TenantID("acme"))
        try log.createTenant(acme, by: "test", at: 1)
        for number in 2...Self.events {
            try log.setNamedNetworks("n\(number % 3)", ["10.0.0.0/8"], of: acme, by: "ada", at: Int64(number))
        }
    }

    /// Past SQLite's own refusals, as somebody does who has the file.
    private func tamper(_ sql: String) throws {
        let file = try DatabaseQueue(path: folder.file("control.sqlite").path)
        defer { try? file.close() }
        try file.write {
            try $0.execute(sql: "DROP TRIGGER IF EXISTS eventIsKept; DROP TRIGGER IF EXISTS eventIsAsWritten; \(sql)")
        }
    }
    private func fault(_ head: AuditHead? = nil) throws -> AuditFault? {
        do {
            _ = try ControlLog.verifyAudit(folder: folder.path, expecting: head)
            return nil
        } catch let fault as AuditFault { return fault }
    }

    @Test("a log that nobody touched is whole, whatever it contains, and goes on from where it was") func whole() throws
    {
        let head = try ControlLog.verifyAudit(folder: folder.path)
        #expect(try head.id == 40 && head == log.auditHead() && AuditHead("\(head)") == head)
        try ControlLog(folder: folder.path).createTenant(try #require(TenantID("other")), by: "e\u{301}|\0", at: -5)
        #expect(try fault(head) == nil && ControlLog.verifyAudit(folder: folder.path).id == 41)
        for text in [
            "", "1", "1:2", "-1:\(head.hash)", "x:\(head.hash)", "1:\(head.hash)0", "1:\(head.hash.uppercased())X",
        ] {
            #expect(AuditHead(text) == nil, "\(text)")
        }
    }

    @Test("SQLite changes and deletes no event") func refusals() throws {
        for sql in ["UPDATE event SET actor = 'eve'", "DELETE FROM event WHERE id = 3"] {
            #expect(throws: ControlError.self) { try log.write { try $0.execute(sql: sql) } }
        }
        #expect(try fault() == nil)
    }

    @Test(
        "a change of any field, a lost, doubled, moved or added event is found",
        arguments: [
            ("UPDATE event SET actor = 'eve' WHERE id = 7", AuditFault.altered(id: 7)),
            ("UPDATE event SET atMilliseconds = 8 WHERE id = 7", .altered(id: 7)),
            ("UPDATE event SET kind = 'x' WHERE id = 1", .altered(id: 1)),
            ("UPDATE event SET tenant = 'x' WHERE id = 40", .altered(id: 40)),
            ("UPDATE event SET detail = 'x' WHERE id = 7", .altered(id: 7)),
            ("UPDATE event SET actor = '', kind = actor || kind WHERE id = 7", .altered(id: 7)),
            ("UPDATE event SET hash = replace(hash, '0', '1') WHERE id = 7", .altered(id: 7)),
            ("DELETE FROM event WHERE id = 7", .gap(after: 6)), ("DELETE FROM event WHERE id = 1", .gap(after: 0)),
            ("UPDATE event SET id = 400 WHERE id = 7", .gap(after: 6)),
            (
                "UPDATE event SET id = -1 WHERE id = 7; UPDATE event SET id = 7 WHERE id = 8;"
                    + "UPDATE event SET id = 8 WHERE id = -1",
                .altered(id: 7)
            ),
            (
                "INSERT INTO event SELECT 41, atMilliseconds, actor, kind, tenant, subject, detail, hash FROM event "
                    + "WHERE id = 40",
                .altered(id: 41)
            ),
        ])
    func tampering(_ sql: String, _ expected: AuditFault) throws {
        try tamper(sql)
        #expect(try fault() == expected)
    }

    @Test("against a head from elsewhere, a cut end and a chain written anew are found") func heads() throws {
        let head = try log.auditHead()
        try tamper("DELETE FROM event WHERE id > 30")
        #expect(try fault() == nil, "by itself it can't be seen")
        #expect(try fault(head) == .cut(at: 30, expected: 40))
        for number in 31...45 {
            try log.setNamedNetworks("n", ["10.0.0.0/8"], of: acme, by: "eve", at: Int64(number))
        }
        #expect(try fault() == nil && fault(head) == .otherHistory(id: 40))
    }

    @Test("one changed octet in any field of any event is found", arguments: [UInt64(1)]) func flips(_ seed: UInt64)
        throws
    {
        let rows = try log.read { try Row.fetchAll($0, sql: "SELECT * FROM event ORDER BY id") }
        let entries = rows.map { (ControlLog.entry($0), $0["hash"] as String) }
        var chance = SeededGenerator(seed: seed), found = 0
        for _ in 0..<10_000 {
            let place = Int.random(in: 0..<entries.count, using: &chance), old = entries[place].0
            var texts = [old.actor, old.kind, old.tenant, old.subject, old.detail]
            let field = Int.random(in: 0..<6, using: &chance)
            var time = old.atMilliseconds
            if field == 5 {
                time ^= 1 << Int64.random(in: 0..<63, using: &chance)
            } else {
                var octets = Array(texts[field].utf8)
                if octets.isEmpty {
                    octets = [0x61]
                } else {
                    octets[Int.random(in: 0..<octets.count, using: &chance)] ^= 1
                }
                texts[field] = String(decoding: octets, as: UTF8.self)
            }
            let changed = AuditEntry(
                id: old.id, atMilliseconds: time, actor: texts[0], kind: texts[1], tenant: texts[2],
                subject: texts[3], detail: texts[4])
            var chain = AuditChain()
            do throws(AuditFault) {
                for (index, (entry, hash)) in entries.prefix(place + 1).enumerated() {
                    try chain.check(index == place ? changed : entry, hash: hash)
                }
            } catch {
                if error == .altered(id: old.id) { found += 1 }
            }
        }
        #expect(found == 10_000)
    }
}
