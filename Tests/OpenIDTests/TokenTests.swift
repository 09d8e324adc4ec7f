import Crypto
import Foundation
import TestKit
import Testing

@testable import OpenID

@Suite("Tokens of providers") struct TokenTests {
    @Test("base 64 for addresses is that of RFC 7515, appendix C, and strict") func base64() {
        #expect(
            Base64URL.encode([3, 236, 255, 224, 193]) == "A-z_4ME"
                && Base64URL.decode("A-z_4ME") == [3, 236, 255, 224, 193])
        for octets in [[], [0], [255, 255], [1, 2, 3]] as [[UInt8]] {
            #expect(Base64URL.decode(Base64URL.encode(octets)) == octets)
        }
        for bad in ["A", "A-z_4MF", "A-z_4ME=", "A+z", "A z", "é", "AB"] {
            #expect(Base64URL.decode(bad) == nil, "\(bad)")
        }
    }

    private static let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

    @Test("the signatures of RFC 7515, appendices A.2 and A.3, are right, and none with a bit changed") func vectors()
        throws
    {
        let rsa = """
            {"keys":[{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx\
            HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb\
            _7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5\
            ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}
            """
        let ec = """
            {"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzR\
            u9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}
            """
        let rsaSignature = """
            cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG\
            bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K\
            0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6\
            LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw
            """
        let ecSignature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        for (keys, head, text, algorithm) in [
            (rsa, "eyJhbGciOiJSUzI1NiJ9", rsaSignature, SignatureAlgorithm.rs256),
            (ec, "eyJhbGciOiJFUzI1NiJ9", ecSignature, .es256),
        ] {
            let set = try #require(KeySet(json: Array(keys.utf8)))
            var signature = try #require(Base64URL.decode(text)), signed = Array("\(head).\(Self.payload)".utf8)
            #expect(set.verifies(signature, of: signed, algorithm, kid: nil))
            let other: SignatureAlgorithm = algorithm == .rs256 ? .es256 : .rs256
            #expect(!set.verifies(signature, of: signed, other, kid: nil), "the way is the key's")
            signature[5] ^= 1
            #expect(!set.verifies(signature, of: signed, algorithm, kid: nil))
            signature[5] ^= 1
            signed[40] ^= 1
            #expect(!set.verifies(signature, of: signed, algorithm, kid: nil))
            #expect(!set.verifies([], of: signed, algorithm, kid: nil))
        }
    }

    @Test("the challenge is that of RFC 7636, appendix B") func challenge() {
        #expect(
            SignOnAttempt.challenge(of: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
                == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    private static func issuer() throws -> Issuer {
        var issuer = Issuer()
        issuer.addP256("k1")
        try issuer.addRSA("k2")
        return issuer
    }
    private static let expected = IDToken.Expectation(issuer: Issuer.url, client: "weir", nonce: "n")
    private static func refusal(_ text: String, _ issuer: Issuer, at now: Int64 = Issuer.now) throws -> IDToken.Refusal?
    {
        let keys = try #require(KeySet(json: try issuer.set()))
        do throws(IDToken.Refusal) {
            _ = try IDToken(text, keys, expected, at: now)
            return nil
        } catch { return error }
    }

    @Test("a token is read that is right in all things, of either kind of key", arguments: ["k1", "k2"])
    func right(_ kid: String) throws {
        let issuer = try Self.issuer(), keys = try #require(KeySet(json: try issuer.set()))
        let token = try IDToken(try issuer.token(Issuer.claims(), kid: kid), keys, Self.expected, at: Issuer.now)
        #expect(token.subject == "u1" && token.email == "ada@example.net" && token.groups == ["soc", "all"])
        var claims = Issuer.claims()
        claims["email_verified"] = nil
        claims["groups"] = ["name": "x"]
        claims["aud"] = ["weir", "other"]
        claims["azp"] = "weir"
        let second = try IDToken(try issuer.token(claims, kid: kid), keys, Self.expected, at: Issuer.now)
        #expect(second.email == nil && second.groups.isEmpty, "an address that was not verified is none")
        var trusting = Self.expected
        trusting.trustsEmail = true
        #expect(try IDToken(try issuer.token(claims), keys, trusting, at: Issuer.now).email == "ada@example.net")
        claims["email_verified"] = false
        #expect(try IDToken(try issuer.token(claims), keys, trusting, at: Issuer.now).email == nil, "it says so itself")
        claims["groups"] = [["name": "a"], ["display": "b"], "c", 4]
        #expect(try IDToken(try issuer.token(claims), keys, Self.expected, at: Issuer.now).groups == ["a", "b", "c"])
    }

    @Test("a token is refused that is wrong in one thing") func wrong() throws {
        let issuer = try Self.issuer(), seconds = Issuer.now / 1_000
        let claims: [(String, Any?, IDToken.Refusal)] = [
            ("iss", "https://evil.example", .issuer), ("iss", nil, .issuer), ("aud", "other", .audience),
            ("aud", [] as [String], .audience), ("aud", ["weir", "other"], .audience), ("azp", "other", .audience),
            ("nonce", "m", .nonce), ("nonce", nil, .nonce), ("exp", seconds - 61, .expired), ("exp", nil, .malformed),
            ("exp", "soon", .malformed), ("iat", seconds - 601, .expired), ("iat", seconds + 61, .notYet),
            ("nbf", seconds + 61, .notYet), ("sub", "", .subject), ("sub", 4, .subject),
            ("sub", String(repeating: "x", count: 256), .subject),
        ]
        for (name, value, refusal) in claims {
            var changed = Issuer.claims()
            changed[name] = value
            #expect(try Self.refusal(try issuer.token(changed), issuer) == refusal, "\(name): \(value ?? "none")")
        }
        let headers: [([String: Any], IDToken.Refusal)] = [
            (["alg": "none", "kid": "k1"], .algorithm), (["alg": "HS256", "kid": "k1"], .algorithm),
            (["alg": "es256", "kid": "k1"], .algorithm), (["alg": "RS256", "kid": "k1"], .signature),
            (["alg": "ES256", "kid": "k2"], .signature), (["alg": "ES256", "kid": "k9"], .unknownKey("k9")),
            (["alg": "ES256"], .unknownKey(nil)), (["alg": "ES256", "kid": "k1", "typ": "at+jwt"], .type),
            (["alg": "ES256", "kid": "k1", "crit": ["b64"]], .type), (["kid": "k1"], .malformed),
        ]
        for (header, refusal) in headers {
            let text = try issuer.token(Issuer.claims(), kid: "k1", header: header)
            #expect(try Self.refusal(text, issuer) == refusal, "\(header)")
        }
    }

    @Test("a token that was touched, cut or made of anything is refused, and nothing traps") func hostile() throws {
        let issuer = try Self.issuer(), text = try issuer.token(Issuer.claims())
        for end in 0..<text.count { #expect(try Self.refusal(String(text.prefix(end)), issuer) != nil) }
        let parts = text.split(separator: ".").map(String.init)
        #expect(try Self.refusal("\(parts[0]).\(parts[1]).", issuer) == .signature)
        #expect(try Self.refusal("\(text).\(parts[2])", issuer) == .malformed)
        try forAll(runs: 2_000) { rng, seed in
            var octets = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &rng) {
                octets[Int.random(in: 0..<octets.count, using: &rng)] = UInt8.random(in: 0x20...0x7E, using: &rng)
            }
            let changed = String(decoding: octets, as: UTF8.self)
            let refusal = try Self.refusal(changed, issuer)
            #expect(changed == text || refusal != nil, "SEED=\(seed)")
        }
        for bad in [
            "", "{}", #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
            #"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#,
        ] {
            #expect(KeySet(json: Array(bad.utf8)) == nil, "\(bad)")
        }
        var twice = issuer
        twice.addP256("k1")
        #expect(KeySet(json: try twice.set()) == nil, "two keys of one name")
    }
}
