import FlowModel
import Foundation
import Notify
import NotifyChannels
import Platform
import Settings
import TestKit
import Testing

@Suite("Sending, to real servers", .serialized)
struct SenderTests {
    private func sender(
        _ server: PythonServer, _ path: String, host: String = "hooks.test", scheme: String = "https",
        secrets: [SecretReference] = [], egress: Egress? = nil, trust: Bool = true
    ) throws -> WebhookSender {
        let url = try WebhookURL("\(scheme)://\(host):\(server.port)\(path)")
        return WebhookSender(
            .init(url: url, format: .ecs, secrets: secrets, trust: trust ? server.trust : nil),
            rendering: Setup.rendering, egress: egress ?? Setup.egress(server.port), timeout: .seconds(30))
    }

    @Test(
        "a webhook arrives, signed by every secret, over TLS to the address that was checked",
        .enabled(if: PythonServer.hasPython, "\(PythonServer.why)"))
    func webhook() async throws {
        let server = try await PythonServer.web()
        let texts = [UInt8(1), 2].map { "whsec_" + Data(repeating: $0, count: 32).base64EncodedString() }
        let references = try texts.enumerated().map { index, text in
            try makeFile(server.folder.file("secret\(index)").path, with: Array(text.utf8))
            return SecretReference.file(server.folder.file("secret\(index)").path)
        }
        let sender = try sender(server, "/200?token=x", secrets: references)
        let result = await sender.send(try Setup.message(), at: Setup.noon)
        #expect(result == .delivered)
        let request = try #require(try await server.got(1).first)
        let headers = try #require(request["headers"] as? [String: String]),
            body = try #require(request["body"] as? String)
        #expect(request["path"] as? String == "/200?token=x")
        #expect(headers["host"] == "hooks.test:\(server.port)" && headers["content-type"] == "application/json")
        #expect(headers["webhook-id"] == "msg_1" && headers["webhook-timestamp"] == "\(Setup.noon / 1_000)")
        for text in texts {
            let secret = try #require(WebhookSecret(Secret(Array(text.utf8))))
            let receiver = try #require(WebhookSigner([secret]))
            #expect(
                receiver.verifies(
                    id: "msg_1", timestamp: Setup.noon / 1_000, body: Array(body.utf8),
                    signatures: headers["webhook-signature"] ?? "", now: Setup.noon / 1_000))
        }
        let missing = try self.sender(server, "/200", secrets: [.file("/nowhere")])
        #expect(await missing.send(try Setup.message(), at: Setup.noon) == .failed(retryAfter: nil))
    }

    @Test(
        "answers mean what they should, and a redirect is not followed",
        .enabled(if: PythonServer.hasPython, "\(PythonServer.why)"))
    func answers() async throws {
        let server = try await PythonServer.web()
        let wanted: [(Int, Outbox.Result)] = [
            (204, .delivered), (302, .refused), (307, .refused), (404, .refused), (410, .gone),
            (429, .failed(retryAfter: 120)), (503, .failed(retryAfter: 120)),
        ]
        for (status, result) in wanted {
            let sender = try sender(server, "/\(status)")
            #expect(await sender.send(try Setup.message(), at: Setup.noon) == result, "\(status)")
        }
        let paths = try await server.got(wanted.count).compactMap { $0["path"] as? String }
        #expect(paths == wanted.map { "/\($0.0)" })
    }

    @Test(
        "nothing is sent where the policy or the certificate says no",
        .enabled(if: PythonServer.hasPython, "\(PythonServer.why)"))
    func refusals() async throws {
        let server = try await PythonServer.web(), message = try Setup.message()
        let closed = Setup.egress(server.port, allowed: [])
        // A public name that leads inside.
        #expect(await (try sender(server, "/200", egress: closed)).send(message, at: 0) == .refused)
        #expect(await (try sender(server, "/200", host: "127.0.0.1", egress: closed)).send(message, at: 0) == .refused)
        #expect(await (try sender(server, "/200", host: "inside.test")).send(message, at: 0) == .refused)
        #expect(await (try sender(server, "/200", egress: Setup.egress(1))).send(message, at: 0) == .refused)
        let unresolved = await (try sender(server, "/200", host: "nowhere.test")).send(message, at: 0)
        #expect(unresolved == .failed(retryAfter: nil))
        // The certificate is for another name, or nobody vouches for it.
        #expect(await (try sender(server, "/200", host: "other.test")).send(message, at: 0) == .failed(retryAfter: nil))
        #expect(await (try sender(server, "/200", trust: false)).send(message, at: 0) == .failed(retryAfter: nil))
        #expect(!FileManager.default.fileExists(atPath: server.folder.file("got").path))
        #expect(await (try sender(server, "/200")).send(message, at: 0) == .delivered)
    }

    @Test(
        "mail is submitted under STARTTLS and implicit TLS, with a password from a file",
        .enabled(if: PythonServer.hasSMTP, "\(PythonServer.whyNoSMTP)"),
        arguments: [SMTPDialogue.Security.startTLS, .implicitTLS, .plain])
    func mail(_ security: SMTPDialogue.Security) async throws {
        let server = try await PythonServer.mail(security)
        let from = try #require(MailAddress("weir@example.org")), to = try #require(MailAddress("ann@example.com"))
        let nobody = try #require(MailAddress("nobody@example.com"))
        func send(_ to: [MailAddress], password: String = "pass", host: String = "hooks.test") async throws
            -> Outbox.Result
        {
            let file = server.folder.file(UUID().uuidString).path
            try makeFile(file, with: Array("\(password)\n".utf8))
            var target = MailSender.Server(host: host, port: server.port, security: security)
            target.trust = server.trust
            if security != .plain { (target.user, target.password) = ("weir", .file(file)) }
            let rendering = try #require(MailRendering(Setup.rendering, from: from, to: to))
            return await MailSender(
                target, rendering: rendering, egress: Setup.egress(server.port), timeout: .seconds(30)
            ).send(try Setup.message(), at: Setup.noon)
        }
        #expect(try await send([nobody, to]) == .delivered)
        let got = try #require(try await server.got(1).first)
        #expect(got["from"] as? String == "weir@example.org" && got["to"] as? [String] == ["ann@example.com"])
        #expect(got["tls"] as? Bool == (security != .plain))
        let mail = try #require(got["mail"] as? String)
        #expect(
            mail.hasPrefix("From: weir@example.org\r\n") && mail.contains("\r\nMessage-ID: <msg_1@example.org>\r\n"))
        #expect(try await send([nobody]) == .refused)
        guard security != .plain else { return }
        #expect(try await send([to], password: "wrong") == .failed(retryAfter: nil))
        #expect(try await send([to], host: "other.test") == .failed(retryAfter: nil))
        #expect(try await server.got(1).count == 1)
    }

    @Test(
        "a letter to one person is submitted as mail is",
        .enabled(if: PythonServer.hasSMTP, "\(PythonServer.whyNoSMTP)"))
    func letter() async throws {
        let server = try await PythonServer.mail(.plain)
        let from = try #require(MailAddress("weir@example.org")), to = try #require(MailAddress("ann@example.com"))
        let sender = LetterSender(
            MailSender.Server(host: "hooks.test", port: server.port, security: .plain), from: from,
            name: "weir.example",
            egress: Setup.egress(server.port), timeout: .seconds(30))
        let letter = Letter(id: "1", subject: "Ein neues Paßwort", text: "with this\n.\nund Ümlauten")
        #expect(await sender.send(letter, to: to, at: Setup.noon) == .delivered)
        let got = try #require(try await server.got(1).first)
        #expect(got["from"] as? String == "weir@example.org" && got["to"] as? [String] == ["ann@example.com"])
        let mail = try #require(got["mail"] as? String)
        #expect(mail.hasPrefix("From: weir@example.org\r\nTo: ann@example.com\r\nSubject: =?utf-8?B?"))
        let body = try #require(mail.components(separatedBy: "\r\n\r\n").dropFirst().first)
        let text = try #require(Data(base64Encoded: body, options: .ignoreUnknownCharacters))
        #expect(String(decoding: text, as: UTF8.self) == letter.text)
        let nobody = try #require(MailAddress("nobody@example.com"))
        #expect(await sender.send(letter, to: nobody, at: Setup.noon) == .refused)
    }

    @Test(
        "syslog arrives framed over TLS and TCP, and as datagrams",
        .enabled(if: PythonServer.hasPython, "\(PythonServer.why)"), arguments: SyslogSender.Transport.allCases)
    func syslog(_ transport: SyslogSender.Transport) async throws {
        let server = try await PythonServer.syslog(transport)
        func send(_ host: String) async throws -> Outbox.Result {
            await SyslogSender(
                .init(host: host, port: server.port, transport: transport, trust: server.trust),
                rendering: SyslogRendering(Setup.rendering), egress: Setup.egress(server.port), timeout: .seconds(30)
            ).send(try Setup.message(), at: Setup.noon)
        }
        #expect(try await send("hooks.test") == .delivered)
        let line = try #require(try await server.got(1).first?["line"] as? String)
        #expect(
            line.hasPrefix("<107>1 2026-03-01T12:00:00.000Z weir.example weir - opened [weir@32473 tenant=\"acme\" "))
        #expect(line.hasSuffix("[high] Flööd on one host (acme)"))
        #expect(try await send("inside.test") == .refused)
        if transport == .tls { #expect(try await send("other.test") == .failed(retryAfter: nil)) }
    }

    @Test(
        "a target that says nothing costs no more than the timeout",
        .enabled(if: PythonServer.hasPython, "\(PythonServer.why)"))
    func silent() async throws {
        let server = try await PythonServer(
            """
            import socket, time
            s = socket.create_server(('127.0.0.1', 0))
            ready(s.getsockname()[1])
            time.sleep(60)
            """)
        let address = try #require(MailAddress("a@b.org"))
        let rendering = try #require(MailRendering(Setup.rendering, from: address, to: [address]))
        let egress = Setup.egress(server.port), start = SystemTime().monotonic()
        let target = MailSender.Server(host: "hooks.test", port: server.port, security: .plain)
        let mail = MailSender(target, rendering: rendering, egress: egress, timeout: .seconds(1))
        #expect(await mail.send(try Setup.message(), at: 0) == .failed(retryAfter: nil))
        let web = WebhookSender(
            .init(url: try WebhookURL("http://hooks.test:\(server.port)/"), format: .slack),
            rendering: Setup.rendering, egress: egress, timeout: .seconds(1))
        #expect(await web.send(try Setup.message(), at: 0) == .failed(retryAfter: nil))
        #expect(SystemTime().monotonic() - start < .seconds(8))
    }
}
