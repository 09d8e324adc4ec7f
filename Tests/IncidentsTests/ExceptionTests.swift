import Detect
import FilterLanguage
import FlowModel
import Foundation
import Identity
import Incidents
import TestKit
import Testing

@Suite("Exceptions, neighbours and stories") struct ExceptionTests {
    private let folder: TemporaryFolder, log: IncidentLog, acme: TenantID, globex: TenantID
    private static let day: Int64 = 86_400_000

    init() throws {
        folder = try TemporaryFolder("incidents")
        log = try IncidentLog(directory: folder.path)
        (acme, globex) = (try Samples.tenant("acme"), try Samples.tenant("globex"))
    }
    private func scope(_ build: (inout IncidentException.Scope) -> Void) -> IncidentException.Scope {
        var scope = IncidentException.Scope()
        build(&scope)
        return scope
    }
    private func scanner() throws -> IncidentException.Scope {
        let network = try #require(IPNetwork("10.0.0.0/29"))
        return scope {
            $0.rules = ["port-scan-*"]
            ($0.networks, $0.role) = ([network], .attacker)
        }
    }
    @discardableResult
    private func record(_ finding: Finding, _ tenant: TenantID? = nil, at now: Int64 = Samples.noon) throws
        -> [Incident]
    {
        try log.record([finding], tenant: tenant ?? acme, at: now).map(\.incident)
    }

    @Test("what an exception hides opens nothing, is kept and counted once; the rest and other tenants are as before")
    func hides() throws {
        let made = try log.addException(
            try scanner(), reason: "our scanner", owner: "ada", expires: Samples.noon + Self.day, tenant: acme,
            by: "key-1", at: Samples.noon)
        let finding = try Samples.finding("a")
        #expect(try record(finding).isEmpty && record(finding).isEmpty)
        #expect(try record(try Samples.finding("a", update: 1)).isEmpty)
        let kept = try log.hidden(by: made.id, tenant: acme)
        #expect(kept.map(\.finding.update) == [1])
        #expect(try log.exception(made.id, tenant: acme).hidden == 1)
        #expect(try record(try Samples.finding("b", attacker: "10.0.0.9")).count == 1, "outside the network")
        #expect(try record(try Samples.finding("c", rule: "flood")).count == 1, "another rule")
        #expect(try record(finding, globex).count == 1, "another tenant")
        #expect(throws: IncidentError.unknown) { try log.hidden(by: made.id, tenant: globex) }
        #expect(try log.exceptions(tenant: globex).isEmpty)
        // Over: what goes on is an incident.
        let late = try record(try Samples.finding("a", update: 2), at: Samples.noon + Self.day)
        #expect(late.count == 1)
    }

