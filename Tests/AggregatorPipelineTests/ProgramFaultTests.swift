import AggregatorPipeline
import BatchFormat
import Detect
import FlowLog
import FlowModel
import Foundation
import Identity
import Incidents
import Intelligence
import Knowledge
import Logging
import Platform
import ProgramDesk
import Programs
import ServiceLifecycle
import Telemetry
import TestKit
import Testing

extension ProgramPipelineTests {
    /// What was found, by built-in detectors and by programs, by the incident's id.
    private func incidents(_ node: World.Node, ofPrograms: Bool) throws -> [String: Incident] {
        let all = try ["acme", "globex"].compactMap { TenantID($0) }.flatMap {
            try node.incidents.list(tenant: $0, limit: 1_000).incidents
        }
        let some = all.filter { $0.rule.hasPrefix("program.") == ofPrograms }
        return Dictionary(some.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }
    private var traffic: [LogAppend] { get throws { Array(try World.traffic().prefix(12)) } }
    private var patient: AggregatorPipeline.Pace {
        var pace = World.small
        pace.programsWait = .seconds(30)
        return pace
    }

    @Test("a crash costs what the process had, by name; what comes after it and all else is found as ever")
    func crash() async throws {
        // Dies of the one batch that has port 24.
        let fatal = #"if any('"destinationTransportPort":24,' in row for row in rows): os._exit(3)"#
        try write("dying.py", fatal + "\n" + Self.counting, name: "dying")
        let undisturbed = try World(), reference = try undisturbed.open()
        let world = try World(), node = try world.open(), desk = desk("dying", file: "dying.py", node)
        defer { desk.stop() }
        for batch in try traffic {
            _ = try await reference.log.append(batch)
            _ = try await node.log.append(batch)
        }
        try await undisturbed.pipeline(reference).drain()
        try await world.pipeline(node, programs: desk, pace: patient).drain()
        let builtIn = try incidents(node, ofPrograms: false)
        #expect(try builtIn == incidents(reference, ofPrograms: false) && builtIn.count == 2)
        // Six batches are the tenant's: its second one is fatal, and the third may have been on its way.
        let status = try #require(desk.statuses(of: acme).first), lost = try #require(status.lost["failed"])
        #expect((1...2).contains(lost) && status.lost.count == 1 && status.ends == ["failed": 1] && status.starts == 2)
        #expect(status.lastEnd?.detail == "status 3")
        let found = try incidents(node, ofPrograms: true).values.flatMap(\.findings)
        #expect(found.count == 6 - Int(lost))
        #expect(Set(found.flatMap(\.ports)).isSuperset(of: [20, 32, 36, 40]) && !found.flatMap(\.ports).contains(24))
        #expect(
            node.registry.prometheusText().contains(
                #"weir_program_batches_lost_total{program="dying",reason="failed",tenant="acme"} \#(lost)"#))
        // It costs once: nothing is offered again, and the log is given up.
        #expect(try await node.log.read(after: 0, limit: 10, bytesMax: 1 << 20).isEmpty)
    }

    @Test("an answer after its deadline counts for nothing, and has a name") func slow() async throws {
        let sleepy = #"if any('"destinationTransportPort":24,' in row for row in rows): time.sleep(600)"#
        try write("slow.py", sleepy + "\n" + Self.counting, name: "slow")
        let world = try World(), node = try world.open()
        let desk = desk("slow", file: "slow.py", deadline: .seconds(2), node)
        defer { desk.stop() }
        for batch in try traffic { _ = try await node.log.append(batch) }
        try await world.pipeline(node, programs: desk, pace: patient).drain()
        let status = try #require(desk.statuses(of: acme).first), lost = try #require(status.lost["slow"])
        #expect((1...2).contains(lost) && status.lost.count == 1 && status.ends["slow"] == 1)
        let ports = try incidents(node, ofPrograms: true).values.flatMap(\.findings).flatMap(\.ports)
        #expect(ports.count == 6 - Int(lost) && !ports.contains(24))
        #expect(try incidents(node, ofPrograms: false).count == 2)
    }

    @Test(
        "crashed anywhere and started again, its state and its findings are those of an undisturbed run",
        arguments: [false, true])
    func replay(after: Bool) async throws {
        try write("counting.py", Self.counting, name: "counting")
        let undisturbed = try World(), first = try undisturbed.open()
        let desk = desk("counting", file: "counting.py", first)
        for batch in try traffic { _ = try await first.log.append(batch) }
        try await undisturbed.pipeline(first, programs: desk, pace: patient).drain()
        desk.stop()
        let reference = try incidents(first, ofPrograms: true), builtIn = try incidents(first, ofPrograms: false)
        #expect(reference.count == 6 && builtIn.count == 2 && desk.statuses(of: acme).first?.lost == [:])

        var crashes = 0
        for call in 0..<3 {
            let world = try World()
            for place in ["store", "trim", "none"] {
                let node = try world.open(), crash = Crash(at: call, after: after)
                let desk = self.desk("counting", file: "counting.py", node)
                for batch in try traffic { _ = try await node.log.append(batch) }
                let pipeline =
                    switch place {
                    case "store":
                        try world.pipeline(
                            node, store: CrashingStore(inner: node.store, crash: crash), programs: desk, pace: patient)
                    case "trim":
                        try world.pipeline(
                            node, log: CrashingLog(inner: node.log, crash: crash), programs: desk, pace: patient)
                    default: try world.pipeline(node, programs: desk, pace: patient)
                    }
                do { try await pipeline.drain() } catch { crashes += 1 }
                desk.stop()
                if place == "none" {
                    #expect(try incidents(node, ofPrograms: true) == reference, "call \(call)")
                    #expect(try incidents(node, ofPrograms: false) == builtIn, "call \(call)")
                }
                try node.log.close()
                try node.incidents.close()
            }
        }
        #expect(crashes >= 3)
    }

    @Test("what a provider lists is an incident of its tenant that meets it, and of no other") func provider()
        async throws
    {
        let script = """
            import json, sys
            def say(**m): print(json.dumps(m), flush=True)
            sys.stdin.readline()
            say(type="hello", protocol=1, kind="intelligence", name="partner")
            for line in sys.stdin:
                m = json.loads(line)
                if m["type"] == "end": break
                say(type="indicator", batch=m["batch"], value="198.51.100.7", confidence=100, labels=["c2"])
                say(type="done", batch=m["batch"], isComplete=True)
            """
        try Data(script.utf8).write(to: folder.file("partner.py"))
        let world = try World(), node = try world.open(), tables = folder.file("tables").path
        var program = ProgramSettings.Program(description("partner", .intelligence, "partner.py"))
        program.weight = 1
        let settings = ProgramSettings([program])
        let desk = desk(settings, node)
        try settings.makeTables(folder: tables)
        var knowledge = KnowledgeSettings()
        settings.addFeeds(to: &knowledge, folder: tables)
        let current = CurrentIntelligence()
        let feeds = FeedUpkeep(
            knowledge, folder: folder.file("feeds").path, current: current, transport: Unreachable(),
            time: SystemTime(), registry: node.registry,
            logger: Logger(label: "feeds") { _ in SwiftLogNoOpLogHandler() })
        await feeds.load()
        var encoder = BatchEncoder()
        func meet(_ number: Int) async throws {
            for tenant in ["acme", "globex"].compactMap({ TenantID($0) }) {
                _ = try await node.log.append(
                    try World.batch(
                        session(at: World.start + Int64(number) * 60_000), of: tenant, sequence: UInt64(number),
                        at: World.start + Int64(number) * 60_000 + 2_000, &encoder))
            }
            try await world.pipeline(node, programs: desk, intelligence: current).drain()
        }
        try await meet(0)
        #expect(try incidents(node, ofPrograms: false).isEmpty)
        let service = Task { try await ProgramService(desk, folder: tables, interval: .milliseconds(20)).run() }
        let clock = SystemTime(), end = clock.monotonic() + .seconds(30)
        while current.edition[acme].indicators.isEmpty {
            try #require(clock.monotonic() < end, "the provider's indicators did not come")
            await feeds.refresh()
            try await Task.sleep(for: .milliseconds(20))
        }
        try await meet(1)
        let found = try incidents(node, ofPrograms: false).values.flatMap(\.findings)
        #expect(found.map(\.rule) == [ThreatIntelligenceDetector.rule.id])
        #expect(found.first?.title.contains("program.partner") == true, "\(found.first?.title ?? "")")
        #expect(try node.incidents.list(tenant: acme, limit: 10).incidents.count == 1)
        service.cancel()
        try await service.value
        #expect(desk.statuses(of: acme).first?.running == false)
    }
    /// An own host calls 198.51.100.7 and is answered.
    private func session(at time: Int64) -> [FlowRecord] {
        let own = IPAddress(v4: 0x0A00_0007), peer = IPAddress(v4: 0xC633_6407)
        return [(own, UInt16(50_000), peer, UInt16(443)), (peer, 443, own, 50_000)].map { ends in
            var record = FlowRecord()
            (record.sourceIPAddress, record.sourceTransportPort) = (ends.0, ends.1)
            (record.destinationIPAddress, record.destinationTransportPort) = (ends.2, ends.3)
            (record.protocolIdentifier, record.tcpControlBits) = (IPProtocol.tcp, 0x1B)
            (record.packetDeltaCount, record.octetDeltaCount) = (9, 900)
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time, time + 1_000)
            (record.exportMilliseconds, record.receiveMilliseconds) = (time + 1_500, time + 1_500)
            return record
        }
    }
}

private struct Unreachable: FeedTransport {
    func fetch(_ request: FeedRequest) async throws(FeedTransportFault) -> FeedResponse {
        throw FeedTransportFault(.refused, "no network")
    }
}
