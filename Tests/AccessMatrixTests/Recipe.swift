import API
import Foundation
import HTTPTypes
import Tenancy

/// How a route is called so that its answer shows whether the caller was let through, without changing what the next
/// call needs: with old revisions, with bodies that say nothing, or with a `restore`.
struct Recipe: Sendable {
    var query: (@Sendable (Names) -> String)?
    var body: (@Sendable (Names) -> String)?
    var ifMatch: String?
    /// What a permitted caller gets for things of its own, and for a path's things that are not there.
    var own = 200, absent = 404
    /// For things in the body that are not there, with this revision.
    var absentInBody = 200, bodyRevision: String?
    /// False: the answer for another tenant's thing need not be that for a missing one (a cursor is a place in time).
    var hidesExistence = true
    var restore: (@Sendable (MatrixWorld, MatrixWorld.Tenant) throws -> Void)?

    static let of: [String: Recipe] = {
        let minute = "from=\(MatrixWorld.now - 60_000)&to=\(MatrixWorld.now)"
        let host: @Sendable (Names) -> String = { "ip=\($0.host)&\(minute)" }
        var recipes: [String: Recipe] = [
            "GET /v1/flows": Recipe(query: { "limit=1&cursor=\($0.cursor)" }, hidesExistence: false),
            "GET /v1/incidents": Recipe(query: { "address=\($0.host)" }),
            "GET /v1/live/incidents": Recipe(query: { _ in "after=0" }),
            "GET /v1/live/flows": Recipe(query: { "ip=\($0.host)" }),
            "GET /v1/trends": Recipe(query: { "entity=host:\($0.host)&days=2" }),
            "GET /v1/intel/lookup": Recipe(query: { "indicator=\($0.host)" }),
            "POST /v1/intel/lookup": Recipe(body: { "\($0.host)\n" }),
            "POST /v1/detectors/backtest": Recipe(
                query: { _ in "\(minute)&learnFrom=\(MatrixWorld.now - 60_000)" },
                body: { _ in #"{"rules":["port-scan-*"]}"# }),
            "POST /v1/hunts": Recipe(body: { #"{"indicators":["\#($0.host)"]}"# }),
        ]
        for end in ["top", "series", "percentiles", "distinct", "conversations", "export", "plan"] {
            recipes["GET /v1/flows/\(end)"] = Recipe(query: host)
        }
        recipes.merge(ofPeople) { $1 }
        recipes.merge(ofAdministration) { $1 }
        recipes.merge(ofProvisioning) { $1 }
        recipes.merge(ofIncidents) { $1 }
        recipes.merge(ofRules) { $1 }
        recipes.merge(ofSensors) { $1 }
        return recipes
    }()

    /// Each is refused after the policy: with tokens, passwords and tenants that are none, or a wrong parameter.
    private static let ofPeople: [String: Recipe] = [
        "POST /v1/setup": Recipe(
            body: { _ in #"{"token":"x","email":"a@example.net","name":"a","password":"x"}"# }, own: 401),
        "POST /v1/invitations/accept": Recipe(body: { _ in #"{"token":"x"}"# }, own: 401),
        "POST /v1/session": Recipe(
            body: { #"{"email":"\#($0.channel)@example.net","password":"x"}"# }, own: 401, absentInBody: 401),
        "DELETE /v1/session": Recipe(query: { _ in "x=1" }, own: 400),
        "PUT /v1/session/tenant": Recipe(body: { _ in #"{"tenant":"nobody","reason":"x"}"# }, own: 404),
        "PUT /v1/session/password": Recipe(
            body: { _ in #"{"password":"x","newPassword":"correct horse battery"}"# }, own: 422),
        "POST /v1/session/factor": Recipe(query: { _ in "x=1" }, own: 400),
        "PUT /v1/session/factor": Recipe(body: { _ in #"{"code":"x"}"# }, own: 422),
        "POST /v1/session/factor/remove": Recipe(body: { _ in #"{"code":"x"}"# }, own: 422),
        "DELETE /v1/sessions/{id}": Recipe(own: 404),
        // There are no providers.
        "GET /v1/signon/{name}": Recipe(own: 404), "GET /v1/signon/{name}/callback": Recipe(own: 404),
        "POST /v1/signon/{name}/session": Recipe(body: { _ in #"{"code":"x","verifier":"x"}"# }, own: 404),
        "POST /v1/password/forgot": Recipe(
            body: { #"{"email":"\#($0.channel)@example.net"}"# }, own: 503, absentInBody: 503),
        "POST /v1/password/reset": Recipe(body: { _ in #"{"token":"x","password":"x"}"# }, own: 401),
    ]
    /// Roles, members, invitations, accounts and keys that may nothing, so that any permitted caller may touch them.
    private static let ofAdministration: [String: Recipe] = [
        "PUT /v1/members/{id}": Recipe(body: { #"{"role":"\#($0.role)"}"# }, own: 204, absentInBody: 422),
        "DELETE /v1/members/{id}": Recipe(
            own: 204, restore: { world, tenant in try MatrixWorld.restoreMember(tenant, world.sources.control) }),
        "POST /v1/members/{id}/reset": Recipe(),
        "DELETE /v1/members/{id}/factor": Recipe(own: 404),
        "PUT /v1/roles/{name}": Recipe(
            body: { _ in #"{"scopes":[]}"# }, absent: 200,
            restore: { world, tenant in try MatrixWorld.restoreRoles(tenant, world.sources.control) }),
        "DELETE /v1/roles/{name}": Recipe(own: 409),
        "POST /v1/invitations": Recipe(
            body: { #"{"email":"a@example.net","role":"\#($0.role)"}"# }, absentInBody: 422),
        "DELETE /v1/invitations/{id}": Recipe(
            own: 204, restore: { world, tenant in try MatrixWorld.invite(tenant, world.sources.control) }),
        "POST /v1/keys": Recipe(
            body: { #"{"name":"x","scopes":[],"account":"\#($0.account)"}"# }, absentInBody: 422),
        "DELETE /v1/keys/{id}": Recipe(own: 204),
        "POST /v1/accounts": Recipe(body: { #"{"name":"x","role":"\#($0.role)"}"# }, absentInBody: 422),
        "DELETE /v1/accounts/{id}": Recipe(
            own: 204, restore: { world, tenant in try MatrixWorld.addAccount(tenant, world.sources.control) }),
        "GET /v1/audit": Recipe(query: { "subject=\($0.member)" }),
        "GET /v1/audit/export": Recipe(query: { "subject=\($0.member)" }),
        // The whole chain is not read for each actor.
        "GET /v1/compliance": Recipe(query: { _ in "framework=x" }, own: 400),
        "GET /v1/audit/verify": Recipe(query: { _ in "head=x" }, own: 400),
    ]
    private static let ofProvisioning: [String: Recipe] = [
        "GET /scim/v2/ResourceTypes/{id}": Recipe(own: 404), "GET /scim/v2/Schemas/{id}": Recipe(own: 404),
        "GET /scim/v2/Users": Recipe(query: { "filter=id+eq+%22\($0.user)%22" }),
        "GET /scim/v2/Groups": Recipe(query: { "filter=id+eq+%22\($0.group)%22" }),
        "POST /scim/v2/Users": Recipe(body: { _ in "{}" }, own: 400),
        "POST /scim/v2/Groups": Recipe(
            body: { #"{"members":[{"value":"\#($0.user)"}]}"# }, own: 400, absentInBody: 400),
        "PUT /scim/v2/Users/{id}": Recipe(
            body: { _ in #"{"userName":"x@example.net"}"# }, ifMatch: "\"99\"", own: 412),
        "PATCH /scim/v2/Users/{id}": Recipe(
            body: { _ in #"{"Operations":[{"op":"replace","path":"active","value":false}]}"# }, ifMatch: "\"99\"",
            own: 412),
        "DELETE /scim/v2/Users/{id}": Recipe(ifMatch: "\"99\"", own: 412),
        "PUT /scim/v2/Groups/{id}": Recipe(
            body: { #"{"displayName":"x","members":[{"value":"\#($0.user)"}]}"# }, ifMatch: "\"99\"", own: 412,
            absentInBody: 412),
        "PATCH /scim/v2/Groups/{id}": Recipe(
            body: { #"{"Operations":[{"op":"add","path":"members","value":[{"value":"\#($0.user)"}]}]}"# },
            ifMatch: "\"99\"", own: 412, absentInBody: 412),
        "DELETE /scim/v2/Groups/{id}": Recipe(ifMatch: "\"99\"", own: 412),
    ]
    private static let ofIncidents: [String: Recipe] = [
        "PATCH /v1/incidents/{id}": Recipe(body: { _ in #"{"comment":"x"}"# }, ifMatch: "\"99\"", own: 412),
        "POST /v1/incidents/bulk": Recipe(
            body: { #"{"incidents":[{"incident":"\#($0.incident)","revision":99}],"change":{"comment":"x"}}"# }),
        "POST /v1/incidents/{id}/merge": Recipe(
            body: { #"{"incident":"\#($0.incident)","revision":1}"# }, ifMatch: "\"99\"", own: 422,
            absentInBody: 404, bodyRevision: "\"1\""),
        "POST /v1/incidents/{id}/split": Recipe(
            body: { #"{"findings":["\#($0.incident)"]}"# }, ifMatch: "\"1\"", own: 422, absentInBody: 422),
        "POST /v1/incidents/{id}/undo": Recipe(
            body: { _ in #"{"revision":1}"# }, ifMatch: "\"1\"", own: 422, absentInBody: 422),
        "POST /v1/exceptions": Recipe(
            body: {
                #"{"scope":{"rules":["\#($0.rule)"]},"reason":"x","owner":"x","expiresAt":"1999-01-01T00:00:00Z"}"#
            }, own: 422, absentInBody: 422),
        "POST /v1/exceptions/preview": Recipe(body: { #"{"scope":{"networks":["\#($0.host)/128"]}}"# }),
        "DELETE /v1/exceptions/{id}": Recipe(),
        "POST /v1/incidents/{id}/proposals/{proposal}/accept": Recipe(ifMatch: "\"99\"", own: 412),
        "POST /v1/incidents/{id}/proposals/{proposal}/withdraw": Recipe(ifMatch: "\"99\"", own: 412),
        "POST /v1/notify/channels/{name}/test": Recipe(),
        "POST /v1/sensors/{id}/reship": Recipe(own: 204),
        "POST /v1/sensors/bulk": Recipe(body: { #"{"sensors":["\#($0.sensor)"],"reship":{}}"# }),
    ]
    /// A mark is made of any name, one's own; each is taken away again.
    private static let ofSensors: [String: Recipe] = [
        "PUT /v1/sensors/{id}/quarantine": Recipe(
            body: { _ in #"{"reason":"x"}"# }, own: 204, absent: 204, restore: unmark),
        "DELETE /v1/sensors/{id}/quarantine": Recipe(own: 404),
        "PUT /v1/sensors/{id}/revocation": Recipe(
            body: { _ in #"{"reason":"x"}"# }, own: 204, absent: 204, restore: unmark),
        "DELETE /v1/sensors/{id}/revocation": Recipe(own: 404), "DELETE /v1/sensors/{id}/held": Recipe(own: 404),
        "PUT /v1/retention/{name}": Recipe(body: { _ in #"{"days":9}"# }, own: 404),
        "POST /v1/privacy/report": Recipe(body: { #"{"address":"\#($0.host)"}"# }, absentInBody: 200),
        "POST /v1/privacy/erasure": Recipe(body: { #"{"person":"\#($0.session)"}"# }, own: 404, absentInBody: 404),
        "PUT /v1/features/{name}": Recipe(body: { _ in #"{"on":true}"# }, own: 404),
        // There is no authority.
        "GET /v1/enrolment/authorities": Recipe(own: 503),
        "POST /v1/enrolment": Recipe(body: { _ in #"{"token":"x","request":"x"}"# }, own: 503),
        "POST /v1/sensors/{id}/enrolment": Recipe(body: { _ in #"{}"# }, own: 503, absent: 503),
        "DELETE /v1/sensors/{id}/enrolment": Recipe(own: 404),
    ]
    private static let unmark: @Sendable (MatrixWorld, MatrixWorld.Tenant) throws -> Void = { world, tenant in
        for mark in try world.sources.control.sensorMarks(of: tenant.id) {
            _ = try world.sources.control.unmark(mark.sensor, mark.kind, by: "test", at: MatrixWorld.now)
        }
    }
    private static let ofRules: [String: Recipe] = [
        "PUT /v1/networks/{name}": Recipe(
            body: { #"{"networks":["\#($0.host)/128"]}"# }, absent: 200,
            restore: { world, tenant in
                for other in world.tenants where other.id != tenant.id {
                    _ = try world.sources.control.removeNamedNetworks(
                        other.names.networks, of: tenant.id, by: "test", at: MatrixWorld.now)
                }
                try MatrixWorld.restoreNetworks(tenant, world.sources)
            }),
        "DELETE /v1/networks/{name}": Recipe(
            own: 204, restore: { world, tenant in try MatrixWorld.restoreNetworks(tenant, world.sources) }),
        "PUT /v1/sigma/rules/{key}": Recipe(
            body: { text($0, #","state":"test""#) }, absent: 400, absentInBody: 400),
        "DELETE /v1/sigma/rules/{key}": Recipe(
            own: 204, restore: { world, tenant in try MatrixWorld.restoreRule(tenant, world.sources) }),
        "PUT /v1/detectors/limits": Recipe(body: { _ in #"{"limits":{"scanPortsMin":9}}"# }),
        "POST /v1/sigma/rules/check": Recipe(body: { text($0) }),
        "POST /v1/sigma/rules/test": Recipe(body: { text($0, #","flows":[]"#) }),
        // Findings' ids are digests of their rule's name, whosever it is.
        "POST /v1/sigma/rules/backtest": Recipe(body: { text($0) }, hidesExistence: false),
        // There are no models: a number is no secret, and each tenant's begin with 1.
        "POST /v1/models": Recipe(query: { _ in "from=0&to=1" }, own: 422),
        "POST /v1/models/rollback": Recipe(own: 409),
        "GET /v1/models/{version}": Recipe(own: 404),
        "POST /v1/models/{version}/evaluate": Recipe(own: 404),
        "POST /v1/models/{version}/promote": Recipe(own: 404),
    ]
    private static func text(_ names: Names, _ more: String = "") -> String {
        let rule = MatrixWorld.rule(names.rule).replacing("\n", with: #"\n"#)
        return #"{"text":"\#(rule)"\#(more)}"#
    }
}

extension Names {
    /// The path of a route with these ids in the places of its parameters.
    func path(of route: String) -> String {
        let id =
            switch route.split(separator: "/").dropFirst().first {
            case "incidents": incident
            case "exceptions": exception
            case "sensors": sensor
            case "sessions": session
            case "members": member
            case "invitations": invitation
            case "accounts": account
            case "keys": key
            case "v2": route.contains("Groups") ? group : user
            default: ""
            }
        return route.replacing("{id}", with: id).replacing("{proposal}", with: proposal)
            .replacing("{key}", with: rule).replacing("{version}", with: "1")
            .replacing(
                "{name}", with: route.contains("networks") ? networks : route.contains("roles") ? role : channel)
    }
}
