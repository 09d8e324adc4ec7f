import ArgumentParser
internal import NIOHTTP1

struct NotifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "What waits to be told, and tests of the tenant's own channels.",
        discussion: """
            weirctl notify outbox
            weirctl notify test CHANNEL
            The operator's channels are tested on the node: weir-aggregator notify test CHANNEL
            """,
        subcommands: [Outbox.self, Channels.self, Test.self], defaultSubcommand: Outbox.self)

    struct Outbox: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists messages that wait, oldest first.", discussion: "weirctl notify outbox --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/notify/outbox")
            try rows.printItems(
                answer, columns: ["id", "channel", "addedAt", "tries", "nextTry"].map { RowPrinter.column($0) },
                whenEmpty: "nothing waits")
        }
    }

    struct Channels: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the tenant's own channels.", discussion: "weirctl notify channels")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/notify/channels")
            try rows.printItems(answer, columns: [RowPrinter.column("name")], whenEmpty: "no channels")
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends a test message by a channel, and says how that went.",
            discussion: "weirctl notify test soc")
        @Argument(help: "The channel's name.") var channel: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).send(.POST, "/v1/notify/channels/\(channel)/test")
            let result = answer["result"] as? String ?? "no result"
            guard result == "delivered" else { throw Failure.work("\(channel): \(result)") }
            print("\(channel): delivered")
        }
    }
}
