import Capture
import Decode
import Detect
import FlowModel
import Foundation
import TestKit
import Testing

/// Real captures: what must be seen, by whom and on whom, in every format that the fixtures hold.
@Suite("Detection on real captures", .enabled(if: Fixtures.present, "\(Fixtures.why)"))
struct FixtureTests {
    struct Expected: Sendable, CustomTestStringConvertible {
        var id: String, rule: String, attacker: String?, victim: String?
        var observed: ClosedRange<Double>
        var testDescription: String { id }
    }
    static let attacks: [Expected] = [
        .init(
            id: "scan-masscan-tcp", rule: "port-scan-vertical", attacker: "172.31.15.102", victim: "198.124.152.15",
            observed: 1_001...1_001),
        .init(
            id: "scan-tiny-vertical", rule: "port-scan-vertical", attacker: "192.168.2.154", victim: "192.168.2.22",
            observed: 10...10),
        .init(
            id: "scan-slow-445", rule: "port-scan-horizontal", attacker: "176.192.150.3", victim: nil, observed: 9...9),
        .init(
            id: "bf-ssh-11", rule: "password-guessing", attacker: "192.168.56.1", victim: "192.168.56.103",
            observed: 11...11),
        .init(
            id: "bf-ftp-30", rule: "password-guessing", attacker: "192.168.56.1", victim: "192.168.56.101",
            observed: 30...30),
        .init(
            id: "ddos-amp-isakmp", rule: "reflection-flood", attacker: nil, victim: "10.10.10.10",
            observed: 2_700...2_767),
        .init(
            id: "ddos-ipv6-ext", rule: "flood", attacker: "2001:db8:1::2", victim: "2001:db8:1::1",
            observed: 2_000...16_000),
        .init(
            id: "beacon-ctu-cc1", rule: "beacon", attacker: "147.32.80.37", victim: "141.193.213.21",
            observed: 0.85...1),
        .init(
            id: "dns-tunnel-iodine-small", rule: "dns-tunnel", attacker: "10.0.2.30", victim: "10.0.2.20",
            observed: 70...110),
        .init(
            id: "long-connection", rule: "long-connection", attacker: "192.168.2.186", victim: "192.168.2.21",
            observed: 6_700...6_900),
    ]

    /// The exporters' captures of one behaviour: the original packets are not exports.
    static func exports(of id: String) -> [String] {
        Fixtures.files(in: "attacks/curated/\(id)", suffix: ".pcap").filter { $0 != "attacks/curated/\(id)/\(id).pcap" }
    }

    static func columns(of file: String) throws -> FlowColumns {
        var reader = try CaptureReader(bytes: try Fixtures.bytes(file)), decoder = DatagramDecoder()
        var columns = FlowColumns()
        while let reference = try reader.nextReference() {
            _ = reader.withPayload(of: reference) { decoder.decode($0, from: reference.origin, into: &columns) }
        }
        return columns
    }

    /// The last word on everything in `file`, read in pieces as a running service gets it.
    static func findings(in file: String) throws -> [Finding] {
        let columns = try columns(of: file)
        try #require(columns.count > 0, "\(file) decodes")
        var set = DetectorSet(tenant: try Traffic.tenant()), last: [String: Finding] = [:]
        for start in stride(from: 0, to: columns.count, by: 4_096) {
            let rows = start..<min(start + 4_096, columns.count)
            for finding in set.observe(columns, rows: rows) { last[finding.id] = finding }
        }
        for finding in set.finish() { last[finding.id] = finding }
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }

    @Test("the attack is seen in every format, with the right ends, and nothing else is", arguments: attacks)
    func seen(expected: Expected) throws {
        let files = Self.exports(of: expected.id)
        #expect(files.count >= 2)
        for file in files {
            let findings = try Self.findings(in: file)
            let text = "\(file): \(findings.map(\.title))"
            #expect(findings.map(\.rule) == [expected.rule], "\(text)")
            let finding = try #require(findings.first, "\(text)")
            if let attacker = expected.attacker { #expect(finding.entity(.attacker) == [attacker], "\(text)") }
            if let victim = expected.victim { #expect(finding.entity(.victim) == [victim], "\(text)") }
            #expect(expected.observed.contains(finding.evidence.observed), "\(text)")
        }
    }

    @Test("web browsing raises nothing") func silent() throws {
        let files = Self.exports(of: "neg-http")
        #expect(files.count >= 3)
        for file in files {
            let findings = try Self.findings(in: file)
            #expect(findings.isEmpty, "\(file): \(findings.map(\.title))")
        }
    }

    @Test("a labelled scan of a thousand ports is seen as its scanner's") func labelledScan() throws {
        let findings = try Self.findings(in: "attacks/flows/cic2017-portscan/cic2017-portscan.ipfix.pcap")
        #expect(findings.allSatisfy { $0.entity(.attacker) == ["172.16.0.1"] }, "\(findings.map(\.title))")
        let largest = findings.map(\.evidence.observed).max() ?? 0
        // Of 988 ports, those that are told from the scanner's own: below 32768.
        #expect(largest == 898)
    }

    @Test(
        "days of benign traffic raise nothing",
        arguments: ["cic2017-benign-sample", "ctu-sme-benign-linux", "rita-proxy-1h"])
    func benign(id: String) throws {
        let findings = try Self.findings(in: "attacks/flows/\(id)/\(id).ipfix.pcap")
        #expect(findings.isEmpty, "\(findings.map(\.title))")
    }

    @Test("a trojan that calls a dead controller is a beacon, and the rest of its host's hour is none")
    func trojan() throws {
        let findings = try Self.findings(in: "attacks/flows/ctu-230-njrat-cc/ctu-230-njrat-cc.ipfix.pcap")
        #expect(findings.map(\.rule) == ["beacon"], "\(findings.map(\.title))")
        let finding = try #require(findings.first)
        #expect(finding.entity(.attacker) == ["192.168.1.115"] && finding.entity(.victim) == ["41.108.179.197"])
        #expect(finding.severity == .medium && finding.ports == [1_177])
    }
}
