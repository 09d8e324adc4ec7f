import ArgumentParser
internal import NIOHTTP1

extension PeopleCommand {
    struct Roles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists roles and what they may.", discussion: "weirctl people roles")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/roles"),
                columns: [RowPrinter.column("name"), RowPrinter.column("isOwn"), RowPrinter.words("scopes")],
                whenEmpty: "no roles")
        }
    }

    struct SetRole: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes or changes an own role.",
            discussion: "weirctl people set-role netops --scope sensors:read --scope sensors:write")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "1 to 63 of a-z 0-9 -, and none of Weir's.") var name: String
        @Option(help: "What it may, several times; nothing without.") var scope: [String] = []

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.PUT, "/v1/roles/\(name)", json: ["scopes": scope])
        }
    }

    struct RemoveRole: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes away an own role that nobody has.", discussion: "weirctl people remove-role netops")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Its name.") var name: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/roles/\(name)")
        }
    }
}
