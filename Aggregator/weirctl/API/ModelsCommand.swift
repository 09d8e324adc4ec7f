import ArgumentParser
import Foundation
internal import NIOHTTP1

struct ModelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Anomaly models: made from history, evaluated on it, promoted and taken back.",
        discussion: """
            weirctl models train --since 2026-10-24T00:00:00Z --until 2026-11-14T00:00:00Z
            weirctl models evaluate 3
            weirctl models promote 3      from now on it scores hosts; nothing does before
            weirctl models list
            weirctl models rollback
            """,
        subcommands: [Train.self, Evaluate.self, Promote.self, Rollback.self, List.self, Show.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The tenant's versions, and how the promoted one does.",
            discussion: "weirctl models list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Flag(help: "What happened to them instead.") var events = false

        func run() async throws {
            var answer = try await APIClient(connection.profile()).get("/v1/models")
            let work = answer["work"] as? [String: Any]
            if events { answer["items"] = answer["events"] }
            let keys = events ? ["at", "kind", "version", "actor"] : ModelsCommand.columns
            try rows.printItems(answer, columns: keys.map { RowPrinter.column($0) }, whenEmpty: "no models")
            if let work, !events { ModelsCommand.tell(work) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One version, with all that is known of it, as JSON.", discussion: "weirctl models show 3")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The version's number.") var version: Int

        func run() async throws {
            let model = try await APIClient(connection.profile()).get("/v1/models/\(version)")
            let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try JSONSerialization.data(withJSONObject: model, options: options), as: UTF8.self))
        }
    }

    struct Train: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a new version from the tenant's history.",
            discussion: "weirctl models train --since 2026-10-24T00:00:00Z    (four weeks, if nothing is said)")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "From this time on: ISO 8601, or ms since 1970; at most 13 weeks.") var since: String?
        @Option(help: "Up to this time.") var until: String?
        @Option(help: "Equal data and an equal seed give an equal model.") var seed: Int?
        @Option(help: "Width of a window in minutes: 5 or 10.") var window: Int?

        func run() async throws {
            let query = [
                "from": since, "to": until, "seed": seed.map(String.init), "windowMinutes": window.map(String.init),
            ]
            let answer = try await APIClient(connection.profile()).send(
                .POST, "/v1/models", query: query.compactMapValues { $0 })
            let items = ["items": [answer["model"] as? [String: Any] ?? [:]]]
            try rows.printItems(
                items, columns: ModelsCommand.columns.map { RowPrinter.column($0) }, whenEmpty: "no model")
            ModelsCommand.tellHistory(answer)
        }
    }

    struct Evaluate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How a version does on history that it was not made of.",
            discussion: "weirctl models evaluate 3 --since 2026-11-14T00:00:00Z")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Argument(help: "The version's number.") var version: Int
        @Option(help: "From this time on; the end of what it was made of, if nothing is said.") var since: String?
        @Option(help: "Up to this time.") var until: String?
        @Option(help: "Draws the made anomalies.") var seed: Int?

        func run() async throws {
            let query = ["from": since, "to": until, "seed": seed.map(String.init)]
            let answer = try await APIClient(connection.profile()).send(
                .POST, "/v1/models/\(version)/evaluate", query: query.compactMapValues { $0 })
            let evaluation = answer["evaluation"] as? [String: Any] ?? [:]
            try rows.printItems(
                ["items": evaluation["anomalies"] as? [[String: Any]] ?? []],
                columns: ["kind", "made", "found"].map { RowPrinter.column($0) }, whenEmpty: "nothing was tried")
            func text(_ key: String) -> String { RowPrinter.text(evaluation, key) }
            complain(
                "weirctl: of \(text("windows")) windows \(text("flagged")) would be told; of made anomalies "
                    + "\(ModelsCommand.percent(evaluation["recall"])) are found, and "
                    + "\(ModelsCommand.percent(evaluation["precision"])) of all that is told is made; drift "
                    + "\(ModelsCommand.rounded(evaluation["drift"])) (\(text("driftVerdict")))")
            if evaluation["heldOut"] as? Bool == false {
                complain("weirctl: the model was made of some of that: it does worse on what it has not seen")
            }
            ModelsCommand.tellHistory(answer)
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Has a version score the tenant's hosts.", discussion: "weirctl models promote 3")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The version's number.") var version: Int

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.POST, "/v1/models/\(version)/promote")
            complain("weirctl: version \(version) scores from the next batch on")
        }
    }

    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes back the latest promotion.", discussion: "weirctl models rollback")
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).send(.POST, "/v1/models/rollback")
            let now = (answer["promoted"] as? Int).map { "version \($0) scores again" } ?? "nothing scores"
            complain("weirctl: \(now) from the next batch on")
        }
    }

    static let columns = [
        "version", "promoted", "trained", "from", "to", "windows", "hosts", "outlierBound", "deviationBound", "actor",
    ]
    private static func tell(_ work: [String: Any]) {
        func text(_ key: String) -> String { RowPrinter.text(work, key) }
        complain(
            "weirctl: version \(text("version")) has scored \(text("windows")) windows, told \(text("outliers")) "
                + "outliers and \(text("deviations")) deviations; drift \(rounded(work["drift"])) "
                + "(\(text("driftVerdict")))")
    }
    private static func tellHistory(_ answer: [String: Any]) {
        complain("weirctl: \(RowPrinter.text(answer, "records")) records of own hosts were looked at")
        if answer["complete"] as? Bool == false {
            complain("weirctl: not all of the history was looked at: ask for less time")
        }
    }
    private static func rounded(_ value: Any?) -> String {
        String(format: "%.3f", (value as? NSNumber)?.doubleValue ?? 0)
    }
    private static func percent(_ value: Any?) -> String {
        String(format: "%.1f %%", ((value as? NSNumber)?.doubleValue ?? 0) * 100)
    }
}
