import Detect
import FlowModel
import Foundation
import Identity
import Incidents
import Notify
import TestKit
import Testing

@Suite("What an event is news of")
struct ChangeTests {
    @Test("an opening is told with the severity that was assessed with it; actions and clocks say which") func notes()
        throws
    {
        let folder = try TemporaryFolder("incidents"), acme = try Samples.tenant()
        var policy = IncidentPolicy(), playbook = Playbook(name: "p")
        policy.assets = [.init(networks: [try #require(IPNetwork("192.0.2.0/24"))], criticality: .critical)]
        policy.serviceLevels = [.critical: .init(acknowledge: 1_000, resolve: 2_000)]
        playbook.rules = ["port-scan-*"]
        playbook.steps = [.init(title: "isolate the host", channel: "soar")]
        policy.playbooks = [playbook]
        let log = try IncidentLog(directory: folder.path, policy: policy)
        let made = try #require(try log.record([Samples.finding("1")], tenant: acme, at: Samples.noon).first?.incident)
        _ = try log.noteBreaches(at: Samples.noon + 1_500)
        let now = try log.get(tenant: acme, id: made.id)
        try log.edit(
            made.id, [.taskState(id: "t1", .approved), .assignee("ada\u{202E}")], tenant: acme, expecting: now.revision,
            by: "key-1", at: Samples.noon + 1_600)
        let news = try log.feed(after: 0).entries.map { entry in
            (Change(entry.event.change), IncidentBrief(entry.incident, after: entry.event.change))
        }
        #expect(news.map(\.0) == [.opened, .severityChanged, .edited, .overdue, .approved, .assigned])
        #expect(news[0].1.severity == .critical && made.ruleSeverity == .high)
        #expect(news[3].1.note == "acknowledge" && news[4].1.note == "isolate the host")
        #expect(news[5].1.assignee == "ada", "marks that turn the direction of a line are left out")
        let rendering = Rendering(host: "h")
        let text = try rendering.text(Samples.message(news[4].1, change: .approved))
        #expect(text.contains("approved: isolate the host"))
    }

    @Test("a tenant that is forgotten is in no outbox and in no gathering; others stay") func forgotten() throws {
        let acme = try Samples.tenant("acme"), globex = try Samples.tenant("globex")
        var router = NewsRouter(
            routes: [Route("r", action: .deliver(to: ["c"], .digest(minutes: 60)))], owners: ["c": nil])
        var outbox = Outbox()
        for tenant in ["acme", "globex"] {
            _ = router.take(try Samples.news("1", tenant))
            var message = try Samples.message(Samples.brief("1"))
            (message.id, message.tenant) = ("msg_\(tenant)", try Samples.tenant(tenant))
            _ = outbox.add(Delivery(channel: "c", message: message), at: Samples.noon)
        }
        #expect(outbox.due(at: Samples.noon).count == 2)
        #expect(outbox.forget(acme) == [.remove(id: "msg_acme")] && outbox.all.map(\.id) == ["msg_globex"])
        var random = SystemRandomNumberGenerator()
        #expect(outbox.finished("msg_acme", .delivered, at: Samples.noon, using: &random).isEmpty)
        #expect(router.forget(acme) && !router.forget(acme))
        let due = router.advance(to: Samples.noon + 7_200_000).compactMap(\.delivery)
        #expect(due.map(\.message.tenant) == [globex])
    }
}
