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
        try checkCounts(site, source)
        try checkHunt(site, source)
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

    private func checkCounts(_ site: Site, _ source: FlowSource) throws {
        let all = try site.rows("acme", ["flows", "distinct", "--of", "srcip"])
        #expect(all.count == 1 && all.first?["count"] as? Int == source.flows)
        let each = try site.rows("acme", ["flows", "distinct", "--of", "srcip,srcport", "--top", "dstip"])
        #expect(each.first?["key"] as? String == "198.51.100.7" && each.first?["count"] as? Int == source.flows)
        let period = [
            "--from", "\(Int(Date().timeIntervalSince1970 - 600) * 1_000)", "--to",
            "\(Int(Date().timeIntervalSince1970 + 60) * 1_000)",
        ]
        let rates = try site.rows("acme", ["flows", "percentiles", "--top", "exporter", "--percent", "100"] + period)
        #expect((rates.first?["total"] as? [String: Any])?["octetDeltaCount"] as? Int == source.octets)
        #expect(rates.first?["percentile"] as? Int == rates.first?["most"] as? Int)
        #expect(try site.ask("acme", ["flows", "percentiles"]).status == 2)
        let talks = try site.rows("acme", ["flows", "conversations", "--limit", "1000"])
        #expect(talks.count == source.flows)
        let sent = talks.reduce(0) { $0 + (($1["sent"] as? [String: Any])?["octetDeltaCount"] as? Int ?? 0) }
        #expect(sent == source.octets)
        for command in ["list", "top", "distinct", "conversations"] {
            let explained = try site.ask("acme", ["flows", command, "--ip", "10.0.0.5", "--explain"])
            #expect(explained.errors.contains("skippedByBloom: "), "\(command): \(explained.errors)")
        }
        let table = try site.ask("acme", ["flows", "conversations", "--format", "table", "--limit", "1"])
        #expect(table.text.contains("OCTETS SENT") && table.text.contains("198.51.100.7:443"))
    }

    /// 100,000 addresses from a file, one of which was met.
    private func checkHunt(_ site: Site, _ source: FlowSource) throws {
        let file = site.folder.file("indicators.txt")
        var lines = (0..<99_999).map { "172.\(16 + $0 >> 16).\($0 >> 8 & 255).\($0 & 255)" }
        lines.append("198.51.100.7  # the one")
        try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
        let met = try site.rows("acme", ["hunt", "--from", file.path])
        #expect(met.count == source.flows)
        #expect(met.allSatisfy { $0["met"] as? String == "198.51.100.7" })
        let many = try site.ask("acme", ["hunt", "--from", file.path, "192.0.2.1"])
        #expect(many.status == 2 && many.errors.contains("100001"), "\(many.errors)")
        let wrong = try site.ask("acme", ["hunt", "192.0.2.1", "192.0.2.999"])
        #expect(wrong.status == 2 && wrong.errors.contains("number 2"), "\(wrong.errors)")
    }

    @Test("sensors asked to send again do, and what is there already is not stored twice") func reship() throws {
        let site = try Site("reship")
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.startSensor(["--set", "spool.keepAcked=1h"])
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 5)
        for _ in 0..<30 {
            exporter.send(source.datagram())
            usleep(2_000)
        }
        func stored() throws -> Int {
            try site.rows("acme", ["flows", "top", "--by", "proto"]).reduce(0) {
                $0 + ($1["deltaFlowCount"] as? Int ?? 0)
            }
        }
        try site.wait("all flows in the store") { try stored() == source.flows }
        func repeated() throws -> Int {
            let name = "weir_ingest_batches_repeated_total "
            let line = try site.metrics().split(separator: "\n").first { $0.hasPrefix(name) }
            return line.flatMap { Int($0.dropFirst(name.count)) } ?? 0
        }
        let before = try repeated()
        #expect(try site.ask("acme", ["sensors", "reship", "hq:edge1"]).status == 0)
        try site.wait("batches that come again", seconds: 90) { try repeated() > before }
        #expect(try stored() == source.flows)
        let unknown = try site.ask("acme", ["sensors", "reship", "hq:edge9"])
        #expect(unknown.status == 2 && unknown.errors.contains("404"), "\(unknown.errors)")
        #expect(try site.ask("globex", ["sensors", "reship", "hq:edge1"]).status == 2)
    }

    /// A key of its own that sees pseudonyms only, and asks with them.
    private func checkVeil(_ site: Site, _ source: FlowSource) throws {
        let made = try Program.run(
            "weir-aggregator",
            [
                "keys", "create", "--tenant", "acme", "--name", "veiled", "--scope", "flows:read-pseudonyms",
                "--out", site.path("keys/veiled"), "--config", site.path("aggregator.yaml"),
            ])
        #expect(made.status == 0, "\(made.errors)")
        let top = try site.rows("veiled", ["flows", "top", "--by", "dstip"])
        let pseudonym = try #require(top.first?["key"] as? String)
        #expect(top.count == 1 && top.first?["octetDeltaCount"] as? Int == source.octets)
        #expect(pseudonym != "198.51.100.7" && pseudonym.split(separator: ".").count == 4)
        #expect(try site.rows("veiled", ["hunt", pseudonym]).count == source.flows)
        #expect(try site.rows("veiled", ["flows", "--filter", "dst ip \(pseudonym)", "--limit", "7"]).count == 7)
        #expect(try site.rows("veiled", ["flows", "--filter", "dst ip 198.51.100.7"]).isEmpty)
        #expect(try site.ask("veiled", ["incidents"]).status == 2)
        let wrong = try Program.run(
            "weir-aggregator",
            [
                "keys", "create", "--tenant", "acme", "--name", "x", "--scope", "everything", "--config",
                site.path("aggregator.yaml"),
            ])
        #expect(wrong.status == 2 && wrong.errors.contains("everything"))
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
        try checkVeil(site, source)
        let file = site.path("flows.ipfix")
        let exported = try site.ask("acme", ["flows", "export", "--as", "ipfix", "--output", file])
        #expect(exported.status == 0, "\(exported.errors)")
        let message = try Data(contentsOf: URL(fileURLWithPath: file))
        #expect(message.prefix(2) == Data([0, 10]) && message.count > source.flows * 60)
        if Nfcapd.isInstalled {
            let capture = try Nfcapd(receiving: messages(of: Array(message)))
            let sums = try capture.sums()
            #expect(sums == [source.flows, source.octets, source.packets].map(UInt64.init))
        }
        let wrong = site.path("none.ipfix")
        #expect(
            try site.ask("acme", ["flows", "export", "--filter", "prt 1", "--output", wrong]).status == 2)
        #expect(
            !FileManager.default.fileExists(atPath: wrong)
                && !FileManager.default.fileExists(atPath: wrong + ".part"))
    }
}
