import Foundation
import Platform
import Settings
import TestKit
import Testing

@testable import Passwords

@Suite("Passwords and second factors")
struct PasswordsTests {
    /// So that tests don't take long; the real cost has a test of its own.
    private static let cheap = Argon2Cost(kibibytes: 64, passes: 1)
    private func secret(_ text: String) -> Secret { Secret(Array(text.utf8)) }

    /// The value is the reference program's: `printf password | argon2 somesalt -id -t 2 -k 256 -p 1 -e`.
    @Test("hashes are Argon2id of RFC 9106, as others make them") func reference() {
        let theirs = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        let cost = Argon2Cost(kibibytes: 256, passes: 2)
        #expect(Argon2.hash(Array("password".utf8), salt: Array("somesalt".utf8), cost) == theirs)
        #expect(Argon2.verify(Array("password".utf8), theirs, cost))
        #expect(!Argon2.verify(Array("Password".utf8), theirs, cost))
    }

    @Test("the cost is 46 MiB and 2 passes, and each hash has its own salt") func standard() async throws {
        let desk = PasswordDesk()
        var chance = SystemRandomNumberGenerator()
        let first = try await desk.hash(secret("correct horse battery"), using: &chance)
        let second = try await desk.hash(secret("correct horse battery"), using: &chance)
        #expect(first.hasPrefix("$argon2id$v=19$m=47104,t=2,p=1$") && first != second)
        #expect(try await desk.verify(secret("correct horse battery"), against: first))
        #expect(try await !desk.verify(secret("correct horse batterz"), against: first))
        #expect(try await !desk.verify(secret("correct horse battery"), against: nil), "no account has no password")
    }

    @Test("a kept hash of another cost, kind or form is nobody's, whatever memory it asks for") func strangeHashes()
        async throws
    {
        let desk = PasswordDesk(cost: Self.cheap)
        for kept in [
            "", "x", "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", Self.cheap.prefix, Self.cheap.prefix + "$$$",
            Self.cheap.prefix + "!!!!$!!!!",
        ] {
            #expect(try await !desk.verify(secret("password"), against: kept), "\(kept)")
        }
    }

