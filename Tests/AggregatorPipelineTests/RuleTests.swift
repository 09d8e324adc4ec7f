import Detect
import FlowLog
import FlowModel
import Foundation
import Identity
import Incidents
import Sigma
import TestKit
import Testing

@testable import AggregatorPipeline

@Suite("Rules in the pipeline") struct RuleTests {
    private static func text(_ name: String, ports: ClosedRange<Int>) -> String {
        """
        title: \(name)
        name: \(name)
        logsource: {category: firewall}
        detection:
            s: {dst_port|gte: \(ports.lowerBound)}
            t: {dst_port|lte: \(ports.upperBound)}
            condition: s and t
        level: high
        ---
        """ + "\n"
    }
    private static func files(_ text: String) -> SigmaFiles {
        var files = SigmaFiles()
        files.add(text, file: "rules.yml", of: nil)
        return files
    }
    private static func register(_ decisions: [SigmaDecision] = []) -> SigmaRegister {
        SigmaRegister(files: files(text("low-ports", ports: 20...40) + text("high-ports", ports: 50...60))) { tenant in
            tenant.rawValue == "acme" ? decisions : []
        }
    }

    private static func run(_ register: SigmaRegister?) async throws -> World.Result {
        let world = try World(), node = try world.open()
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        try await world.pipeline(node, sigma: register).drain()
        return try await World.result(node)
    }
    private static func rules(_ result: World.Result, _ tenant: String) -> Set<String> {
        Set(result.incidents[tenant]?.flatMap(\.findings).map(\.rule) ?? [])
    }

    @Test("what a rule finds becomes an incident; one on trial is only counted; another tenant's say changes nothing")
    func findings() async throws {
        let register = Self.register([SigmaDecision(key: "low-ports", state: .test)])
        let result = try await Self.run(register)
        #expect(Self.rules(result, "globex").isSuperset(of: ["low-ports", "high-ports"]))
        #expect(Self.rules(result, "acme").contains("high-ports") && !Self.rules(result, "acme").contains("low-ports"))
        let acme = try #require(TenantID("acme")), counts = register.counts(of: acme)
        #expect(counts["low-ports"]?.raised == 1 && (counts["low-ports"]?.matches ?? 0) > 5)
        let without = try await Self.run(nil)
        #expect(Self.rules(without, "globex") == ["port-scan-vertical"])
    }

    @Test("the same log gives the same findings and incidents, wherever it was stopped") func crashes() async throws {
        let reference = try await Self.run(Self.register())
        for call in 0..<6 {
            let world = try World()
            for isAfter in [true, false] {
                let node = try world.open(), crash = Crash(at: call, after: isAfter)
                for batch in try World.traffic() { _ = try await node.log.append(batch) }
                let pipeline = try world.pipeline(
                    node, store: CrashingStore(inner: node.store, crash: crash), sigma: Self.register())
                do { try await pipeline.drain() } catch {}
                try node.log.close()
                try node.incidents.close()
            }
            let node = try world.open()
            try await world.pipeline(node, sigma: Self.register()).drain()
            let result = try await World.result(node)
            #expect(result == reference, "call \(call)")
        }
    }

    @Test("who turns to other rules while it runs and who is started again with them are in the same state")
    func turns() throws {
        let acme = try #require(TenantID("acme")), register = Self.register()
        var running = RuleFolds(from: [:])
        try running.turn(to: register)
        #expect(try running.prepare(acme, register) == nil)
        func columns(_ ports: [UInt16], at time: Int64) throws -> FlowColumns {
            var columns = FlowColumns()
            let exporter = columns.intern(
                ExporterKey(address: IPAddress(v4: 1), observationDomain: 1, exportProtocol: .ipfix))
            for port in ports {
                var record = FlowRecord()
                record.exporter = try #require(exporter)
                record.sourceIPAddress = IPAddress(v4: 0xCB00_7107)
                record.destinationIPAddress = IPAddress(v4: 0x0A00_0005)
                (record.sourceTransportPort, record.destinationTransportPort) = (40_000, port)
                record.protocolIdentifier = IPProtocol.tcp
                record.tcpControlBits = TCPFlag.syn
                (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time, time)
                record.receiveMilliseconds = time
                columns.append(record)
            }
            return columns
        }
        #expect(try running.observe(columns([25, 55], at: World.start), of: acme).count == 2)
        let saved = running.checkpoint()
        register.load(
            Self.files(Self.text("low-ports", ports: 20...40) + Self.text("all-ports", ports: 1...65_535)))
        #expect(running.generation != register.generation)
        try running.turn(to: register)
        var restarted = RuleFolds(from: saved)
        try restarted.turn(to: register)
        #expect(try restarted.prepare(acme, register) == nil)
        let next = try columns([26, 27, 56], at: World.start + 1_000)
        let said = running.observe(next, of: acme)
        #expect(said == restarted.observe(next, of: acme))
        #expect(Set(said.map(\.rule)) == ["low-ports", "all-ports"])
        #expect(said.first { $0.rule == "low-ports" }?.evidence.flows == 3)
        #expect(running.checkpoint() == restarted.checkpoint())
    }
}
