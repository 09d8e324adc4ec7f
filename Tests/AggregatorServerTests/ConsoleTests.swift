import Console
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import TestKit
import Testing

/// The console's pages as they are served: a table of what was there at the start.
@Suite("The console's pages are served from a table, with headers that forbid the rest")
struct ConsoleTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("weir-console")
        try write("index.html", "<!doctype html><title>Weir</title>")
        try write("code/start.js", "export const a = 1")
    }
    private func write(_ name: String, _ text: String) throws {
        let file = folder.file("pages/" + name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }
    private func files() throws -> ConsoleFiles { try ConsoleFiles(folder: folder.file("pages").path) }

    private typealias Answer = (status: Int, fields: HTTPFields, body: String)
    /// Behind the console is one that answers 418 to everything.
    private func ask(
        _ path: String, _ method: HTTPRequest.Method = .get, _ fields: HTTPFields = [:], console: ConsoleFiles?
    ) async throws -> Answer {
        let behind = CallbackResponder<BasicRequestContext> { _, _ in Response(status: .init(code: 418)) }
        let app = Application(responder: ConsoleResponder(console, before: behind))
        return try await app.test(.router) { client in
            try await client.execute(uri: path, method: method, headers: fields) { response in
                (Int(response.status.code), response.headers, String(buffer: response.body))
            }
        }
    }

    @Test("a page, its folder, and what is beside it are there; / leads to them") func pages() async throws {
        let files = try files()
        let paths = ["/console/", "/console/assets/list.json", "/console/code/start.js", "/console/index.html"]
        #expect(files.paths == paths)
        for path in ["/console/", "/console/index.html", "/console/?from=1h"] {
            let answer = try await ask(path, console: files)
            #expect(answer.status == 200 && answer.body.hasPrefix("<!doctype"), "\(path)")
            #expect(answer.fields[.contentType] == "text/html; charset=utf-8")
        }
        let code = try await ask("/console/code/start.js", console: files)
        #expect(code.fields[.contentType] == "text/javascript; charset=utf-8" && code.body == "export const a = 1")
        for path in ["/", "/console"] {
            let answer = try await ask(path, console: files)
            #expect(answer.status == 302 && answer.fields[.location] == "/console/", "\(path)")
        }
    }

    @Test("everything else, and every other method, is the API's") func others() async throws {
        let files = try files()
        for path in [
            "/v1/incidents", "/healthz", "/console/none.js", "/console/../console/index.html", "/console//index.html",
            "/console/%2e%2e/secret", "/console/index.html/", "/console/code", "/console/index%2ehtml",
            "//console/index.html", "/console/..%2f..%2fetc/passwd",
        ] {
            let answer = try await ask(path, console: files)
            #expect(answer.status == 418, "\(path)")
        }
        for method in [HTTPRequest.Method.post, .put, .delete, .patch, .options] {
            let answer = try await ask("/console/", method, console: files)
            #expect(answer.status == 418, "\(method)")
        }
        let without = try await ask("/console/", console: nil)
        #expect(without.status == 418)
    }

    @Test("a file that comes or changes later is not served") func table() async throws {
        let files = try files()
        try write("later.js", "1")
        try write("index.html", "changed")
        let later = try await ask("/console/later.js", console: files),
            index = try await ask("/console/", console: files)
        #expect(later.status == 418 && index.body.hasPrefix("<!doctype"))
    }

    @Test("what is others' is served as the list of digests has it, and nothing else from its folder")
    func assets() async throws {
        let others = folder.file("pages-assets"), world = others.appendingPathComponent("world.json")
        try FileManager.default.createDirectory(at: others, withIntermediateDirectories: true)
        func files() throws -> ConsoleFiles {
            try ConsoleFiles(folder: folder.file("pages").path, assets: others.path)
        }
        // `printf '{}' | sha256sum`
        try write("assets.txt", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  world.json\n")
        let none = try await ask("/console/assets/list.json", console: try files())
        #expect(none.body == "[]" && none.fields[.contentType] == "application/json")
        try Data("{}".utf8).write(to: world)
        let list = try await ask("/console/assets/list.json", console: try files())
        let body = try await ask("/console/assets/world.json", console: try files()).body
        #expect(list.body == #"["world.json"]"# && body == "{}")
        try Data("{} ".utf8).write(to: world)
        #expect(throws: ConsoleError.changed(world.path)) { try files() }
        try Data("{}".utf8).write(to: world)
        let more = others.appendingPathComponent("more.json")
        try Data("{}".utf8).write(to: more)
        #expect(throws: ConsoleError.unexpected(more.path)) { try files() }
    }

    @Test("who has a page already gets 304, and HEAD no body") func validators() async throws {
        let files = try files()
        let first = try await ask("/console/", console: files)
        let tag = try #require(first.fields[.eTag])
        for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
            let again = try await ask("/console/", .get, [.ifNoneMatch: known], console: files)
            #expect(again.status == 304 && again.body.isEmpty && again.fields[.eTag] == tag, "\(known)")
        }
        let other = try await ask("/console/", .get, [.ifNoneMatch: "\"other\""], console: files)
        #expect(other.status == 200)
        let head = try await ask("/console/", .head, console: files)
        #expect(head.status == 200 && head.body.isEmpty && head.fields[.eTag] == tag)
        try write("index.html", "<!doctype html><title>New</title>")
        #expect(try self.files()["/console/"]?.tag != tag)
    }

    @Test("every answer forbids what the pages don't need") func headers() async throws {
        let files = try files()
        for path in ["/", "/console/", "/console/code/start.js"] {
            let fields = try await ask(path, console: files).fields
            let policy = fields[.contentSecurityPolicy] ?? ""
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self';"), "\(path)")
            #expect(policy.contains("frame-ancestors 'none'") && policy.contains("require-trusted-types-for 'script'"))
            #expect(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains("*"))
            #expect(fields[.xContentTypeOptions] == "nosniff" && fields[.strictTransportSecurity] != nil)
            #expect(fields[.cacheControl] == "no-cache")
            for name in ["Referrer-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy"] {
                let name = try #require(HTTPField.Name(name))
                #expect(fields[name] != nil, "\(path) \(name)")
            }
        }
    }

    @Test("a folder with what the console does not have is refused") func refusals() throws {
        func refusal() throws -> ConsoleError? {
            do { _ = try files() } catch let error as ConsoleError { return error }
            return nil
        }
        let pages = folder.file("pages").path
        try write(".hidden", "left out")
        #expect(try refusal() == nil)
        for name in ["notes.sh", "a b.js", "up..js", "none"] {
            try write(name, "1")
            #expect(try refusal() == .unexpected("\(pages)/\(name)"))
            try FileManager.default.removeItem(atPath: "\(pages)/\(name)")
        }
        try FileManager.default.createSymbolicLink(atPath: "\(pages)/link.js", withDestinationPath: "/etc/passwd")
        #expect(try refusal() == .unexpected("\(pages)/link.js"))
        try FileManager.default.removeItem(atPath: "\(pages)/link.js")
        try write("a/b/c/d/e.js", "1")
        #expect(try refusal() == .tooMuch("\(pages)/a/b/c/d: more than 4 folders deep"))
        try FileManager.default.removeItem(atPath: "\(pages)/a")
        try FileManager.default.removeItem(atPath: "\(pages)/index.html")
        #expect(try refusal() == .noIndex(pages))
        #expect(throws: ConsoleError.self) { try ConsoleFiles(folder: folder.file("none").path) }
    }
}
