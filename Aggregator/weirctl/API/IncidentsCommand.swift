import ArgumentParser
import Foundation

struct IncidentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incidents", abstract: "Incidents of the key's tenant.",
        discussion: """
            weirctl incidents                                   newest first
            weirctl incidents list --severity high --format csv
            weirctl incidents show INC-ID                       one, with its findings
            weirctl incidents story INC-ID                      what happened, in words and as a line of time
            weirctl incidents edit INC-ID --status triaged --assignee ada
            """,
        subcommands: [
            List.self, Show.self, Story.self, Events.self, Neighbours.self, IncidentEditCommand.self,
            IncidentMergeCommand.self, IncidentSplitCommand.self, IncidentUndoCommand.self,
            IncidentProposalsCommand.self, IncidentBulkCommand.self, IncidentFeedbackCommand.self,
            IncidentPlaybooksCommand.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists incidents, newest first.",
            discussion: "weirctl incidents list --status open --severity critical --limit 20")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "Only this status: new, triaged, in-progress, contained, resolved, false-positive, or open.")
        var status: String?
        @Option(help: "Only this severity: low, medium, high, critical.") var severity: String?
        @Option(help: "Only this rule.") var rule: String?
        @Option(help: "Only whom this one works on; none: nobody's.") var assignee: String?
        @Option(help: "Only with this tag.") var tag: String?
        @Option(help: "Only where this address takes part.") var address: String?
        @Option(help: "At most so many, 1 to 100000.") var limit = 100

        func run() async throws {
            guard (1...100_000).contains(limit) else { throw Failure.usage("--limit: \(limit) is outside 1...100000") }
            let filters = [
                "status": status, "severity": severity, "rule": rule, "assignee": assignee, "tag": tag,
                "address": address,
            ].compactMapValues { $0 }
            var printer = RowPrinter(
                rows.chosen, columns: incidentColumns + [RowPrinter.column("status"), RowPrinter.column("assignee")])
            try await APIClient(connection.profile()).list("/v1/incidents", filters, limit: limit) {
                try printer.add($0)
            }
            printer.finish(whenEmpty: "no incidents")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One incident with its findings, as JSON.",
            discussion: "weirctl incidents show 0123456789abcdef0123456789abcdef | jq .findings")
        @Argument(help: "The incident's id.") var id: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try printJSON(await APIClient(connection.profile()).get("/v1/incidents/\(id)"))
        }
    }

    struct Story: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What happened, who did what about it, and the question that finds the flows.",
            discussion: "weirctl incidents story INC-ID")
        @Argument(help: "The incident's id.") var id: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let story = try await APIClient(connection.profile()).get("/v1/incidents/\(id)/story")
            print(RowPrinter.text(story, "summary") + "\n")
            for moment in story["timeline"] as? [[String: Any]] ?? [] {
                let actor = (moment["actor"] as? String).map { "  (\($0))" } ?? ""
                print("\(RowPrinter.text(moment, "at"))  \(RowPrinter.text(moment, "text"))\(actor)")
            }
            for clock in story["clocks"] as? [[String: Any]] ?? [] {
                let stopped = (clock["stopped"] as? String).map { ", stopped \($0)" } ?? ""
                print("\nto \(RowPrinter.text(clock, "clock")) by \(RowPrinter.text(clock, "due"))\(stopped)")
            }
            guard let evidence = story["evidence"] as? [String: Any] else { return }
            let (filter, from, to) = ("filter", "from", "to")
            print(
                "\nweirctl flows --filter '\(RowPrinter.text(evidence, filter))' "
                    + "--from \(RowPrinter.text(evidence, from)) --to \(RowPrinter.text(evidence, to))")
        }
    }

    struct Events: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The whole history, an event a line.", discussion: "weirctl incidents events INC-ID")
        @Argument(help: "The incident's id.") var id: String
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/incidents/\(id)/events")
            try rows.printItems(
                answer, columns: ["revision", "at", "actor", "kind", "to", "text"].map { RowPrinter.column($0) },
                whenEmpty: "no events")
        }
    }

    struct Neighbours: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Incidents that share addresses, and those that look alike.",
            discussion: "weirctl incidents neighbours INC-ID | jq .similar")
        @Argument(help: "The incident's id.") var id: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try printJSON(await APIClient(connection.profile()).get("/v1/incidents/\(id)/neighbours"))
        }
    }
}

/// The columns of an incident in tables and CSV; `weirctl detect` prints the same.
let incidentColumns: [RowPrinter.Column] = [
    RowPrinter.column("start"), RowPrinter.column("severity"), RowPrinter.column("rule"),
    RowPrinter.Column(title: "attacker") { entities($0, role: "attacker") },
    RowPrinter.Column(title: "victim") { entities($0, role: "victim") },
    RowPrinter.column("title"), RowPrinter.column("id"),
]

private func entities(_ incident: [String: Any], role: String) -> String {
    let all = incident["entities"] as? [[String: Any]] ?? []
    let values = all.filter { $0["role"] as? String == role }.compactMap { $0["value"] as? String }
    guard let first = values.first else { return "-" }
    return values.count > 1 ? "\(first) +\(values.count - 1)" : first
}
