import AggregatorPipeline
import BatchFormat
import Detect
import FlowLog
import FlowModel
import Foundation
import Glibc
import Identity
import Incidents
import Logging
import Platform
import ProgramDesk
import Programs
import Telemetry
import TestKit
import Testing

private let machine = SandboxTools.ofThisMachine()
private let python = "/usr/bin/python3"
private let canRun =
    machine.canMakeNamespaces && machine.prlimit != nil && machine.setpriv != nil
    && FileManager.default.isExecutableFile(atPath: python)

@Suite("Programs in the pipeline", .enabled(if: canRun), .serialized)
struct ProgramPipelineTests {
    let folder: TemporaryFolder
    let acme: TenantID
    init() throws {
        folder = try TemporaryFolder("weir-program-pipeline")
        acme = try #require(TenantID("acme"))
    }

    /// A desk with one detector of tenant acme, whose file no other process has on its command line.
    func desk(_ name: String, file: String, deadline: Duration = .seconds(10), _ node: World.Node) -> ProgramDesk {
        var program = description(name, .detector, file)
        program.batchDeadline = deadline
        return desk(ProgramSettings([.init(program)]), node)
    }
    func desk(_ settings: ProgramSettings, _ node: World.Node) -> ProgramDesk {
        ProgramDesk(
            settings, time: SystemTime(), registry: node.registry,
            logger: Logger(label: "programs") { StreamLogHandler.standardError(label: $0) }, tools: { machine })
    }
    func description(_ name: String, _ kind: ProgramKind, _ file: String) -> ProgramDescription {
        ProgramDescription(
            name: name, kind: kind, tenant: acme, command: [python, folder.file(file).path], folder: folder.path)
    }
    func write(_ file: String, _ body: String, name: String = "fan-out") throws {
        let script = """
            import json, os, sys, time
            def say(**m): print(json.dumps(m), flush=True)
            host = json.loads(sys.stdin.readline())
            count = int(host.get("state") or 0)
            say(type="hello", protocol=1, kind="detector", name="\(name)", rules=[{"id": "r", "title": "R"}])
            for line in sys.stdin:
                m = json.loads(line)
                if m["type"] == "end": break
                n, count = m["batch"], count + 1
                rows = [sys.stdin.readline() for _ in range(m["records"])]
            \(body.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
                say(type="done", batch=n, state=str(count))
            """
        try Data(script.utf8).write(to: folder.file(file))
    }
    /// Says a finding for each batch: how many there were in all its lives, and what this one begins with.
    static let counting = """
        first = json.loads(rows[0])
        say(type="finding", batch=n, rule="r", severity="low", title="batch %d" % count, windowStart=1,
            start=first["flowStartMilliseconds"], end=first["flowEndMilliseconds"], observed=count, threshold=1,
            unit="x", entities=[{"address": "192.0.2.%d" % count, "role": "attacker"}],
            ports=[first["destinationTransportPort"]])
        """
    private func copyExample() throws {
        let example = PackageTree.root.appendingPathComponent("Aggregator/Programs/examples/fan-out.py")
        try FileManager.default.copyItem(at: example, to: folder.file("fan-out.py"))
    }

