import AggregatorPipeline
import BatchFormat
import Detect
import FlowLog
import FlowModel
import Foundation
import Identity
import Incidents
import ModelHistory
import ModelRegister
import Models
import Query
import Telemetry
import TestKit
import Testing

@Suite("Models in the pipeline") struct ModelTests {
    private static let hour: Int64 = 3_600_000, width: Int64 = 600_000
    private static let days: Int64 = 3
    private static func host(_ number: Int) -> IPAddress { IPAddress(v4: 0x0A00_0001 + UInt32(number)) }

    private static func record(
        _ source: IPAddress, _ destination: IPAddress, _ port: UInt16, octets: UInt64, at time: Int64, bits: UInt16
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (source, destination)
        (record.sourceTransportPort, record.destinationTransportPort) = (50_000, port)
        (record.protocolIdentifier, record.tcpControlBits) = (IPProtocol.tcp, bits)
        (record.octetDeltaCount, record.packetDeltaCount) = (octets, max(octets / 500, 1))
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time, time + 200)
        (record.exportMilliseconds, record.receiveMilliseconds) = (time + 1_000, time + 1_000)
        return record
    }
    /// What five hosts do in an hour.
    private static func usual(_ number: Int64) -> [FlowRecord] {
        var records: [FlowRecord] = []
        for window in 0..<6 as Range<Int64> {
            for host in 0..<5 {
                for call in 0..<3 as Range<Int64> {
                    let time = World.start + number * hour + window * width + call * 7_000 + Int64(host) * 100
                    let peer = IPAddress(v4: 0xC633_6401 + UInt32(call))
                    let octets = 20_000 + UInt64((number * 31 + window * 17 + call * 7 + Int64(host)) % 13) * 900
                    records.append(record(Self.host(host), peer, 443, octets: octets, at: time, bits: 0x1B))
                }
            }
        }
        return records
    }
    /// The same, with a host that tries 700 others of its network in vain.
    private static func swept(_ number: Int64) -> [FlowRecord] {
        usual(number)
            + (0..<700 as Range<Int64>).map { call in
                record(
                    host(2), IPAddress(v4: 0x0A01_0001 + UInt32(call)), 445, octets: 44,
                    at: World.start + number * hour + 2 * width + call * 300, bits: TCPFlag.syn)
            }
    }
    private static func append(
        _ hours: Range<Int64>, to node: World.Node, _ records: (Int64) -> [FlowRecord] = ModelTests.usual
    ) async throws {
        let acme = try #require(TenantID("acme"))
        var encoder = BatchEncoder()
        for number in hours {
            let batch = try World.batch(
                records(number), of: acme, sequence: UInt64(number), at: World.start + (number + 1) * hour, &encoder)
            _ = try await node.log.append(batch)
        }
    }
    private static func told(_ node: World.Node) throws -> [Finding] {
        let acme = try #require(TenantID("acme"))
        return try node.incidents.list(tenant: acme, limit: 1_000).incidents.flatMap(\.findings)
            .filter { $0.rule.hasPrefix("model-") }
    }

    /// A node with some days of history, and a model made of it.
    private static func trained() async throws -> (World, World.Node, ModelRegister) {
        let world = try World(), node = try world.open(), acme = try #require(TenantID("acme"))
        let register = try ModelRegister(folder: world.folder.path)
        try await append(0..<(days * 24), to: node)
        try await world.pipeline(node, models: register).drain()
        let query = FlowQuery(store: node.store, time: node.time), to = World.start + days * 24 * hour
        let history = try await ModelHistory.gather(
            of: acme, from: World.start, to: to, cut: WindowCut(width: width, parameters: DetectorParameters()),
            seed: 1, in: query)
        #expect(history.records == Int(days) * 24 * 90 && history.samples.count == Int(days) * 24 * 30)
        let model = try AnomalyModel.train(history.samples, from: World.start, to: to, settings: ModelSettings())
        #expect(try register.add(model, of: acme, by: "key-1", at: World.start) == 1)
        return (world, node, register)
    }

    @Test("a model made of history scores when it is promoted: an incident with its reasons; a rollback ends it")
    func life() async throws {
        let (world, node, register) = try await Self.trained()
        let acme = try #require(TenantID("acme")), first = Self.days * 24
        // Made, and not promoted: nothing is told.
        try await Self.append(first..<(first + 2), to: node, Self.swept)
        try await world.pipeline(node, models: register).drain()
        #expect(try Self.told(node).isEmpty && register.work(of: acme) == nil)

        try register.promote(1, of: acme, by: "key-1", at: World.start)
        try await Self.append((first + 8)..<(first + 9), to: node, Self.swept)
        try await Self.append((first + 9)..<(first + 12), to: node)
        try await world.pipeline(node, models: register).drain()
        let told = try Self.told(node)
        let finding = try #require(told.first { $0.rule == "model-outlier" })
        #expect(Set(told.flatMap(\.entities).map(\.value)) == ["10.0.0.3"], "\(told.map(\.title))")
        #expect(finding.title.hasPrefix("10.0.0.3 was unlike all hosts for 10 min: "))
        #expect(
            finding.title.contains("hosts called (usually 3)") || finding.title.contains("calls failed (usually 0 %)"))
        #expect(finding.start == World.start + (first + 8) * Self.hour + 2 * Self.width)
        #expect(register.work(of: acme)?.version == 1 && (register.work(of: acme)?.counts.windows ?? 0) >= 100)
        let page = node.registry.prometheusText()
        #expect(page.contains("weir_models_tenants 1") && page.contains("weir_models_windows_total 1"))

        #expect(try register.rollBack(of: acme, by: "key-2", at: World.start) == nil)
        try await Self.append((first + 16)..<(first + 17), to: node, Self.swept)
        try await Self.append((first + 17)..<(first + 20), to: node)
        try await world.pipeline(node, models: register).drain()
        let after = try Self.told(node)
        #expect(Set(after.map(\.id)) == Set(told.map(\.id)))
    }

    @Test("a node that was stopped anywhere tells what one that ran on tells") func restarts() async throws {
        func findings(stops: [Int64]) async throws -> [Finding] {
            let (world, node, register) = try await Self.trained()
            let first = Self.days * 24, acme = try #require(TenantID("acme"))
            try register.promote(1, of: acme, by: "key-1", at: World.start)
            for number in first..<(first + 6) {
                try await Self.append(number..<(number + 1), to: node) {
                    $0 == first + 2 ? Self.swept($0) : Self.usual($0)
                }
                if stops.contains(number - first) { try await world.pipeline(node, models: register).drain() }
            }
            let again = try ModelRegister(folder: world.folder.path)
            try await world.pipeline(node, models: again).drain()
            return try Self.told(node)
        }
        let reference = try await findings(stops: [])
        #expect(!reference.isEmpty)
        #expect(try await findings(stops: [0, 2, 3]) == reference)
    }
}
