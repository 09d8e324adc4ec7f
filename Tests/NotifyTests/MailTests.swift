import Detect
import Foundation
import Incidents
import Notify
import Settings
import TestKit
import Testing

@Suite("A message as mail")
struct MailTests {
    private func mail(_ message: Message) throws -> String {
        let from = try #require(MailAddress("weir@example.org"))
        let to = [try #require(MailAddress("a@example.com")), try #require(MailAddress("b.c+d@example.com"))]
        let rendering = try #require(MailRendering(Rendering(host: "weir.example"), from: from, to: to))
        return String(decoding: rendering.mail(message), as: UTF8.self)
    }

    @Test("headers are Internet mail's, parts are text and HTML") func shape() throws {
        //= RFC 5322 §3.3
        let text = try mail(try Samples.message(Samples.brief("1")))
        let halves = text.components(separatedBy: "\r\n\r\n")
        let headers = halves[0]
        #expect(headers.contains("To: a@example.com,\r\n b.c+d@example.com\r\n"))
        #expect(headers.contains("\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\n"))
        #expect(headers.contains("\r\nMessage-ID: <msg_0123456789abcdef0123456789abcdef@example.org>\r\n"))
        #expect(headers.contains("\r\nAuto-Submitted: auto-generated\r\n"))
        #expect(text.replacingOccurrences(of: "\r\n", with: "").allSatisfy { $0 != "\r" && $0 != "\n" })
    }

    @Test(
        "no title adds a header, a recipient or a part; Python's parser reads what was meant",
        .enabled(if: Program.isInstalled("python3"), "python3 is not installed"), arguments: hostileTitles)
    func hostile(_ title: String) throws {
        //= RFC 2047 §2
        let brief = Samples.brief("1", title: title)
        let text = try mail(try Samples.message(brief))
        let lines = text.components(separatedBy: "\r\n")
        #expect(lines.allSatisfy { $0.utf8.count <= 998 && $0.utf8.allSatisfy { $0 >= 32 && $0 < 127 } })
        let folder = try TemporaryFolder("weir-mail")
        try Data(text.utf8).write(to: folder.file("mail"))
        let script = """
            import sys, json, email, email.policy
            m = email.message_from_bytes(open(sys.argv[1], 'rb').read(), policy=email.policy.default)
            parts = [(p.get_content_type(), p.get_content()) for p in m.iter_parts()]
            print(json.dumps({'headers': sorted(k.lower() for k in m.keys()), 'to': m['to'], 'subject': m['subject'],
                'types': [p[0] for p in parts], 'text': parts[0][1], 'html': parts[1][1],
                'defects': len(m.defects)}))
            """
        let outcome = try Program.run("python3", ["-c", script, folder.file("mail").path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let got = try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
        #expect(
            got["headers"] as? [String] == [
                "auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "references", "subject",
                "to", "x-auto-response-suppress",
            ])
        #expect(got["to"] as? String == "a@example.com, b.c+d@example.com")
        #expect(got["types"] as? [String] == ["text/plain", "text/html"] && got["defects"] as? Int == 0)
        let subject = Rendering(host: "weir.example").subject(try Samples.message(brief))
        let read = try #require(got["subject"] as? String)
        let wanted = subject.count > 200 ? String(subject.prefix(199)) + "…" : subject
        #expect(read.unicodeScalars.elementsEqual(wanted.unicodeScalars) || subject.unicodeScalars.count > 200)
        #expect(((got["text"] as? String) ?? "").contains("Rule: port-scan-vertical"))
        #expect(!((got["html"] as? String) ?? "").contains("<script"))
    }

    static let addressTexts: [(String, Bool)] = [
        ("a@example.org", true), ("a.b+c@x-y.example", true), ("weir@localhost", true), ("a@b@c", false),
        ("a@exa mple.org", false), ("a\r\nRCPT TO:<x@y>@example.org", false), ("<a@example.org>", false),
        ("a..b@example.org", false), (".a@example.org", false), ("a@-x.org", false), ("a@x..org", false),
        ("a", false),
        ("@x.org", false), ("a@", false), ("ä@example.org", false), ("\"a b\"@example.org", false),
    ]
    @Test(
        "an address is a dot-atom and a domain",
        arguments: MailTests.addressTexts)
    func addresses(_ text: String, _ isAddress: Bool) {
        #expect((MailAddress(text) != nil) == isAddress)
    }
}

@Suite("Submitting mail")
struct SMTPDialogueTests {
    private func dialogue(_ security: SMTPDialogue.Security, hasCredentials: Bool = true) throws -> SMTPDialogue {
        SMTPDialogue(
            name: "weir.example", security: security,
            credentials: hasCredentials ? .init(user: "weir", password: .init(Array("pass\n".utf8))) : nil,
            from: try #require(MailAddress("weir@example.org")),
            to: [try #require(MailAddress("a@example.com")), try #require(MailAddress("b@example.com"))],
            mail: Array("Subject: x\r\n\r\n.dot\r\nend".utf8))
    }
    private func said(_ actions: [SMTPDialogue.Action]) -> [String] {
        actions.compactMap { if case .send(let octets) = $0 { String(decoding: octets, as: UTF8.self) } else { nil } }
    }
    private func hear(_ dialogue: inout SMTPDialogue, _ lines: String...) -> [SMTPDialogue.Action] {
        lines.flatMap { dialogue.received(Array($0.utf8)) }
    }

    @Test("with STARTTLS nothing is said in the clear but EHLO and STARTTLS") func startTLS() throws {
        var dialogue = try dialogue(.startTLS)
        #expect(said(hear(&dialogue, "220 hi")) == ["EHLO weir.example\r\n"])
        #expect(said(hear(&dialogue, "250-x", "250-AUTH PLAIN", "250 STARTTLS")) == ["STARTTLS\r\n"])
        #expect(hear(&dialogue, "220 go") == [.startTLS])
        #expect(said(dialogue.secured()) == ["EHLO weir.example\r\n"])
        #expect(said(hear(&dialogue, "250-x", "250 AUTH LOGIN PLAIN")) == ["AUTH PLAIN AHdlaXIAcGFzcw==\r\n"])
        #expect(said(hear(&dialogue, "235 ok")) == ["MAIL FROM:<weir@example.org>\r\n"])
        #expect(said(hear(&dialogue, "250 ok")) == ["RCPT TO:<a@example.com>\r\n"])
        #expect(said(hear(&dialogue, "550 no")) == ["RCPT TO:<b@example.com>\r\n"])
        #expect(said(hear(&dialogue, "250 ok")) == ["DATA\r\n"])
        #expect(said(hear(&dialogue, "354 go")) == ["Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n"])
        let end = hear(&dialogue, "250 queued")
        #expect(end.last == .end(.delivered(refused: ["a@example.com"])) && said(end) == ["QUIT\r\n"])
    }

    @Test("a server without STARTTLS gets neither credentials nor mail, nor does one that speaks before TLS")
    func downgrade() throws {
        var stripped = try dialogue(.startTLS)
        #expect(said(hear(&stripped, "220 hi", "250 AUTH PLAIN")) == ["EHLO weir.example\r\n", "QUIT\r\n"])
        var injected = try dialogue(.startTLS)
        _ = hear(&injected, "220 hi", "250 STARTTLS", "220 go")
        let actions = hear(&injected, "250 AUTH PLAIN")
        #expect(actions == [.end(.failed(.init(step: "handshake", code: nil)))])
        #expect(injected.secured() == [])
        var plain = try dialogue(.plain)
        #expect(said(hear(&plain, "220 hi", "250 AUTH PLAIN")) == ["EHLO weir.example\r\n", "QUIT\r\n"])
    }

    @Test("4yz may work later, 5yz is a refusal, wrong credentials keep the mail, noise ends the session")
    func endings() throws {
        func ending(_ lines: [String], hasCredentials: Bool = false) throws -> SMTPDialogue.Ending? {
            var dialogue = try dialogue(.implicitTLS, hasCredentials: hasCredentials)
            let actions = lines.flatMap { dialogue.received(Array($0.utf8)) }
            if case .end(let ending)? = actions.last { return ending }
            return nil
        }
        #expect(try ending(["421 busy"]) == .failed(.init(step: "greeting", code: 421)))
        #expect(try ending(["220 a", "250 b", "451 c"]) == .failed(.init(step: "sender", code: 451)))
        #expect(
            try ending(["220 a", "250 b", "250 c", "550 d", "550 e"]) == .refused(.init(step: "recipient", code: 550)))
        #expect(
            try ending(["220 a", "250 AUTH PLAIN", "535 no"], hasCredentials: true)
                == .failed(.init(step: "authentication", code: 535)))
        #expect(try ending(["hello"]) == .failed(.init(step: "greeting", code: nil)))
        #expect(try ending([String(repeating: "2", count: 5_000)]) == .failed(.init(step: "greeting", code: nil)))
        #expect(
            try ending(["220 a"] + [String](repeating: "250-x", count: 200))
                == .failed(.init(step: "secureHello", code: nil)))
    }

    @Test("any lines whatever end in at most one ending, and the password is never printed") func anyLines() throws {
        let pieces = [
            "220 x", "250 x", "250-STARTTLS", "250 STARTTLS", "354 x", "235 x", "550 x", "450", "2", "", "\u{0}",
        ]
        try forAll(runs: 300) { generator, seed in
            var dialogue = try dialogue([.startTLS, .implicitTLS, .plain].randomElement(using: &generator) ?? .plain)
            var endings = 0
            for _ in 0..<40 {
                let piece = pieces.randomElement(using: &generator) ?? ""
                for action in dialogue.received(Array(piece.utf8)) {
                    if case .end = action { endings += 1 }
                    if action == .startTLS, Bool.random(using: &generator) { _ = dialogue.secured() }
                }
            }
            #expect(endings <= 1, "SEED=\(seed)")
            #expect(!"\(dialogue)".contains("pass\n") && !"\(dialogue)".contains("112, 97, 115, 115"), "SEED=\(seed)")
        }
    }
}
