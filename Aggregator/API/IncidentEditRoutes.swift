internal import Detect
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Incidents
internal import NIOCore
internal import Platform
internal import Tenancy

/// What people do to incidents. Every change names the revision that it is based on: `If-Match` for one incident, in
/// the body for several. All ask for `incidents:write`; the key is the event's actor.
struct IncidentEditRoutes {
    let incidents: IncidentLog, time: any TimeSource

    private static let bodyBytesMax = 256 << 10, bulkMax = 500

    func add(to router: PolicedRoutes) {
        router.patch("/v1/incidents/{id}") { request, context in
            let (principal, seen) = try asked(request, context)
            let edits = try await body(EditBody.self, of: request).edits
            return try incidentAnswer(
                try finding { () throws(IncidentError) in
                    try incidents.edit(
                        seen.id, edits, tenant: principal.tenant, expecting: seen.revision, by: principal.keyID, at: now
                    )
                })
        }
        router.post("/v1/incidents/bulk") { try await bulk($0, $1) }
        router.post("/v1/incidents/{id}/merge") { request, context in
            let (principal, seen) = try asked(request, context)
            let other = try await body(SeenBody.self, of: request).seen
            return try incidentAnswer(
                try finding { () throws(IncidentError) in
                    try incidents.merge(other, into: seen, tenant: principal.tenant, by: principal.keyID, at: now)
                })
        }
        router.post("/v1/incidents/{id}/split") { request, context in
            let (principal, seen) = try asked(request, context)
            let ids = try await body(SplitBody.self, of: request).findings
            let parts = try finding { () throws(IncidentError) in
                try incidents.split(
                    seen, findings: Set(ids), tenant: principal.tenant, by: principal.keyID, at: now)
            }
            return try jsonResponse(PartsBody(incident: parts.rest, made: parts.made))
        }
        router.post("/v1/incidents/{id}/undo") { request, context in
            let (principal, seen) = try asked(request, context)
            let target = try await body(UndoBody.self, of: request).revision
            return try incidentAnswer(
                try finding { () throws(IncidentError) in
                    try incidents.undo(target, of: seen, tenant: principal.tenant, by: principal.keyID, at: now)
                })
        }
    }

    private var now: Int64 { time.wallMilliseconds() }

    private func asked(_ request: Request, _ context: APIContext) throws -> (Principal, SeenIncident) {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        return (principal, SeenIncident(id: try context.parameters.require("id"), revision: try ifMatch(request)))
    }

    /// Each incident by itself: what is refused of one leaves the others alone.
    private func bulk(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        let asked = try await body(BulkBody.self, of: request)
        guard (1...Self.bulkMax).contains(asked.incidents.count) else {
            throw Problem.badBody("It names 1 to \(Self.bulkMax) incidents")
        }
        let edits = asked.change.edits
        let results = try asked.incidents.map { target in
            do {
                let incident = try finding { () throws(IncidentError) in
                    try incidents.edit(
                        target.incident, edits, tenant: principal.tenant, expecting: target.revision,
                        by: principal.keyID, at: now)
                }
                return BulkResult(incident: target.incident, status: 200, revision: incident.revision)
            } catch let problem as Problem {
                return BulkResult(
                    incident: target.incident, status: Int(problem.status.code), detail: problem.detail ?? problem.title
                )
            }
        }
        return try jsonResponse(["items": results])
    }

    private func body<Value: Decodable>(_ type: Value.Type, of request: Request) async throws -> Value {
        try await jsonBody(type, of: request, bytesMax: Self.bodyBytesMax)
    }
}

