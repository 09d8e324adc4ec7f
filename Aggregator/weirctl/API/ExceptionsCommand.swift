import ArgumentParser
import Foundation
internal import NIOHTTP1

struct ExceptionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exceptions", abstract: "What is not to become an incident: scoped, owned, and over at some time.",
        discussion: """
            weirctl exceptions preview --rule 'port-scan-*' --network 192.0.2.9 --role attacker
            weirctl exceptions add --rule 'port-scan-*' --network 192.0.2.9 --role attacker --days 90 --owner ada \
            --reason 'our scanner'
            weirctl exceptions hidden EXC-ID
            """,
        subcommands: [List.self, Add.self, End.self, Preview.self, Hidden.self], defaultSubcommand: List.self)

    struct Scope: ParsableArguments {
        @Option(help: "A rule's id, or the beginning of ids and a *; several times.") var rule: [String] = []
        @Option(help: "A network that all addresses are in; several times.") var network: [String] = []
        @Option(help: "Of attackers or victims only: attacker, victim.") var role: String?
        @Option(help: "A port that the finding may have; several times.") var port: [Int] = []

        var json: [String: Any] {
            var json: [String: Any] = ["rules": rule, "networks": network, "ports": port]
            json["role"] = role
            return json
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists exceptions, newest first.", discussion: "weirctl exceptions list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/exceptions")
            try rows.printItems(
                answer,
                columns: ["id", "owner", "expiresAt", "endedAt", "hidden", "reason"].map { RowPrinter.column($0) },
                whenEmpty: "no exceptions")
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds an exception.",
            discussion:
                "weirctl exceptions add --rule beaconing --network 192.0.2.9 --days 30 --owner ada --reason backup")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var scope: Scope
        @Option(help: "How long it holds, 1 to 366.") var days: Int
        @Option(help: "Who answers for it.") var owner: String
        @Option(help: "Why.") var reason: String

        func run() async throws {
            guard (1...366).contains(days) else { throw Failure.usage("--days: \(days) is outside 1...366") }
            let end = Date(timeIntervalSinceNow: Double(days) * 86_400 - 60)
            let json: [String: Any] = [
                "scope": scope.json, "owner": owner, "reason": reason, "expiresAt": end.formatted(.iso8601),
            ]
            try printJSON(await APIClient(connection.profile()).send(.POST, "/v1/exceptions", json: json))
        }
    }

    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends an exception now.", discussion: "weirctl exceptions end EXC-ID")
        @Argument(help: "Its id.") var id: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try printJSON(await APIClient(connection.profile()).send(.DELETE, "/v1/exceptions/\(id)"))
        }
    }

    struct Preview: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What an exception would have hidden of late.",
            discussion: "weirctl exceptions preview --rule 'port-scan-*' --network 192.0.2.0/24 --days 30")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var scope: Scope
        @Option(help: "How far back, 1 to 366.") var days = 30

        func run() async throws {
            let client = APIClient(try connection.profile())
            try printJSON(
                await client.send(
                    .POST, "/v1/exceptions/preview", query: ["days": String(days)], json: ["scope": scope.json]))
        }
    }

    struct Hidden: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What an exception hid, newest first.", discussion: "weirctl exceptions hidden EXC-ID | jq .items"
        )
        @Argument(help: "Its id.") var id: String
        @Option(help: "At most so many, 1 to 1000.") var limit = 100
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let client = APIClient(try connection.profile())
            try printJSON(await client.get("/v1/exceptions/\(id)/hidden", ["limit": String(limit)]))
        }
    }
}