    @Test("ended before its time it hides nothing more, and says who ended it") func ends() throws {
        let made = try log.addException(
            try scanner(), reason: "r", owner: "ada", expires: Samples.noon + Self.day, tenant: acme, by: "key-1",
            at: Samples.noon)
        try record(try Samples.finding("a"))
        let ended = try log.endException(made.id, tenant: acme, by: "key-2", at: Samples.noon + 5)
        #expect(ended.endedBy == "key-2" && ended.hidden == 1 && !ended.isActive(at: Samples.noon + 5))
        #expect(try log.endException(made.id, tenant: acme, by: "key-3", at: Samples.noon + 9) == ended)
        #expect(try record(try Samples.finding("b", minutes: 1), at: Samples.noon + 6).count == 1)
        #expect(throws: IncidentError.unknown) {
            try log.endException(made.id, tenant: globex, by: "eve", at: Samples.noon)
        }
    }

    @Test("an exception without a scope, an end or a reason is refused") func refused() throws {
        let sound = try scanner()
        let cases: [(IncidentException.Scope, String, String, Int64)] = [
            (scope { _ in }, "r", "o", 1), (scope { $0.ports = [22] }, "r", "o", 1),
            (scope { $0.rules = ["*"] }, "r", "o", 1), (sound, "", "o", 1), (sound, "r", "", 1), (sound, "r", "o", 0),
            (sound, "r", "o", 367),
        ]
        for (scope, reason, owner, days) in cases {
            #expect(throws: IncidentError.self) {
                try log.addException(
                    scope, reason: reason, owner: owner, expires: Samples.noon + days * Self.day, tenant: acme, by: "k",
                    at: Samples.noon)
            }
        }
        #expect(try log.exceptions(tenant: acme).isEmpty)
    }

    @Test("a preview counts what would have been hidden: whole incidents and parts") func preview() throws {
        try record(try Samples.finding("a"))
        try record(try Samples.finding("b", rule: "brute-force", minutes: 1))
        let alone = try #require(try record(try Samples.finding("c", attacker: "10.0.0.3", severity: .high)).first)
        try record(try Samples.finding("d", attacker: "10.0.0.99"))
        let preview = try log.preview(try scanner(), tenant: acme, from: Samples.noon - Self.day)
        #expect(preview.findings == 2 && preview.wholeIncidents == 1 && preview.partIncidents == 1)
        #expect(preview.bySeverity == ["high": 1] && preview.examples == [alone.id] && !preview.isPartial)
        #expect(try log.preview(try scanner(), tenant: globex, from: 0).findings == 0)
        #expect(try log.preview(try scanner(), tenant: acme, from: Samples.noon + Self.day).findings == 0)
    }

    @Test("related incidents share addresses, similar ones their rule and shape; of the own tenant only")
    func neighbours()
        throws
    {
        let one = try #require(try record(try Samples.finding("a")).first)
        let near = try #require(
            try record(try Samples.finding("b", rule: "brute-force", attacker: "10.0.0.7", minutes: 500)).first)
        let alike = try #require(
            try record(try Samples.finding("c", attacker: "10.0.0.9", victim: "198.51.100.5", minutes: 1)).first)
        try record(try Samples.finding("d", rule: "flood", attacker: "10.0.0.44", victim: "198.51.100.77"))
        try record(try Samples.finding("a"), globex)
        try log.edit(alike.id, [.status(.falsePositive)], tenant: acme, expecting: 1, by: "ada", at: Samples.noon)
        let related = try log.related(to: one.id, tenant: acme)
        #expect(related.map(\.incident) == [near.id] && related.first?.shared == ["10.0.0.7", "192.0.2.5"])
        let similar = try log.similar(to: one.id, tenant: acme)
        #expect(similar.map(\.incident) == [alike.id] && similar.first?.verdict == "false-positive")
        #expect(IncidentLikeness.likeness(one, one) == 1 && similar.first?.likeness == 0.75)
        #expect(throws: IncidentError.unknown) { try log.related(to: near.id, tenant: globex) }
    }

    @Test("the story says who, what and when, and asks for the flows in the filter language") func story() throws {
        let one = try #require(try record(try Samples.finding("a")).first)
        let edited = try log.edit(
            one.id, [.assignee("ada"), .comment("looks bad")], tenant: acme, expecting: 1, by: "key-1",
            at: Samples.noon + 60_000)
        let story = IncidentStory(of: edited, events: try log.events(tenant: acme, id: one.id))
        #expect(story.summary.contains("comes from 10.0.0.7 and is aimed at 192.0.2.5"))
        #expect(story.summary.contains("It is new, with ada."))
        #expect(story.timeline.map(\.kind) == ["traffic", "opened", "assigned", "commented"])
        #expect(story.timeline.last?.text == "looks bad" && story.timeline.last?.actor == "key-1")
        #expect(
            story.evidence.filter
                == "(src ip [10.0.0.7] and dst ip [192.0.2.5]) or (src ip [192.0.2.5] and dst ip [10.0.0.7])")
        _ = try FilterParser.parse(story.evidence.filter)
        #expect(story.evidence.from.milliseconds == one.start && story.evidence.to.milliseconds == one.end + 1)
    }
}
