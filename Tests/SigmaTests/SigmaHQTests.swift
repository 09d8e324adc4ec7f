import Foundation
import Sigma
import TestKit
import Testing

/// The public rules for network log sources (SigmaHQ, 78 of them), each honoured or refused with its reasons.
@Suite("SigmaHQ's network rules", .enabled(if: SigmaHQ.isPresent, "set WEIR_FIXTURES")) struct SigmaHQTests {
    @Test("each compiles, or is refused with lines, names and words") func all() throws {
        let files = SigmaHQ.files
        #expect(files.count == 78)
        var compiled: [String] = [], subjects: [String: Int] = [:]
        for file in files {
            let text = String(decoding: try Fixtures.bytes(file), as: UTF8.self)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let parse = SigmaParse(text), set = SigmaRuleSet(parse.documents)
            let refusals = parse.refusals + set.refusals
            #expect(!refusals.isEmpty || !set.rules.isEmpty, "\(file)")
            if refusals.isEmpty {
                compiled.append(set.correlations.first?.metadata.title ?? set.rules[0].rule.metadata.title)
            }
            for issue in refusals.flatMap(\.issues) {
                #expect((1...lines.count).contains(issue.line), "\(file): \(issue)")
                #expect(!issue.name.isEmpty && issue.reason.count > 10, "\(file): \(issue)")
                if [.field, .modifier, .keyword, .logsource].contains(issue.subject) {
                    let isThere = lines[issue.line - 1].localizedCaseInsensitiveContains(issue.name.prefix(30))
                    #expect(isThere || issue.subject == .logsource || issue.subject == .keyword, "\(file): \(issue)")
                }
                subjects[issue.subject.rawValue, default: 0] += 1
            }
            let names = Set(refusals.flatMap(\.issues).map(\.subject))
            #expect(refusals.isEmpty || !names.isDisjoint(with: [.field, .keyword, .condition, .logsource]), "\(file)")
        }
        #expect(
            compiled.sorted() == [
                "Cleartext Protocol Usage", "Equation Group C2 Communication", "High DNS Requests Rate - Firewall",
                "Network Scans Count By Destination IP", "Network Scans Count By Destination Port",
                "Publicly Accessible RDP Service",
            ])
        #expect(subjects["document"] == nil && subjects["limit"] == nil, "\(subjects)")
        print("SigmaHQ: \(compiled.count) compiled, \(files.count - compiled.count) refused; reasons \(subjects)")
    }

    @Test("what is read is written so that it reads back the same") func roundTrip() throws {
        var documents: [SigmaDocument] = []
        for file in SigmaHQ.files {
            documents += SigmaParse(String(decoding: try Fixtures.bytes(file), as: UTF8.self)).documents
        }
        #expect(documents.count > 60)
        for document in documents {
            let again = SigmaParse(document.yaml)
            #expect(again.documents == [document], "\(document.yaml) \(again.refusals)")
        }
        #expect(SigmaParse(SigmaDocument.yaml(documents)).documents == documents)
    }
}

enum SigmaHQ {
    static let files = Fixtures.files(in: "enrich/sigma/rules-network", suffix: ".yml")
    static let isPresent = !files.isEmpty
}

@Suite("Rules for other programs") struct ExportTests {
    /// One of each kind, with what is hard to write.
    private static let text = """
        title: 'A rule: with # signs'
        id: 929a690e-bef0-4204-a928-ef5e620d6fcc
        name: base_rule
        status: test
        description: |
            Two lines.
            'Quotes' and "others".
        references:
            - https://example.org/a?b=c&d=e#f
        author: Somebody
        date: 2026-03-01
        tags:
            - attack.command-and-control
            - attack.t1071.001
        logsource:
            category: firewall
        detection:
            selection_ports:
                dst_port:
                    - 80
                    - 8080
                blocked: 'false'
            selection_hosts:
                - src_ip|cidr: 10.0.0.0/8
                - src_ip|startswith: 'fe80:'
            filter_own:
                dst_ip|re: '^192\\.0\\.2\\.[0-9]{1,3}$'
                src_port: null
            condition: all of selection_* and not 1 of filter_*
        falsepositives:
            - Unknown
        level: medium
        ---
        title: Many of them
        id: 22222222-2222-4222-8222-222222222222
        name: many_of_them
        status: test
        description: Counts what the other finds
        references:
            - https://example.org/
        author: Somebody
        date: 2026-03-01
        tags:
            - attack.command-and-control
        correlation:
            type: value_count
            rules:
                - base_rule
            generate: true
            group-by:
                - src_ip
            timespan: 90m
            aliases:
                peer:
                    base_rule: dst_ip
            condition:
                field: peer
                gte: 10
        falsepositives:
            - Unknown
        level: high
        ---
        title: Not our own
        id: 33333333-3333-4333-8333-333333333333
        description: Leaves out a network
        logsource:
            category: firewall
        filter:
            rules:
                - base_rule
            own:
                src_ip|cidr: 10.1.0.0/16
            condition: not own

        """

    @Test("rules, correlations and filters are written so that they read back the same") func roundTrip() {
        let parse = SigmaParse(Self.text)
        #expect(parse.refusals.isEmpty && parse.documents.count == 3, "\(parse.refusals)")
        let written = SigmaDocument.yaml(parse.documents), again = SigmaParse(written)
        #expect(again.documents == parse.documents && again.refusals.isEmpty, "\(written)")
        #expect(SigmaDocument.yaml(again.documents) == written)
        let set = SigmaRuleSet(parse.documents)
        #expect(set.refusals.isEmpty && set.rules.first?.filters == ["33333333-3333-4333-8333-333333333333"])
    }

    @Test(
        "sigma-cli finds no fault in what is written",
        .enabled(if: Program.isInstalled("sigma"), "sigma (pip install sigma-cli) is not on the path"))
    func check() throws {
        let folder = try TemporaryFolder("weir-sigma")
        let validation = folder.file("validation.yml")
        // The two that are left out download lists.
        try Data("validators:\n    - all\n    - -attacktag\n    - -d3_fendtag\n".utf8).write(to: validation)
        let written = SigmaDocument.yaml(SigmaParse(Self.text).documents)
        var files = [folder.file("ours_in_three_documents.yml")]
        try Data(written.utf8).write(to: files[0])
        for file in SigmaHQ.files {
            // A rule that counts in its condition is two: its events, and their correlation.
            let documents = SigmaParse(String(decoding: try Fixtures.bytes(file), as: UTF8.self)).documents
            files.append(folder.file(URL(fileURLWithPath: file).lastPathComponent))
            try Data(SigmaDocument.yaml(documents).utf8).write(to: files[files.count - 1])
        }
        let options = ["--fail-on-error", "--pass-on-issues", "--validation-config", validation.path]
        let outcome = try Program.run("sigma", ["check"] + options + files.map(\.path))
        #expect(outcome.status == 0, "\(outcome.text) \(outcome.errors)")
        #expect(outcome.text.contains("Found 0 errors, 0 condition errors"), "\(outcome.text)")
    }
}
