import Detect
import Foundation
import Identity
import Incidents
import TestKit
import Testing

@Suite("The incident log") struct IncidentLogTests {
    private let folder: TemporaryFolder, log: IncidentLog, acme: TenantID, globex: TenantID

    init() throws {
        folder = try TemporaryFolder("incidents")
        log = try IncidentLog(directory: folder.path)
        acme = try Samples.tenant("acme")
        globex = try Samples.tenant("globex")
    }

    private func open(_ id: String, _ tenant: TenantID, minutes: Int64 = 0, attacker: String = "10.0.0.7") throws
        -> Incident
    {
        let finding = try Samples.finding(id, attacker: attacker, minutes: minutes)
        return try #require(try log.record([finding], tenant: tenant, at: Samples.noon).first?.incident)
    }

    @Test("recorded findings become incidents that are read again, also by the next process") func record() throws {
        let changes = try log.record(
            [
                try Samples.finding("a"), try Samples.finding("b", minutes: 3),
                try Samples.finding("c", attacker: "10.0.0.9"),
            ],
            tenant: acme, at: Samples.noon)
        #expect(changes.map(\.isNew) == [true, true])
        #expect(changes.map(\.incident.findings.count) == [2, 1])
        try log.close()
        let again = try IncidentLog(directory: folder.path)
        for change in changes {
            let read = try again.get(tenant: acme, id: change.incident.id)
            #expect(read == change.incident)
        }
    }

    @Test("a page of texts is the page of incidents, octet for octet")
    func texts() throws {
        for index in 0..<5 { _ = try open("a\(index)", acme, minutes: Int64(index), attacker: "10.0.0.\(index)") }
        _ = try open("b", globex)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var cursor: String?, seen = 0
        repeat {
            let page = try log.list(tenant: acme, limit: 2, cursor: cursor)
            for _ in 0..<2 {  // the second time they are known
                let texts = try log.texts(tenant: acme, limit: 2, cursor: cursor)
                let want = try page.incidents.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
                #expect(texts.incidents == want && texts.next == page.next)
            }
            (cursor, seen) = (page.next, seen + page.incidents.count)
        } while cursor != nil  // ends: pages are finite
        #expect(seen == 5)
    }

