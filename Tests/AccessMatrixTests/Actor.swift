import HTTPTypes
import Identity
import Tenancy

/// Somebody who asks.
struct Actor: Sendable {
    let name: String
    /// Which of the world's tenants is the actor's own; nil: none.
    var tenant: Int?
    var scopes: Set<Scope> = [], reach = Reach.whole
    /// Nil: the actor shows nothing.
    var key: String?
    /// Of a person, as the cookie has it.
    var session: String?
    /// What is shown is good. A key that is not is refused everywhere, a session that is over is none.
    var isGood = true

    var fields: HTTPFields {
        var fields: HTTPFields = key.map { [.authorization: "Bearer \($0)"] } ?? [:]
        guard let session else { return fields }
        fields[.cookie] = "theme=dark; __Host-sid=\(session)"
        for (name, value) in [("Sec-Fetch-Site", "same-origin"), ("Weir-Request", "1")] {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        return fields
    }

    /// Nobody, bad keys, and for each tenant: the roles, each scope alone, pseudonyms, no scope, parts of it.
    static func all(
        _ tenants: [TenantID], _ control: ControlLog, using chance: inout some RandomNumberGenerator
    ) throws -> [Actor] {
        let now = MatrixWorld.now
        var actors = [
            Actor(name: "anonymous"), Actor(name: "nonsense", key: "nonsense", isGood: false),
            Actor(name: "stranger", key: APIKey(using: &chance).secret, isGood: false),
        ]
        for (index, tenant) in tenants.enumerated() {
            func add(
                _ name: String, _ scopes: Set<Scope>, _ reach: Reach = .whole, expires: Int64? = nil,
                isRevoked: Bool = false
            ) throws {
                let made = try control.createKey(
                    tenant: tenant, name: name, scopes: scopes, reach: reach, expiresMilliseconds: expires, by: "test",
                    at: now, using: &chance)
                if isRevoked { try control.revokeKey(id: made.record.id, by: "test", at: now) }
                actors.append(
                    Actor(
                        name: name, tenant: index, scopes: scopes, reach: reach, key: made.key.secret,
                        isGood: expires == nil && !isRevoked))
            }
            for role in Role.allCases { try add(role.rawValue, role.scopes) }
            for scope in Scope.allCases { try add("only \(scope.rawValue)", [scope]) }
            // Some routes want several at once.
            let several: Set<Scope> = [.writeSettings, .readAudit, .readFlows, .readIncidents]
            for scope in several { try add("several but \(scope.rawValue)", several.subtracting([scope])) }
            try add("no scope", [])
            try add("expired owner", Role.owner.scopes, expires: now)
            try add("revoked owner", Role.owner.scopes, isRevoked: true)
            let exporter = MatrixWorld.exporter("hq", of: index)
            try add("owner at hq", Role.owner.scopes, Reach(sites: ["hq"]))
            try add("owner of an exporter", Role.owner.scopes, Reach(exporters: ["\(exporter)/32"]))
            try add("owner of both", Role.owner.scopes, Reach(sites: ["hq"], exporters: [exporter]))
            try add("owner of nothing", Role.owner.scopes, Reach(sites: []))
        }
        return actors
    }
}
