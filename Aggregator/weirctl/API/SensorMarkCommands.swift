import ArgumentParser
internal import NIOHTTP1

extension SensorsCommand {
    struct SensorMarks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "marks", abstract: "Lists who is revoked or in quarantine, and what is held of them.",
            discussion: "weirctl sensors marks --format csv")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/sensors/marks"),
                columns: ["id", "kind", "serial", "heldBatches", "at", "actor", "reason"].map { RowPrinter.column($0) },
                whenEmpty: "no sensor is revoked or in quarantine")
        }
    }

    struct Quarantine: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keeps what a sensor sends apart from the history, and detects nothing in it.",
            discussion: "weirctl sensors quarantine berlin:edge1 --reason 'its clock is mad'")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String
        @Option(help: "Why, for those who come later.") var reason: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(
                .PUT, "/v1/sensors/\(id)/quarantine", json: ["reason": reason])
        }
    }

    struct Release: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a sensor out of quarantine: what was held goes into the history.",
            discussion: "weirctl sensors release berlin:edge1")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(.DELETE, "/v1/sensors/\(id)/quarantine")
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revokes a sensor, or one of its certificates: it is cut off within seconds.",
            discussion: "weirctl sensors revoke berlin:edge1 --reason 'its machine was stolen'")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String
        @Option(help: "Why, for those who come later.") var reason: String
        @Option(help: "The serial number of one certificate, as 'weirctl certs show' prints it; all without.")
        var serial: String?

        func run() async throws {
            var json = ["reason": reason]
            json["serial"] = serial
            _ = try await APIClient(connection.profile()).send(.PUT, "/v1/sensors/\(id)/revocation", json: json)
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes a revocation back. Certificates of before are good again.",
            discussion: "weirctl sensors restore berlin:edge1")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String
        @Option(help: "The certificate that was revoked alone.") var serial: String?

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(
                .DELETE, "/v1/sensors/\(id)/revocation", query: serial.map { ["serial": $0] } ?? [:])
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Throws away what is held of a sensor, for ever.",
            discussion: "weirctl sensors discard berlin:edge1")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "SITE:NAME") var id: String

        func run() async throws {
            let answer = try await APIClient(connection.profile()).send(.DELETE, "/v1/sensors/\(id)/held")
            print("\(RowPrinter.text(answer, "batches")) batches")
        }
    }
}
