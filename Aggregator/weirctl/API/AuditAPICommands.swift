import ArgumentParser
import Foundation
internal import NIOCore

/// Which events.
struct AuditOptions: ParsableArguments {
    @Option(help: "Only events of this kind, such as keyCreated.") var kind: String?
    @Option(help: "Only what this person or key did.") var actor: String?
    @Option(help: "Only what was done to this.") var subject: String?
    @Option(help: "From this time on: ISO 8601, or ms since 1970.") var from: String?
    @Option(help: "Before this time.") var to: String?

    var query: [String: String] {
        let all = ["kind": kind, "actor": actor, "subject": subject, "from": from, "to": to]
        return all.compactMapValues { $0 }
    }
}

extension AuditCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists who did what in the tenant, newest first.",
            discussion: "weirctl audit list --kind keyCreated --limit 20")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var events: AuditOptions
        @Option(help: "How many at most.") var limit = 100
        @OptionGroup var rows: RowOptions

        func run() async throws {
            var printer = RowPrinter(
                rows.chosen, columns: ["id", "at", "actor", "kind", "subject"].map { RowPrinter.column($0) })
            try await APIClient(connection.profile()).list("/v1/audit", events.query, limit: limit) { item in
                try printer.add(item)
            }
            printer.finish(whenEmpty: "no events")
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes all events of the tenant, oldest first, as NDJSON.",
            discussion: "weirctl audit export > audit.ndjson")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var events: AuditOptions

        func run() async throws {
            try await APIClient(connection.profile()).download("/v1/audit/export", events.query) { piece in
                try FileHandle.standardOutput.write(contentsOf: Data(piece.readableBytesView))
            }
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Has the aggregator check the chain, and shows its head; 'verify' does it on the node itself.",
            discussion: "weirctl audit check --head 17:5feceb66ffc8…")
        @OptionGroup var connection: ConnectionOptions
        @Option(help: "A head from before, which the log has to contain.") var head: String?

        func run() async throws {
            let query = head.map { ["head": $0] } ?? [:]
            let verdict = try await APIClient(connection.profile()).get("/v1/audit/verify", query)
            guard verdict["isWhole"] as? Bool == true else {
                throw Failure.work("the audit log is not as it was written: \(RowPrinter.text(verdict, "fault"))")
            }
            print(RowPrinter.text(verdict, "head"))
        }
    }
}
