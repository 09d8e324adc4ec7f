internal import Detect
internal import FlowModel
internal import HTTPTypes
internal import Hummingbird
internal import Incidents
internal import Tenancy

/// What a tenant reads of its incidents: lists, one with its findings, its history, its story and its neighbours, and
/// people's verdicts by rule.
struct IncidentRoutes {
    let incidents: IncidentLog, knowledge: KnowledgeSources

    func add(to router: PolicedRoutes) {
        router.get("/v1/incidents") { try list($0, $1) }
        router.get("/v1/incidents/counts") { request, context in
            let principal = try context.caller
            let parameters = try Parameters(request, allowed: Self.filters)
            let counts = try incidents.counts(tenant: principal.tenant, filter: try filter(parameters))
            return try jsonResponse(["items": counts])
        }
        router.get("/v1/incidents/{id}") { request, context in
            let (principal, id) = try asked(request, context)
            let incident = try finding { () throws(IncidentError) in
                try incidents.get(tenant: principal.tenant, id: id)
            }
            let addresses = incident.entities.compactMap { IPAddress($0.value) }
            return try incidentAnswer(incident, names: await knowledge.names(of: addresses))
        }
        router.get("/v1/incidents/{id}/events") { request, context in
            let (principal, id) = try asked(request, context)
            let events = try finding { () throws(IncidentError) in
                try incidents.events(tenant: principal.tenant, id: id)
            }
            return try jsonResponse(["items": events])
        }
        router.get("/v1/incidents/{id}/story") { request, context in
            let (principal, id) = try asked(request, context)
            let (incident, events) = try finding { () throws(IncidentError) in
                (
                    try incidents.get(tenant: principal.tenant, id: id),
                    try incidents.events(tenant: principal.tenant, id: id)
                )
            }
            let clocks = ServiceClock.allCases.compactMap { ClockBody($0, incident, incidents.policy) }
            return try jsonResponse(StoryBody(story: IncidentStory(of: incident, events: events), clocks: clocks))
        }
        router.get("/v1/incidents/{id}/neighbours") { request, context in
            let (principal, id) = try asked(request, context)
            return try jsonResponse(
                try finding { () throws(IncidentError) in
                    NeighboursBody(
                        related: try incidents.related(to: id, tenant: principal.tenant),
                        similar: try incidents.similar(to: id, tenant: principal.tenant))
                })
        }
        router.get("/v1/playbooks") { request, context in
            let tenant = try context.caller.tenant
            _ = try Parameters(request, allowed: [])
            let playbooks = incidents.policy.playbooks.filter { $0.isOf(tenant) }
            return try jsonResponse(["items": playbooks.map(PlaybookBody.init)])
        }
        router.get("/v1/feedback") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let all = try incidents.feedback(tenant: principal.tenant)
            return try jsonResponse(["items": all.map(FeedbackBody.init)])
        }
    }

    private func asked(_ request: Request, _ context: APIContext) throws -> (Principal, String) {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        return (principal, try context.parameters.require("id"))
    }

    private static let filters: Set = [
        "status", "severity", "rule", "from", "to", "assignee", "tag", "address", "merged",
    ]

    private func list(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.caller
        let parameters = try Parameters(request, allowed: Self.filters.union(["limit", "cursor"]))
        do {
            let page = try incidents.texts(
                tenant: principal.tenant, filter: try filter(parameters),
                limit: parameters.integer("limit", in: 1...1_000) ?? 100, cursor: parameters.text("cursor"))
            var body = Array(#"{"items":["#.utf8)
            for (number, incident) in page.incidents.enumerated() {
                if number > 0 { body.append(UInt8(ascii: ",")) }
                body += incident.utf8
            }
            // A cursor has digits, a point and letters only. Null at the end, never absent.
            body += #"],"next":\#(page.next.map { "\"\($0)\"" } ?? "null")}"#.utf8
            return jsonResponse(body)
        } catch IncidentError.badCursor {
            throw Problem.badParameter(
                "cursor", parameters.text("cursor") ?? "", allowed: "the `next` of a page before")
        }
    }

    private func filter(_ parameters: Parameters) throws(Problem) -> IncidentFilter {
        var filter = IncidentFilter()
        // `open` stands for all that are not closed.
        if let status = try parameters.choice("status", ["open"] + IncidentStatus.allCases.map(\.rawValue)) {
            filter.statuses = Set(IncidentStatus(rawValue: status).map { [$0] } ?? IncidentStatus.open)
        }
        let severity = try parameters.choice("severity", Severity.allCases.map(\.rawValue))
        filter.severities = Set(severity.flatMap { Severity(rawValue: $0) }.map { [$0] } ?? [])
        filter.rule = parameters.text("rule")
        (filter.from, filter.to) = (try parameters.time("from"), try parameters.time("to"))
        let assignee = parameters.text("assignee")
        (filter.assignee, filter.isUnassigned) = (assignee == "none" ? nil : assignee, assignee == "none")
        (filter.tag, filter.address) = (parameters.text("tag"), parameters.text("address"))
        filter.hasMerged = try parameters.choice("merged", ["true", "false"]) == "true"
        return filter
    }
}