    /// One host calls 60 others within a minute.
    private func sweep(
        by source: UInt32, sequence: UInt64, of tenant: TenantID? = nil, _ encoder: inout BatchEncoder
    ) throws -> LogAppend {
        let start = World.start + Int64(sequence) * 400_000
        let records = (0..<60).map { number in
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: source)
            record.destinationIPAddress = IPAddress(v4: 0xC612_0000 + UInt32(number))
            (record.sourceTransportPort, record.destinationTransportPort) = (UInt16(40_000 + number), 445)
            (record.protocolIdentifier, record.tcpControlBits) = (IPProtocol.tcp, TCPFlag.syn)
            (record.packetDeltaCount, record.octetDeltaCount) = (1, 44)
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (
                start + Int64(number) * 100, start + Int64(number) * 100 + 10
            )
            record.exportMilliseconds = record.flowEndMilliseconds
            record.receiveMilliseconds = record.flowEndMilliseconds
            return record
        }
        return try World.batch(records, of: tenant ?? acme, sequence: sequence, at: start, &encoder)
    }
    private func attackers(_ node: World.Node, rule: String) throws -> [String] {
        try node.incidents.list(tenant: acme, limit: 1_000).incidents.flatMap(\.findings)
            .filter { $0.rule == rule }.compactMap { $0.entities.first?.value }.sorted()
    }
    private let sweeps = "program.fan-out.many-hosts"

    @Test("the example detector's findings are incidents; killed in between, it goes on") func example() async throws {
        try copyExample()
        let world = try World(), node = try world.open(), desk = desk("fan-out", file: "fan-out.py", node)
        defer { desk.stop() }
        var encoder = BatchEncoder(), pace = World.small
        pace.programsWait = .seconds(30)
        _ = try await node.log.append(try sweep(by: 0x0A00_0001, sequence: 0, &encoder))
        // Another tenant's records are not offered.
        let globex = try #require(TenantID("globex"))
        _ = try await node.log.append(try sweep(by: 0x0A00_0009, sequence: 1, of: globex, &encoder))
        try await world.pipeline(node, programs: desk, pace: pace).drain()
        #expect(try attackers(node, rule: sweeps) == ["10.0.0.1"])
        try expectEvidence(node)
        let status = try #require(desk.statuses(of: acme).first)
        #expect(status.running && status.recordsSent == 60 && status.rules == [sweeps])

        #expect(try kill("fan-out.py") > 0)
        // What a dying process is given is lost. Ends: its thread sees its end within moments.
        for _ in 0..<1_000 where desk.statuses(of: acme).first?.lastEnd == nil {
            try await Task.sleep(for: .milliseconds(10))
        }
        _ = try await node.log.append(try sweep(by: 0x0A00_0002, sequence: 1, &encoder))
        try await world.pipeline(node, programs: desk, pace: pace).drain()
        #expect(try attackers(node, rule: sweeps) == ["10.0.0.1", "10.0.0.2"])
        let later = try #require(desk.statuses(of: acme).first)
        #expect(later.starts == 2 && later.ends.values.reduce(0, +) == 1 && later.lastEnd != nil)
        let page = node.registry.prometheusText()
        #expect(page.contains(#"weir_program_starts_total{program="fan-out",tenant="acme"} 2"#))
        #expect(desk.statuses(of: globex).isEmpty)
    }
    /// What the incident has is what the program said.
    private func expectEvidence(_ node: World.Node) throws {
        let findings = try node.incidents.list(tenant: acme, limit: 1_000).incidents.flatMap(\.findings)
        let finding = try #require(findings.first { $0.rule == sweeps })
        #expect(finding.severity == .medium && finding.windowStart == World.start / 300_000 * 300_000)
        #expect(finding.title == "10.0.0.1 called 60 hosts on port 445 within five minutes")
        #expect(finding.entities == [FindingEntity(type: "ipv4-addr", role: .attacker, value: "10.0.0.1")])
        #expect(finding.ports == [445] && finding.tactics == ["TA0043"] && finding.techniques == ["T1595.001"])
        #expect(
            finding.evidence
                == Evidence(observed: 60, threshold: 50, unit: "hosts", flows: 60, packets: 60, octets: 2_640))
        #expect(finding.start == World.start && finding.end == World.start + 5_910)
    }
    /// Every process that has the file of this test's folder on its command line.
    private func kill(_ file: String) throws -> Int {
        let path = folder.file(file).path, own = ProcessInfo.processInfo.processIdentifier
        let running = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }
        let found = running.filter { process in
            process != own
                && FileManager.default.contents(atPath: "/proc/\(process)/cmdline").map {
                    String(decoding: $0, as: UTF8.self).contains(path)
                } == true
        }
        for process in found { Glibc.kill(process, SIGKILL) }
        return found.count
    }

    @Test("one that is stuck costs its own findings, by name, and changes nothing else") func stuck() async throws {
        try write("stuck.py", "time.sleep(600)")
        let reference = try await World.reference()
        let world = try World(), node = try world.open(), desk = desk("fan-out", file: "stuck.py", node)
        defer { desk.stop() }
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        var pace = World.small
        pace.programsWait = .zero
        try await world.pipeline(node, programs: desk, pace: pace).drain()
        #expect(try await World.result(node) == reference)
        // 12 batches of the tenant: at most 8 wait and 2 are written.
        let lost = try #require(desk.statuses(of: acme).first?.lost["full"])
        #expect((2...4).contains(lost))
    }

    @Test("what a program had not answered at a checkpoint is kept in the log, and offered again by the next start")
    func missed() async throws {
        try write("stuck.py", "time.sleep(600)")
        try copyExample()
        let world = try World(), node = try world.open(), first = desk("fan-out", file: "stuck.py", node)
        var encoder = BatchEncoder(), pace = World.small
        pace.programsWait = .zero
        for number in 0..<3 {
            let source = 0x0A00_0001 + UInt32(number)
            _ = try await node.log.append(try sweep(by: source, sequence: UInt64(number), &encoder))
        }
        try await world.pipeline(node, programs: first, pace: pace).drain()
        first.stop()
        #expect(try attackers(node, rule: sweeps).isEmpty)
        #expect(try await node.log.read(after: 0, limit: 10, bytesMax: 1 << 20).count == 3)

        let second = desk("fan-out", file: "fan-out.py", node)
        defer { second.stop() }
        pace.programsWait = .seconds(30)
        try await world.pipeline(node, programs: second, pace: pace).drain()
        #expect(try attackers(node, rule: sweeps) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        // Settled: the bodies are given up.
        #expect(try await node.log.read(after: 0, limit: 10, bytesMax: 1 << 20).isEmpty)
        #expect(second.statuses(of: acme).first?.lost == [:])
    }

    @Test("what finds no room at the next start either is counted there") func missedFull() async throws {
        try write("stuck.py", "time.sleep(600)")
        let world = try World(), node = try world.open()
        var encoder = BatchEncoder(), pace = World.small
        (pace.programsWait, pace.programsMissedWait) = (.zero, .milliseconds(200))
        for number in 0..<12 {
            _ = try await node.log.append(try sweep(by: 0x0A00_0001, sequence: UInt64(number), &encoder))
        }
        for _ in 0..<2 {
            let desk = desk("fan-out", file: "stuck.py", node)
            try await world.pipeline(node, programs: desk, pace: pace).drain()
            // Eight wait, and up to two are written.
            let lost = try #require(desk.statuses(of: acme).first?.lost["full"])
            #expect((2...4).contains(lost))
            desk.stop()
            #expect(try await node.log.read(after: 0, limit: 20, bytesMax: 1 << 20).count == 12)
        }
    }

    @Test("its state of the last checkpoint is told to the next start's process; nothing is told twice") func state()
        async throws
    {
        try write("counting.py", Self.counting, name: "counting")
        let world = try World(), node = try world.open()
        var encoder = BatchEncoder(), pace = World.small
        pace.programsWait = .seconds(30)
        for life in 0..<2 {
            let desk = desk("counting", file: "counting.py", node)
            defer { desk.stop() }
            for number in 0..<2 {
                let sequence = UInt64(life * 2 + number)
                _ = try await node.log.append(try sweep(by: 0x0A00_0001, sequence: sequence, &encoder))
            }
            try await world.pipeline(node, programs: desk, pace: pace).drain()
        }
        #expect(
            try attackers(node, rule: "program.counting.r") == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"])
    }

    @Test("one that can't be started is shown with its reason, and offered nothing") func absent() async throws {
        let world = try World(), node = try world.open()
        let program = ProgramDescription(
            name: "fan-out", kind: .detector, tenant: acme, command: [python, "/nowhere.py"])
        let tools = SandboxTools(
            bubblewrap: nil, prlimit: machine.prlimit, setpriv: machine.setpriv, canMakeNamespaces: false,
            isRoot: machine.isRoot)
        let desk = ProgramDesk(
            ProgramSettings([.init(program)]), time: SystemTime(), registry: node.registry,
            logger: Logger(label: "programs") { _ in SwiftLogNoOpLogHandler() }, tools: { tools })
        defer { desk.stop() }
        for batch in try World.traffic().prefix(4) { _ = try await node.log.append(batch) }
        try await world.pipeline(node, programs: desk).drain()
        let status = try #require(desk.statuses(of: acme).first)
        #expect(!status.running && status.problem?.contains("bubblewrap") == true && status.lost == [:])
        #expect(try await node.log.read(after: 0, limit: 10, bytesMax: 1 << 20).isEmpty)
    }
}
