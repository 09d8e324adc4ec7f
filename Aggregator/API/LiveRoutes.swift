internal import Detect
internal import Hummingbird
internal import Identity
internal import Incidents
internal import Tenancy

/// `GET /v1/live/incidents`: what happens to the tenant's incidents, while it happens.
struct LiveRoutes {
    let incidents: IncidentLog, streams: LiveStreams

    func add(to router: PolicedRoutes) {
        router.get("/v1/live/incidents") { request, context in
            let caller = try context.caller
            let parameters = try Parameters(request, allowed: ["after"])
            let position = try LiveStreams.position(request, parameters) ?? incidents.liveHead(of: caller.tenant)
            let source = LiveIncidents(incidents: incidents, tenant: caller.tenant, position: position)
            return try streams.answer(source, request, caller)
        }
    }
}

/// Events of incidents, as the log has them.
struct LiveIncidents: LiveSource {
    let incidents: IncidentLog, tenant: TenantID
    var position: Int64
    private static let pageEntries = 100

    init(incidents: IncidentLog, tenant: TenantID, position: Int64) {
        (self.incidents, self.tenant, self.position) = (incidents, tenant, position)
    }

    mutating func next() throws -> (messages: [LiveMessage], hasMore: Bool) {
        let page = try incidents.live(of: tenant, after: position, limit: Self.pageEntries)
        position = page.through
        let reset = page.hasGap ? [LiveMessage("reset", id: "\(page.through)", data: "{}")] : []
        return (reset + (try page.entries.map(Self.message)), page.entries.count == Self.pageEntries)
    }

    private static func message(_ entry: LiveEntry) throws -> LiveMessage {
        let incident = entry.incident
        let body = LiveBody(
            incident: incident.id, revision: entry.event.revision, at: EventTime(entry.event.at),
            actor: entry.event.actor, change: entry.event.change.kind, rule: incident.rule, title: incident.title,
            severity: incident.severity, status: incident.status)
        return try LiveMessage("incident", id: "\(entry.position)", body)
    }
}

private struct LiveBody: Encodable {
    let incident: String, revision: Int, at: EventTime, actor: String, change: String, rule: String, title: String
    let severity: Severity, status: IncidentStatus
}
