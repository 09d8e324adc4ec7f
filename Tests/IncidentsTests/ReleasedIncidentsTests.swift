import Foundation
import Incidents
import TestKit
import Testing

/// Files as each released schema has them: text of `sqlite3 .dump`, never edited.
@Suite("Incidents of earlier releases", .enabled(if: Program.isInstalled("sqlite3"), "sqlite3 is not installed"))
struct ReleasedIncidentsTests {
    @Test("a file of version 1 keeps its incidents and their events, and goes on") func version1() throws {
        let folder = try TemporaryFolder("incidents"), acme = try Samples.tenant("acme")
        let dump = String(decoding: try Corpus.bytes("incidents-v1.sql"), as: UTF8.self)
        let made = try Program.run("sqlite3", [folder.file("incidents.sqlite").path, dump])
        #expect(made.status == 0, "\(made.errors)")

        let log = try IncidentLog(directory: folder.path)
        #expect(!log.wasMended)
        // Its row was folded anew: the status has its name of now, and the address leads to it.
        var filter = IncidentFilter()
        (filter.statuses, filter.address) = ([.new], "10.0.0.7")
        #expect(try log.list(tenant: acme, filter: filter).incidents.map(\.status) == [.new])
        #expect(try log.feed(after: 0).entries.isEmpty, "what was before is not told now")
        let incident = try #require(try log.list(tenant: acme).incidents.first)
        #expect(incident.rule == "port-scan-vertical" && incident.revision == 2 && incident.findings.count == 2)
        let events = try log.events(tenant: acme, id: incident.id)
        #expect(events.map(\.revision) == [1, 2])
        // A finding that it has changes nothing, another joins the incident.
        let known = try log.record([Samples.finding("a2", minutes: 1)], tenant: acme, at: Samples.noon)
        #expect(known.isEmpty)
        let more = try log.record([Samples.finding("a3", minutes: 2)], tenant: acme, at: Samples.noon)
        #expect(more.count == 1)
        let resolved = try log.changeStatus(
            of: incident.id, to: .resolved, tenant: acme, expecting: 3, by: "user:ada", at: Samples.noon)
        #expect(resolved.revision == 4 && resolved.findings.count == 3)
    }
}
