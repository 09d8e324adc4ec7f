import Foundation
import Platform
import TestKit
import Testing

@Suite("Keys, backup and restore with real processes", .serialized)
struct KeysAndBackupTests {
    private func stored(_ site: Site) throws -> Int {
        try site.rows("acme", ["flows", "top", "--by", "protocolIdentifier", "--limit", "1000"])
            .reduce(0) { $0 + ($1["deltaFlowCount"] as? Int ?? 0) }
    }
    private func run(_ site: Site, _ program: String, _ arguments: [String]) throws -> Program.Outcome {
        try Program.run(program, arguments + ["--config", site.path("aggregator.yaml")])
    }
    private func json(_ outcome: Program.Outcome) throws -> [String: Any] {
        guard outcome.status == 0 else { throw Unexpected("\(outcome.status): \(outcome.errors)") }
        return try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
    }

    private func send(_ site: Site, _ source: inout FlowSource, datagrams: Int) throws {
        let exporter = try Exporter(to: site.udpPort)
        for _ in 0..<datagrams {
            exporter.send(source.datagram())
            usleep(1_000)
        }
        let want = source.flows
        try site.wait("all flows in the store") { try stored(site) >= want }
    }

    /// Folders and files below `folder` whose octets have one of the needles.
    private func holders(of needles: [Data], in folder: String) throws -> [String] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return names.filter { name in
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { return false }
            return needles.contains { data.range(of: $0) != nil }
        }
    }

    @Test(
        "backed up, wiped and restored the flows are the same; with the key destroyed none is anywhere"
    )
    func wholeLife() throws {
        let site = try Site("keys")
        try site.append("keys:\n  wrap: file:\(site.path("node.kek"))\nbackup:\n  to: folder:backups\n")
        try makeFile(site.path("node.kek"), with: (0..<32).map { UInt8($0) })
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        // What the sensor seals is plain text to the aggregator's keys; the spool keeps it for the search.
        try site.startSensor(["--set", "spool.keepAcked=1h"])
        var source = FlowSource(seed: 31)
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        try send(site, &source, datagrams: 200)
        let first = try json(run(site, "weir-aggregator", ["backup"]))
        #expect(first["isFull"] as? Bool == true)
        let rotated = try run(site, "weirctl", ["tenants", "rotate-key", "acme"])
        #expect(rotated.text == "acme: version 2\n", "\(rotated.errors)")
        try send(site, &source, datagrams: 50)
        let second = try json(run(site, "weir-aggregator", ["backup"]))
        #expect(second["isFull"] as? Bool == false)
        #expect(try run(site, "weirctl", ["backup", "verify"]).status == 0)
        let want = try stored(site)
        #expect(want == source.flows)

        // The disk is gone.
        site.crash(site.aggregator)
        try FileManager.default.removeItem(atPath: site.path("data"))
        let restored = try run(site, "weir-aggregator", ["restore"])
        #expect(restored.errors.contains("every hash equal") && restored.errors.contains("(RTO)"))
        #expect(try json(restored)["id"] as? String == second["id"] as? String)
        #expect(try run(site, "weir-aggregator", ["restore"]).status == 1)
        try site.startAggregator()
        try site.wait("the aggregator's second start") { site.isReady() }
        #expect(try stored(site) == want)
        try destroy(site)
    }

    /// A scan, so that there is an incident, and all of it in a backup.
    /// - Returns: who scanned.
    private func scan(_ site: Site) throws -> String {
        let made = try Program.run(
            "weirctl",
            [
                "simulate", "--scenario", "scan-vertical", "--protocol", "netflow9", "--duration", "20", "--rate", "20",
                "--seed", "3", "--to", "127.0.0.1:\(site.udpPort)", "--unpaced",
            ])
        #expect(made.status == 0, "\(made.errors)")
        try site.wait("an incident") { try !site.rows("acme", ["incidents"]).isEmpty }
        let incident = try #require(try site.rows("acme", ["incidents"]).first)
        let entities = incident["entities"] as? [[String: Any]] ?? []
        let attacker = try #require(entities.first { $0["role"] as? String == "attacker" }?["value"] as? String)
        #expect(try run(site, "weir-aggregator", ["backup"]).status == 0)
        return attacker
    }

    private func destroy(_ site: Site) throws {
        let attacker = try scan(site), places = ["data", "backups"]
        // What the sensor's spool holds of the batches it sealed is plain text to the aggregator's keys.
        let needles = try windows(site.path("spool"))
        try #require(needles.count >= 20)
        for place in places { #expect(try holders(of: needles, in: site.path(place)) == []) }
        // The search finds what is there.
        #expect(try !holders(of: needles, in: site.path("spool")).isEmpty)
        #expect(try !holders(of: [Data(attacker.utf8)], in: site.path("data")).isEmpty)

        let unsure = try run(site, "weirctl", ["tenants", "destroy-key", "acme"])
        #expect(unsure.status == 2 && unsure.errors.contains("--yes"))
        let done = try run(site, "weirctl", ["tenants", "destroy-key", "acme", "--yes"])
        #expect(done.status == 0 && done.text.contains("acme: 2 versions destroyed"), "\(done.errors)")
        try site.wait("the service forgets the key") {
            try site.ask("acme", ["flows"]).errors.contains("key was destroyed")
        }
        let plain = needles + [Data(attacker.utf8)]
        func search(_ when: String) throws {
            for place in places { #expect(try holders(of: plain, in: site.path(place)) == [], "\(when)") }
            for place in places { #expect(try frames(in: site.path(place)) < 2, "\(when)") }
        }
        try search("while the service runs")
        // At least one batch of each time that something was sent.
        #expect(try frames(in: site.path("spool")) >= 3)
        #expect(try site.rows("acme", ["incidents"]).isEmpty)
        #expect(site.stop(site.aggregator) == 0)
        try search("after its end")
        try FileManager.default.removeItem(atPath: site.path("data"))
        let restored = try run(site, "weir-aggregator", ["restore"])
        #expect(restored.status == 0 && restored.errors.contains("the data of acme stays unreadable"))
        try search("after a restore")
        try site.startAggregator()
        try site.wait("the aggregator's third start") { (try? site.ask("globex", ["flows"]).status) == 0 }
        let refused = try site.ask("acme", ["flows"])
        #expect(refused.status != 0 && refused.errors.contains("key was destroyed"), "\(refused.errors)")
        try search("after the third start")
        let listed = try run(site, "weirctl", ["tenants", "keys", "--format", "ndjson"])
        #expect(listed.text.contains(#""state":"destroyed","tenant":"acme""#))
    }

    /// How many batches, segments and zstd frames begin there, which are seen where they are not sealed. By chance a
    /// number of four octets is there once in 4 GiB.
    private func frames(in folder: String) throws -> Int {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        let starts = [Data("WEIR\u{3}\0".utf8), Data("WSEG".utf8), Data([0x28, 0xB5, 0x2F, 0xFD])]
        return names.reduce(0) { sum, name in
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { return sum }
            return starts.reduce(sum) { $0 + occurrences(of: $1, in: data) }
        }
    }
    private func occurrences(of start: Data, in data: Data) -> Int {
        var count = 0, rest = data.startIndex
        while let found = data.range(of: start, in: rest..<data.endIndex) {
            count += 1
            rest = found.upperBound
        }
        return count
    }

    /// Some octets from every part of the spool's segments: enough of them that no other file has them by chance.
    private func windows(_ spool: String) throws -> [Data] {
        let names = FileManager.default.enumerator(atPath: spool)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasPrefix("segment-") }.flatMap { name -> [Data] in
            guard let data = FileManager.default.contents(atPath: "\(spool)/\(name)"), data.count > 4_096 else {
                return []
            }
            return stride(from: 1_000, to: data.count - 64, by: 512).map { data[$0..<$0 + 48] }
                .filter { Set($0).count > 16 }.map { Data($0) }
        }
    }
}
