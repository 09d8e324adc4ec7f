import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import Logging
import Platform
import Programs
import Settings
import Telemetry
import TestKit
import Testing

@testable import ProgramDesk

private let machine = SandboxTools.ofThisMachine()
private let python = "/usr/bin/python3"
private let canRun =
    machine.canMakeNamespaces && machine.prlimit != nil && machine.setpriv != nil
    && FileManager.default.isExecutableFile(atPath: python)

@Suite("Programs of a node", .enabled(if: canRun), .serialized)
struct ProgramDeskTests {
    private let acme: TenantID, globex: TenantID
    init() throws { (acme, globex) = (try #require(TenantID("acme")), try #require(TenantID("globex"))) }

    private func desk(_ program: ProgramSettings.Program) -> ProgramDesk {
        ProgramDesk(
            ProgramSettings([program]), time: SystemTime(), registry: MetricRegistry(),
            logger: Logger(label: "programs") { _ in SwiftLogNoOpLogHandler() }, tools: { machine })
    }
    private func wait(until isDone: () async throws -> Bool) async throws {
        let clock = SystemTime(), end = clock.monotonic() + .seconds(30)
        while try await !isDone() {
            try #require(clock.monotonic() < end, "not in time")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    @Test("the example enricher is asked once about an address, for its own tenant") func enricher() async throws {
        let examples = PackageTree.root.appendingPathComponent("Aggregator/Programs/examples")
        var description = ProgramDescription(
            name: "owner-names", kind: .enricher, tenant: acme,
            command: ["/bin/sh", examples.appendingPathComponent("owner-names.sh").path])
        description.folder = examples.path
        let desk = desk(.init(description))
        desk.start()
        defer { desk.stop() }
        try await wait { desk.statuses(of: acme).first?.running == true }
        let office = try #require(IPAddress("10.1.2.3")), stranger = try #require(IPAddress("203.0.113.9"))
        for _ in 0..<2 {
            let said = await desk.annotations(of: [office, stranger], tenant: acme, waitingAtMost: .seconds(20))
            #expect(said[office] == [.init(program: "owner-names", labels: ["office"])] && said[stranger] == nil)
        }
        // Once: also of what it knows nothing about.
        #expect(desk.statuses(of: acme).first?.recordsSent == 2)
        #expect(await desk.annotations(of: [office], tenant: globex, waitingAtMost: .seconds(1)).isEmpty)
    }

    @Test("a slow enricher is not waited for longer than allowed; its answer is there later") func slowEnricher()
        async throws
    {
        let folder = try TemporaryFolder("weir-enricher")
        let script = """
            import json, os, sys, time
            def say(**m): print(json.dumps(m), flush=True)
            sys.stdin.readline()
            say(type="hello", protocol=1, kind="enricher", name="slow")
            for line in sys.stdin:
                m = json.loads(line)
                if m["type"] == "end": break
                asked = [json.loads(sys.stdin.readline())["address"] for _ in range(m["records"])]
                while not os.path.exists(os.path.join(os.path.dirname(sys.argv[0]), "answer")): time.sleep(0.02)
                for a in asked: say(type="annotation", batch=m["batch"], address=a, country="ch", name="there")
                say(type="done", batch=m["batch"])
            """
        try Data(script.utf8).write(to: folder.file("slow.py"))
        let desk = desk(
            .init(
                ProgramDescription(
                    name: "slow", kind: .enricher, tenant: acme, command: [python, folder.file("slow.py").path],
                    folder: folder.path)))
        desk.start()
        defer { desk.stop() }
        try await wait { desk.statuses(of: acme).first?.running == true }
        // It doesn't answer before this has come back without its answer.
        let address = try #require(IPAddress("2001:db8::7"))
        let first = await desk.annotations(of: [address], tenant: acme, waitingAtMost: .milliseconds(50))
        #expect(first.isEmpty)
        try Data().write(to: folder.file("answer"))
        try await wait {
            await desk.annotations(of: [address], tenant: acme, waitingAtMost: .zero)[address]
                == [.init(program: "slow", country: "CH", name: "there")]
        }
    }

    @Test("what a detector had not answered when it was ended stays open, for the next start") func ended() async throws
    {
        let folder = try TemporaryFolder("weir-detector")
        let script = """
            import json, sys, time
            def say(**m): print(json.dumps(m), flush=True)
            sys.stdin.readline()
            say(type="hello", protocol=1, kind="detector", name="half", rules=[{"id": "r", "title": "R"}])
            for line in sys.stdin:
                m = json.loads(line)
                if m["type"] == "end": break
                if m["batch"] == 2: time.sleep(600)
                say(type="done", batch=m["batch"], state="after %d" % m["batch"])
            """
        try Data(script.utf8).write(to: folder.file("half.py"))
        let desk = desk(
            .init(
                ProgramDescription(
                    name: "half", kind: .detector, tenant: acme, command: [python, folder.file("half.py").path],
                    folder: folder.path)))
        desk.start()
        defer { desk.stop() }
        for mark in [7, 9, 12] as [Int64] { #expect(desk.offer(FlowColumns(), of: acme, mark: mark)) }
        #expect(!desk.offer(FlowColumns(), of: globex, mark: 13))
        try await wait {
            _ = desk.takeFindings()
            return desk.oldestOpen == 9
        }
        desk.stop()
        #expect(desk.takeFindings().isEmpty && desk.statuses(of: acme).first?.lost == ["ended": 2])
        let saved = try #require(desk.checkpoint()[acme]), entry = ProgramMarks(octets: saved).programs["half"]
        #expect(entry == ProgramMarks.Entry(openFrom: 9, state: "after 1"))
    }

    @Test("what a provider says becomes a feed of its tenant, and what it retracts leaves it") func intelligence()
        async throws
    {
        let folder = try TemporaryFolder("weir-provider")
        let script = """
            import json, sys
            def say(**m): print(json.dumps(m), flush=True)
            sys.stdin.readline()
            say(type="hello", protocol=1, kind="intelligence", name="partner")
            for line in sys.stdin:
                m = json.loads(line)
                if m["type"] == "end": break
                b = m["batch"]
                if b == 1:
                    say(type="indicator", batch=b, value="203.0.113.7", port=443, confidence=90,
                        labels=["a;b", 'say "x"'], malwareFamily="Foo, Bar", techniques=["T1071"],
                        expires=1900000000000)
                    say(type="indicator", batch=b, value="198.51.100.0/24")
                    say(type="indicator", batch=b, value="AS64496", expires=900000000000)
                else: say(type="retraction", batch=b, value="198.51.100.0/24")
                say(type="done", batch=b, isComplete=b == 1)
            """
        try Data(script.utf8).write(to: folder.file("partner.py"))
        var program = ProgramSettings.Program(
            ProgramDescription(
                name: "partner", kind: .intelligence, tenant: acme, command: [python, folder.file("partner.py").path],
                folder: folder.path))
        (program.weight, program.refresh) = (0.9, .milliseconds(200))
        let tables = folder.file("tables").path, settings = ProgramSettings([program])
        try settings.makeTables(folder: tables)
        var knowledge = KnowledgeSettings()
        settings.addFeeds(to: &knowledge, folder: tables)
        #expect(knowledge.tenants[acme]?.feeds.map(\.source.name) == ["program.partner"])
        let current = CurrentIntelligence()
        let feeds = FeedUpkeep(
            knowledge, folder: folder.file("feeds").path, current: current, transport: NoTransport(),
            time: SystemTime(), registry: MetricRegistry(), logger: Logger(label: "f") { _ in SwiftLogNoOpLogHandler() }
        )
        await feeds.load()
        #expect(await feeds.states(for: acme).first?.problem == nil && current.edition[acme].indicators.isEmpty)
        let desk = desk(program)
        desk.start()
        defer { desk.stop() }
        func known(_ text: String) async -> [IndicatorSet.Match] {
            desk.refreshIndicators(folder: tables)
            await feeds.refresh()
            let address = IPAddress(text) ?? .absent
            return current.edition[acme].indicators.matches(address, port: 443, at: 1_800_000_000_000)
        }
        try await wait { await !known("203.0.113.7").isEmpty }
        let found = try #require(await known("203.0.113.7").first).indicator
        #expect(found.confidence == 90 && found.port == 443 && found.expires == 1_900_000_000_000)
        #expect(found.context.labels == ["a,b", "say \"x\""] && found.context.techniques == ["T1071"])
        #expect(found.context.malwareFamily == "Foo, Bar")
        #expect(current.edition[globex].indicators.isEmpty)
        try await wait { await known("198.51.100.9").isEmpty }
        #expect(await !known("203.0.113.7").isEmpty)
    }
}

private struct NoTransport: FeedTransport {
    func fetch(_ request: FeedRequest) async throws(FeedTransportFault) -> FeedResponse {
        throw FeedTransportFault(.refused, "no network")
    }
}
