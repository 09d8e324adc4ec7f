import Foundation
import TestKit
import Testing

/// Whether a sandbox can be made here, told by making one.
private let hasSandbox: Bool =
    (try? Program.run("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "/usr/bin/true"]).status) == 0
    && FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

@Suite("Own programs of a running aggregator", .enabled(if: hasSandbox), .serialized)
struct ProgramTests {
    /// A NetFlow v5 datagram: 10.0.0.9 calls 30 hosts from `first` on, at port 445.
    private func sweep(from first: Int, sequence: Int) -> [UInt8] {
        func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        let now = UInt32(Date().timeIntervalSince1970), uptime: UInt32 = 10_000_000
        var out = bytes(UInt16(5)) + bytes(UInt16(30)) + bytes(uptime) + bytes(now) + bytes(UInt32(0))
        out += bytes(UInt32(sequence)) + bytes(UInt32(0))
        for number in first..<first + 30 {
            out += bytes(UInt32(0x0A00_0009)) + bytes(UInt32(0xC612_0000) + UInt32(number)) + bytes(UInt32(0))
            out += bytes(UInt16(1)) + bytes(UInt16(2)) + bytes(UInt32(1)) + bytes(UInt32(44))
            out += bytes(uptime - 2_000) + bytes(uptime - 1_900)
            out += bytes(UInt16(40_000 + number)) + bytes(UInt16(445))
            out += [0, 0x02, 6, 0] + bytes(UInt32(0)) + [0, 0, 0, 0]
        }
        return out
    }

    /// The two examples, and a provider of intelligence.
    private func addPrograms(to site: Site) throws {
        let examples = PackageTree.root.appendingPathComponent("Aggregator/Programs/examples").path
        try FileManager.default.createDirectory(at: site.folder.file("own"), withIntermediateDirectories: true)
        try """
        import json, sys
        def say(**m): print(json.dumps(m), flush=True)
        sys.stdin.readline()
        say(type="hello", protocol=1, kind="intelligence", name="partner")
        for line in sys.stdin:
            m = json.loads(line)
            if m["type"] == "end": break
            say(type="indicator", batch=m["batch"], value="198.18.0.0/24", confidence=80, labels=["c2"])
            say(type="done", batch=m["batch"], isComplete=True)
        """.write(to: site.folder.file("own/partner.py"), atomically: true, encoding: .utf8)
        try site.append(
            """
            programs:
              - name: fan-out
                kind: detector
                tenants: [acme]
                command: [/usr/bin/python3, \(examples)/fan-out.py]
                folder: \(examples)
              - name: owner-names
                kind: enricher
                tenants: [acme]
                command: [/bin/sh, \(examples)/owner-names.sh]
                folder: \(examples)
              - name: partner
                kind: intelligence
                tenants: [acme]
                command: [/usr/bin/python3, \(site.path("own/partner.py"))]
                folder: \(site.path("own"))

            """)
    }

    @Test("the example detector's incident is in the API, from a sensor's flows; the command lists the programs")
    func detector() throws {
        let site = try Site("programs")
        try addPrograms(to: site)
        try site.startAggregator()
        try site.wait("the programs' hello") {
            let programs = try? site.rows("acme", ["programs", "list"])
            return programs?.count == 3 && programs?.allSatisfy { $0["running"] as? Bool == true } == true
        }
        #expect(try site.rows("globex", ["programs"]).isEmpty)
        try site.startSensor()
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let exporter = try Exporter(to: site.udpPort)
        for part in 0..<2 { exporter.send(sweep(from: part * 30, sequence: part * 30)) }
        func rules() throws -> [String] {
            try site.rows("acme", ["incidents"]).flatMap { incident in
                let id = incident["id"] as? String ?? ""
                let found = try site.get("acme", "/v1/incidents/\(id)")["findings"] as? [[String: Any]] ?? []
                return found.compactMap { $0["rule"] as? String }
            }
        }
        try site.wait("the detector's incident") { try rules().contains("program.fan-out.many-hosts") }
        let known = try site.rows("acme", ["intel", "lookup", "10.0.0.9", "--without-sightings"])
        let said = (known.first?["origin"] as? [String: Any])?["annotations"] as? [[String: Any]]
        #expect(said?.first?["labels"] as? [String] == ["office"])
        func feeds(_ tenant: String) throws -> [String] {
            let known = try site.rows(tenant, ["intel", "lookup", "198.18.0.3", "--without-sightings"]).first?["known"]
            return (known as? [[String: Any]] ?? []).compactMap { $0["feed"] as? String }
        }
        try site.wait("the provider's indicator") { try feeds("acme") == ["program.partner"] }
        #expect(try feeds("globex").isEmpty)
        #expect(try site.metrics().contains(#"weir_program_running{program="fan-out",tenant="acme"} 1"#))
        #expect(site.stop(site.sensor) == 0 && site.stop(site.aggregator) == 0)
    }

    @Test("trends of a young aggregator: what is there, and why there is no forecast") func trends() throws {
        let site = try Site("trends")
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        let answer = try site.ask("acme", ["trends", "host:10.0.0.1", "--show", "report", "--format", "ndjson"])
        #expect(answer.status == 0 && answer.text.contains(#""entity":"host:10.0.0.1""#))
        #expect(answer.errors.contains("no forecast: ") && answer.errors.contains("quality: poor"), "\(answer.errors)")
        #expect(try site.ask("acme", ["trends", "10.0.0.1"]).status == 2)
        #expect(site.stop(site.aggregator) == 0)
    }
}
