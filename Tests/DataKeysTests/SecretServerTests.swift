import Foundation
import Platform
import SecretServer
import Settings
import TestKit
import Testing

@Suite("Secrets in OpenBao", .serialized, .enabled(if: BaoServer.isInstalled, "\(BaoServer.why)"))
struct SecretServerTests {
    private static let reference = "bao:secret/weir/mail#password"
    private func server(_ bao: BaoServer, _ time: ManualTime, token: String? = nil) -> SecretServer {
        SecretServer(
            SecretServerSettings(server: bao.address, token: .file(token ?? bao.token), trust: nil), time: time)
    }

    @Test("a secret is read, used anew within half a minute of its rotation, and used on while the server is away")
    func rotation() throws {
        let bao = try BaoServer(port: 18_237), time = ManualTime(), secrets = server(bao, time)
        let reference = try #require(SecretReference(Self.reference))
        #expect(try bao.bao("kv", "put", "-mount=secret", "weir/mail", "password=first") == 0)
        let first = try secrets.read(reference).text
        #expect(first == "first")
        #expect(try bao.bao("kv", "put", "-mount=secret", "weir/mail", "password=second") == 0)
        time.advance(by: .seconds(31))
        let second = try secrets.read(reference).text
        #expect(second == "second")
        bao.stop()
        time.advance(by: .seconds(3_600))
        let still = try secrets.read(reference).text
        #expect(still == "second")
        let unread = try #require(SecretReference("bao:secret/weir/other#x"))
        #expect(throws: SecretError.self) { try secrets.read(unread) }
    }

    @Test("what is not there, and a wrong token, are errors with the reference's name and nothing of the secret")
    func refused() throws {
        let bao = try BaoServer(port: 18_238), time = ManualTime()
        let reference = try #require(SecretReference(Self.reference))
        #expect(try bao.bao("kv", "put", "-mount=secret", "weir/mail", "user=hunter2") == 0)
        do {
            _ = try server(bao, time).read(reference)
            Issue.record("read")
        } catch {
            #expect("\(error)" == "bao:secret/weir/mail#password has no such field")
        }
        let wrong = bao.folder.file("wrong").path
        try makeFile(wrong, with: Array("nobody\n".utf8))
        do {
            _ = try server(bao, time, token: wrong).read(reference)
            Issue.record("read")
        } catch {
            #expect("\(error)" == "bao:secret/weir/mail#password was answered 403")
        }
    }
}

@Suite("References to secrets") struct SecretReferenceTests {
    @Test("a reference to a server names mount, path and field, and nothing else is one") func form() {
        #expect(SecretReference("bao:secret/weir/mail#password")?.description == "bao:secret/weir/mail#password")
        for text in ["bao:", "bao:secret#x", "bao:secret/a", "bao:secret/a#", "bao:secret/../a#x", "bao:a//b#x"] {
            #expect(SecretReference(text) == nil, "\(text)")
        }
        #expect(SecretReference("bao:secret/a?b=c#x") == nil)
    }
}
