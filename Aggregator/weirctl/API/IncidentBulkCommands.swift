import ArgumentParser
import Foundation
internal import NIOCore
internal import NIOHTTP1

struct IncidentBulkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulk", abstract: "Changes many incidents alike, each by itself.",
        discussion: """
            weirctl incidents bulk ID ID ID --status triaged --assignee ada
            weirctl incidents bulk --where-rule port-scan-horizontal --status false-positive --dry-run
            """)
    @Argument(help: "The incidents' ids; without any, those that the --where options name.") var ids: [String] = []
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions
    @OptionGroup var change: IncidentChangeOptions
    @Option(help: "Incidents of this status; open for all that are not closed.") var whereStatus: String?
    @Option(help: "Incidents of this severity.") var whereSeverity: String?
    @Option(help: "Incidents of this rule.") var whereRule: String?
    @Option(help: "Incidents whom this one works on; none: nobody's.") var whereAssignee: String?
    @Option(help: "Incidents with this tag.") var whereTag: String?
    @Option(help: "Incidents in which this address takes part.") var whereAddress: String?
    @Flag(help: "Only list what would be changed.") var dryRun = false

    /// As many as one request may name.
    private static let bulkMax = 500

    func run() async throws {
        let change = try change.json(), client = APIClient(try connection.profile())
        let targets = try await targets(client)
        guard !targets.isEmpty else { throw Failure.work("there are no such incidents") }
        if dryRun {
            for target in targets { print(target["incident"] ?? "") }
            return complain("weirctl: \(targets.count) incidents would be changed")
        }
        let answer = try await client.send(
            .POST, "/v1/incidents/bulk", json: ["incidents": targets, "change": change])
        let items = answer["items"] as? [[String: Any]] ?? []
        try rows.printItems(
            answer, columns: ["incident", "status", "revision", "detail"].map { RowPrinter.column($0) },
            whenEmpty: "nothing was changed")
        let failed = items.count { $0["status"] as? Int != 200 }
        if failed > 0 { throw Failure.work("\(failed) of \(items.count) were not changed") }
    }

    /// With the revision that each has now: what changes meanwhile is left alone.
    private func targets(_ client: APIClient) async throws -> [[String: Any]] {
        let filters = [
            "status": whereStatus, "severity": whereSeverity, "rule": whereRule, "assignee": whereAssignee,
            "tag": whereTag, "address": whereAddress,
        ].compactMapValues { $0 }
        guard ids.isEmpty != filters.isEmpty else {
            throw Failure.usage("name incidents, or say which by --where options")
        }
        guard ids.count <= Self.bulkMax else { throw Failure.usage("at most \(Self.bulkMax) incidents at once") }
        var targets: [[String: Any]] = []
        for id in ids { targets.append(["incident": id, "revision": try await IncidentTarget.newest(id, client)]) }
        if ids.isEmpty {
            try await client.list("/v1/incidents", filters, limit: Self.bulkMax) { item in
                targets.append(["incident": item["id"] ?? "", "revision": item["revision"] ?? 0])
            }
        }
        return targets
    }
}

struct IncidentFeedbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedback", abstract: "What people said of each rule's incidents.",
        discussion: "weirctl incidents feedback")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions

    func run() async throws {
        try rows.printItems(
            await APIClient(connection.profile()).get("/v1/feedback"),
            columns: ["rule", "incidents", "truePositive", "falsePositive", "benign", "confirmed"].map {
                RowPrinter.column($0)
            }, whenEmpty: "no incidents yet")
    }
}

struct IncidentPlaybooksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playbooks", abstract: "The playbooks that the key's tenant has, with their steps.",
        discussion: "weirctl incidents playbooks    (incidents edit ID --playbook NAME starts one)")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions

    func run() async throws {
        let steps = RowPrinter.Column(title: "steps") { object in
            (object["steps"] as? [[String: Any]] ?? []).map { step in
                let channel = step["channel"] as? String
                return (step["title"] as? String ?? "") + (channel.map { " → \($0)" } ?? "")
            }.joined(separator: "; ")
        }
        let rules = RowPrinter.Column(title: "rules") { ($0["rules"] as? [String] ?? []).joined(separator: " ") }
        try rows.printItems(
            await APIClient(connection.profile()).get("/v1/playbooks"),
            columns: [RowPrinter.column("name"), rules, RowPrinter.column("severityMin"), steps],
            whenEmpty: "no playbooks are set for this tenant")
    }
}

struct MitigationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mitigation", abstract: "What was accepted and holds now: what firewalls and routers are to do.",
        discussion: """
            weirctl mitigation
            weirctl mitigation --as exabgp --next-hop 192.0.2.1
            """)
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions
    @Option(name: .customLong("as"), help: "networks, exabgp or gobgp: as text for others instead of a list.")
    var form: String?
    @Option(help: "Where a blackhole route leads.") var nextHop: String?

    func run() async throws {
        let client = APIClient(try connection.profile())
        guard let form else {
            return try rows.printItems(
                await client.get("/v1/mitigation/list", ["format": "json"]),
                columns: ["kind", "source", "destination", "expiresAt", "incident", "id"].map { RowPrinter.column($0) },
                whenEmpty: "nothing is accepted")
        }
        let query = ["format": form, "nextHop": nextHop].compactMapValues { $0 }
        try await client.download("/v1/mitigation/list", query) { piece in
            FileHandle.standardOutput.write(Data(piece.readableBytesView))
        }
    }
}
