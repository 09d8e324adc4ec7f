import ArgumentParser
import Foundation
internal import NIOHTTP1

extension SigmaCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The tenant's rules, their states and what came of them.",
            discussion: "weirctl sigma list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/sigma/rules")
            try rows.printItems(
                answer,
                columns: ["key", "state", "level", "kind", "origin", "matches", "raised", "title"].map {
                    RowPrinter.column($0)
                } + [
                    RowPrinter.Column(title: "refused") { object in
                        (object["issues"] as? [[String: Any]])?.first?["reason"] as? String ?? "-"
                    }
                ], whenEmpty: "no rules")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes one rule as YAML.", discussion: "weirctl sigma show KEY > rule.yml")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The rule's id, else its name, else its title.") var key: String

        func run() async throws {
            let rule = try await APIClient(connection.profile()).get(Self.path(key))
            print(rule["text"] as? String ?? "", terminator: "")
        }
        static func path(_ key: String) -> String { "/v1/sigma/rules/\(key)" }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Puts a rule of the tenant's own, or says what is otherwise about a shared one.",
            discussion: """
                weirctl sigma set KEY --file rule.yml --state test
                weirctl sigma set KEY --state disabled
                """)
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The rule's id, else its name, else its title.") var key: String
        @Option(help: "A file with the rule; - for standard input.") var file: String?
        @Option(help: "draft, test, enabled or disabled.") var state: String?
        @Option(help: "In the place of the rule's level.") var level: String?

        func run() async throws {
            var asked = ["state": state, "level": level].compactMapValues { $0 }
            if let file { asked["text"] = try SigmaFilesRead.text(file) }
            _ = try await APIClient(connection.profile()).send(.PUT, Show.path(key), json: asked)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes back what was said about a rule.", discussion: "weirctl sigma remove KEY")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The rule's id, else its name, else its title.") var key: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, Show.path(key))
        }
    }

    struct Backtest: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What rules would have found in the tenant's history.",
            discussion: "weirctl sigma backtest rules.yml --since 2026-11-01T00:00:00Z --explain")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Argument(help: "A file of rules; - for standard input.") var file: String
        @Option(help: "From this time on: ISO 8601, or ms since 1970.") var since: String?
        @Option(help: "Up to this time.") var until: String?
        @Flag(help: "Say what the answer cost.") var explain = false

        func run() async throws {
            var query = ["from": since, "to": until].compactMapValues { $0 }
            if explain { query["explain"] = "true" }
            let answer = try await APIClient(connection.profile()).send(
                .POST, "/v1/sigma/rules/backtest", query: query, json: ["text": try SigmaFilesRead.text(file)])
            let outcome = answer["outcome"] as? [String: Any] ?? [:]
            var printer = RowPrinter(
                rows.chosen, columns: ["start", "severity", "rule", "title"].map { RowPrinter.column($0) })
            for item in outcome["findings"] as? [[String: Any]] ?? [] { try printer.add(item) }
            printer.finish(whenEmpty: "nothing would have been raised")
            func number(_ name: String, in object: [String: Any]) -> Int { object[name] as? Int ?? 0 }
            complain(
                "weirctl: \(number("wouldFire", in: outcome)) findings, \(number("hostCount", in: outcome)) hosts, "
                    + "\(number("records", in: answer)) records read; against the version in use "
                    + "\(number("gained", in: answer)) more, \(number("lost", in: answer)) fewer")
            if answer["complete"] as? Bool == false {
                complain("weirctl: not all of the history was looked at: ask for less time")
            }
            printPlan(answer)
        }
    }
}
