import Foundation
import TestKit
import Testing

@Suite("weirctl asks a running aggregator", .serialized)
struct QuestionTests {
    @Test("filters, sums, names, exports and hunts over what a sensor delivered") func questions()
        throws
    {
        let site = try Site("questions")
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.startSensor()
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 21)
        for _ in 0..<40 {
            exporter.send(source.datagram(records: 25))
            usleep(2_000)
        }
        let everything = [
            "flows", "--filter", "src net 10.0.0.0/8 and tcp", "--top", "dstport", "--by", "bytes",
        ]
        func stored() throws -> [String: Any] { try site.rows("acme", everything).first ?? [:] }
        try site.wait("all flows in the store") {
            try stored()["deltaFlowCount"] as? Int == source.flows
        }
        let sum = try stored()
        #expect(sum["key"] as? String == "443" && sum["octetDeltaCount"] as? Int == source.octets)

        let one = try site.rows("acme", ["flows", "--filter", "src ip 10.0.0.5 and in if 1"])
        #expect(one.count == 1 && one.first?["sourceIPv4Address"] as? String == "10.0.0.5")
        try checkErrors(site)
        try checkNames(site)
        try checkExports(site, source)
        let met = try site.rows("acme", ["hunt", "198.51.100.0/24", "203.0.113.7"])
        #expect(met.count == source.flows && met.first?["indicator"] as? String == "198.51.100.0/24")
        #expect(try site.rows("globex", ["hunt", "198.51.100.0/24"]).isEmpty)
        let series = try site.rows(
            "acme",
            [
                "flows", "series", "--from", "\(Int(Date().timeIntervalSince1970 - 600) * 1_000)", "--to",
                "\(Int(Date().timeIntervalSince1970 + 60) * 1_000)", "--filter", "dst port 443",
            ])
        #expect(series.reduce(0) { $0 + ($1["octetDeltaCount"] as? Int ?? 0) } == source.octets)
        #expect(site.stop(site.sensor) == 0 && site.stop(site.aggregator) == 0)
    }

    private func checkErrors(_ site: Site) throws {
        let refused = try site.ask("acme", ["flows", "--filter", "tcp and srx port 22"])
        #expect(refused.status == 2 && refused.text.isEmpty)
        #expect(refused.errors.contains("tcp and srx port 22\n        ^^^\n"), "\(refused.errors)")
        #expect(refused.errors.contains("did you mean \"src\""))
    }

    private func checkNames(_ site: Site) throws {
        let set = try site.ask("acme", ["networks", "set", "lan", "10.0.0.0/30"])
        #expect(set.status == 0, "\(set.errors)")
        #expect(try site.rows("acme", ["flows", "--filter", "src net @lan"]).count == 3)
        #expect(try site.ask("globex", ["flows", "--filter", "src net @lan"]).status == 2)
        #expect(try site.rows("acme", ["networks"]).first?["name"] as? String == "lan")
        #expect(try site.ask("acme", ["networks", "remove", "lan"]).status == 0)
        #expect(try site.ask("acme", ["flows", "--filter", "src net @lan"]).status == 2)
    }

    private func checkExports(_ site: Site, _ source: FlowSource) throws {
        let csv = try site.ask("acme", ["flows", "export", "--as", "nfdump"])
        let lines = csv.text.split(separator: "\n")
        #expect(lines.count == source.flows + 1, "\(csv.errors)")
        let octets = lines.dropFirst().compactMap { Int($0.split(separator: ",")[12]) }.reduce(0, +)
        #expect(octets == source.octets)
        let hidden = try site.ask("acme", ["flows", "export", "--pseudonyms"])
        #expect(hidden.text.split(separator: "\n").count == source.flows)
        #expect(!hidden.text.contains("\"198.51.100.7\"") && !hidden.text.contains("\"127.0.0.1\""))
        let file = site.path("flows.ipfix")
        let exported = try site.ask("acme", ["flows", "export", "--as", "ipfix", "--output", file])
        #expect(exported.status == 0, "\(exported.errors)")
        let message = try Data(contentsOf: URL(fileURLWithPath: file))
        #expect(message.prefix(2) == Data([0, 10]) && message.count > source.flows * 60)
        let wrong = site.path("none.ipfix")
        #expect(
            try site.ask("acme", ["flows", "export", "--filter", "prt 1", "--output", wrong]).status == 2)
        #expect(
            !FileManager.default.fileExists(atPath: wrong)
                && !FileManager.default.fileExists(atPath: wrong + ".part"))
    }
}
