import Logging
import Notify
import PeopleMail
import ServiceLifecycle
import Synchronization
import Telemetry
import Tenancy
import TestKit
import Testing

@Suite("Links for new passwords by mail") struct ResetMailTests {
    private let folder: TemporaryFolder, control: ControlLog, ada: String
    private let time = ManualTime(wallMilliseconds: 1_700_000_000_000), registry = MetricRegistry(), box = Box()

    init() throws {
        folder = try TemporaryFolder("weir-mail")
        control = try ControlLog(folder: folder.path)
        var chance = SystemRandomNumberGenerator()
        ada = try control.addPerson(
            email: "ada@example.net", name: "Ada", by: Granter("test", scopes: nil), at: 0, using: &chance)
    }

    /// What was sent, and what the server says.
    private final class Box: Sendable {
        let letters = Mutex<[(text: String, to: String)]>([]), result = Mutex(Outbox.Result.delivered)
        var texts: [String] { letters.withLock { $0.map(\.text) } }
    }
    private func mail(_ link: String?) -> ResetMail {
        ResetMail(
            control: control, link: link, time: time, registry: registry, logger: Logger(label: "test")
        ) { [box] letter, address, _ in
            box.letters.withLock { $0.append((letter.text, address.text)) }
            return box.result.withLock { $0 }
        }
    }
    private func count(_ result: String) -> Bool {
        registry.prometheusText().contains("weir_reset_mails_total{result=\"\(result)\"} 1\n")
    }
    private func running(_ mail: ResetMail, _ body: () async throws -> Void) async throws {
        let group = ServiceGroup(services: [mail], logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await body()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
    private func until(_ condition: () -> Bool) async throws {
        for _ in 0..<500 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(condition())
    }

    @Test("who is known gets a link that sets the password, one in five minutes; nobody else gets anything")
    func links() async throws {
        let mail = mail("https://weir.example/reset")
        try await running(mail) {
            for email in ["nobody@example.net", "ADA@example.net", "ada@example.net"] { #expect(mail.ask(email)) }
            try await until { count("sent") }
            time.advance(by: .seconds(300))
            #expect(mail.ask("ada@example.net"))
            try await until { box.texts.count == 2 }
        }
        #expect(box.letters.withLock { $0.map(\.to) } == ["ada@example.net", "ada@example.net"])
        let text = try #require(box.texts.last)
        let token = try #require(text.firstMatch(of: /https:\/\/weir\.example\/reset#(weir-reset_\w+)/)?.output.1)
        let now = time.wallMilliseconds()
        #expect(try control.resetting(String(token), at: now)?.id == ada)
        #expect(try control.resetPassword(String(token), to: "hash", at: now))
        #expect(try control.passwordHash(email: "ada@example.net")?.hash == "hash")
        let first = try #require(box.texts.first?.firstMatch(of: /#(weir-reset_\w+)/)?.output.1)
        #expect(try control.resetting(String(first), at: now) == nil, "a new password ends the other links")
    }

    @Test("what the server does not take is counted; a disabled person gets nothing; the queue has an end")
    func failures() async throws {
        let mail = mail(nil)
        box.result.withLock { $0 = .refused }
        for number in 0..<ResetMail.waitingMax { #expect(mail.ask(number == 0 ? "ada@example.net" : "x@y.z")) }
        #expect(!mail.ask("x@y.z"))
        try await running(mail) { try await until { count("failed") } }
        #expect(count("queue_full") && box.texts.first?.contains("POST /v1/password/reset") == true)
        try control.setDisabled(true, person: ada, by: Granter("test", scopes: nil), at: 0)
        var chance = SystemRandomNumberGenerator()
        let none = try control.makeReset(
            email: "ada@example.net", by: "mail", at: time.wallMilliseconds() + 400_000, using: &chance)
        #expect(none == nil)
    }
}
