import API
import Foundation
import HTTPTypes
import Passwords
import Settings
import Tenancy
import TestKit
import Testing

@Suite("Second factors") struct FactorRouteTests {
    private let people: PeopleWorld, ada: String, session: String

    init() async throws {
        people = try await PeopleWorld()
        ada = try await people.person("ada", "analyst", in: people.world.acme)
        session = try await people.session("ada")
    }

    /// The secret in an authenticator's address.
    private static func code(_ reply: PeopleWorld.Reply) throws -> OneTimeCode {
        let address = try #require(reply.json["address"] as? String)
        let text = try #require(address.firstMatch(of: /secret=([A-Z2-7]+)/)?.output.1)
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        var octets: [UInt8] = [], word = 0, bits = 0
        for digit in text {
            word = (word << 5 | (try #require(digits.firstIndex(of: digit)))) & 0xFFFF
            bits += 5
            if bits >= 8 {
                bits -= 8
                octets.append(UInt8(truncatingIfNeeded: word >> bits))
            }
        }
        return OneTimeCode(Secret(octets))
    }
    private func digits(_ code: OneTimeCode) -> String { code.digits(of: people.now / 30_000) }
    /// Three minutes later, when the allowances for tries are full again.
    private func later() { people.world.time.advance(by: .seconds(180)) }
    private func factor(
        _ method: HTTPRequest.Method, _ end: String = "", _ code: String? = nil
    ) async throws -> PeopleWorld.Reply {
        later()
        return try await people.ask(method, "/v1/session/factor\(end)", code.map { ["code": $0] }, as: session)
    }
    private func confirm(_ code: OneTimeCode) async throws -> PeopleWorld.Reply {
        later()
        return try await people.ask(.put, "/v1/session/factor", ["code": digits(code)], as: session)
    }
    private func enter(_ code: String?, _ password: String = PeopleWorld.password) async throws -> PeopleWorld.Reply {
        try await people.enter("ada", password, code: code)
    }

    @Test("a secret counts once a code of it was sent, and only the newest") func confirming() async throws {
        let old = try Self.code(try await factor(.post)), code = try Self.code(try await factor(.post))
        #expect(try await enter(nil).status == 200, "nothing was confirmed")
        #expect(try await factor(.put, "", "000000").status == 422)
        #expect(try await confirm(old).status == 422, "another secret took its place")
        let confirmed = try await confirm(code)
        #expect(confirmed.status == 200 && (confirmed.json["recoveryCodes"] as? [String])?.count == 10)
        #expect(try await factor(.post).status == 409)
        #expect(try await enter(nil).status == 401)
        let file = try people.file()
        for secret in try #require(confirmed.json["recoveryCodes"] as? [String]) { #expect(!file.contains(secret)) }
        #expect(file.contains("factorOffered") && file.contains("factorConfirmed"))
    }

    @Test("with an authenticator a password is not enough; each code works once, for every process") func entering()
        async throws
    {
        let code = try Self.code(try await factor(.post))
        _ = try await confirm(code)
        let needed = try await enter(nil)
        #expect(needed.status == 401 && kind(needed) == "code-needed" && needed.fields[.setCookie] == nil)
        later()
        let used = digits(code)
        let wrong = try await enter(used, "wrong horse battery")
        #expect(wrong.status == 401 && kind(wrong) == "sign-in-failed", "nobody learns who has one")
        #expect(try await enter(used).status == 200)
        let again = try await enter(used)
        #expect(again.status == 401 && kind(again) == "sign-in-failed" && again.octets == wrong.octets)
        let elsewhere = try ControlLog(folder: people.world.folder.path)
        let taken = try elsewhere.useFactor(of: ada) { _, last in people.now / 30_000 > last ? last : nil }
        #expect(!taken, "another process knows it was used")
        people.world.time.advance(by: .seconds(30))
        #expect(try await enter(digits(code)).status == 200, "the next one")
    }

    @Test("a recovery code works once, however it is typed; one of them, or a code, takes the authenticator away")
    func recovering() async throws {
        let code = try Self.code(try await factor(.post))
        let recovery = try #require(try await confirm(code).json["recoveryCodes"] as? [String])
        later()
        let first = try #require(recovery.first).lowercased()
        #expect(try await enter(first).status == 200)
        #expect(try await enter(first).status == 401, "once")
        #expect(try await factor(.post, "/remove", "123").status == 422)
        #expect(try await factor(.post, "/remove", first).status == 422, "it was used")
        #expect(try await factor(.post, "/remove", recovery[1]).status == 204)
        #expect(try await enter(nil).status == 200)
        #expect(try people.file().contains("recoveryCodeUsed"))
    }

    @Test("who guesses at the six digits waits, wherever from, and the owner has recovery codes meanwhile")
    func guessing() async throws {
        var people = people
        people.world.sources.signIn.limits = SignInLimits(perAddress: .none, perPair: .none, perAccount: .none)
        let code = try Self.code(try await factor(.post))
        let recovery = try #require(try await confirm(code).json["recoveryCodes"] as? [String])
        later()
        let right = digits(code), wrong = right == "111111" ? "222222" : "111111"
        func enter(_ code: String) async throws -> PeopleWorld.Reply { try await people.enter("ada", code: code) }
        for _ in 0..<10 { #expect(try await enter(wrong).status == 401) }
        let held = try await enter(right)
        #expect(held.status == 429 && held.fields[.retryAfter] == "301" && kind(held) == "too-many-tries")
        #expect(try await enter(recovery[2]).status == 200)
        people.world.time.advance(by: .seconds(300))
        #expect(try await enter(digits(code)).status == 200)
        for _ in 0..<10 { #expect(try await enter(wrong).status == 401, "a right one gives all tries back") }
        #expect(try await enter(wrong).status == 429)
    }

    @Test("without the key nobody begins to use an authenticator, and who has one is not let in without it")
    func withoutKey() async throws {
        let code = try Self.code(try await factor(.post))
        _ = try await confirm(code)
        var people = people
        people.world.sources.signIn.factors = nil
        later()
        #expect(try await people.enter("ada", code: digits(code)).status == 401)
        #expect(try await people.enter("ada").status == 401)
        _ = try await people.person("bob", "viewer", in: people.world.acme)
        let session = try await people.session("bob")
        #expect(try await people.ask(.post, "/v1/session/factor", as: session).status == 503)
    }

    @Test("a secret opens only for its owner and with its key") func sealing() throws {
        var chance = SystemRandomNumberGenerator()
        let sealer = try #require(FactorSealer(Secret([UInt8](repeating: 5, count: 32))))
        let code = OneTimeCode(using: &chance), sealed = try sealer.seal(code, of: "usr-1")
        #expect(sealer.open(sealed, of: "usr-1")?.digits(of: 7) == code.digits(of: 7))
        #expect(sealer.open(sealed, of: "usr-2") == nil && sealer.open([1, 2, 3], of: "usr-1") == nil)
        let other = try #require(FactorSealer(Secret([UInt8](repeating: 6, count: 32))))
        #expect(other.open(sealed, of: "usr-1") == nil && FactorSealer(Secret([1])) == nil)
    }
}
