import Foundation
import HTTPTypes
import Tenancy
import TestKit
import Testing

@testable import API

@Suite("Idempotency-Key") struct OnlyOnceTests {
    private var people: PeopleWorld
    private var world: APIWorld { people.world }
    private let owner: String

    init() async throws {
        people = try await PeopleWorld()
        var chance = SystemRandomNumberGenerator()
        owner = try people.control.createKey(
            tenant: people.world.acme, name: "owner", scopes: Role.owner.scopes, by: "test", at: people.now,
            using: &chance
        ).key.secret
    }

    private func make(
        _ name: String, _ idempotencyKey: String?, key: String? = nil
    ) async throws -> (status: Int, fields: HTTPFields, json: [String: Any], octets: [UInt8]) {
        var fields: HTTPFields = [:]
        if let field = HTTPField.Name("Idempotency-Key") { fields[field] = idempotencyKey }
        return try await world.ask(
            .post, "/v1/accounts", key: key ?? owner, body: #"{"name":"\#(name)","role":"viewer"}"#, fields: fields)
    }
    private var accounts: Int { get throws { try people.control.directory().accounts.count } }

    @Test("the same request with the same key is done once, and answered alike; without a key it is done again")
    func once() async throws {
        let first = try await make("a", "k1"), second = try await make("a", "k1")
        #expect(first.status == 200 && second.status == 200 && first.octets == second.octets)
        let replayed = try #require(HTTPField.Name("Idempotency-Replayed"))
        #expect(first.fields[replayed] == nil && second.fields[replayed] == "true")
        #expect(try accounts == 1)
        #expect(try await make("a", nil).status == 200)
        #expect(try accounts == 2)
        #expect(try await make("b", "k1").status == 422, "for another request")
        #expect(try accounts == 2)
        world.time.advance(by: .seconds(86_401))
        #expect(try await make("a", "k1").status == 200)
        #expect(try accounts == 3, "a day later it is a new one")
    }

    @Test("what was refused was not done, and may be asked again with the same key; keys are the caller's own")
    func refused() async throws {
        #expect(try await make("", "k1").status == 400)
        #expect(try await make("a", "k1").status == 200)
        var chance = SystemRandomNumberGenerator()
        let other = try people.control.createKey(
            tenant: world.acme, name: "other", scopes: Role.owner.scopes, by: "test", at: people.now, using: &chance
        ).key.secret
        #expect(try await make("b", "k1", key: other).status == 200)
        #expect(try accounts == 2)
        for bad in ["", String(repeating: "k", count: 256), "é"] {
            #expect(try await make("c", bad).status == 400, "\(bad)")
        }
        #expect(try accounts == 2)
    }

    @Test("what goes on, or was cut, is not begun again; what is kept opens for nobody else") func begun() async throws
    {
        let made = try await make("a", "k1")
        let token = try #require(made.json["id"] as? String)
        let claim = try people.control.claim("x", request: "r", of: world.acme, at: people.now)
        #expect(claim == .first)
        #expect(
            try people.control.claim("x", request: "r", of: world.acme, at: people.now)
                == .begun(atMilliseconds: people.now))
        #expect(try people.control.claim("x", request: "other", of: world.acme, at: people.now) == .otherRequest)
        try people.control.keep("x", status: 200, sealed: nil)
        #expect(
            try people.control.claim("x", request: "r", of: world.acme, at: people.now)
                == .answered(status: 200, sealed: nil))
        // The account's id is in its event; the sealed answer is not to be read.
        let file = try people.file()
        #expect(file.contains(token) && !file.contains(#"{"id":"\#(token)"}"#))
    }
}
