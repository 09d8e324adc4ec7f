import Detect
import FlowModel
import Foundation
import Sigma
import TestKit
import Testing

/// Rules as people write them for what hosts log about connections (Sysmon, auditd): flows know the connection, and
/// not the program, the user or the name that was asked for.
@Suite("Rules about hosts' connections") struct HostRuleTests {
    private static func rule(_ search: [String], _ condition: String = "selection and not 1 of filter_*") -> String {
        """
        title: Callback to a port of malware
        id: 7c1d8a52-91f3-4f7b-8f0e-5d1f0c7e9a11
        logsource:
            category: network_connection
            product: windows
        detection:
            selection:
                Initiated: 'true'
                DestinationPort:
                    - 4444
                    - 8531

        """ + search.map { "    \($0)\n" }.joined() + "    condition: \(condition)\nlevel: high\n"
    }
    private static let local = [
        "filter_main_local:", "    DestinationIp|cidr:", "        - '10.0.0.0/8'", "        - '127.0.0.0/8'",
        "        - 'fe80::/10'",
    ]

    @Test("ports, addresses and who began are a connection's: the rule is honoured, and counts its caller's records")
    func honoured() throws {
        let set = SigmaRuleSet(SigmaParse(Self.rule(Self.local)).documents)
        #expect(set.refusals.isEmpty && set.rules.count == 1, "\(set.refusals)")
        var fold = SigmaFold(tenant: try Sample.tenant(), rules: set)
        var columns = FlowColumns()
        for (source, sourcePort, destination, port, bits) in [
            (0x0A00_0007, 50_000, 0xCB00_7109, 4_444, 0x02), (0x0A00_0007, 50_001, 0x0A00_0009, 4_444, 0x02),
            (0x0A00_0007, 50_002, 0xCB00_7109, 443, 0x02), (0xCB00_7109, 8_531, 0x0A00_0008, 50_003, 0x12),
        ] as [(UInt32, UInt16, UInt32, UInt16, UInt16)] {
            var record = FlowRecord()
            (record.sourceIPAddress, record.destinationIPAddress) = (IPAddress(v4: source), IPAddress(v4: destination))
            (record.sourceTransportPort, record.destinationTransportPort) = (sourcePort, port)
            (record.protocolIdentifier, record.tcpControlBits) = (6, bits)
            (record.packetDeltaCount, record.octetDeltaCount) = (1, 60)
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (1_772_366_400_000, 1_772_366_400_100)
            columns.append(record)
        }
        let findings = fold.observe(columns)
        #expect(findings.map { $0.entities.first?.value } == ["10.0.0.7"], "\(findings.map(\.title))")
        #expect(fold.matches == [1])
    }

    @Test(
        "what only hosts know is refused with its line and its name, also where it only takes something out",
        arguments: [
            ("Image|endswith: '\\evil.exe'", "Image"), ("User|contains: 'AUTHORI'", "User"),
            ("CommandLine|contains: ' -enc '", "CommandLine"), ("ParentImage: 'C:\\a.exe'", "ParentImage"),
            ("DestinationHostname|endswith: '.example'", "DestinationHostname"),
            ("ProcessId: 4", "ProcessId"),
        ])
    func refused(item: String, field: String) {
        let text = Self.rule(Self.local + ["filter_optional_known:", "    \(item)"])
        let set = SigmaRuleSet(SigmaParse(text).documents)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(set.rules.isEmpty && set.refusals.count == 1)
        let issue = set.refusals.first?.issues.first
        #expect(issue?.subject == .field && issue?.name == field, "\(set.refusals)")
        #expect(issue.map { lines[$0.line - 1].contains(field) } == true)
        #expect((issue?.reason.count ?? 0) > 20)
    }

    /// All of a checkout of SigmaHQ's rules, where `WEIR_SIGMAHQ` names one.
    @Test(
        "every rule of a checkout about connections or firewalls is honoured, or refused with lines and words",
        .enabled(if: !checkout.isEmpty, "set WEIR_SIGMAHQ to a checkout of SigmaHQ/sigma"))
    func checkoutRules() throws {
        var counts = (honoured: 0, refused: 0)
        for file in Self.checkout {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            guard
                ["category: network_connection", "category: firewall", "service: conn"].contains(where: text.contains)
            else { continue }
            let parse = SigmaParse(text), set = SigmaRuleSet(parse.documents)
            let issues = (parse.refusals + set.refusals).flatMap(\.issues)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(issues.isEmpty != (set.rules.isEmpty && set.correlations.isEmpty), "\(file)")
            for issue in issues {
                #expect((1...lines.count).contains(issue.line) && issue.reason.count > 10, "\(file): \(issue)")
                #expect(!issue.name.isEmpty, "\(file): \(issue)")
            }
            if issues.isEmpty { counts.honoured += 1 } else { counts.refused += 1 }
            let said = issues.map { "line \($0.line), \($0.name): \($0.reason)" }.joined(separator: "; ")
            print("\(file.split(separator: "/").last ?? ""): \(said.isEmpty ? "honoured" : said)")
        }
        print("SigmaHQ's checkout: \(counts.honoured) honoured, \(counts.refused) refused")
        #expect(counts.honoured + counts.refused > 0)
    }
    private static let checkout: [String] = {
        guard let folder = ProcessInfo.processInfo.environment["WEIR_SIGMAHQ"],
            let files = FileManager.default.enumerator(atPath: folder)
        else { return [] }
        return files.compactMap { $0 as? String }.filter { $0.hasSuffix(".yml") }.sorted().map { "\(folder)/\($0)" }
    }()
}