/// An incident with its revision as `ETag`, which changes ask for in `If-Match`.
/// - Parameter names: of its entities' addresses, from DNS.
func incidentAnswer(_ incident: Incident, names: [IPAddress: String] = [:]) throws -> Response {
    var response = try jsonResponse(NamedIncident(incident: incident, names: NamesBody(names)))
    response.headers[.eTag] = "\"\(incident.revision)\""
    return response
}

/// Says why the incident log refused in the caller's terms.
func finding<Value>(_ body: () throws(IncidentError) -> Value) throws -> Value {
    do {
        return try body()
    } catch {
        switch error {
        case .unknown: throw Problem.notFound
        case .conflict(let current):
            throw Problem(
                .preconditionFailed, "changed", "It has changed since",
                detail: "It is at revision \(current) now: read it again", headers: [.eTag: "\"\(current)\""])
        case .badComment:
            throw Problem(
                .unprocessableContent, "refused", "That can't be done",
                detail: "A comment has 1 to \(IncidentLog.commentOctetsMax) octets")
        case .badEdit(let reason):
            throw Problem(.unprocessableContent, "refused", "That can't be done", detail: reason)
        case .notUndoable:
            throw Problem(
                .unprocessableContent, "refused", "That can't be done",
                detail: "Only a merge or a split that still stands can be taken back")
        case .full: throw Problem.unavailable
        case .follows:
            throw Problem(
                .serviceUnavailable, "follows", "That can't be changed in a cluster",
                detail: "Incidents of a cluster are what its findings make them: nothing was changed")
        case .badCursor, .storage: throw error
        }
    }
}

private struct NamedIncident: Encodable {
    let incident: Incident, names: NamesBody?
    func encode(to encoder: any Encoder) throws {
        try incident.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encodeIfPresent(names, forKey: .names)
    }
    private enum Key: CodingKey { case names }
}

private struct StoryBody: Encodable {
    let story: IncidentStory, clocks: [ClockBody]
    func encode(to encoder: any Encoder) throws {
        try story.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(clocks, forKey: .clocks)
    }
    private enum Key: CodingKey { case clocks }
}

private struct ClockBody: Encodable {
    let clock: ServiceClock, due: EventTime, stopped: EventTime?, ranOut: Bool
    init?(_ clock: ServiceClock, _ incident: Incident, _ policy: IncidentPolicy) {
        guard let due = policy.due(clock, of: incident) else { return nil }
        (self.clock, self.due) = (clock, EventTime(due))
        stopped = policy.stopped(clock, of: incident)
        ranOut = incident.work.breaches.contains(clock)
    }
}

private struct NeighboursBody: Encodable {
    let related: [IncidentNeighbour], similar: [IncidentNeighbour]
}

private struct PlaybookBody: Encodable {
    struct Step: Encodable { let title: String, channel: String? }
    let name: String, rules: [String], severityMin: Severity, steps: [Step]
    init(_ playbook: Playbook) {
        (name, rules, severityMin) = (playbook.name, playbook.rules, playbook.severityMin)
        steps = playbook.steps.map { Step(title: $0.title, channel: $0.channel) }
    }
}

private struct FeedbackBody: Encodable {
    let rule: String, incidents: Int, truePositive: Int, falsePositive: Int, benign: Int, confirmed: Double
    init(_ feedback: RuleFeedback) {
        (rule, incidents) = (feedback.rule, feedback.incidents)
        (truePositive, falsePositive, benign) = (feedback.truePositive, feedback.falsePositive, feedback.benign)
        confirmed = (feedback.confirmed * 1_000).rounded() / 1_000
    }
}
