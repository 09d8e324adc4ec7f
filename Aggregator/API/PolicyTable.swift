internal import HTTPTypes
internal import Tenancy

extension PolicyTable {
    /// The one that is in force. `openapi.json` says the same to callers, by hand, and the authorization matrix
    /// (`Tests/AccessMatrixTests`) holds the two and the answers against each other.
    package static let standard = PolicyTable(
        operation + people + administration + provisioning + incidents + mitigation + flows + detection + knowledge
            + sensors)

    private static let operation = [
        PolicyRow(.get, "/livez", .anyone), PolicyRow(.get, "/readyz", .anyone), PolicyRow(.get, "/healthz", .anyone),
        PolicyRow(.get, "/metrics", .anyone), PolicyRow(.get, "/openapi.json", .anyone),
    ]
    private static let people = [
        PolicyRow(.post, "/v1/setup", .anyone), PolicyRow(.post, "/v1/invitations/accept", .anyone),
        PolicyRow(.post, "/v1/session", .anyone), PolicyRow(.get, "/v1/session", .signedIn),
        PolicyRow(.delete, "/v1/session", .signedIn), PolicyRow(.put, "/v1/session/tenant", .signedIn),
        PolicyRow(.put, "/v1/session/password", .signedIn), PolicyRow(.get, "/v1/sessions", .signedIn),
        PolicyRow(.delete, "/v1/sessions/{id}", .signedIn),
        PolicyRow(.post, "/v1/session/factor", .signedIn), PolicyRow(.put, "/v1/session/factor", .signedIn),
        PolicyRow(.post, "/v1/session/factor/remove", .signedIn),
        PolicyRow(.get, "/v1/signon/{name}", .anyone), PolicyRow(.get, "/v1/signon/{name}/callback", .anyone),
        PolicyRow(.post, "/v1/signon/{name}/session", .anyone),
        PolicyRow(.post, "/v1/password/forgot", .anyone), PolicyRow(.post, "/v1/password/reset", .anyone),
    ]
    /// Who answers to people for what is known of them.
    private static let privacy = PolicyRow.Access.permitted(
        [[.writeSettings, .readAudit, .readFlows, .readIncidents]], .tenant)
    private static let administration = [
        PolicyRow(.get, "/v1/members", .readMembers), PolicyRow(.get, "/v1/members/{id}", .readMembers),
        PolicyRow(.put, "/v1/members/{id}", .writeMembers),
        PolicyRow(.delete, "/v1/members/{id}", .writeMembers),
        PolicyRow(.post, "/v1/members/{id}/reset", .writeMembers),
        PolicyRow(.delete, "/v1/members/{id}/factor", .writeMembers),
        PolicyRow(.get, "/v1/roles", .readMembers), PolicyRow(.put, "/v1/roles/{name}", .writeMembers),
        PolicyRow(.delete, "/v1/roles/{name}", .writeMembers),
        PolicyRow(.get, "/v1/invitations", .readMembers), PolicyRow(.post, "/v1/invitations", .writeMembers),
        PolicyRow(.delete, "/v1/invitations/{id}", .writeMembers),
        PolicyRow(.get, "/v1/keys", .readKeys), PolicyRow(.post, "/v1/keys", .writeKeys),
        PolicyRow(.delete, "/v1/keys/{id}", .writeKeys),
        PolicyRow(.get, "/v1/accounts", .readKeys), PolicyRow(.post, "/v1/accounts", .writeKeys),
        PolicyRow(.delete, "/v1/accounts/{id}", .writeKeys),
        PolicyRow(.get, "/v1/features", .readMembers), PolicyRow(.put, "/v1/features/{name}", .writeSettings),
        PolicyRow(.get, "/v1/retention", .readMembers), PolicyRow(.put, "/v1/retention/{name}", .writeSettings),
        PolicyRow(.post, "/v1/privacy/report", privacy), PolicyRow(.post, "/v1/privacy/erasure", privacy),
        PolicyRow(.get, "/v1/compliance", .readAudit), PolicyRow(.get, "/v1/audit", .readAudit),
        PolicyRow(.get, "/v1/audit/export", .readAudit),
        PolicyRow(.get, "/v1/audit/verify", .readAudit),
    ]
    private static let provisioning: [PolicyRow] =
        ["ServiceProviderConfig", "ResourceTypes", "ResourceTypes/{id}", "Schemas", "Schemas/{id}"].map {
            PolicyRow(.get, "/scim/v2/\($0)", .provision)
        }
        + ["Users", "Groups"].flatMap { kind in
            [
                PolicyRow(.get, "/scim/v2/\(kind)", .provision), PolicyRow(.post, "/scim/v2/\(kind)", .provision),
                PolicyRow(.get, "/scim/v2/\(kind)/{id}", .provision),
                PolicyRow(.put, "/scim/v2/\(kind)/{id}", .provision),
                PolicyRow(.patch, "/scim/v2/\(kind)/{id}", .provision),
                PolicyRow(.delete, "/scim/v2/\(kind)/{id}", .provision),
            ]
        }
    private static let incidents = [
        PolicyRow(.get, "/v1/incidents", .readIncidents),
        PolicyRow(.get, "/v1/incidents/counts", .readIncidents),
        PolicyRow(.get, "/v1/incidents/{id}", .readIncidents),
        PolicyRow(.get, "/v1/incidents/{id}/events", .readIncidents),
        PolicyRow(.get, "/v1/incidents/{id}/story", .readIncidents),
        PolicyRow(.get, "/v1/incidents/{id}/neighbours", .readIncidents),
        PolicyRow(.get, "/v1/live/incidents", .readIncidents, feature: .live),
        PolicyRow(.get, "/v1/playbooks", .readIncidents),
        PolicyRow(.get, "/v1/feedback", .readIncidents),
        PolicyRow(.patch, "/v1/incidents/{id}", .writeIncidents),
        PolicyRow(.post, "/v1/incidents/bulk", .writeIncidents),
        PolicyRow(.post, "/v1/incidents/{id}/merge", .writeIncidents),
        PolicyRow(.post, "/v1/incidents/{id}/split", .writeIncidents),
        PolicyRow(.post, "/v1/incidents/{id}/undo", .writeIncidents),
        PolicyRow(.get, "/v1/exceptions", .readIncidents),
        PolicyRow(.post, "/v1/exceptions", .writeIncidents),
        PolicyRow(.post, "/v1/exceptions/preview", .readIncidents),
        PolicyRow(.delete, "/v1/exceptions/{id}", .writeIncidents),
        PolicyRow(.get, "/v1/exceptions/{id}/hidden", .readIncidents),
        PolicyRow(.get, "/v1/notify/outbox", .readIncidents),
        PolicyRow(.get, "/v1/notify/channels", .readIncidents),
        PolicyRow(.post, "/v1/notify/channels/{name}/test", .writeIncidents),
    ]
    private static let mitigation = [
        PolicyRow(.get, "/v1/incidents/{id}/proposals", .readIncidents, feature: .mitigation),
        PolicyRow(.post, "/v1/incidents/{id}/proposals/{proposal}/accept", .writeMitigation, feature: .mitigation),
        PolicyRow(.post, "/v1/incidents/{id}/proposals/{proposal}/withdraw", .writeMitigation, feature: .mitigation),
        PolicyRow(.get, "/v1/mitigation/list", .readMitigation, feature: .mitigation),
    ]
    /// Who sees addresses, and who sees their pseudonyms.
    private static let records = PolicyRow.Access.permitted([[.readFlows], [.readPseudonyms]], .records)
    private static let history = PolicyRow.Access.permitted([[.readFlows], [.readPseudonyms]], .tenant)
    private static let flows = [
        PolicyRow(.get, "/v1/flows", records),
        PolicyRow(.get, "/v1/flows/top", records),
        PolicyRow(.get, "/v1/flows/series", records),
        PolicyRow(.get, "/v1/flows/percentiles", records),
        PolicyRow(.get, "/v1/flows/distinct", records),
        PolicyRow(.get, "/v1/flows/conversations", records),
        PolicyRow(.get, "/v1/flows/export", records, feature: .exports),
        PolicyRow(.get, "/v1/live/flows", records, feature: .live),
        PolicyRow(.get, "/v1/flows/plan", history),
        PolicyRow(.post, "/v1/hunts", history, feature: .hunts),
        PolicyRow(.get, "/v1/trends", history),
        PolicyRow(.get, "/v1/networks", .readFlows),
        PolicyRow(.get, "/v1/networks/{name}", .readFlows),
        PolicyRow(.put, "/v1/networks/{name}", .writeNetworks),
        PolicyRow(.delete, "/v1/networks/{name}", .writeNetworks),
    ]
    private static let detection = [
        PolicyRow(.get, "/v1/sigma/rules", .readRules),
        PolicyRow(.get, "/v1/sigma/rules/{key}", .readRules),
        PolicyRow(.put, "/v1/sigma/rules/{key}", .writeRules),
        PolicyRow(.delete, "/v1/sigma/rules/{key}", .writeRules),
        PolicyRow(.get, "/v1/sigma/rules/{key}/versions", .readRules),
        PolicyRow(.get, "/v1/sigma/export", .readRules),
        PolicyRow(.post, "/v1/sigma/rules/check", .readRules),
        PolicyRow(.post, "/v1/sigma/rules/test", .readRules),
        PolicyRow(
            .post, "/v1/sigma/rules/backtest", .permitted([[.readRules, .readFlows]], .tenant), feature: .backtests),
        PolicyRow(.get, "/v1/models", .readRules, feature: .models),
        PolicyRow(.post, "/v1/models", .permitted([[.writeRules, .readFlows]], .tenant), feature: .models),
        PolicyRow(.post, "/v1/models/rollback", .writeRules, feature: .models),
        PolicyRow(.get, "/v1/models/{version}", .readRules, feature: .models),
        PolicyRow(
            .post, "/v1/models/{version}/evaluate", .permitted([[.writeRules, .readFlows]], .tenant), feature: .models),
        PolicyRow(.post, "/v1/models/{version}/promote", .writeRules, feature: .models),
        PolicyRow(.get, "/v1/programs", .readRules),
        PolicyRow(.get, "/v1/detectors", .readRules),
        PolicyRow(.put, "/v1/detectors/limits", .writeRules),
        PolicyRow(
            .post, "/v1/detectors/backtest", .permitted([[.readRules, .readFlows]], .tenant), feature: .backtests),
    ]
    private static let knowledge = [
        PolicyRow(.get, "/v1/intel/lookup", .readIntelligence),
        PolicyRow(.post, "/v1/intel/lookup", .readIntelligence),
        PolicyRow(.get, "/v1/intel/feeds", .readIntelligence),
    ]
    private static let sensors = [
        PolicyRow(.get, "/v1/sensors", .readSensors, .sites),
        PolicyRow(.post, "/v1/sensors/bulk", .writeSensors, .sites),
        PolicyRow(.get, "/v1/live/sensors", .readSensors, .sites, feature: .live),
        PolicyRow(.get, "/v1/sensors/{id}/exporters", .readSensors, .sites),
        PolicyRow(.post, "/v1/sensors/{id}/reship", .writeSensors, .sites),
        PolicyRow(.get, "/v1/sensors/marks", .readSensors, .sites),
        PolicyRow(.put, "/v1/sensors/{id}/quarantine", .adminSensors, .sites),
        PolicyRow(.delete, "/v1/sensors/{id}/quarantine", .adminSensors, .sites),
        PolicyRow(.put, "/v1/sensors/{id}/revocation", .adminSensors, .sites),
        PolicyRow(.delete, "/v1/sensors/{id}/revocation", .adminSensors, .sites),
        PolicyRow(.delete, "/v1/sensors/{id}/held", .adminSensors, .sites),
        PolicyRow(.get, "/v1/enrolment/authorities", .anyone), PolicyRow(.post, "/v1/enrolment", .anyone),
        PolicyRow(.get, "/v1/sensors/enrolments", .adminSensors, .sites),
        PolicyRow(.post, "/v1/sensors/{id}/enrolment", .adminSensors, .sites),
        PolicyRow(.delete, "/v1/sensors/{id}/enrolment", .adminSensors, .sites),
    ]
}
