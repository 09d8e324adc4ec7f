internal import Detect
internal import Hummingbird
internal import Incidents
internal import Tenancy

/// `GET /v1/incidents` and `GET /v1/incidents/{id}`.
struct IncidentRoutes {
    let incidents: IncidentLog

    func add(to router: Router<APIContext>) {
        router.get("/v1/incidents") { try list($0, $1) }
        router.get("/v1/incidents/{id}") { try show($0, $1) }
    }

    private struct Page: Encodable {
        let items: [Incident], next: String?
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(items, forKey: .items)
            try container.encode(next, forKey: .next)  // null at the end, never absent
        }
        private enum Key: CodingKey { case items, next }
    }

    private func list(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.authorize(.readIncidents)
        let parameters = try Parameters(
            request, allowed: ["status", "severity", "rule", "from", "to", "limit", "cursor"])
        var filter = IncidentFilter()
        let status = try parameters.choice("status", IncidentStatus.allCases.map(\.rawValue))
        filter.statuses = Set(status.flatMap { IncidentStatus(rawValue: $0) }.map { [$0] } ?? [])
        let severity = try parameters.choice("severity", Severity.allCases.map(\.rawValue))
        filter.severities = Set(severity.flatMap { Severity(rawValue: $0) }.map { [$0] } ?? [])
        filter.rule = parameters.text("rule")
        (filter.from, filter.to) = (try parameters.time("from"), try parameters.time("to"))
        do {
            let page = try incidents.list(
                tenant: principal.tenant, filter: filter, limit: parameters.integer("limit", in: 1...1_000) ?? 100,
                cursor: parameters.text("cursor"))
            return try jsonResponse(Page(items: page.incidents, next: page.next))
        } catch IncidentError.badCursor {
            throw Problem.badParameter(
                "cursor", parameters.text("cursor") ?? "", allowed: "the `next` of a page before")
        }
    }

    private func show(_ request: Request, _ context: APIContext) throws -> Response {
        let principal = try context.authorize(.readIncidents)
        _ = try Parameters(request, allowed: [])
        do {
            return try jsonResponse(incidents.get(tenant: principal.tenant, id: context.parameters.require("id")))
        } catch IncidentError.unknown {
            throw Problem.notFound
        }
    }
}
