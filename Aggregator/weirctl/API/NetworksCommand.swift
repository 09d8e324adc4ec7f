import ArgumentParser
import Foundation
internal import NIOHTTP1

struct NetworksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "networks", abstract: "The names that filters may use: @servers.",
        discussion: """
            weirctl networks set servers 192.0.2.0/24 2001:db8::/32
            weirctl flows --filter 'dst net @servers and not src net @servers'
            """,
        subcommands: [List.self, Set.self, Remove.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists names and their networks.",
            discussion: "weirctl networks list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/networks")
            try rows.printItems(
                answer,
                columns: [
                    RowPrinter.column("name"),
                    RowPrinter.Column(title: "networks") { object in
                        (object["networks"] as? [String] ?? []).joined(separator: " ")
                    },
                ], whenEmpty: "no names")
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what a name stands for, in the place of what it stood for.",
            discussion: "weirctl networks set servers 192.0.2.0/24 2001:db8::/32")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "1 to 63 of A-Z a-z 0-9 . _ -") var name: String
        @Argument(help: "Addresses and networks.") var networks: [String]

        func run() async throws {
            let client = APIClient(try connection.profile())
            _ = try await client.send(.PUT, "/v1/networks/\(name)", json: ["networks": networks])
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forgets a name.",
            discussion: "weirctl networks remove servers")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The name.") var name: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/networks/\(name)")
        }
    }
}
