import FlowModel
import Foundation
import Identity
import Notify
import NotifyChannels
import Settings
import SignOnClient
import Tenancy
import TestKit
import Testing

@testable import OpenID

/// A real provider, driven as a browser would: a login form, a page that asks for consent, and back.
@Suite(
    "Signing in at Canaille", .enabled(if: Program.isInstalled("canaille"), "canaille is not on the path"), .serialized)
struct CanailleTests {
    @Test("somebody signs in there and is who the provider says, with groups, and after its keys were changed")
    func flow() async throws {
        let canaille = try await Canaille()
        defer { canaille.end() }
        var provider = SignOnProvider(
            name: "corp", tenant: try #require(TenantID("acme")), issuer: canaille.address, client: "console")
        provider.secret = .file(canaille.secret)
        provider.allowsPlain = true
        var policy = EgressPolicy()
        (policy.schemes, policy.ports) = ([.http, .https], [canaille.port])
        policy.allowed = [try #require(IPNetwork("127.0.0.0/8"))]
        let time = ManualTime(wallMilliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
        let desk = SignOnDesk(
            [provider], transport: HTTPSignOnTransport(policy),
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example", time: time)
        func enter(_ password: String = Canaille.password) async throws -> IDToken? {
            var chance = SystemRandomNumberGenerator()
            let begun = try await desk.begin(provider, using: &chance)
            guard let query = try canaille.browse(begun.location, password) else { return nil }
            return try await desk.finish(provider, query: query, kept: begun.kept)
        }
        let token = try #require(try await enter(), "\(canaille.log)")
        #expect(token.subject == "alice" && token.groups == ["soc"] && token.issuer == canaille.address)
        #expect(try await enter("a wrong password") == nil)
        try await canaille.changeKeys()
        time.advance(by: .seconds(31))
        #expect(try await enter()?.subject == "alice")
        let refused = SignOnDesk(
            [provider], transport: HTTPSignOnTransport(EgressPolicy()),
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example",
            time: time)
        var chance = SystemRandomNumberGenerator()
        do throws(SignOnFault) {
            _ = try await refused.begin(provider, using: &chance)
            Issue.record("an address of this machine was asked")
        } catch { if case .unreachable = error {} else { Issue.record("\(error)") } }
    }
}

/// Canaille with one user in one group, on a port of its own.
private final class Canaille {
    static let password = "a long pass word"
    let folder: TemporaryFolder, port: Int
    private var process: RunningProgram?
    var address: String { "http://127.0.0.1:\(port)" }
    var secret: String { folder.file("secret").path }
    var log: String { (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "" }

    struct Fault: Error { let problem: String }

    init() async throws {
        folder = try TemporaryFolder("weir-canaille")
        port = try Self.freePort()
        try Data("s3cret\n".utf8).write(to: folder.file("secret"))
        try python(Self.makeSettings, ["k1"])
        try canaille("db", "upgrade")
        try canaille(
            "create", "user", "--user-name", "alice", "--password", Self.password, "--emails", "alice@example.net",
            "--family-name", "A")
        try canaille("create", "group", "--display-name", "soc", "--members", "alice")
        let made = try canaille(
            "create", "client", "--client-id", "console", "--client-secret", "s3cret", "--client-name", "C",
            "--redirect-uris", "https://weir.example/v1/signon/corp/callback", "--grant-types", "authorization_code",
            "--response-types", "code", "--scope", "openid", "--scope", "email", "--scope", "profile", "--scope",
            "groups",
            "--token-endpoint-auth-method", "client_secret_basic")
        let json = try JSONSerialization.jsonObject(with: Data(made.utf8)) as? [String: Any]
        guard let id = json?["id"] as? String else { throw Fault(problem: made) }
        // Without it tokens are for nobody.
        try canaille("set", "client", "console", "--audience", id)
        try await start()
    }
    func end() { process?.kill() }

    /// Another key in the place of the one there was.
    func changeKeys() async throws {
        end()
        try python(Self.makeSettings, ["k2"])
        try await start()
    }
    /// What a browser does with an address, up to being sent back: the query that it comes with; nil when it is not.
    func browse(_ address: String, _ password: String) throws -> [String: String]? {
        let text = try python(Self.browser, [address, "alice", password])
        return try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed) as? [String: String]
    }

    private func start() async throws {
        process = try Program.start(
            "canaille", ["run", "--bind", "127.0.0.1:\(port)"], environment: environment, output: folder.file("out"),
            errors: folder.file("err"))
        for _ in 0..<300 {
            if try Program.run("curl", ["-sf", "\(address)/.well-known/openid-configuration"]).status == 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Fault(problem: log)
    }
    private var environment: [String: String] { ["CANAILLE_CONFIG": folder.file("canaille.toml").path] }
    @discardableResult
    private func canaille(_ arguments: String...) throws -> String {
        let outcome = try Program.run("canaille", arguments, environment: environment)
        guard outcome.status == 0 else { throw Fault(problem: outcome.errors) }
        return outcome.text
    }
    @discardableResult
    private func python(_ script: String, _ arguments: [String]) throws -> String {
        try Data(script.utf8).write(to: folder.file("script.py"))
        // The Python that Canaille's own packages are for.
        let outcome = try Program.run(
            "bash",
            [
                "-c", #"exec "$(dirname "$(command -v canaille)")/python" "$@""#, "bash", folder.file("script.py").path,
                folder.path, "\(port)",
            ] + arguments)
        guard outcome.status == 0 else { throw Fault(problem: outcome.errors) }
        return outcome.text
    }
    private static func freePort() throws -> Int {
        let script = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
        let outcome = try Program.run("python3", ["-c", script])
        guard let port = Int(outcome.text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Fault(problem: outcome.errors)
        }
        return port
    }

    private static let makeSettings = """
        import base64, json, sys
        from cryptography.hazmat.primitives.asymmetric import rsa
        folder, port, kid = sys.argv[1:4]
        key = rsa.generate_private_key(65537, 2048).private_numbers()
        def b(i): return base64.urlsafe_b64encode(i.to_bytes((i.bit_length() + 7) // 8, 'big')).rstrip(b'=').decode()
        jwk = dict(kty='RSA', kid=kid, use='sig', alg='RS256', n=b(key.public_numbers.n), e=b(key.public_numbers.e),
            d=b(key.d), p=b(key.p), q=b(key.q), dp=b(key.dmp1), dq=b(key.dmq1), qi=b(key.iqmp))
        text = ', '.join(f'{name} = {json.dumps(value)}' for name, value in jwk.items())
        open(folder + '/canaille.toml', 'w').write(f'''SECRET_KEY = "not-so-secret"
        SERVER_NAME = "127.0.0.1:{port}"
        PREFERRED_URL_SCHEME = "http"
        [CANAILLE_SQL]
        DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
        [CANAILLE_OIDC]
        ACTIVE_JWKS = [ {{{text}}} ]
        ''')
        """

    private static let browser = """
        import http.cookiejar, html.parser, json, sys, urllib.error, urllib.parse, urllib.request
        folder, port, address, user, password = sys.argv[1:6]
        class Away(Exception): pass
        class Redirects(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, request, fp, code, message, headers, url):
                if url.startswith('https://weir.example/'): raise Away(url)
                return super().redirect_request(request, fp, code, message, headers, url)
        class Forms(html.parser.HTMLParser):
            def __init__(self):
                super().__init__()
                self.fields, self.names, self.action = {}, set(), None
            def handle_starttag(self, tag, attributes):
                a = dict(attributes)
                if tag == 'form' and a.get('method', '').lower() == 'post': self.action = a.get('action') or ''
                if tag in ('input', 'button') and a.get('name'):
                    self.names.add((a['name'], a.get('type'), a.get('value')))
                    if tag == 'input' and a.get('type') == 'hidden': self.fields[a['name']] = a.get('value', '')
        jar = http.cookiejar.CookieJar(policy=http.cookiejar.DefaultCookiePolicy(rfc2965=True))
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), Redirects())
        try:
            answer = opener.open(address, timeout=20)
            for turn in range(8):
                page, here = answer.read().decode(), answer.geturl()
                forms = Forms()
                forms.feed(page)
                names = {name for name, _, _ in forms.names}
                fields = dict(forms.fields)
                if 'login' in names: fields['login'] = user
                elif 'password' in names: fields['password'] = password
                elif 'answer' in names: fields['answer'] = 'accept'
                else: break
                data = urllib.parse.urlencode(fields).encode()
                request = urllib.request.Request(urllib.parse.urljoin(here, forms.action or here), data,
                    {'Referer': here, 'Origin': f'http://127.0.0.1:{port}'})
                answer = opener.open(request, timeout=20)
            print('null')
            open(folder + '/last.html', 'w').write(page)
        except Away as away:
            print(json.dumps(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(str(away)).query))))
        except urllib.error.HTTPError as error:
            open(folder + '/last.html', 'w').write(error.read().decode(errors='replace'))
            print('null')
        """
}
