import ArgumentParser
import Foundation
internal import NIOHTTP1

struct PrivacyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "privacy", abstract: "What is known of an address or a member, what of it goes, and when.",
        subcommands: [Report.self, Erase.self, Retention.self, Keep.self])

    struct SubjectOptions: ParsableArguments {
        @Option(help: "An address.") var address: String?
        @Option(help: "A member's id, or mail address.") var person: String?

        func json() throws -> [String: String] {
            switch (address, person) {
            case (let address?, nil): return ["address": address]
            case (nil, let person?): return ["person": person]
            default: throw Failure.usage("one of --address and --person is needed")
            }
        }
    }

    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What is known, as JSON.",
            discussion: """
                Records themselves come from 'weirctl flows export'.

                weirctl privacy report --address 192.0.2.7
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var subject: SubjectOptions

        func run() async throws {
            let answer = try await APIClient(connection.profile()).send(
                .POST, "/v1/privacy/report", json: try subject.json())
            let octets = try JSONSerialization.data(
                withJSONObject: answer, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            print(String(decoding: octets, as: UTF8.self))
        }
    }

    struct Erase: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Erases what can be erased, for ever, and says what stays, why, and until when.",
            discussion: "weirctl privacy erase --person ada@example.net")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions
        @OptionGroup var subject: SubjectOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).send(
                    .POST, "/v1/privacy/erasure", json: try subject.json()),
                columns: ["what", "outcome", "count", "reason", "until"].map { RowPrinter.column($0) },
                whenEmpty: "nothing is known")
        }
    }

    struct Retention: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How long what is kept, in days.", discussion: "weirctl privacy retention")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var rows: RowOptions

        func run() async throws {
            try rows.printItems(
                try await APIClient(connection.profile()).get("/v1/retention"),
                columns: ["kind", "own", "node", "inForce"].map { RowPrinter.column($0) }, whenEmpty: "nothing")
        }
    }

    struct Keep: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Has something kept for a shorter time than the node keeps it.",
            discussion: "weirctl privacy keep records --days 14")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "records, sums or incidents (closed ones).") var kind: String
        @Option(help: "How long; as the node does without.") var days: Int?

        func run() async throws {
            _ = try await APIClient(connection.profile()).send(
                .PUT, "/v1/retention/\(kind)", json: ["days": days.map { $0 as Any } ?? NSNull()])
        }
    }
}
