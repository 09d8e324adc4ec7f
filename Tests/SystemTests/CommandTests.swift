import Foundation
import TestKit
import Testing

/// What the programs say and return when they are used wrongly, and what they print when used right.
@Suite("Commands")
struct CommandTests {
    @Test(
        "a file that is no capture: exit 2 and the reason", arguments: [["decode"], ["decode", "--format", "summary"]])
    func notACapture(_ command: [String]) throws {
        let folder = try TemporaryFolder()
        try "this is no capture at all".write(to: folder.file("x.pcap"), atomically: true, encoding: .utf8)
        let outcome = try Program.run("weir-sensor", command + [folder.file("x.pcap").path])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("x.pcap"))
        #expect(outcome.errors.lowercased().contains("capture"))
    }

    @Test(
        "every command has a help with an example",
        arguments: [
            ("weir-sensor", ["--help"]), ("weir-sensor", ["decode", "--help"]), ("weir-aggregator", ["--help"]),
            ("weirctl", ["--help"]), ("weirctl", ["certs", "--help"]), ("weirctl", ["simulate", "--help"]),
        ])
    func help(_ program: String, _ arguments: [String]) throws {
        let outcome = try Program.run(program, arguments)
        #expect(outcome.status == 0)
        #expect(outcome.text.contains(program))
    }

    /// The parser's own description of all commands.
    private struct Described: Decodable {
        let commandName: String, discussion: String?, subcommands: [Described]?

        /// Commands that do something, with their words.
        func leaves(_ words: [String] = []) -> [(words: [String], discussion: String)] {
            let words = words + [commandName], inner = (subcommands ?? []).filter { $0.commandName != "help" }
            return inner.isEmpty ? [(words, discussion ?? "")] : inner.flatMap { $0.leaves(words) }
        }
    }

    @Test("the help of every single command shows how to call it", arguments: ["weirctl", "weir-aggregator"])
    func everyExample(_ program: String) throws {
        struct Answer: Decodable { let command: Described }
        let dump = try Program.run(program, ["--experimental-dump-help"])
        let leaves = try JSONDecoder().decode(Answer.self, from: dump.output).command.leaves()
        #expect(leaves.count >= (program == "weirctl" ? 25 : 8), "\(leaves.map(\.words))")
        for leaf in leaves {
            #expect(leaf.discussion.contains(leaf.words.joined(separator: " ")), "\(leaf.words.joined(separator: " "))")
        }
    }

    @Test("an unknown command or option: exit 2", arguments: ["weir-sensor", "weir-aggregator", "weirctl"])
    func unknown(_ program: String) throws {
        #expect(try Program.run(program, ["no-such-command"]).status == 2)
    }

    @Test(
        "a wrong setting: exit 2 with key, value and what is allowed, before a port is opened",
        arguments: [
            ("weir-sensor", "sensor.yaml", "aggregate.window=9999h", "aggregate.window"),
            ("weir-sensor", "sensor.yaml", "tls.certificate=absent.pem", "absent.pem"),
            ("weir-aggregator", "aggregator.yaml", "sensors.listen=nonsense", "sensors.listen"),
            ("weir-aggregator", "aggregator.yaml", "trustDomain=UPPER", "trustDomain"),
        ])
    func wrongSetting(_ program: String, _ file: String, _ setting: String, _ named: String) throws {
        let site = try Site("settings")
        for verb in ["check", "run"] {
            let outcome = try Program.run(program, [verb, "--config", site.path(file), "--set", setting])
            #expect(outcome.status == 2, "\(verb): \(outcome.errors)")
            #expect(outcome.errors.contains(named), "\(verb): \(outcome.errors)")
        }
        #expect(try Program.run(program, ["check", "--config", site.path(file)]).status == 0)
    }

    @Test(
        "the example settings are sound",
        arguments: [("weir-sensor", "sensor.yaml"), ("weir-aggregator", "aggregator.yaml")])
    func examples(_ program: String, _ file: String) throws {
        let site = try Site("examples")
        let text = try String(
            contentsOf: PackageTree.root.appendingPathComponent("deploy/examples/\(file)"), encoding: .utf8)
        try text.write(to: site.folder.file("example.yaml"), atomically: true, encoding: .utf8)
        let pki = site.path("pki")
        let files =
            program == "weir-sensor"
            ? ["tls.certificate=\(pki)/edge1.pem", "tls.key=\(pki)/edge1.key", "tls.trust=\(pki)/ca.pem"]
            : ["sensors", "api"].flatMap { ["\($0).certificate=\(pki)/node1.pem", "\($0).key=\(pki)/node1.key"] }
                + ["sensors.trust=\(pki)/ca.pem", "dataDirectory=\(site.path("data2"))"]
        let spool = program == "weir-sensor" ? ["spool.directory=\(site.path("spool2"))"] : []
        let arguments = (files + spool + ["trustDomain=weir.test"]).flatMap { ["--set", $0] }
        let outcome = try Program.run(program, ["check", "--config", site.path("example.yaml")] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    /// sFlow shows single packets, so sessions that guess passwords can't be told apart in it; floods and scans can.
    @Test(
        "simulated attacks are found offline, in every export protocol",
        arguments: [
            ("netflow5", ["scan", "password", "flood"]), ("netflow9", ["scan", "password", "flood"]),
            ("ipfix", ["scan", "password", "flood"]), ("sflow5", ["scan", "flood"]),
        ])
    func detectOffline(_ exportProtocol: String, _ wanted: [String]) throws {
        let folder = try TemporaryFolder(), capture = folder.file("x.pcap").path
        let made = try Program.run(
            "weirctl",
            [
                "simulate", "--scenario", "mixed", "--protocol", exportProtocol, "--duration", "30", "--rate", "20",
                "--sampling-interval", "8", "--seed", "5", "--pcap", capture,
            ])
        #expect(made.status == 0, "\(made.errors)")
        let found = try Program.run("weirctl", ["detect", "--format", "ndjson", capture])
        #expect(found.status == 0, "\(found.errors)")
        let rules = Set(found.text.matches(of: /"rule":"([^"]+)"/).map { String($0.output.1) })
        for rule in wanted { #expect(rules.contains { $0.contains(rule) }, "\(rule) among \(rules)") }
    }

    @Test("the same seed makes the same capture, another seed another") func deterministic() throws {
        let folder = try TemporaryFolder()
        for (name, seed) in [("a", "1"), ("b", "1"), ("c", "2")] {
            let made = try Program.run(
                "weirctl",
                [
                    "simulate", "--scenario", "office", "--protocol", "ipfix", "--seed", seed, "--pcap",
                    folder.file(name).path,
                ])
            #expect(made.status == 0, "\(made.errors)")
        }
        let (a, b, c) = try (
            Data(contentsOf: folder.file("a")), Data(contentsOf: folder.file("b")), Data(contentsOf: folder.file("c"))
        )
        #expect(a == b)
        #expect(a != c)
        #expect(a.count > 1_000)
    }
}

@Suite("The two commands", .serialized)
struct QuickstartTests {
    @Test("quickstart --once shows a scan, password guessing and a flood, and the other tenant sees nothing")
    func quickstart() throws {
        let folder = try TemporaryFolder("quickstart")
        let ports = try (0..<5).map { _ in String(try freePort()) }
        let outcome = try Program.run(
            PackageTree.root.appendingPathComponent("deploy/quickstart").path, ["--once"],
            environment: [
                "WEIR_BIN": Program.built.path, "WEIR_QUICKSTART_DIR": folder.file("run").path,
                "WEIR_SENSOR_PORT": ports[0], "WEIR_API_PORT": ports[1],
                "WEIR_UDP_PORTS": ports[2...4].joined(separator: " "),
            ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.text.contains("curl --cacert"))
        #expect(outcome.text.split(separator: "\n").count { $0.contains("-") && $0.contains("20") } >= 3)
    }

    @Test("the runner names its stages and refuses one that isn't there") func runner() throws {
        let runner = PackageTree.root.appendingPathComponent("deploy/test").path
        let list = try Program.run(runner, ["--list"])
        for stage in ["lint", "tidy", "build", "unit", "simulation", "system"] { #expect(list.text.contains(stage)) }
        #expect(try Program.run(runner, ["no-such-stage"]).status == 2)
    }
}
