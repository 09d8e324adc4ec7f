import ArgumentParser
import Foundation
internal import NIOHTTP1

/// Prints what an API answered, for people and for `jq`.
func printJSON(_ object: Any) throws {
    let data = try JSONSerialization.data(
        withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    print(String(decoding: data, as: UTF8.self))
}

/// The incident that a change is about, and the revision that it is based on.
struct IncidentTarget: ParsableArguments {
    @Argument(help: "The incident's id.") var id: String
    @Option(help: "The revision that was read; the newest without.") var revision: Int?

    func seen(_ client: APIClient) async throws -> Int {
        if let revision { return revision }
        return try await Self.newest(id, client)
    }
    static func newest(_ id: String, _ client: APIClient) async throws -> Int {
        guard let revision = try await client.get("/v1/incidents/\(id)")["revision"] as? Int else {
            throw Failure.work("the answer has no revision")
        }
        return revision
    }
}

/// What is to be otherwise about an incident.
struct IncidentChangeOptions: ParsableArguments {
    @Option(help: "new, triaged, in-progress, contained, resolved or false-positive.") var status: String?
    @Option(help: "Who works on it; an empty text: nobody.") var assignee: String?
    @Option(help: "low, medium, high, critical; 'assessed' for what Weir says.") var severity: String?
    @Option(help: "A tag to put on; several times.") var tag: [String] = []
    @Option(help: "A tag to take off; several times.") var untag: [String] = []
    @Option(help: "A comment.") var comment: String?
    @Option(help: "true-positive, false-positive or benign.") var verdict: String?
    @Option(help: "Why, with --verdict.") var note: String?
    @Option(help: "A task to add.") var task: String?
    @Option(help: "A task's id that is done; several times.") var done: [String] = []
    @Option(help: "A task's id that is not needed; several times.") var skip: [String] = []
    @Option(help: "An action's id that may be done; several times.") var approve: [String] = []
    @Option(help: "An action's id that may not; several times.") var reject: [String] = []
    @Option(help: "A playbook to start.") var playbook: String?

    func json() throws -> [String: Any] {
        var change: [String: Any] = [:]
        change["status"] = status
        change["comment"] = comment
        change["playbook"] = playbook
        if let assignee { change["assignee"] = assignee.isEmpty ? NSNull() : assignee }
        if let severity { change["severity"] = severity == "assessed" ? NSNull() : severity }
        if !tag.isEmpty || !untag.isEmpty { change["tags"] = ["add": tag, "remove": untag] }
        if let verdict { change["verdict"] = ["kind": verdict, "note": note].compactMapValues { $0 } }
        if let task { change["task"] = ["title": task] }
        let states = [("done", done), ("skipped", skip), ("approved", approve), ("rejected", reject)]
        let tasks = states.flatMap { state, ids in ids.map { ["id": $0, "state": state] } }
        if !tasks.isEmpty { change["tasks"] = tasks }
        guard !change.isEmpty else { throw Failure.usage("there is nothing to change; see --help") }
        return change
    }
}

struct IncidentEditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit", abstract: "Changes an incident: all that is given, or nothing.",
        discussion: """
            weirctl incidents edit INC-ID --status in-progress --assignee ada --tag pci
            weirctl incidents edit INC-ID --status resolved --verdict true-positive --comment 'host reinstalled'
            weirctl incidents edit INC-ID --approve t2
            """)
    @OptionGroup var target: IncidentTarget
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var change: IncidentChangeOptions

    func run() async throws {
        let json = try change.json(), client = APIClient(try connection.profile())
        try printJSON(
            await client.send(.PATCH, "/v1/incidents/\(target.id)", json: json, ifMatch: target.seen(client)))
    }
}

struct IncidentMergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Moves another incident's findings into this one.",
        discussion: "weirctl incidents merge INC-ID OTHER-ID; taken back with 'weirctl incidents undo'")
    @OptionGroup var target: IncidentTarget
    @Argument(help: "The incident that goes into it.") var other: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = APIClient(try connection.profile())
        let revision = try await IncidentTarget.newest(other, client)
        try printJSON(
            await client.send(
                .POST, "/v1/incidents/\(target.id)/merge", json: ["incident": other, "revision": revision],
                ifMatch: target.seen(client)))
    }
}

struct IncidentSplitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split", abstract: "Moves some findings into an incident of their own.",
        discussion: "weirctl incidents split INC-ID FINDING-ID …; taken back with 'weirctl incidents undo'")
    @OptionGroup var target: IncidentTarget
    @Argument(help: "The findings' ids.") var findings: [String]
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = APIClient(try connection.profile())
        try printJSON(
            await client.send(
                .POST, "/v1/incidents/\(target.id)/split", json: ["findings": findings], ifMatch: target.seen(client)))
    }
}

struct IncidentUndoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo", abstract: "Takes a merge or a split back.",
        discussion: "weirctl incidents undo INC-ID 7, where 7 is the event's revision in 'weirctl incidents events'")
    @OptionGroup var target: IncidentTarget
    @Argument(help: "The revision of the event.") var event: Int
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = APIClient(try connection.profile())
        try printJSON(
            await client.send(
                .POST, "/v1/incidents/\(target.id)/undo", json: ["revision": event], ifMatch: target.seen(client)))
    }
}

struct IncidentProposalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proposals", abstract: "What might be done about an incident; --accept and --withdraw decide.",
        discussion: """
            weirctl incidents proposals INC-ID
            weirctl incidents proposals INC-ID --accept PROPOSAL-ID --seconds 7200
            Firewalls fetch what was accepted: GET /v1/mitigation/list, with a key of the scope mitigation:read.
            """)
    @OptionGroup var target: IncidentTarget
    @OptionGroup var connection: ConnectionOptions
    @Option(help: "The proposal to accept.") var accept: String?
    @Option(help: "For how long, 60 to 604800; as proposed without.") var seconds: Int?
    @Option(help: "The accepted proposal to withdraw.") var withdraw: String?

    func run() async throws {
        let client = APIClient(try connection.profile()), path = "/v1/incidents/\(target.id)/proposals"
        if let accept {
            let query = seconds.map { ["seconds": String($0)] } ?? [:]
            _ = try await client.send(
                .POST, "\(path)/\(accept)/accept", query: query, ifMatch: target.seen(client))
        }
        if let withdraw {
            _ = try await client.send(.POST, "\(path)/\(withdraw)/withdraw", ifMatch: target.seen(client))
        }
        try printJSON(await client.get(path))
    }
}
