import ArgumentParser
import Foundation
internal import NIOHTTP1

/// A role, and of how much of the tenant.
struct StandingOptions: ParsableArguments {
    @Option(help: "viewer, analyst, admin, owner, or one of the tenant's own.") var role: String
    @Option(help: "The only site to be seen, several times. All without.") var site: [String] = []
    @Option(help: "The only exporter, or network of them, to be seen, several times. All without.")
    var exporter: [String] = []

    var json: [String: Any] {
        var json: [String: Any] = ["role": role]
        if !site.isEmpty { json["sites"] = site }
        if !exporter.isEmpty { json["exporters"] = exporter }
        return json
    }
}

/// Where a secret that is shown once goes.
struct SecretOptions: ParsableArguments {
    @Option(help: "The file to write it to, for its owner only; standard output without.") var out: String?

    func give(_ secret: String, named name: String) throws {
        guard let out else { return print(secret) }
        guard !FileManager.default.fileExists(atPath: out) else {
            throw Failure.usage("--out: \(out) is there already")
        }
        try replaceFile(out, with: Data((secret + "\n").utf8), isSecret: true)
        complain("\(name) is in \(out)")
    }
}

extension RowPrinter {
    /// Words in one cell.
    static func words(_ key: String) -> Column {
        Column(title: key) { object in (object[key] as? [String])?.joined(separator: " ") ?? "-" }
    }
}

struct PeopleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "people", abstract: "Members of the tenant, their roles, and who was asked to join.",
        discussion: """
            weirctl people invite ada@example.net --role analyst --out ada.token
            weirctl people set usr-1a2b3c --role viewer --site hq
            weirctl people reset usr-1a2b3c --out ada.token
            """,
        subcommands: [
            List.self, SetMember.self, Remove.self, Invite.self, Invitations.self, Withdraw.self, Reset.self,
            ResetFactor.self, Roles.self, SetRole.self, RemoveRole.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists members.", discussion: "weirctl people list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/members"),
                columns: ["id", "email", "name", "role"].map { RowPrinter.column($0) }
                    + ["sites", "exporters"].map { RowPrinter.words($0) }
                    + ["isDisabled", "hasFactor"].map { RowPrinter.column($0) },
                whenEmpty: "no members")
        }
    }

    struct SetMember: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Gives a member another role and reach.",
            discussion: "weirctl people set usr-1a2b3c --role analyst")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `people list` shows.") var id: String
        @OptionGroup var standing: StandingOptions

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.PUT, "/v1/members/\(id)", json: standing.json)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes somebody out of the tenant, from the next request on.",
            discussion: "weirctl people remove usr-1a2b3c")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `people list` shows.") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/members/\(id)")
        }
    }

    struct Invite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Asks somebody to join, and shows the token this once.",
            discussion: "weirctl people invite ada@example.net --role analyst --days 3 --out ada.token")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The address of who is invited.") var email: String
        @OptionGroup var standing: StandingOptions
        @Option(help: "How long it stands, 1 to 14.") var days = 7
        @OptionGroup var secret: SecretOptions

        func run() async throws {
            var json = standing.json
            (json["email"], json["days"]) = (email, days)
            let made = try await APIClient(connection.profile()).send(.POST, "/v1/invitations", json: json)
            try secret.give(RowPrinter.text(made, "token"), named: RowPrinter.text(made, "id"))
        }
    }

    struct Invitations: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists who was asked to join and has not answered.", discussion: "weirctl people invitations")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/invitations"),
                columns: ["id", "email", "role", "expiresAt"].map { RowPrinter.column($0) }, whenEmpty: "no invitations"
            )
        }
    }

    struct Withdraw: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes an invitation back.", discussion: "weirctl people withdraw inv-1a2b3c")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `people invitations` shows.") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/invitations/\(id)")
        }
    }

    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a token with which a member sets a new password, within an hour.",
            discussion: "weirctl people reset usr-1a2b3c --out ada.token")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `people list` shows.") var id: String
        @OptionGroup var secret: SecretOptions

        func run() async throws {
            let made = try await APIClient(connection.profile()).send(.POST, "/v1/members/\(id)/reset")
            try secret.give(RowPrinter.text(made, "token"), named: "the token for \(id)")
        }
    }

    struct ResetFactor: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a member's authenticator and recovery codes away.",
            discussion: "weirctl people reset-factor usr-1a2b3c")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "The id that `people list` shows.") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/members/\(id)/factor")
        }
    }
}
