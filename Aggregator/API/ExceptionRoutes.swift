internal import Detect
internal import Foundation
internal import Hummingbird
internal import Incidents
internal import Platform
internal import Tenancy

/// What a tenant wants no incidents of: `GET` and `POST /v1/exceptions`, `DELETE /v1/exceptions/{id}`, what one hid,
/// and what one would hide.
struct ExceptionRoutes {
    let incidents: IncidentLog, time: any TimeSource

    private static let bodyBytesMax = 64 << 10, previewDays = 30, previewDaysMax = 366

    func add(to router: PolicedRoutes) {
        router.get("/v1/exceptions") { request, context in
            let principal = try context.caller
            let all = try incidents.exceptions(tenant: principal.tenant)
            return try Pages(request).answer(all, by: { "\($0.createdAt)\n\($0.id)" }, isDescending: true) { $0 }
        }
        router.post("/v1/exceptions") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(AddBody.self, of: request, bytesMax: Self.bodyBytesMax)
            return try jsonResponse(
                try finding { () throws(IncidentError) in
                    try incidents.addException(
                        asked.scope, reason: asked.reason, owner: asked.owner, expires: asked.expiresAt.milliseconds,
                        tenant: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
                })
        }
        router.post("/v1/exceptions/preview") { request, context in
            let principal = try context.caller
            let days = try Parameters(request, allowed: ["days"]).integer("days", in: 1...Self.previewDaysMax)
            let scope = try await jsonBody(ScopeBody.self, of: request, bytesMax: Self.bodyBytesMax).scope
            let from = time.wallMilliseconds() - Int64(days ?? Self.previewDays) * 86_400_000
            return try jsonResponse(
                try finding { () throws(IncidentError) in
                    try incidents.preview(scope, tenant: principal.tenant, from: from)
                })
        }
        router.delete("/v1/exceptions/{id}") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let id = try context.parameters.require("id")
            return try jsonResponse(
                try finding { () throws(IncidentError) in
                    try incidents.endException(
                        id, tenant: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
                })
        }
        router.get("/v1/exceptions/{id}/hidden") { request, context in
            let principal = try context.caller
            let limit = try Parameters(request, allowed: ["limit"]).integer("limit", in: 1...1_000) ?? 100
            let id = try context.parameters.require("id")
            return try jsonResponse(
                try finding { () throws(IncidentError) in
                    HiddenBody(
                        exception: try incidents.exception(id, tenant: principal.tenant),
                        items: try incidents.hidden(by: id, tenant: principal.tenant, limit: limit))
                })
        }
    }
}

private struct AddBody: Decodable {
    let scope: IncidentException.Scope, reason: String, owner: String, expiresAt: EventTime
}
private struct ScopeBody: Decodable { let scope: IncidentException.Scope }
private struct HiddenBody: Encodable {
    let exception: IncidentException, items: [HiddenFinding]
}
