import Console
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import TestKit
import Testing

@testable import API

@Suite("Swagger UI") struct DocsTests {
    @Test("digests are those of deploy/api-docs.txt, and a folder with other files is none") func digests() throws {
        let list = try String(
            contentsOf: PackageTree.root.appendingPathComponent("deploy/api-docs.txt"), encoding: .utf8)
        let pairs = list.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(Dictionary(uniqueKeysWithValues: pairs.map { ($0[1], $0[0]) }) == DocsFiles.digests)
        let folder = try TemporaryFolder("weir-docs")
        #expect(throws: ConsoleError.self) { try DocsFiles(folder: folder.path) }
        for name in DocsFiles.digests.keys { try Data("x".utf8).write(to: folder.file(name)) }
        #expect(throws: ConsoleError.self) { try DocsFiles(folder: folder.path) }
    }

    private func get(_ files: DocsFiles?, _ path: String) async throws -> (
        status: Int, fields: HTTPFields, text: String
    ) {
        let router = try apiRouter(try await APIWorld().sources)
        let app = Application(responder: DocsResponder(files, before: router.buildResponder()))
        return try await app.test(.router) { client in
            try await client.execute(uri: path, method: .get) {
                (Int($0.status.code), $0.headers, String(buffer: $0.body))
            }
        }
    }

    @Test("where it is not installed, /docs/ says how to install it; all else is the API's") func absent() async throws
    {
        let docs = try await get(nil, "/docs/")
        #expect(docs.status == 404 && docs.text.contains("deploy/api-docs"))
        #expect(docs.fields[.xContentTypeOptions] == "nosniff")
        #expect(try await get(nil, "/openapi.json").status == 200)
        #expect(try await get(nil, "/docsx").text.contains("not-found"))
    }

    @Test("what was made is served with its own policy", .enabled(if: Self.isMade, "deploy/api-docs has not run"))
    func present() async throws {
        let files = try DocsFiles(folder: Self.folder)
        let page = try await get(files, "/docs/")
        #expect(page.status == 200 && page.text.contains("swagger-ui-bundle.js"))
        #expect(page.fields[.contentSecurityPolicy]?.contains("script-src 'self';") == true)
        #expect(try await get(files, "/docs/swagger-ui.css").fields[.contentType] == "text/css; charset=utf-8")
        #expect(try await get(files, "/docs/docs.js").text.contains("/openapi.json"))
        #expect(try await get(files, "/docs/../setup").status == 404)
        #expect(try await get(files, "/docs").fields[.location] == "/docs/")
    }
    private static let folder = PackageTree.root.appendingPathComponent(".build/api-docs").path
    private static let isMade = FileManager.default.fileExists(atPath: folder + "/swagger-ui.css")
}
