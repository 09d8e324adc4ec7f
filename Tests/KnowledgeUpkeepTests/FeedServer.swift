import Foundation
import TestKit

/// A real HTTP server in Python: `/file/NAME` with entity tags, `/taxii/` in pages, `/redirect`; it keeps what it was
/// asked in `requests`.
final class FeedServer {
    static let isInstalled = Program.isInstalled("python3")
    static let why = "python3 is not installed"
    let folder: TemporaryFolder, port: Int
    private let process: RunningProgram

    struct Fault: Error { let problem: String }

    init() async throws {
        folder = try TemporaryFolder("weir-feeds")
        try Data(Self.script.utf8).write(to: folder.file("server.py"))
        process = try Program.start(
            "python3", [folder.file("server.py").path, folder.path], output: folder.file("out"),
            errors: folder.file("err"))
        for _ in 0..<200 {
            if let text = try? String(contentsOf: folder.file("port"), encoding: .utf8), let number = Int(text) {
                port = number
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Fault(problem: (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "no port")
    }

    deinit { process.kill() }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.file(name), options: .atomic)
    }
    /// Path, status, and the headers that matter, a line a request.
    var requests: [String] {
        let text = (try? String(contentsOf: folder.file("requests"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private static let script = """
        import hashlib, http.server, json, os, sys, urllib.parse
        folder = sys.argv[1]
        class Handler(http.server.BaseHTTPRequestHandler):
            def say(self, status, body=b"", headers={}):
                with open(folder + "/requests", "a") as log:
                    seen = [self.headers.get(name, "-") for name in ("if-none-match", "authorization", "accept")]
                    log.write(" ".join([self.path, str(status)] + seen) + "\\n")
                self.send_response(status)
                for name, value in headers.items(): self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self):
                url = urllib.parse.urlparse(self.path)
                query = urllib.parse.parse_qs(url.query)
                if url.path == "/redirect": return self.say(302, headers={"location": "/file/list.txt"})
                if url.path.startswith("/taxii/collections/"): return self.taxii(query)
                path = folder + "/" + os.path.basename(url.path)
                if not os.path.exists(path): return self.say(404)
                body = open(path, "rb").read()
                tag = '"' + hashlib.md5(body).hexdigest() + '"'
                if self.headers.get("if-none-match") == tag: return self.say(304, headers={"etag": tag})
                self.say(200, body, {"etag": tag})
            def taxii(self, query):
                if self.headers.get("authorization") != "Bearer abc": return self.say(401)
                if self.headers.get("accept") != "application/taxii+json;version=2.1": return self.say(406)
                name = "two" if query.get("next") == ["two"] else "later" if "added_after" in query else "one"
                body = open(folder + "/" + name + ".json", "rb").read()
                self.say(200, body, {"content-type": "application/taxii+json;version=2.1",
                    "x-taxii-date-added-last": "2026-11-0%dT00:00:00Z" % (["one", "two", "later"].index(name) + 1)})
            def log_message(self, *arguments): pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        open(folder + "/port.new", "w").write(str(server.server_port))
        os.rename(folder + "/port.new", folder + "/port")
        server.serve_forever()

        """
}
