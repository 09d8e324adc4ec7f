import Detect
import FlowModel
import Foundation
import Identity
import Incidents
import TestKit
import Testing

@Suite("Work on incidents") struct WorkTests {
    private let folder: TemporaryFolder, acme: TenantID, globex: TenantID

    init() throws {
        folder = try TemporaryFolder("incidents")
        (acme, globex) = (try Samples.tenant("acme"), try Samples.tenant("globex"))
    }
    private func makeLog(_ policy: IncidentPolicy = .init()) throws -> IncidentLog {
        try IncidentLog(directory: folder.path, policy: policy)
    }
    private func open(
        _ log: IncidentLog, _ id: String, attacker: String = "10.0.0.7", severity: Severity = .medium,
        minutes: Int64 = 0
    ) throws -> Incident {
        let finding = try Samples.finding(id, attacker: attacker, severity: severity, minutes: minutes)
        return try #require(try log.record([finding], tenant: acme, at: Samples.noon).first?.incident)
    }
    private func replayed(_ log: IncidentLog, _ id: String) throws -> Incident? {
        Incident(replaying: try log.events(tenant: acme, id: id))
    }

    @Test("several edits are one change: all or none, each an event with its actor; what is so already is none")
    func edits() throws {
        let log = try makeLog(), incident = try open(log, "a")
        #expect(throws: IncidentError.badEdit("there is no task t9")) {
            try log.edit(
                incident.id, [.assignee("ada"), .taskState(id: "t9", .done)], tenant: acme, expecting: 1, by: "key-1",
                at: Samples.noon)
        }
        #expect(try log.get(tenant: acme, id: incident.id) == incident)
        let edits: [IncidentEdit] = [
            .status(.inProgress), .assignee("ada"), .tags(add: ["pci", "dmz"], remove: ["none"]), .comment("mine"),
            .task(title: "call the owner"), .severity(.critical),
        ]
        let edited = try log.edit(
            incident.id, edits, tenant: acme, expecting: 1, by: "key-1", at: Samples.noon + 60_000)
        #expect(edited.status == .inProgress && edited.severity == .critical && edited.revision == 7)
        #expect(edited.work.assignee == "ada" && edited.work.tags == ["dmz", "pci"])
        #expect(edited.work.tasks == [IncidentTask(id: "t1", title: "call the owner")])
        #expect(edited.work.acknowledgedAt == EventTime(Samples.noon + 60_000) && edited.work.closedAt == nil)
        let again = try log.edit(
            incident.id, [.status(.inProgress), .assignee("ada"), .tags(add: ["pci"], remove: [])], tenant: acme,
            expecting: 7, by: "key-1", at: Samples.noon)
        #expect(again == edited)
        let events = try log.events(tenant: acme, id: incident.id)
        #expect(events.dropFirst().allSatisfy { $0.actor == "key-1" })
        #expect(try replayed(log, incident.id) == edited)
        #expect(try log.get(tenant: acme, id: incident.id) == edited)
    }

    @Test(
        "an edit that makes no sense is refused and leaves nothing",
        arguments: [
            IncidentEdit.assignee(""), .assignee(String(repeating: "a", count: 201)), .assignee("a\u{7}"),
            .tags(add: ["Upper"], remove: []), .tags(add: (0..<33).map { "t\($0)" }, remove: []), .task(title: ""),
            .playbook("none"), .withdraw(mitigation: "x"), .verdict(IncidentVerdict(kind: .benign, note: "")),
        ])
    func refused(_ edit: IncidentEdit) throws {
        let log = try makeLog(), incident = try open(log, "a")
        #expect(throws: IncidentError.self) {
            try log.edit(incident.id, [edit], tenant: acme, expecting: 1, by: "key-1", at: Samples.noon)
        }
        #expect(try log.events(tenant: acme, id: incident.id).count == 1)
    }

    @Test("lists find by assignee, tag and address, and leave merged incidents out") func lists() throws {
        let log = try makeLog(), one = try open(log, "a"), two = try open(log, "b", attacker: "10.0.0.8")
        try log.edit(
            one.id, [.assignee("ada"), .tags(add: ["pci"], remove: [])], tenant: acme, expecting: 1, by: "k",
            at: Samples.noon)
        func ids(_ build: (inout IncidentFilter) -> Void) throws -> Set<String> {
            var filter = IncidentFilter()
            build(&filter)
            return Set(try log.list(tenant: acme, filter: filter).incidents.map(\.id))
        }
        #expect(try ids { $0.assignee = "ada" } == [one.id] && ids { $0.isUnassigned = true } == [two.id])
        #expect(try ids { $0.tag = "pci" } == [one.id] && ids { $0.tag = "pc" } == [])
        #expect(
            try ids { $0.address = "10.0.0.8" } == [two.id] && ids { $0.address = "192.0.2.5" } == [one.id, two.id])
        _ = try log.merge(
            SeenIncident(id: two.id, revision: 1), into: SeenIncident(id: one.id, revision: 3), tenant: acme, by: "k",
            at: Samples.noon)
        #expect(try ids { _ in } == [one.id] && ids { $0.hasMerged = true } == [one.id, two.id])
        #expect(try ids { $0.address = "10.0.0.8" } == [one.id])
    }

    @Test("merged, grown and taken apart again, each incident has its own findings as they are now") func merge() throws
    {
        let log = try makeLog(), one = try open(log, "a"), two = try open(log, "b", attacker: "10.0.0.8")
        let seen = [one, two].map { SeenIncident(id: $0.id, revision: $0.revision) }
        let both = try log.merge(seen[1], into: seen[0], tenant: acme, by: "ada", at: Samples.noon)
        #expect(both.findings.count == 2 && both.entities.map(\.value).contains("10.0.0.8"))
        let gone = try log.get(tenant: acme, id: two.id)
        #expect(gone.work.mergedInto == one.id)
        #expect(throws: IncidentError.badEdit("it is merged into \(one.id)")) {
            try log.edit(two.id, [.assignee("x")], tenant: acme, expecting: gone.revision, by: "x", at: 0)
        }
        // What goes on goes on where the findings are, also with a finding of the merged one's subject.
        let more = try log.record(
            [
                try Samples.finding("b", attacker: "10.0.0.8", update: 1),
                try Samples.finding("c", attacker: "10.0.0.8", minutes: 1),
            ], tenant: acme, at: Samples.noon)
        #expect(more.map(\.incident.id) == [one.id] && more.first?.incident.findings.count == 3)
        let absorbed = try #require(
            try log.events(tenant: acme, id: one.id).first { $0.change.kind == "absorbed" })
        let now = try log.get(tenant: acme, id: one.id)
        let apart = try log.undo(
            absorbed.revision, of: SeenIncident(id: one.id, revision: now.revision), tenant: acme, by: "ada",
            at: Samples.noon)
        #expect(apart.findings.count == 2)
        let back = try log.get(tenant: acme, id: two.id)
        #expect(back.work.mergedInto == nil && back.findings.map(\.update) == [1])
        #expect(try replayed(log, one.id) == apart && replayed(log, two.id) == back)
        #expect(throws: IncidentError.notUndoable) {
            try log.undo(
                absorbed.revision, of: SeenIncident(id: one.id, revision: apart.revision), tenant: acme, by: "ada",
                at: 0)
        }
        let grown = try log.record(
            [try Samples.finding("b", attacker: "10.0.0.8", update: 2)], tenant: acme, at: Samples.noon)
        #expect(grown.map(\.incident.id) == [two.id])
    }

    @Test("a split makes an incident of its own, and taken back it is whole again") func split() throws {
        let log = try makeLog(), one = try open(log, "a")
        let two = try #require(
            try log.record([try Samples.finding("b", minutes: 1)], tenant: acme, at: Samples.noon).first?.incident)
        let id = try Samples.finding("b").id, seen = SeenIncident(id: one.id, revision: two.revision)
        #expect(throws: IncidentError.self) {
            try log.split(seen, findings: Set(two.findings.map(\.id)), tenant: acme, by: "ada", at: 0)
        }
        let parts = try log.split(seen, findings: [id], tenant: acme, by: "ada", at: Samples.noon)
        #expect(parts.rest.findings.count == 1 && parts.made.findings.map(\.id) == [id])
        let grown = try log.record([try Samples.finding("b", minutes: 1, update: 3)], tenant: acme, at: Samples.noon)
        #expect(grown.map(\.incident.id) == [parts.made.id])
        #expect(try replayed(log, parts.made.id) == grown.first?.incident)
        let event = try #require(try log.events(tenant: acme, id: one.id).first { $0.change.kind == "split" })
        let whole = try log.undo(
            event.revision, of: SeenIncident(id: one.id, revision: parts.rest.revision), tenant: acme, by: "ada",
            at: Samples.noon)
        #expect(whole.findings.map(\.update) == [0, 3])
        #expect(try log.get(tenant: acme, id: parts.made.id).work.mergedInto == one.id)
        // Another tenant has neither.
        #expect(throws: IncidentError.unknown) {
            try log.merge(
                SeenIncident(id: one.id, revision: 1), into: SeenIncident(id: parts.made.id, revision: 1),
                tenant: globex, by: "eve", at: 0)
        }
    }

    @Test("critical addresses raise a severity, unimportant ones and a bad record lower it; a person's word stands")
    func severity() throws {
        var policy = IncidentPolicy()
        policy.assets = [
            .init(networks: [try #require(IPNetwork("192.0.2.0/24"))], criticality: .critical, tenants: [acme]),
            .init(networks: [try #require(IPNetwork("198.51.100.0/24"))], criticality: .low),
        ]
        let log = try makeLog(policy), raised = try open(log, "a")
        #expect(
            raised.severity == .high && raised.work.assessment?.asset == .critical && raised.ruleSeverity == .medium)
        let feed = try log.feed(after: 0)
        #expect(feed.entries.first?.event.change.kind == "opened" && feed.entries.first?.incident.severity == .high)
        let elsewhere = try log.record([try Samples.finding("a")], tenant: globex, at: Samples.noon)
        #expect(elsewhere.first?.incident.severity == .medium)
        let pinned = try log.edit(
            raised.id, [.severity(.low)], tenant: acme, expecting: raised.revision, by: "ada", at: Samples.noon)
        let graver = try log.record(
            [try Samples.finding("b", severity: .critical, minutes: 1)], tenant: acme, at: Samples.noon)
        #expect(pinned.severity == .low && graver.first?.incident.severity == .low)
        #expect(try replayed(log, raised.id) == graver.first?.incident)
        // Ten incidents of a rule that were nothing: the next one weighs less.
        for index in 0..<10 {
            let finding = try Samples.finding(
                "f\(index)", rule: "noisy", attacker: "203.0.113.\(index)", victim: "10.9.9.9", severity: .high)
            let made = try #require(try log.record([finding], tenant: acme, at: Samples.noon).first?.incident)
            #expect(made.severity == (index < 5 ? .high : .medium), "\(index)")
            try log.edit(
                made.id, [.status(.falsePositive)], tenant: acme, expecting: made.revision, by: "ada", at: Samples.noon)
        }
        let feedback = try #require(try log.feedback(tenant: acme).first { $0.rule == "noisy" })
        #expect(feedback.falsePositive == 10 && feedback.incidents == 10 && feedback.confirmed < 0.1)
        #expect(try log.feedback(tenant: globex).allSatisfy { $0.verdicts == 0 })
    }

    @Test("clocks run out once, by severity, and stop when somebody looks and when it is over") func clocks() throws {
        var policy = IncidentPolicy()
        policy.serviceLevels = [.high: .init(acknowledge: 900_000, resolve: 3_600_000)]
        let log = try makeLog(policy), grave = try open(log, "a", severity: .high)
        let seen = try open(log, "b", attacker: "10.0.0.8", severity: .high)
        _ = try open(log, "c", attacker: "10.0.0.9", severity: .low)
        try log.edit(seen.id, [.status(.triaged)], tenant: acme, expecting: 1, by: "ada", at: Samples.noon + 1)
        #expect(try log.noteBreaches(at: Samples.noon + 899_999) == 0)
        #expect(try log.noteBreaches(at: Samples.noon + 900_000) == 1)
        #expect(try log.noteBreaches(at: Samples.noon + 900_001) == 0)
        let late = try log.get(tenant: acme, id: grave.id)
        #expect(late.work.breaches == [.acknowledge] && late.work.acknowledgedAt == nil)
        let event = try #require(try log.events(tenant: acme, id: grave.id).last)
        #expect(event.change == .clockRanOut(.acknowledge) && event.actor == "clock")
        try log.edit(
            seen.id, [.status(.resolved)], tenant: acme, expecting: 2, by: "ada", at: Samples.noon + 1_000_000)
        // The policy of the next start counts for what is open.
        try log.close()
        policy.serviceLevels[.low] = .init(acknowledge: 60_000, resolve: 120_000)
        let next = try makeLog(policy)
        #expect(try next.noteBreaches(at: Samples.noon + 3_600_000) == 3)
        #expect(try next.get(tenant: acme, id: grave.id).work.breaches == [.acknowledge, .resolve])
        #expect(try next.get(tenant: acme, id: seen.id).work.breaches.isEmpty)
        // Opened without clocks beside it, those that run stay.
        let fresh = try open(next, "d", attacker: "10.0.0.77", severity: .high)
        _ = try makeLog()
        #expect(try next.noteBreaches(at: Samples.noon + 3_600_000) == 2)
        #expect(try next.get(tenant: acme, id: fresh.id).work.breaches.count == 2)
    }

    @Test("a playbook gives its steps; an action waits for a person, once") func playbooks() throws {
        var policy = IncidentPolicy(), playbook = Playbook(name: "scan")
        playbook.rules = ["port-scan-*"]
        playbook.severityMin = .medium
        playbook.steps = [.init(title: "look"), .init(title: "isolate", channel: "soar")]
        policy.playbooks = [playbook]
        let log = try makeLog(policy), incident = try open(log, "a")
        #expect(incident.work.tasks.map(\.id) == ["t1", "t2"])
        #expect(incident.work.tasks.map(\.state) == [.open, .awaitingApproval])
        #expect(try log.events(tenant: acme, id: incident.id).last?.actor == "playbook:scan")
        #expect(incident.work.acknowledgedAt == nil)
        let quiet = try open(log, "b", attacker: "10.0.0.8", severity: .low)
        #expect(quiet.work.tasks.isEmpty)
        let set = { (id: String, state: IncidentTask.State) in
            let revision = try log.get(tenant: acme, id: incident.id).revision
            return try log.edit(
                incident.id, [.taskState(id: id, state)], tenant: acme, expecting: revision, by: "ada",
                at: Samples.noon)
        }
        #expect(throws: IncidentError.self) { try set("t2", .done) }
        #expect(throws: IncidentError.self) { try set("t1", .approved) }
        #expect(try set("t1", .done).work.tasks[0].state == .done)
        #expect(try set("t2", .approved).work.tasks[1].state == .approved)
        #expect(throws: IncidentError.self) { try set("t2", .rejected) }
        let started = try log.edit(
            quiet.id, [.playbook("scan"), .playbook("scan")], tenant: acme, expecting: 1, by: "ada", at: Samples.noon)
        #expect(started.work.tasks.count == 2)
    }

    @Test("another tenant's playbook can't be started: its steps and channel stay its own") func othersPlaybook() throws
    {
        var policy = IncidentPolicy(), playbook = Playbook(name: "isolate")
        playbook.tenants = [globex]
        playbook.steps = [.init(title: "call the person on duty at Globex", channel: "globex-soar")]
        policy.playbooks = [playbook]
        let log = try makeLog(policy), incident = try open(log, "a")
        #expect(throws: IncidentError.badEdit("there is no playbook isolate")) {
            try log.edit(incident.id, [.playbook("isolate")], tenant: acme, expecting: 1, by: "ada", at: Samples.noon)
        }
        let changes = try log.record([try Samples.finding("z")], tenant: globex, at: Samples.noon)
        let theirs = try #require(changes.first?.incident)
        let started = try log.edit(
            theirs.id, [.playbook("isolate")], tenant: globex, expecting: theirs.revision, by: "gus", at: Samples.noon)
        #expect(started.work.tasks.map(\.channel) == ["globex-soar"])
    }

    @Test("the feed has every event once, of all tenants, in order; trimmed it gives the rest, and positions stay")
    func feed() throws {
        let log = try makeLog(), incident = try open(log, "a")
        _ = try log.record([try Samples.finding("z")], tenant: globex, at: Samples.noon)
        try log.edit(incident.id, [.comment("x")], tenant: acme, expecting: 1, by: "ada", at: Samples.noon)
        let all = try log.feed(after: 0)
        #expect(all.entries.map(\.tenant) == [acme, globex, acme])
        #expect(all.entries.map(\.event.change.kind) == ["opened", "opened", "commented"])
        #expect(all.entries.map(\.incident.revision) == [1, 1, 2], "each as it was then")
        let first = try #require(all.entries.first?.position)
        try log.trimFeed(through: first)
        #expect(try log.feed(after: 0).entries == Array(all.entries.dropFirst()))
        try log.trimFeed(through: try #require(all.through))
        let nothing = try log.feed(after: 0)
        #expect(nothing.entries.isEmpty && nothing.through == nil)
        try log.edit(incident.id, [.comment("y")], tenant: acme, expecting: 2, by: "ada", at: Samples.noon)
        let later = try #require(try log.feed(after: 0).entries.first)
        #expect(later.position > (all.through ?? 0) && later.event.revision == 3)
        #expect(try log.feedHead() == later.position)
    }
}
