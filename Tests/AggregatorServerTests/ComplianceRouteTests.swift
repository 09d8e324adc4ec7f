import API
import Foundation
import HTTPTypes
import Tenancy
import TestKit
import Testing

@Suite("The report of controls and their evidence") struct ComplianceRouteTests {
    private var people: PeopleWorld
    private let ada: String, session: String

    init() async throws {
        people = try await PeopleWorld()
        ada = try await people.person("ada", "owner", in: people.world.acme)
        session = try await people.session("ada")
    }
    private func report(_ question: String = "") async throws -> [String: Any] {
        let reply = try await people.ask(.get, "/v1/compliance" + question, as: session)
        #expect(reply.status == 200, "\(reply.json)")
        return reply.json
    }
    private func holds(_ id: String) async throws -> Bool {
        let all = try #require(try await report()["evidence"] as? [[String: Any]])
        return try #require(all.first { $0["id"] as? String == id }?["holds"] as? Bool, "\(id)")
    }

    @Test("every control names evidence that there is, and holds only if all of it does") func controls() async throws {
        let all = try await report()
        let evidence = try #require(all["evidence"] as? [[String: Any]])
        let controls = try #require(all["controls"] as? [[String: Any]])
        let ids = Set(evidence.compactMap { $0["id"] as? String })
        let good = Set(evidence.filter { $0["holds"] as? Bool == true }.compactMap { $0["id"] as? String })
        #expect(ids.count == evidence.count && !good.isEmpty && good != ids)
        #expect(Set(controls.compactMap { $0["framework"] as? String }).count == 5)
        var used: Set<String> = []
        for control in controls {
            let named = try #require(control["evidence"] as? [String])
            used.formUnion(named)
            #expect(!named.isEmpty && ids.isSuperset(of: named), "\(control)")
            #expect(control["holds"] as? Bool == good.isSuperset(of: named), "\(control)")
        }
        #expect(used == ids, "evidence for nothing: \(ids.subtracting(used))")
        let one = try await report("?framework=GDPR")["controls"] as? [[String: Any]] ?? []
        #expect(!one.isEmpty && one.allSatisfy { $0["framework"] as? String == "GDPR" })
    }

    @Test("each piece of evidence is asked of the system now: it turns when what it is about does")
    mutating func turns() async throws {
        #expect(try await !holds("keys-expire"), "the world's keys have no end")
        for key in try people.control.keys(of: people.world.acme) {
            try people.control.revokeKey(id: key.id, by: "test", at: people.now)
        }
        #expect(try await holds("keys-expire"))
        #expect(try await holds("keys-used"))
        #expect(try await !holds("second-factor"))
        #expect(try people.control.offerFactor([1], of: ada, at: people.now))
        #expect(try await !holds("second-factor"), "offered is not confirmed")
        #expect(try await !holds("sealed"))
        #expect(try await !holds("backup"))
        #expect(try await !holds("retention"))
        people.world.sources.facts.dataKeys = { _ in 1 }
        people.world.sources.facts.backupTarget = "folder"
        (people.world.sources.facts.recordDays, people.world.sources.facts.sumDays) = (30, 400)
        #expect(try await holds("sealed"))
        #expect(try await holds("backup"))
        #expect(try await holds("retention"))
        people.world.sources.facts.recordDays = 3_650
        #expect(try await !holds("retention"))
        #expect(try await holds("owners"))
        #expect(try await holds("pseudonyms"))
        people.world.sources.pseudonymSecret = nil
        #expect(try await !holds("pseudonyms"))
        #expect(try await !holds("notification"))
        #expect(try await !holds("sensors-heard"))
    }

    @Test("a changed audit log is told", .enabled(if: Program.isInstalled("sqlite3"), "sqlite3 is not installed"))
    func tampered() async throws {
        #expect(try await holds("audit-chain"))
        let done = try Program.run(
            "sqlite3",
            [
                people.world.folder.file("control.sqlite").path,
                "DROP TRIGGER eventIsAsWritten; UPDATE event SET actor = 'nobody' WHERE id = 2",
            ])
        #expect(done.status == 0, "\(done.errors)")
        #expect(try await !holds("audit-chain"))
    }
}
