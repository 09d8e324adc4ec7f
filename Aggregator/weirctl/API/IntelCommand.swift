import ArgumentParser
import Foundation
internal import NIOHTTP1

struct IntelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "intel", abstract: "What is known about addresses, networks and systems, and how feeds do.",
        discussion: """
            weirctl intel lookup 198.51.100.7 203.0.113.0/24 AS64496
            weirctl intel lookup --from indicators.csv --format csv
            weirctl intel feeds
            """,
        subcommands: [Lookup.self, Feeds.self], defaultSubcommand: Lookup.self)

    struct Lookup: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What feeds say, scores, countries, and which own hosts met them.",
            discussion: """
                weirctl intel lookup 198.51.100.7
                weirctl intel lookup --from indicators.csv

                The file is CSV with a column indicator, ip, address, network or value, or a list, of up to 10000 rows.
                '-' is standard input.
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @Argument(help: "Addresses, networks and systems (AS64496).") var indicators: [String] = []
        @Option(help: "A file of them; - for standard input.") var from: String?
        @Flag(help: "Do not ask history who met them.") var withoutSightings = false

        func run() async throws {
            guard indicators.isEmpty != (from == nil) else {
                throw Failure.usage("give indicators, or a file with --from")
            }
            let client = APIClient(try connection.profile())
            var query = withoutSightings ? ["sightings": "false"] : [:]
            let answer: [String: Any]
            if let from {
                answer = try await client.send(.POST, "/v1/intel/lookup", query: query, text: try Self.contents(from))
            } else {
                query["indicator"] = indicators.joined(separator: ",")
                answer = try await client.get("/v1/intel/lookup", query)
            }
            try rows.printItems(answer, columns: Self.columns, whenEmpty: "nothing was asked")
        }

        private static func contents(_ path: String) throws -> String {
            let data =
                path == "-"
                ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: path)
            guard let data else { throw Failure.usage("--from: \(path) cannot be read") }
            return String(decoding: data, as: UTF8.self)
        }

        private static func member(_ object: [String: Any], _ key: String, _ name: String) -> String {
            RowPrinter.text(object[key] as? [String: Any] ?? [:], name)
        }
        private static var columns: [RowPrinter.Column] {
            [
                RowPrinter.column("query"), RowPrinter.Column(title: "score") { member($0, "score", "value") },
                RowPrinter.Column(title: "feeds") { object in
                    let feeds = (object["known"] as? [[String: Any]] ?? []).compactMap { $0["feed"] as? String }
                    return feeds.isEmpty ? "-" : Set(feeds).sorted().joined(separator: " ")
                },
                RowPrinter.Column(title: "country") { member($0, "origin", "country") },
                RowPrinter.Column(title: "system") { member($0, "origin", "systemNumber") },
                RowPrinter.Column(title: "name") { member($0, "origin", "name") },
                RowPrinter.Column(title: "hosts") { member($0, "sighting", "hosts") },
                RowPrinter.Column(title: "first seen") { member($0, "sighting", "firstSeen") },
                RowPrinter.Column(title: "last seen") { member($0, "sighting", "lastSeen") },
                RowPrinter.Column(title: "fault") { object in
                    object["fault"] as? String ?? object["sightingsFault"] as? String ?? "-"
                },
            ]
        }
    }

    struct Feeds: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How the feeds do: how many indicators, from when, and what is wrong.",
            discussion: "weirctl intel feeds --format table")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/intel/feeds")
            let names = ["name", "kind", "place", "format", "indicators", "confirmed", "failures", "problem"]
            try rows.printItems(answer, columns: names.map { RowPrinter.column($0) }, whenEmpty: "no feeds are set")
        }
    }
}
