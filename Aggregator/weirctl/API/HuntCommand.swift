import ArgumentParser
import Foundation
internal import NIOHTTP1

struct HuntCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hunt",
        abstract: "Which hosts met some addresses or networks, and when, over all history.",
        discussion: """
            weirctl hunt 198.51.100.7 203.0.113.0/24
            weirctl hunt --from indicators.txt --since 2026-08-01

            The file has an address or a network a line, up to 100000; # begins a comment. '-' is standard input.
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions
    @Argument(help: "Addresses and networks.") var indicators: [String] = []
    @Option(help: "A file of addresses and networks; - for standard input.") var from: String?
    @Option(help: "From this time on: ISO 8601, or ms since 1970.") var since: String?
    @Option(help: "Up to this time.") var until: String?
    @Flag(help: "Say what the answer cost.") var explain = false

    private static let indicatorsMax = 100_000

    func run() async throws {
        let wanted = indicators + (try from.map(Self.lines) ?? [])
        guard (1...Self.indicatorsMax).contains(wanted.count) else {
            throw Failure.usage(
                "\(wanted.count) addresses and networks; 1 to \(Self.indicatorsMax) can be hunted for")
        }
        var query: [String: String] = [:]
        query["from"] = since
        query["to"] = until
        if explain { query["explain"] = "true" }
        let answer = try await APIClient(connection.profile()).send(
            .POST, "/v1/hunts", query: query, json: ["indicators": wanted])
        try rows.printItems(
            answer,
            columns: ["indicator", "met", "host", "firstSeen", "lastSeen"].map { RowPrinter.column($0) }
                + [
                    RowPrinter.Column(title: "octets sent") {
                        RowPrinter.text($0["sent"] as? [String: Any] ?? [:], "octetDeltaCount")
                    },
                    RowPrinter.Column(title: "octets received") {
                        RowPrinter.text($0["received"] as? [String: Any] ?? [:], "octetDeltaCount")
                    },
                ], whenEmpty: "nobody met any of them")
        printPlan(answer)
    }

    private static func lines(_ path: String) throws -> [String] {
        let data =
            path == "-"
            ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: path)
        guard let data else { throw Failure.usage("--from: \(path) cannot be read") }
        return String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).compactMap {
            line in
            let text = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
            return text.isEmpty ? nil : text
        }
    }
}