    @Test("what is forgotten is in no file any more, the WAL included, and other tenants keep theirs") func forget()
        throws
    {
        func isAnywhere(_ text: String) throws -> Bool {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).contains { name in
                try Data(contentsOf: folder.file(name)).range(of: Data(text.utf8)) != nil
            }
        }
        for index in 0..<200 {
            _ = try open("a\(index)", acme, minutes: Int64(index), attacker: "198.51.100.77")
        }
        let kept = try open("b", globex, attacker: "203.0.113.88")
        #expect(try isAnywhere("198.51.100.77") && isAnywhere("203.0.113.88"))
        #expect(try log.forget(acme) > 0)
        #expect(try !isAnywhere("198.51.100.77") && isAnywhere("203.0.113.88"))
        #expect(try log.list(tenant: acme).incidents.isEmpty && log.get(tenant: globex, id: kept.id) == kept)
        #expect(try log.forget(acme) == 0)
    }

    @Test("a replay of the same findings changes nothing and says so") func idempotent() throws {
        let findings = [try Samples.finding("a"), try Samples.finding("b", minutes: 5, update: 1)]
        let changes = try log.record(findings, tenant: acme, at: Samples.noon)
        let id = try #require(changes.first?.incident.id)
        let events = try log.events(tenant: acme, id: id)
        for _ in 0..<3 {
            let again = try log.record(findings, tenant: acme, at: Samples.noon + 1)
            #expect(again.isEmpty)
        }
        let after = try log.events(tenant: acme, id: id)
        #expect(after == events && events.count == 2)
    }

    @Test("a grown finding stays in its incident, even a closed one; a new one opens another") func closed() throws {
        let incident = try open("a", acme)
        let closed = try log.changeStatus(
            of: incident.id, to: .resolved, tenant: acme, expecting: 1, by: "ada", at: Samples.noon)
        #expect(closed.status == .resolved && closed.revision == 2)
        let grown = try log.record([try Samples.finding("a", update: 1)], tenant: acme, at: Samples.noon)
        #expect(grown.map(\.incident.id) == [incident.id] && grown.map(\.isNew) == [false])
        let fresh = try log.record([try Samples.finding("b", minutes: 1)], tenant: acme, at: Samples.noon)
        #expect(fresh.map(\.isNew) == [true])
    }

    @Test("the history alone gives the incident again") func replay() throws {
        let incident = try open("a", acme)
        _ = try log.record([try Samples.finding("b", minutes: 2)], tenant: acme, at: Samples.noon)
        try log.changeStatus(
            of: incident.id, to: .triaged, tenant: acme, expecting: 2, by: "ada", at: Samples.noon + 5)
        try log.comment(on: incident.id, "seen", tenant: acme, expecting: 3, by: "ada", at: Samples.noon + 6)
        _ = try log.record([try Samples.finding("b", minutes: 2, update: 4)], tenant: acme, at: Samples.noon)
        let events = try log.events(tenant: acme, id: incident.id), now = try log.get(tenant: acme, id: incident.id)
        #expect(
            events.map(\.change.kind) == ["opened", "findingAdded", "statusChanged", "commented", "findingUpdated"])
        #expect(events.map(\.revision) == [1, 2, 3, 4, 5])
        #expect(events.map(\.actor) == ["detector", "detector", "ada", "ada", "detector"])
        #expect(Incident(replaying: events) == now)
        #expect(Incident(replaying: Array(events.dropFirst())) == nil)
    }

    @Test("a change that saw an older revision is refused and leaves nothing") func conflict() throws {
        let incident = try open("a", acme), log = log, acme = acme
        _ = try log.record([try Samples.finding("b", minutes: 2)], tenant: acme, at: Samples.noon)
        #expect(throws: IncidentError.conflict(current: 2)) {
            try log.changeStatus(of: incident.id, to: .resolved, tenant: acme, expecting: 1, by: "ada", at: 0)
        }
        #expect(throws: IncidentError.conflict(current: 2)) {
            try log.comment(on: incident.id, "x", tenant: acme, expecting: 7, by: "ada", at: 0)
        }
        #expect(throws: IncidentError.badComment) {
            try log.comment(on: incident.id, "", tenant: acme, expecting: 2, by: "ada", at: 0)
        }
        let same = try log.changeStatus(of: incident.id, to: .new, tenant: acme, expecting: 2, by: "ada", at: 0)
        #expect(same.revision == 2 && same.status == .new)
        let events = try log.events(tenant: acme, id: incident.id)
        #expect(events.count == 2)
    }

    @Test("no tenant reads, lists or changes another's, even under the same ids") func isolation() throws {
        let ours = try open("a", acme), log = log, globex = globex
        #expect(throws: IncidentError.unknown) { try log.get(tenant: globex, id: ours.id) }
        #expect(throws: IncidentError.unknown) { try log.events(tenant: globex, id: ours.id) }
        #expect(throws: IncidentError.unknown) {
            try log.changeStatus(of: ours.id, to: .resolved, tenant: globex, expecting: 1, by: "eve", at: 0)
        }
        let empty = try log.list(tenant: globex)
        #expect(empty.incidents.isEmpty && empty.next == nil)
        let theirs = try log.record([try Samples.finding("a")], tenant: globex, at: Samples.noon)
        #expect(theirs.map(\.isNew) == [true])
        try log.changeStatus(of: ours.id, to: .resolved, tenant: globex, expecting: 1, by: "bob", at: 0)
        let untouched = try log.get(tenant: acme, id: ours.id)
        #expect(untouched == ours)
    }

    @Test("lists are newest first, page by page, each incident once") func pages() throws {
        for index in 0..<25 { _ = try open("\(100 + index)", acme, minutes: Int64(index), attacker: "10.0.1.\(index)") }
        var seen: [Incident] = [], cursor: String?
        repeat {
            let page = try log.list(tenant: acme, limit: 7, cursor: cursor)
            #expect(page.incidents.count <= 7)
            seen += page.incidents
            cursor = page.next
        } while cursor != nil
        #expect(seen.count == 25 && Set(seen.map(\.id)).count == 25)
        #expect(seen.map(\.start) == seen.map(\.start).sorted(by: >))
        let log = log, acme = acme
        #expect(throws: IncidentError.badCursor) { try log.list(tenant: acme, cursor: "nonsense") }
    }

    @Test("filters hold what they name") func filters() throws {
        let quiet = try open("a", acme)
        let flood = try Samples.finding(
            "b", rule: "flood", tactic: "TA0040", severity: .critical, minutes: 500)
        let loud = try #require(try log.record([flood], tenant: acme, at: Samples.noon).first?.incident)
        try log.changeStatus(of: quiet.id, to: .resolved, tenant: acme, expecting: 1, by: "ada", at: Samples.noon)
        func ids(_ build: (inout IncidentFilter) -> Void) throws -> [String] {
            var filter = IncidentFilter()
            build(&filter)
            return try log.list(tenant: acme, filter: filter).incidents.map(\.id)
        }
        let all = try ids { _ in }, resolved = try ids { $0.statuses = [.resolved] }
        let grave = try ids { $0.severities = [.high, .critical] }, byRule = try ids { $0.rule = "flood" }
        let late = try ids { $0.from = Samples.noon + 3_600_000 }, early = try ids { $0.to = Samples.noon + 1 }
        #expect(all == [loud.id, quiet.id])
        #expect(resolved == [quiet.id] && early == [quiet.id])
        #expect(grave == [loud.id] && byRule == [loud.id] && late == [loud.id])
    }
}
