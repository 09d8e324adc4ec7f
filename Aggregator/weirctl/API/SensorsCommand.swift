import ArgumentParser
internal import NIOHTTP1

struct SensorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sensors", abstract: "Sensors of the key's tenant, with what they shipped and lost.",
        subcommands: [
            List.self, Reship.self, SensorMarks.self, Quarantine.self, Release.self, Revoke.self, Restore.self,
            Discard.self, Invite.self, Invitations.self, Disinvite.self, Enrol.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists sensors.",
            discussion: "weirctl sensors list --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).get("/v1/sensors")
            try rows.printItems(
                answer,
                columns: ["site", "name", "version", "lastHeartbeat", "lastBatch", "flows", "octets", "fidelity"]
                    .map { RowPrinter.column($0) }, whenEmpty: "no sensor has been seen")
        }
    }

    struct Reship: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Has sensors send again what they were answered for.",
            discussion: """
                For batches that an aggregator has lost: with its disk, or between a backup and its restoring. What it
                has after all is not stored twice. A sensor has what its settings spool.keepAcked and
                spool.keepAckedBytes kept; it is asked with its next heartbeat.

                weirctl sensors reship --since 2026-11-21T04:00:00Z berlin:edge1
                """)
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "Batches received at or after this time (ISO 8601); all unless given.") var since: String?
        @Argument(help: "SITE:NAME; all sensors unless given.") var sensors: [String] = []

        func run() async throws {
            let client = APIClient(try connection.profile())
            var ids = sensors
            if ids.isEmpty {
                let answer = try await client.get("/v1/sensors")
                ids = (answer["items"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
            }
            for id in ids {
                let query = since.map { ["since": $0] } ?? [:]
                _ = try await client.send(.POST, "/v1/sensors/\(id)/reship", query: query)
            }
        }
    }
}
