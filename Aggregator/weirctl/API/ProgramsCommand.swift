import ArgumentParser
import Foundation

struct ProgramsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "programs", abstract: "Own detectors, enrichers and providers of intelligence, and how they do.",
        subcommands: [List.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the programs of the key's tenant.", discussion: "weirctl programs list")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/programs")
            try rows.printItems(answer, columns: Self.columns, whenEmpty: "no programs are set for this tenant")
        }

        private static var columns: [RowPrinter.Column] {
            ["name", "kind"].map { RowPrinter.column($0) }
                + [RowPrinter.Column(title: "running") { $0["running"] as? Bool == true ? "yes" : "no" }]
                + ["version", "starts", "recordsSent", "answers"].map { RowPrinter.column($0) }
                + ["lost", "refused"].map { key in RowPrinter.Column(title: key) { counts($0, key) } }
                + [RowPrinter.Column(title: "trouble") { trouble($0) }]
        }
        /// `full 3, slow 1`.
        private static func counts(_ object: [String: Any], _ key: String) -> String {
            let all = object[key] as? [String: NSNumber] ?? [:]
            let parts = all.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            return parts.isEmpty ? "-" : parts.joined(separator: ", ")
        }
        private static func trouble(_ object: [String: Any]) -> String {
            if let problem = object["problem"] as? String { return problem }
            guard let end = object["lastEnd"] as? [String: Any] else { return "-" }
            return "\(RowPrinter.text(end, "at")) \(RowPrinter.text(end, "reason")) \(RowPrinter.text(end, "detail"))"
        }
    }
}