    @Test("no more are hashed at once than were allowed, and who finds the queue full is told") func bounded()
        async throws
    {
        let desk = PasswordDesk(cost: Argon2Cost(kibibytes: 8_192, passes: 2), atOnce: 2, waitingMax: 4)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    do throws(PasswordDesk.Failure) {
                        _ = try await desk.verify(Secret([1, 2, 3]), against: nil)
                        return true
                    } catch {
                        #expect(error == .busy)
                        return false
                    }
                }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(desk.most == 2 && outcomes.contains(true) && outcomes.contains(false) && outcomes.count == 40)
        #expect(try await !desk.verify(Secret([1]), against: nil), "it goes on afterwards")
    }

    @Test("a password is long and not what everybody would try") func rules() {
        func refusal(_ text: String) -> PasswordRules.Refusal? {
            do throws(PasswordRules.Refusal) {
                try PasswordRules.check(secret(text), words: ["ada@example.net", "Ada Lovelace", "acme"])
                return nil
            } catch { return error }
        }
        #expect(refusal("correct horse battery") == nil && refusal("Ünïcödé-wörds-are-fine") == nil)
        #expect(refusal("short") == .tooShort(min: 15) && refusal("äöüäöüäöüäöüäö") == .tooShort(min: 15))
        #expect(refusal(String(repeating: "long", count: 200)) == .tooLong(max: 512))
        for plain in ["aaaaaaaaaaaaaaaaaaaa", "passwordpassword1", "Password12345678", "ada@example.netacme1"] {
            #expect(refusal(plain) == .tooPlain, "\(plain)")
        }
        #expect(throws: PasswordRules.Refusal.notText) {
            try PasswordRules.check(Secret([UInt8](repeating: 0xFF, count: 20)), words: [])
        }
    }

    @Test("codes are those of RFC 6238, appendix B") func codes() {
        let code = OneTimeCode(secret("12345678901234567890"))
        for (seconds, digits) in [
            (Int64(59), "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"),
            (2_000_000_000, "279037"), (20_000_000_000, "353130"),
        ] {
            #expect(code.digits(of: seconds / 30) == digits)
            #expect(code.step(of: digits, atMilliseconds: seconds * 1_000, after: nil) == seconds / 30)
        }
    }

    @Test("a code works once, and a minute off it does not") func replays() {
        let code = OneTimeCode(secret("12345678901234567890")), now: Int64 = 1_111_111_109_000
        let step = now / 30_000
        #expect(code.step(of: "081804", atMilliseconds: now, after: step) == nil)
        #expect(code.step(of: "081804", atMilliseconds: now, after: step - 1) == step)
        #expect(code.step(of: "081804", atMilliseconds: now + 30_000, after: nil) == step)
        #expect(code.step(of: "081804", atMilliseconds: now + 60_000, after: nil) == nil)
        #expect(code.step(of: "081804", atMilliseconds: now - 60_000, after: nil) == nil)
        for wrong in ["", "81804", "0818040", "081805", "08180é"] {
            #expect(code.step(of: wrong, atMilliseconds: now, after: nil) == nil, "\(wrong)")
        }
        #expect(code.step(of: "000000", atMilliseconds: -5, after: nil) == nil)
    }

    @Test("an authenticator's address has the secret in base 32, and a secret is not printed") func address() {
        let made = OneTimeCode(secret("12345678901234567890"))
        #expect(
            made.address(of: "ada@example.net")
                == "otpauth://totp/Weir:ada%40example.net?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Weir")
        #expect(!"\(made)".contains("12345") && !"\(made)".contains("49"))
        let vectors = ["": "", "f": "MY", "fo": "MZXQ", "foo": "MZXW6", "foob": "MZXW6YQ", "fooba": "MZXW6YTB"]
        for (plain, text) in vectors { #expect(Base32.encode(Array(plain.utf8)) == text) }
    }

    @Test("recovery codes differ, and are known however they are typed") func recovery() throws {
        var chance = SeededGenerator(seed: 5)
        let codes = RecoveryCodes.make(using: &chance)
        #expect(Set(codes).count == RecoveryCodes.count)
        let first = try #require(codes.first)
        #expect(first.count == 19 && first.split(separator: "-").count == 4)
        let typed = first.lowercased().replacing("-", with: " ")
        #expect(RecoveryCodes.digest(of: typed) == RecoveryCodes.digest(of: first))
        #expect(Set(codes.map { RecoveryCodes.digest(of: $0) }).count == RecoveryCodes.count)
    }
}

@Suite("The list of breached passwords") struct BreachListTests {
    /// SHA-1 of "password" is 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8.
    private func list(_ line: String) throws -> (TemporaryFolder, BreachList) {
        let folder = try TemporaryFolder("weir-breaches")
        try Data("0005AD76BD555C1D6D771DE417A4B87E4B4:10\r\n".utf8).write(to: folder.file("00000.txt"))
        try Data("003D68EB55068C33ACE09247EE4C639306B:3\r\n\(line)\r\n012C192B2F16F82EA0EB9EF18D9D539B0DD:0".utf8)
            .write(to: folder.file("5BAA6.txt"))
        return (folder, try BreachList(folder: folder.path))
    }

    @Test(
        "a password is found by its digest, in either case, and padding is none",
        arguments: [
            ("1E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824", true), ("1e4c9b93f3f0682250b6cf8331b7ee68fd8:1", true),
            ("1E4C9B93F3F0682250B6CF8331B7EE68FD8:0", false), ("1E4C9B93F3F0682250B6CF8331B7EE68FD9:5", false),
            ("1E4C9B93F3F0682250B6CF8331B7EE68FD8", false), ("1E4C9B93F3F0682250B6CF8331B7EE68FD:1", false),
        ])
    func finding(_ line: String, _ isThere: Bool) throws {
        let (folder, list) = try list(line)
        #expect(try list.contains(Secret(Array("password".utf8))) == isThere)
        withExtendedLifetime(folder) {}
    }

    @Test("a file that is not there is an error and not an answer, and a folder without the first is no list")
    func missing() throws {
        let (folder, list) = try list("1E4C9B93F3F0682250B6CF8331B7EE68FD8:1")
        #expect(throws: SystemError.self) { try list.contains(Secret(Array("another".utf8))) }
        #expect(throws: SystemError.self) { try BreachList(folder: folder.path + "/none") }
    }
}
