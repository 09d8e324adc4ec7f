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

    /// Every modifier that is honoured, and every type of correlation; those of numbers with all that they take.
    private static var everything: String {
        let base = """
            title: Everything that may be asked
            id: 44444444-4444-4444-8444-444444444444
            name: everything
            status: test
            description: One search for each modifier
            references:
                - https://example.org/
            author: Somebody
            date: 2026-03-01
            tags:
                - attack.command-and-control
            logsource:
                category: firewall
            detection:
                selection_text:
                    src_ip|contains|all:
                        - '10.'
                        - '.7'
                    dst_ip|endswith|cased: '.9'
                selection_number:
                    bytes|gte: 1000
                    packets|lt: 50
                    dst_port|neq: 443
                selection_pattern:
                    dst_ip|re|i: '^198\\.51\\.'
                selection_there:
                    src_as|exists: true
                selection_same:
                    src_port|fieldref: dst_port
                condition: 1 of selection_*
            falsepositives:
                - Unknown
            level: low

            """
        let conditions = [
            ("event_count", "        gte: 10", ""), ("value_count", "        field: dst_ip\n        gt: 10", ""),
            ("temporal", "", "        - other\n"), ("temporal_ordered", "", "        - other\n"),
            ("value_sum", "        field: bytes\n        gte: 100000", ""),
            ("value_avg", "        field: bytes\n        lt: 100", ""),
            ("value_percentile", "        field: bytes\n        percentile: 95\n        gte: 100", ""),
        ]
        let other = base.replacing("44444444-4444-4444-8444-444444444444", with: "55555555-5555-4555-8555-555555555555")
            .replacing("name: everything", with: "name: other")
            .replacing("title: Everything that may be asked", with: "title: The other")
        let correlations = conditions.enumerated().map { number, one in
            """
            title: Correlation of type \(one.0)
            id: 66666666-6666-4666-8666-66666666666\(number)
            status: test
            description: Counts what the others find
            references:
                - https://example.org/
            author: Somebody
            date: 2026-03-01
            tags:
                - attack.command-and-control
            correlation:
                type: \(one.0)
                rules:
                    - everything
            \(one.2)    group-by:
                    - src_ip
                timespan: 1h
            \(one.1.isEmpty ? "" : "    condition:\n" + one.1 + "\n")falsepositives:
                - Unknown
            level: high

            """
        }
        return ([base, other] + correlations).joined(separator: "---\n")
    }

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
        var files = [folder.file("ours_in_three_documents.yml"), folder.file("everything_there_is.yml")]
        for (text, file) in zip([Self.text, Self.everything], files) {
            let parse = SigmaParse(text), set = SigmaRuleSet(parse.documents)
            #expect(parse.refusals.isEmpty && set.refusals.isEmpty, "\(parse.refusals) \(set.refusals)")
            try Data(SigmaDocument.yaml(parse.documents).utf8).write(to: file)
        }
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
        // That it would say so: a rule with a modifier that there is not.
        let wrong = folder.file("wrong_modifier_in_rule.yml")
        let text = try String(contentsOf: files[1], encoding: .utf8).replacing("|gte: 1000", with: "|atleast: 1000")
        try Data(text.utf8).write(to: wrong)
        let refused = try Program.run("sigma", ["check"] + options + [wrong.path])
        #expect(refused.status != 0, "\(refused.text)")
    }
}
