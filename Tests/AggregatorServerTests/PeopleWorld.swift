import API
import Foundation
import HTTPTypes
import Identity
import Passwords
import Settings
import Tenancy
import TestKit
import Testing

/// An API and people who sign in to it.
struct PeopleWorld {
    typealias Reply = (status: Int, fields: HTTPFields, json: [String: Any], octets: [UInt8])
    static let password = "correct horse battery"
    var world: APIWorld
    let root = Granter("test", scopes: nil)

    init() async throws {
        world = try await APIWorld()
        world.sources.signIn = SignIn(
            passwords: PasswordDesk(cost: Argon2Cost(kibibytes: 64, passes: 1)),
            factors: FactorSealer(Secret([UInt8](repeating: 5, count: 32))))
    }
    var control: ControlLog { world.sources.control }
    var now: Int64 { world.time.wallMilliseconds() }

    /// Somebody with the usual password.
    func person(_ name: String, _ role: String?, in tenants: TenantID...) async throws -> String {
        var chance = SystemRandomNumberGenerator()
        let id = try control.addPerson(
            email: "\(name)@example.net", name: name, by: root, at: now, using: &chance)
        for tenant in tenants {
            try control.setMember(id, Standing(role: role ?? "viewer"), in: tenant, by: root, at: now)
        }
        let hash = try await world.sources.signIn.passwords.hash(.init(Array(Self.password.utf8)), using: &chance)
        try control.setPassword(hash, of: id, by: "test", at: now)
        return id
    }
    /// - Parameter session: its token.
    func ask(
        _ method: HTTPRequest.Method, _ uri: String, _ body: [String: Any]? = nil, as session: String? = nil,
        key: String? = nil
    ) async throws -> Reply {
        let text = try body.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
        var fields: HTTPFields = session.map { [.cookie: "a=b; __Host-sid=\($0)"] } ?? [:]
        if let name = HTTPField.Name("Weir-Request") { fields[name] = "1" }
        return try await world.ask(method, uri, key: key, body: text, fields: fields)
    }
    func enter(_ name: String, _ password: String = password, code: String? = nil) async throws -> Reply {
        var body = ["email": "\(name)@example.net", "password": password]
        body["code"] = code
        return try await ask(.post, "/v1/session", body)
    }
    /// Signs in: the session's token.
    func session(_ name: String, _ password: String = password) async throws -> String {
        let cookie = try #require(try await enter(name, password).fields[.setCookie])
        return try #require(cookie.split(separator: ";").first.map { String($0.dropFirst("__Host-sid=".count)) })
    }
    func file() throws -> String {
        try String(decoding: Data(contentsOf: world.folder.file("control.sqlite")), as: UTF8.self)
    }
}

func kind(_ reply: PeopleWorld.Reply) -> String {
    (reply.json["type"] as? String ?? "").replacing("urn:weir:problem:", with: "")
}