/// The revision in `If-Match: "7"`.
func ifMatch(_ request: Request) throws(Problem) -> Int {
    guard let field = request.headers[.ifMatch] else {
        throw Problem(
            .init(code: 428, reasonPhrase: "Precondition Required"), "revision-needed", "If-Match is needed",
            detail: #"Send the revision that was read, as: If-Match: "7""#)
    }
    guard field.hasPrefix("\""), field.hasSuffix("\""), let revision = Int(field.dropFirst().dropLast()) else {
        throw Problem.badBody(#"If-Match is a revision in quotes, such as "7""#)
    }
    return revision
}

/// A body as JSON, or a problem that says what is wrong with it.
func jsonBody<Value: Decodable>(_ type: Value.Type, of request: Request, bytesMax: Int) async throws -> Value {
    let body: Data
    do {
        body = Data(try await request.body.collect(upTo: bytesMax).readableBytesView)
    } catch is NIOTooManyBytesError {
        throw Problem(.contentTooLarge, "too-large", "The body is too large", detail: "At most \(bytesMax) octets")
    }
    do {
        return try JSONDecoder().decode(type, from: body)
    } catch let error as DecodingError {
        throw Problem.badBody(error.inWords)
    }
}

extension Problem {
    static func badBody(_ detail: String) -> Problem {
        Problem(.badRequest, "bad-body", "The body is wrong", detail: detail)
    }
}

extension DecodingError {
    /// Which field, and what about it.
    fileprivate var inWords: String {
        func place(_ context: Context, _ key: (any CodingKey)? = nil) -> String {
            let path = (context.codingPath + [key].compactMap { $0 }).map {
                $0.intValue.map(String.init) ?? $0.stringValue
            }
            return path.isEmpty ? "the body" : path.joined(separator: ".")
        }
        switch self {
        case .keyNotFound(let key, let context): return "\(place(context, key)) is missing"
        case .typeMismatch(_, let context): return "\(place(context)) is of another type"
        case .valueNotFound(_, let context): return "\(place(context)) is null"
        case .dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
        @unknown default: return "it can't be read"
        }
    }
}

// MARK: Bodies

private struct SeenBody: Decodable {
    let incident: String, revision: Int
    var seen: SeenIncident { SeenIncident(id: incident, revision: revision) }
}
private struct SplitBody: Decodable { let findings: [String] }
private struct UndoBody: Decodable { let revision: Int }
private struct BulkBody: Decodable { let incidents: [SeenBody], change: EditBody }
private struct PartsBody: Encodable { let incident: Incident, made: Incident }
private struct BulkResult: Encodable {
    let incident: String, status: Int
    var revision: Int?, detail: String?
}

/// `{"status": …, "assignee": …, "severity": …, "tags": {"add": […], "remove": […]}, "comment": …, "verdict": {"kind":
/// …, "note": …}, "task": {"title": …}, "tasks": [{"id": …, "state": …}], "playbook": …}`: any of them.
private struct EditBody: Decodable {
    var edits: [IncidentEdit] = []

    private struct Key: CodingKey {
        let stringValue: String
        init(stringValue: String) { self.stringValue = stringValue }
        var intValue: Int? { nil }
        init?(intValue: Int) { nil }
    }
    private struct Tags: Decodable { var add: [String]?, remove: [String]? }
    private struct Task: Decodable { let title: String }
    private struct TaskState: Decodable { let id: String, state: IncidentTask.State }
    private struct Verdict: Decodable { let kind: IncidentVerdict.Kind, note: String? }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
            func read<Value: Decodable>(_ type: Value.Type) throws -> Value { try container.decode(type, forKey: key) }
            let isNull = try container.decodeNil(forKey: key)
            switch key.stringValue {
            case "status": edits.append(.status(try read(IncidentStatus.self)))
            case "assignee": edits.append(.assignee(isNull ? nil : try read(String.self)))
            case "severity": edits.append(.severity(isNull ? nil : try read(Severity.self)))
            case "tags":
                let tags = try read(Tags.self)
                edits.append(.tags(add: tags.add ?? [], remove: tags.remove ?? []))
            case "comment": edits.append(.comment(try read(String.self)))
            case "verdict":
                let verdict = try read(Verdict.self)
                edits.append(.verdict(IncidentVerdict(kind: verdict.kind, note: verdict.note)))
            case "task": edits.append(.task(title: try read(Task.self).title))
            case "tasks": edits += try read([TaskState].self).map { .taskState(id: $0.id, $0.state) }
            case "playbook": edits.append(.playbook(try read(String.self)))
            default:
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: container, debugDescription: "there is no such field")
            }
        }
        guard !edits.isEmpty else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "it changes nothing"))
        }
    }
}
