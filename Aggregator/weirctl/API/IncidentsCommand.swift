import ArgumentParser
import Foundation

struct IncidentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incidents", abstract: "Incidents of the key's tenant.",
        discussion: """
            weirctl incidents                                   newest first
            weirctl incidents list --severity high --format csv
            weirctl incidents show INC-ID                       one, with its findings
            """,
        subcommands: [List.self, Show.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists incidents, newest first.",
            discussion: "weirctl incidents list --status open --severity critical --limit 20")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "Only this status: open, acknowledged, resolved or false-positive.") var status: String?
        @Option(help: "Only this severity: low, medium, high, critical.") var severity: String?
        @Option(help: "Only this rule.") var rule: String?
        @Option(help: "At most so many, 1 to 100000.") var limit = 100

        func run() async throws {
            guard (1...100_000).contains(limit) else { throw Failure.usage("--limit: \(limit) is outside 1...100000") }
            let filters = ["status": status, "severity": severity, "rule": rule].compactMapValues { $0 }
            var printer = RowPrinter(rows.chosen, columns: incidentColumns)
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
            let incident = try await APIClient(connection.profile()).get("/v1/incidents/\(id)")
            let data = try JSONSerialization.data(
                withJSONObject: incident, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            print(String(decoding: data, as: UTF8.self))
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
