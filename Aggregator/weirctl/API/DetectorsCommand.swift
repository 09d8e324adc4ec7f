import ArgumentParser
import Foundation
internal import NIOHTTP1

struct DetectorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detectors", abstract: "The built-in rules, their limits, and what other limits would have found.",
        discussion: """
            weirctl detectors
            weirctl detectors limits --of port-scan
            weirctl detectors backtest --limit scanPortsMin=20 --since 2026-11-20T00:00:00Z
            weirctl detectors set --limit scanPortsMin=20
            """,
        subcommands: [List.self, Limits.self, Backtest.self, Change.self, Reset.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the built-in rules.", discussion: "weirctl detectors list")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/detectors")
            var items: [[String: Any]] = []
            for detector in answer["items"] as? [[String: Any]] ?? [] {
                for var rule in detector["rules"] as? [[String: Any]] ?? [] {
                    rule["detector"] = detector["name"]
                    items.append(rule)
                }
            }
            let state = RowPrinter.Column(title: "state") { $0["off"] as? Bool == true ? "off" : "on" }
            let techniques = RowPrinter.Column(title: "techniques") { object in
                (object["techniques"] as? [String] ?? []).joined(separator: " ")
            }
            try rows.printItems(
                ["items": items],
                columns: [.init(title: "rule") { RowPrinter.text($0, "id") }, RowPrinter.column("detector"), state]
                    + [techniques, RowPrinter.column("title")], whenEmpty: "no detectors")
        }
    }

    struct Limits: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the limits that hold for the key's tenant; times in ms.",
            discussion: "weirctl detectors limits --of flood")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "Only this detector's.") var of: String?

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/detectors")
            var items: [[String: Any]] = []
            func add(_ object: [String: Any], _ detector: String) {
                for var limit in object["limits"] as? [[String: Any]] ?? [] {
                    limit["detector"] = detector
                    items.append(limit)
                }
            }
            for detector in answer["items"] as? [[String: Any]] ?? [] {
                let name = detector["name"] as? String ?? ""
                if of == nil || of == name { add(detector, name) }
            }
            if of == nil { add(answer, "all") }
            try rows.printItems(
                ["items": items],
                columns: ["detector", "name", "value", "standard", "unit", "min", "max"].map { RowPrinter.column($0) }
                    + [
                        RowPrinter.Column(title: "set") {
                            $0["isOwn"] as? Bool == true ? "own" : $0["isSet"] as? Bool == true ? "yes" : "no"
                        }
                    ],
                whenEmpty: "no detector of that name")
        }
    }

    struct Backtest: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What built-in rules would have found in the tenant's history under other limits.",
            discussion: """
                weirctl detectors backtest --limit scanPortsMin=20 --limit scanHostsMin=20
                weirctl detectors backtest --rule 'new-*' --learn-from 2026-11-01T00:00:00Z
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Option(help: "NAME=VALUE, times in ms; several times.") var limit: [String] = []
        @Option(help: "A rule's id, or the beginning of ids and a *; several times.") var rule: [String] = []
        @Option(help: "From this time on: ISO 8601, or ms since 1970; a day back without.") var since: String?
        @Option(help: "Up to this time.") var until: String?
        @Option(help: "What came from here on is learned from; a day before --since without.") var learnFrom: String?
        @Flag(help: "Only what is gained or lost against the limits in use.") var difference = false
        @Flag(help: "Say what the answer cost.") var explain = false

        func run() async throws {
            var query = ["from": since, "to": until, "learnFrom": learnFrom].compactMapValues { $0 }
            if explain { query["explain"] = "true" }
            let answer = try await APIClient(connection.profile()).send(
                .POST, "/v1/detectors/backtest", query: query,
                json: ["limits": try DetectorsCommand.limits(limit), "rules": rule])
            var printer = RowPrinter(
                rows.chosen,
                columns: ["change", "start", "severity", "rule", "title"].map { RowPrinter.column($0) })
            for item in Self.items(answer, onlyDifference: difference) { try printer.add(item) }
            printer.finish(whenEmpty: difference ? "no difference" : "nothing would have been raised")
            func number(_ name: String) -> Int { answer[name] as? Int ?? 0 }
            complain(
                "weirctl: \(number("wouldFire")) findings, \(number("current")) under the limits in use; "
                    + "\(number("hostCount")) hosts, \(number("records")) records read")
            if answer["complete"] as? Bool == false {
                complain(
                    "weirctl: history was looked at up to \(answer["through"] as? String ?? "?"), and "
                        + "\(number("leftOut")) records were left out: ask for less time")
            }
            printPlan(answer)
        }

        /// What would be found, marked where it is new, and what would no more.
        private static func items(_ answer: [String: Any], onlyDifference: Bool) -> [[String: Any]] {
            func list(_ name: String) -> [[String: Any]] { answer[name] as? [[String: Any]] ?? [] }
            func marked(_ item: [String: Any], _ mark: String) -> [String: Any] {
                item.merging(["change": mark]) { $1 }
            }
            let gained = Set(list("gained").compactMap { $0["id"] as? String })
            let kept = list("findings").filter { !gained.contains($0["id"] as? String ?? "") }
            return (onlyDifference ? [] : kept.map { marked($0, "same") }) + list("gained").map { marked($0, "gained") }
                + list("lost").map { marked($0, "lost") }
        }
    }

    struct Change: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Sets limits for the key's tenant, and switches rules off and on, beside what was set before.",
            discussion: """
                weirctl detectors set --limit scanPortsMin=20 --off 'new-*'
                weirctl detectors set --usual scanPortsMin --on 'new-*'
                """)
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "NAME=VALUE, times in ms; several times.") var limit: [String] = []
        @Option(help: "A limit that is to be as the operator set it; several times.") var usual: [String] = []
        @Option(help: "A rule that is to say nothing, or the beginning of ids and a *; several times.")
        var off: [String] = []
        @Option(help: "What was given to --off; several times.") var on: [String] = []

        func run() async throws {
            let client = try APIClient(connection.profile())
            let own = try await client.get("/v1/detectors")["own"] as? [String: Any] ?? [:]
            var limits = (own["limits"] as? [String: Any] ?? [:]).compactMapValues { $0 as? Double }
            for name in usual { limits[name] = nil }
            limits.merge(try DetectorsCommand.limits(limit)) { $1 }
            var rules = (own["off"] as? [String] ?? []).filter { !on.contains($0) }
            rules += off.filter { !rules.contains($0) }
            try printJSON(
                await client.send(.PUT, "/v1/detectors/limits", json: ["limits": limits, "off": rules]))
        }
    }

    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes back all that was set for the key's tenant: the operator's settings hold.",
            discussion: "weirctl detectors reset")
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let nothing: [String: Any] = [:]
            try printJSON(
                await APIClient(connection.profile()).send(.PUT, "/v1/detectors/limits", json: nothing))
        }
    }

    fileprivate static func limits(_ texts: [String]) throws -> [String: Double] {
        try texts.reduce(into: [:]) { all, text in
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let value = Double(parts[1]) else {
                throw Failure.usage("--limit: \"\(text)\" is not NAME=VALUE, such as scanPortsMin=20")
            }
            all[String(parts[0])] = value
        }
    }
}
