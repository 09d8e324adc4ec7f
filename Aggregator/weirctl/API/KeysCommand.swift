import ArgumentParser
internal import NIOHTTP1

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "The tenant's API keys, and the programs that they are for.",
        discussion: """
            weirctl keys add-account siem --role viewer
            weirctl keys create siem --account svc-1a2b3c --scope flows:read --days 90 --out siem.key
            """,
        subcommands: [
            List.self, Create.self, Revoke.self, Accounts.self, AddAccount.self, DisableAccount.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists keys and when they were last used, never the keys themselves.",
            discussion: "weirctl keys list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/keys"),
                columns: ["id", "name", "state", "account", "expiresAt", "usedAt"].map { RowPrinter.column($0) }
                    + [RowPrinter.words("scopes")], whenEmpty: "no keys")
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key and shows it this once. It may no more than who makes it.",
            discussion: "weirctl keys create console --scope flows:read --days 90 --out console.key")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "What people call it.") var name: String
        @Option(help: "What it may, several times; all that the maker has but administration without.")
        var scope: [String] = []
        @Option(help: "The only site to be seen, several times. All without.") var site: [String] = []
        @Option(help: "The only exporter, or network of them, to be seen, several times. All without.")
        var exporter: [String] = []
        @Option(help: "The service account that it is for.") var account: String?
        @Option(help: "How long it is good for, 1 to 3650; for ever without.") var days: Int?
        @OptionGroup var secret: SecretOptions

        func run() async throws {
            var json: [String: Any] = ["name": name]
            if !scope.isEmpty { json["scopes"] = scope }
            if !site.isEmpty { json["sites"] = site }
            if !exporter.isEmpty { json["exporters"] = exporter }
            json["account"] = account
            json["days"] = days
            let made = try await APIClient(connection.profile()).send(.POST, "/v1/keys", json: json)
            let record = made["record"] as? [String: Any] ?? [:]
            try secret.give(RowPrinter.text(made, "key"), named: RowPrinter.text(record, "id"))
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes a key, from the next request on.", discussion: "weirctl keys revoke key-1a2b3c")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `keys list` shows.") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/keys/\(id)")
        }
    }

    struct Accounts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists service accounts.", discussion: "weirctl keys accounts")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/accounts"),
                columns: ["id", "name", "role", "isDisabled"].map { RowPrinter.column($0) }, whenEmpty: "no accounts")
        }
    }

    struct AddAccount: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a service account, and shows its id.",
            discussion: "weirctl keys add-account siem --role viewer")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "What people call it.") var name: String
        @OptionGroup var standing: StandingOptions

        func run() async throws {
            var json = standing.json
            json["name"] = name
            let made = try await APIClient(connection.profile()).send(.POST, "/v1/accounts", json: json)
            print(RowPrinter.text(made, "id"))
        }
    }

    struct DisableAccount: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Disables a service account: its keys are no good from the next request on.",
            discussion: "weirctl keys disable-account svc-1a2b3c")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `keys accounts` shows.") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/accounts/\(id)")
        }
    }
}
