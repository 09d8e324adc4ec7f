import ArgumentParser
import Detect
import FlowModel
import Foundation
import Identity
import Sigma

struct SigmaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sigma", abstract: "Sigma rules: checked and tried here, listed, changed and backtested there.",
        discussion: """
            weirctl sigma check rules.yml                what is wrong with them, line by line
            weirctl sigma test rules.yml capture.pcap    what they would find in a capture, offline
            weirctl sigma backtest rules.yml --since 2026-11-01T00:00:00Z
            weirctl sigma set 0f3f2f4e-5a7b-4f0e-9d0b-3c1f6f0d2a11 --file rule.yml --state test
            weirctl sigma list
            weirctl sigma export > rules.yml             all rules; sigma import puts them elsewhere
            """,
        subcommands: [
            Check.self, Test.self, Backtest.self, List.self, Show.self, Versions.self, Set.self,
            Remove.self, Import.self, Export.self,
        ],
        defaultSubcommand: List.self)

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says of each rule whether it is honoured, and every reason why not.",
            discussion: "weirctl sigma check rules/*.yml    (exit status 1 when a rule is refused)")
        @Argument(help: "Files of rules; '-' for standard input.") var files: [String]
        @Flag(help: "Only what is refused.") var quiet = false

        func run() throws {
            let (set, unread) = try SigmaFilesRead.rules(files)
            if !quiet {
                for rule in set.rules { SigmaFilesRead.say(rule) }
                for other in set.correlations { print("ok       \(other.metadata.title)") }
                for other in set.filters { print("ok       \(other.metadata.title)") }
            }
            for refusal in unread + set.refusals {
                print("refused  \(refusal.title)")
                for issue in refusal.issues { print("         \(issue)") }
            }
            let refused = unread.count + set.refusals.count
            if refused > 0 { throw Failure.work("\(refused) refused") }
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What rules find in captures of flow exports, offline.",
            discussion: "weirctl sigma test rules.yml export.pcap --format ndjson")
        @OptionGroup var rows: RowOptions
        @Argument(help: "A file of rules.") var rules: String
        @Argument(help: "pcap or pcapng files; '-' for standard input.") var captures: [String]

        func run() throws {
            guard let tenant = TenantID("offline") else { throw Failure.work("no tenant to test for") }
            let (set, unread) = try SigmaFilesRead.rules([rules])
            for refusal in unread + set.refusals {
                complain("weirctl: refused: \(refusal.title): \(refusal.issues.first?.description ?? "")")
            }
            var fold = SigmaFold(tenant: tenant, rules: set), last: [String: Finding] = [:]
            try CaptureRecords(files: captures).read { columns in
                for finding in fold.observe(columns) { last[finding.id] = finding }
            }
            for finding in fold.finish() { last[finding.id] = finding }
            var printer = RowPrinter(
                rows.chosen, columns: ["start", "severity", "rule", "title"].map { RowPrinter.column($0) })
            let encoder = JSONEncoder()
            for finding in last.values.sorted(by: { ($0.start, $0.id) < ($1.start, $1.id) }) {
                let object = try JSONSerialization.jsonObject(with: encoder.encode(finding))
                if let object = object as? [String: Any] { try printer.add(object) }
            }
            printer.finish(whenEmpty: "nothing would be raised")
            for (rule, matches) in zip(set.rules, fold.matches) where matches > 0 {
                complain("weirctl: \(rule.rule.metadata.title): \(matches) of \(fold.records) records match")
            }
        }
    }
}

/// Files of rules, as one set.
enum SigmaFilesRead {
    static func rules(_ files: [String]) throws -> (set: SigmaRuleSet, unread: [SigmaRefusal]) {
        var documents: [SigmaDocument] = [], unread: [SigmaRefusal] = []
        for file in files {
            let parse = SigmaParse(try text(file))
            documents += parse.documents
            unread += parse.refusals
        }
        return (SigmaRuleSet(documents), unread)
    }
    static func text(_ file: String) throws -> String {
        String(decoding: try CaptureRecords.contents(of: file), as: UTF8.self)
    }
    static func say(_ rule: CompiledSigmaRule) {
        print("ok       \(rule.rule.metadata.title)")
        for note in rule.notes { print("         note: \(note)") }
    }
}
