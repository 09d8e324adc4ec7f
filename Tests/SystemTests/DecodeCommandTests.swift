import Foundation
import TestKit
import Testing

/// `weir-sensor decode` on captures of real exporters.
@Suite("The decode command", .enabled(if: Fixtures.present, "\(Fixtures.why)"))
struct DecodeCommandTests {
    private let captures = Fixtures.root.appendingPathComponent("wire/logstash-codec-netflow/_pcap")

    private func decode(_ options: [String], _ capture: String) throws -> Program.Outcome {
        try Program.run(
            "weir-sensor", ["decode"] + options + [captures.appendingPathComponent("\(capture).pcap").path])
    }
    private func summary(_ capture: String) throws -> [String: Any] {
        let outcome = try decode(["--format", "summary"], capture)
        #expect(outcome.status == 0)
        return try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
    }

    @Test("a summary has each template with its fields by name, and its records add up to all of them")
    func templates() throws {
        let summary = try summary("Netflow-9-Cisco-ASA")
        let templates = try #require(summary["templates"] as? [[String: Any]])
        #expect(templates.reduce(0) { $0 + ($1["records"] as? Int ?? 0) } == summary["records"] as? Int)
        let used = try #require(templates.first { ($0["records"] as? Int ?? 0) > 0 })
        #expect(used["exportProtocol"] as? String == "netflow9" && used["kind"] as? String == "data")
        let fields = try #require(used["fields"] as? [[String: Any]])
        #expect(fields.first?["name"] as? String == "flowId" && fields.first?["length"] as? Int == 4)
        #expect(fields.contains { $0["name"] as? String == "ciscoFwExtEvent" })
    }

    @Test("a summary tells options templates and their scopes from data, and counts what had no template")
    func optionsAndLosses() throws {
        let nbar = try #require(
            try summary("Netflow-9-Cisco-NBAR-options-template-260")["templates"] as? [[String: Any]])
        #expect(nbar.count == 1 && nbar.first?["kind"] as? String == "options" && nbar.first?["records"] as? Int == 15)
        let fields = nbar.first?["fields"] as? [[String: Any]]
        #expect(
            fields?.compactMap { $0["name"] as? String }
                == ["scopeSystem", "applicationId", "applicationName", "applicationDescription"])
        let missing = try summary("IPFIX-Netscaler-with-variable-length-fields-missing-templates")
        let losses = try #require(missing["losses"] as? [String: [String: Any]])
        #expect(losses["no_template"]?["unit"] as? String == "sets")
        #expect((losses["no_template"]?["count"] as? Int ?? 0) > 0)
    }

    @Test("--elements names what has no name; a wrong file is refused with its line, exit 2")
    func elements() throws {
        let folder = try TemporaryFolder(), file = folder.file("own.csv")
        try "41916,4321,siteVPN,unsigned64\n".write(to: file, atomically: true, encoding: .utf8)
        let capture = "IPFIX-vIPtela-with-VPN-id"
        let named = try decode(["--elements", file.path], capture)
        #expect(named.status == 0 && named.text.contains("\"siteVPN\":") && !named.text.contains("viptelaVPNId"))
        #expect(try decode([], capture).text.contains("\"viptelaVPNId\":"))
        try "\n41916,4321,siteVPN,number\n".write(to: file, atomically: true, encoding: .utf8)
        let refused = try decode(["--elements", file.path], capture)
        #expect(refused.status == 2)
        #expect(refused.errors.contains("own.csv:2") && refused.errors.contains("unsigned64"))
    }
}
