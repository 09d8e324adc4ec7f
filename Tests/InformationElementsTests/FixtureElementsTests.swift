import Capture
import Decode
import FlowModel
import FlowText
import Foundation
import InformationElements
import TestKit
import Testing
import WireBytes

@Suite("What exporters of the field send has names", .enabled(if: Fixtures.present, "\(Fixtures.why)"))
struct FixtureElementsTests {
    /// Elements of captures that no list names. 0 is reserved in both protocols; H3C fills its records with it.
    private static let unnamed: Set<ElementKey> = [ElementKey(id: 0)]
    /// Captures whose templates were made up or broken for tests.
    private static let invented = ["malformed", "bad-length", "bad-template", "netflow_parser/", "calmh-ipfix/"]

    private func decode(_ path: String, _ body: (FlowColumns) throws -> Void) throws {
        var reader = try CaptureReader(bytes: Fixtures.bytes(path))
        var decoder = DatagramDecoder(), columns = FlowColumns()
        while let datagram = try? reader.nextReference() {
            _ = reader.withPayload(of: datagram) { decoder.decode($0, from: datagram.origin, into: &columns) }
        }
        try body(columns)
    }

    @Test("every element without a column in every capture has a line in the registry")
    func names() throws {
        var seen: Set<ElementKey> = [], nameless: [String] = []
        for path in Fixtures.files(in: "wire", suffix: ".pcap") {
            guard !Self.invented.contains(where: { path.contains($0) }) else { continue }
            try decode(path) { columns in
                for field in columns.extras.shapes.joined() where seen.insert(field.element).inserted {
                    guard ElementRegistry.standard.element(field.element) == nil else { continue }
                    if !Self.unnamed.contains(field.element) { nameless.append("\(path): \(field.element)") }
                }
            }
        }
        #expect(nameless == [])
        #expect(seen.count > 200)
        for enterprise: UInt32 in [9, 637, 3_054, 5_951, 6_871, 6_876, 10_704, 15_397, 35_632, 41_916] {
            #expect(seen.contains { $0.enterprise == enterprise }, "enterprise \(enterprise)")
        }
    }

    @Test("every record of every capture is one line of valid JSON, each member once")
    func lines() throws {
        let writer = FlowTextWriter()
        var rows = 0
        for path in Fixtures.files(in: "wire", suffix: ".pcap") {
            try decode(path) { columns in
                for row in columns.rows.prefix(200) where columns.extra[row] != 0 {
                    var out: [UInt8] = []
                    writer.ndjson(columns, row: row, into: &out)
                    let line = String(decoding: out, as: UTF8.self)
                    #expect(line.filter { $0 == "\n" }.count == 1, "\(path) \(row)")
                    let object = try #require(
                        try JSONSerialization.jsonObject(with: Data(out)) as? [String: Any], "\(path) \(row)")
                    let members = line.matches(of: /[,{]"[A-Za-z][A-Za-z0-9_-]*":/).count
                    #expect(members == object.count, "\(path) \(row)")
                    rows += 1
                }
            }
        }
        #expect(rows > 1_000)
    }

    @Test(
        "known captures have the values that their makers' collectors show",
        arguments: [
            ("IPFIX-Nokia-BRAS", "natSubString", "\"USER1@10.10.0.123\""),
            ("IPFIX-Nokia-BRAS", "natInsideSvcid", "100"),
            ("IPFIX-Barracuda-extended-uniflow-template-256", "barracudaReasonText", "\"Normal Operation\""),
            ("IPFIX-Barracuda-extended-uniflow-template-256", "barracudaTimestamp", "1524039407"),
            ("IPFIX-Barracuda-extended-uniflow-template-256", "barracudaConnIPv4Address", "\"64.235.151.76\""),
            ("Netflow-9-Cisco-ASA", "ciscoFwExtEvent", "2025"),
            ("Netflow-9-Cisco-ASA", "ciscoIngressAclId", "\"0f8e7ff3fc1a030f00000000\""),
            ("IPFIX-vIPtela-with-VPN-id", "viptelaVPNId", "100"),
            ("IPFIX-VMware-virtual-distributed-switch", "vmwareVxlanExportRole", "0"),
            ("Netflow-9-Streamcore", "streamcoreHostname", "\""),
        ])
    func goldens(_ capture: String, _ name: String, _ value: String) throws {
        try decode("wire/logstash-codec-netflow/_pcap/\(capture).pcap") { columns in
            var out: [UInt8] = []
            for row in columns.rows { FlowTextWriter().ndjson(columns, row: row, into: &out) }
            let text = String(decoding: out, as: UTF8.self)
            let isThere = text.contains("\"\(name)\":\(value)")
            #expect(isThere, "\(text.prefix(3_000))")
        }
    }
}
