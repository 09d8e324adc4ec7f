import Detect
import FlowModel
import Foundation
import Identity
import Incidents
import Notify
import NotifyChannels
import TestKit
import Testing

/// A server that is a few lines of Python around a library's own: it listens on a port that it chooses, and writes what
/// it gets into a file, a JSON object a line.
final class PythonServer {
    static let hasPython = Program.isInstalled("python3") && Program.isInstalled("openssl")
    static let hasSMTP = hasPython && (try? Program.run("python3", ["-c", "import aiosmtpd.controller"]).status) == 0
    static let why = "python3 and openssl are not installed", whyNoSMTP = "python3 has no aiosmtpd"

    let folder: TemporaryFolder
    let port: Int
    private let process: RunningProgram
    var trust: String { folder.file("cert.pem").path }

    struct Fault: Error { let problem: String }

    /// - Parameter script: gets `got(object)`, `ready(port)` and `context`, an `ssl.SSLContext` with a certificate for
    ///   `hooks.test`.
    init(_ script: String) async throws {
        folder = try TemporaryFolder("weir-py")
        let made = try Program.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=hooks.test", "-addext", "subjectAltName=DNS:hooks.test", "-keyout", folder.file("key").path,
                "-out", folder.file("cert.pem").path,
            ])
        guard made.status == 0 else { throw Fault(problem: made.errors) }
        let head = """
            import json, os, ssl, sys
            folder = sys.argv[1]
            def got(what):
                with open(folder + '/got', 'a') as f: f.write(json.dumps(what) + '\\n')
            def ready(port):
                with open(folder + '/port.part', 'w') as f: f.write(str(port))
                os.rename(folder + '/port.part', folder + '/port')
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder + '/cert.pem', folder + '/key')

            """
        try Data((head + script).utf8).write(to: folder.file("script.py"))
        let process = try Program.start(
            "python3", [folder.file("script.py").path, folder.path], output: folder.file("out"),
            errors: folder.file("err"))
        var found: Int?
        for _ in 0..<200 where found == nil {
            found = (try? String(contentsOf: folder.file("port"), encoding: .utf8)).flatMap { Int($0) }
            if found == nil { try await Task.sleep(for: .milliseconds(50)) }
        }
        guard let found else {
            throw Fault(problem: (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "no port")
        }
        port = found
        self.process = process
    }
    deinit { process.kill() }

    /// What it has got, once there are `count`.
    func got(_ count: Int) async throws -> [[String: Any]] {
        for _ in 0..<100 {
            let text = (try? String(contentsOf: folder.file("got"), encoding: .utf8)) ?? ""
            let lines = text.split(separator: "\n")
            if lines.count >= count {
                return try lines.map {
                    try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
                }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Fault(problem: (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "nothing came")
    }

    /// Answers by path: `/200` with 200, and so on; over TLS unless `isPlain`.
    static func web(isPlain: Bool = false) async throws -> PythonServer {
        try await PythonServer(
            """
            from http.server import BaseHTTPRequestHandler, HTTPServer
            class Handler(BaseHTTPRequestHandler):
                protocol_version = 'HTTP/1.1'
                def do_POST(self):
                    body = self.rfile.read(int(self.headers['content-length']))
                    got({'path': self.path, 'headers': {k.lower(): v for k, v in self.headers.items()},
                        'body': body.decode()})
                    self.send_response(int(self.path.split('?')[0].strip('/')))
                    self.send_header('location', '/200')
                    self.send_header('retry-after', '120')
                    self.send_header('content-length', '0')
                    self.end_headers()
                do_GET = do_POST
            server = HTTPServer(('127.0.0.1', 0), Handler)
            if \(isPlain ? "False" : "True"): server.socket = context.wrap_socket(server.socket, server_side=True)
            ready(server.server_port)
            server.serve_forever()
            """)
    }

    /// aiosmtpd with the user `weir` and the password `pass`.
    static func mail(_ security: SMTPDialogue.Security) async throws -> PythonServer {
        let arguments =
            switch security {
            case .startTLS: "tls_context=context, require_starttls=True, auth_required=True"
            case .implicitTLS: "auth_required=True, auth_require_tls=False"
            case .plain: ""
            }
        return try await PythonServer(
            """
            import asyncio
            from aiosmtpd.smtp import SMTP, AuthResult
            class Handler:
                async def handle_RCPT(self, server, session, envelope, address, options):
                    if address.startswith('nobody'): return '550 no such user'
                    envelope.rcpt_tos.append(address)
                    return '250 OK'
                async def handle_DATA(self, server, session, envelope):
                    got({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'mail': envelope.content.decode(),
                        'tls': server.transport.get_extra_info('ssl_object') is not None})
                    return '250 queued'
            def authenticate(server, session, envelope, mechanism, data):
                return AuthResult(success=(data.login, data.password) == (b'weir', b'pass'))
            def make(): return SMTP(Handler(), authenticator=authenticate, \(arguments))
            async def main():
                server = await asyncio.get_running_loop().create_server(
                    make, '127.0.0.1', 0, ssl=\(security == .implicitTLS ? "context" : "None"))
                ready(server.sockets[0].getsockname()[1])
                await server.serve_forever()
            asyncio.run(main())
            """)
    }

    /// Reads octet-counted frames, or datagrams.
    static func syslog(_ transport: SyslogSender.Transport) async throws -> PythonServer {
        try await PythonServer(
            """
            import socket
            if '\(transport.rawValue)' == 'udp':
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.bind(('127.0.0.1', 0))
                ready(s.getsockname()[1])
                while True: got({'line': s.recv(65535).decode()})
            s = socket.create_server(('127.0.0.1', 0))
            ready(s.getsockname()[1])
            while True:
                c, _ = s.accept()
                try:
                    if '\(transport.rawValue)' == 'tls': c = context.wrap_socket(c, server_side=True)
                    f = c.makefile('rb')
                    while True:
                        length = b''
                        while (b := f.read(1)) not in (b' ', b''): length += b
                        if b == b'': break
                        got({'line': f.read(int(length)).decode()})
                except OSError as e: print(e, file=sys.stderr)
                c.close()
            """)
    }
}

/// Names of a test's own.
struct TestResolver: NameResolver {
    struct Unknown: Error {}
    var names = ["hooks.test": "127.0.0.1", "other.test": "127.0.0.1", "inside.test": "10.0.0.1"]
    func address(of host: String) async throws -> IPAddress {
        guard let text = names[host], let address = IPAddress(text) else { throw Unknown() }
        return address
    }
}

enum Setup {
    static let noon: Int64 = 1_772_366_400_000
    static let rendering = Rendering(host: "weir.example")

    /// Loopback and one port are allowed.
    static func egress(_ port: Int, allowed: [String] = ["127.0.0.0/8"]) -> Egress {
        var policy = EgressPolicy()
        policy.schemes = [.http, .https]
        policy.ports = [port]
        policy.allowed = allowed.compactMap { IPNetwork($0) }
        return Egress(policy: policy, resolver: TestResolver())
    }
    static func news(_ id: String) throws -> News {
        let finding = Finding(
            id: String(repeating: "0", count: 32 - id.utf8.count) + id, rule: "flood", title: "Flööd on one host",
            severity: .high, tactics: ["TA0040"], techniques: [],
            entities: [FindingEntity(type: "ipv4-addr", role: .victim, value: "192.0.2.5")], ports: [], start: noon,
            end: noon, windowStart: noon,
            evidence: Evidence(observed: 2, threshold: 1, unit: "packets/s", flows: 1, packets: 2, octets: 3),
            update: 0)
        return News(
            tenant: try #require(TenantID("acme")), incident: IncidentBrief(Incident(opening: finding)),
            change: .opened, at: noon)
    }
    static func message(_ id: String = "1") throws -> Message {
        let news = try news(id)
        return Message(id: "msg_\(id)", tenant: news.tenant, at: noon, body: .single(news.incident, .opened))
    }
}
