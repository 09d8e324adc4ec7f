import ArgumentParser
internal import NIOHTTP1

struct FeaturesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features", abstract: "What the tenant may do without, turned on and off.",
        discussion: """
            weirctl features off exports
            weirctl features on exports
            """,
        subcommands: [List.self, On.self, Off.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists features, and who turned them on or off.", discussion: "weirctl features list")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/features"),
                columns: ["name", "on", "summary", "actor", "at"].map { RowPrinter.column($0) },
                whenEmpty: "no features")
        }
    }

    struct On: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Turns a feature on, from the next request on.", discussion: "weirctl features on exports")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "A name that `features list` shows.") var name: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.PUT, "/v1/features/\(name)", json: ["on": true])
        }
    }

    struct Off: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Turns a feature off, from the next request on.", discussion: "weirctl features off exports")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "A name that `features list` shows.") var name: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.PUT, "/v1/features/\(name)", json: ["on": false])
        }
    }
}
