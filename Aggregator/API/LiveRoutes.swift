internal import Detect
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Incidents
internal import NIOCore
internal import Platform
internal import ServiceLifecycle
internal import Tenancy

/// `GET /v1/live/incidents`: what happens to the tenant's incidents, as server-sent events while it happens.
///
/// Each look at the log asks first whether the caller still may: a key that was revoked, a role that was taken away, a
/// session that ended, end the stream within the interval. A stream keeps no session alive.
struct LiveRoutes {
    let incidents: IncidentLog, authentication: Authentication, time: any TimeSource, limits: LiveLimits
    private let places: LivePlaces

    init(_ incidents: IncidentLog, _ authentication: Authentication, _ time: any TimeSource, _ limits: LiveLimits) {
        (self.incidents, self.authentication, self.time, self.limits) = (incidents, authentication, time, limits)
        places = LivePlaces(limits)
    }

    private static let pageEntries = 100
    private static let lastEventID = HTTPField.Name("Last-Event-ID")

    func add(to router: PolicedRoutes) {
        router.get("/v1/live/incidents") { request, context in
            let caller = try context.caller
            let position = try start(request, of: caller)
            guard let place = places.take(caller) else {
                throw Problem(
                    .tooManyRequests, "too-many-streams", "There are too many streams already",
                    detail: "At most \(limits.perCaller) of a caller", headers: [.retryAfter: "30"])
            }
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream"],
                body: ResponseBody { writer in
                    try await follow(from: position, caller, request, place, to: &writer)
                    try await writer.finish(nil)
                })
        }
    }

    /// Where the caller was; nil: at the newest event.
    private func start(_ request: Request, of caller: Principal) throws -> Int64 {
        let parameters = try Parameters(request, allowed: ["after"])
        let asked = try parameters.integer("after", in: 0...Int.max).map { Int64($0) }
        let seen = Self.lastEventID.flatMap { request.headers[$0] }
        guard let seen else { return try asked ?? incidents.liveHead(of: caller.tenant) }
        guard let position = Int64(seen), position >= 0 else {
            throw Problem.badParameter("Last-Event-ID", seen, allowed: "an id of an event before")
        }
        return position
    }

    private func follow(
        from start: Int64, _ caller: Principal, _ request: Request, _ place: LivePlaces.Place,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        defer { withExtendedLifetime(place) {} }
        let begun = time.monotonic()
        var position = start, said = begun
        try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
        while true {  // ends: after `lasts`, when the caller may no more, or with the server
            guard mayStill(caller, request) else { return }
            let page = try incidents.live(of: caller.tenant, after: position, limit: Self.pageEntries)
            var out = page.hasGap ? "id: \(page.through)\nevent: reset\ndata: {}\n\n" : ""
            for entry in page.entries { out += try Self.text(entry) }
            position = page.through
            let now = time.monotonic()
            if out.isEmpty, now - said >= limits.heartbeat { out = ":\n\n" }
            if !out.isEmpty {
                try await writer.write(ByteBuffer(string: out))
                said = now
            }
            if page.entries.count == Self.pageEntries { continue }
            guard now - begun < limits.lasts, !Task.isCancelled, !Task.isShuttingDownGracefully else { return }
            try await Task.sleep(for: limits.interval)
        }
    }

    private func mayStill(_ caller: Principal, _ request: Request) -> Bool {
        let now = try? authentication.identify(request, isActive: false).principal
        guard let now, now.tenant == caller.tenant, now.keyID == caller.keyID, now.reach.isWhole else { return false }
        return now.scopes.contains(.readIncidents)
    }

    private static func text(_ entry: LiveEntry) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let incident = entry.incident
        let body = LiveBody(
            incident: incident.id, revision: entry.event.revision, at: EventTime(entry.event.at),
            actor: entry.event.actor, change: entry.event.change.kind, rule: incident.rule, title: incident.title,
            severity: incident.severity, status: incident.status)
        // JSON has no line breaks of its own, so it is one line of data.
        let json = String(decoding: try encoder.encode(body), as: UTF8.self)
        return "id: \(entry.position)\nevent: incident\ndata: \(json)\n\n"
    }
}

private struct LiveBody: Encodable {
    let incident: String, revision: Int, at: EventTime, actor: String, change: String, rule: String, title: String
    let severity: Severity, status: IncidentStatus
}
