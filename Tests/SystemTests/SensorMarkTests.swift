import Foundation
import TestKit
import Testing

@Suite("Sensors that are revoked or in quarantine, with the real programs", .serialized)
struct SensorMarkTests {
    private let site: Site

    init() throws {
        site = try Site("marks")
        try site.makeKey("admin", ["sensors:admin", "sensors:read", "flows:read", "incidents:read"])
    }
    private func octets() throws -> Int {
        try site.rows("admin", ["sensors", "list"]).first?["octets"] as? Int ?? 0
    }
    private func connected() throws -> Bool {
        try site.rows("admin", ["sensors", "list"]).first?["connected"] as? Bool ?? false
    }
    private func flows() throws -> [[String: Any]] {
        try site.rows("admin", ["flows", "top", "--by", "protocolIdentifier"])
    }

    @Test("what a sensor in quarantine sends is held apart, over a restart too, and is history once the sensor is out")
    func quarantine() throws {
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        #expect(try site.ask("admin", ["sensors", "quarantine", "hq:edge1", "--reason", "odd"]).status == 0)
        try site.startSensor()
        try site.wait("the sensor") { try connected() }
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 3)
        for _ in 0..<20 { exporter.send(source.datagram(records: 20)) }
        let held = { try self.site.rows("admin", ["sensors", "marks"]).first?["heldBatches"] as? Int ?? 0 }
        try site.wait("a held batch") { try held() > 0 }
        #expect(try octets() == 0)
        #expect(try flows().isEmpty)
        site.crash(site.aggregator)
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        #expect(try held() > 0 && octets() == 0)
        #expect(try site.ask("admin", ["sensors", "release", "hq:edge1"]).status == 0)
        try site.wait("the history") { try octets() > 0 }
        try site.wait("flows") { try !flows().isEmpty }
        #expect(try site.rows("admin", ["sensors", "marks"]).isEmpty)
        #expect(try site.metrics().contains("weir_ingest_held_discarded_total 0"))
    }

    @Test("a revoked sensor is cut off within a minute, refused over a restart, and back once it is restored")
    func revocation() throws {
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        try site.startSensor()
        try site.wait("the sensor") { try connected() }
        #expect(try site.ask("acme", ["sensors", "revoke", "hq:edge1", "--reason", "x"]).status == 2, "not that key")
        #expect(try site.ask("admin", ["sensors", "revoke", "hq:edge1", "--reason", "stolen"]).status == 0)
        try site.wait("the cut", seconds: 60) { try !connected() }
        site.crash(site.aggregator)
        try site.startAggregator()
        try site.wait("the aggregator") { site.isReady() }
        let refused = #"weir_peer_refusals_total{listener="sensors",reason="revoked"}"#
        try site.wait("a refusal") {
            try site.metrics().split(separator: "\n").contains { $0.hasPrefix(refused) && !$0.hasSuffix(" 0") }
        }
        #expect(try !connected())
        #expect(try site.ask("admin", ["sensors", "restore", "hq:edge1"]).status == 0)
        try site.wait("the sensor again", seconds: 90) { try connected() }
        let audit = try site.query(
            "data/control.sqlite", "SELECT kind, subject FROM event WHERE kind LIKE 'sensor%' ORDER BY id DESC")
        #expect(audit == [["sensorRestored", "hq:edge1"], ["sensorRevoked", "hq:edge1"]])
    }
}
