import Foundation
import TestKit
import Testing

/// `weirctl login`, `whoami` and `logout` with a real aggregator.
@Suite("Signing in from the command line") struct LoginTests {
    private let site: Site
    private static let password = "correct horse battery"

    init() throws { site = try Site("login") }

    private var url: String { "https://127.0.0.1:\(site.apiPort)" }
    private var kept: URL { site.folder.file("config/weir/profile.json") }
    private var environment: [String: String] { ["XDG_CONFIG_HOME": site.path("config"), "DISPLAY": ""] }

    /// - Parameter input: what somebody would type.
    private func weirctl(_ arguments: [String], input: String = "") throws -> Program.Outcome {
        let program = Program.built.appendingPathComponent("weirctl").path
        return try Program.run(
            "bash", ["-c", #"input=$1; shift; printf %s "$input" | "$@""#, "bash", input, program] + arguments,
            environment: environment)
    }
    private func login(_ more: [String], input: String = "") throws -> Program.Outcome {
        try weirctl(["login", "--url", url, "--ca", site.path("pki/ca.pem")] + more, input: input)
    }
    private func session() throws -> String? {
        try JSONDecoder().decode([String: String].self, from: Data(contentsOf: kept))["session"]
    }
    private func whoami() throws -> [String: Any] {
        let outcome = try weirctl(["whoami", "--format", "ndjson"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
    }
    /// What the API says to a request with a session.
    private func curl(_ session: String, _ arguments: [String]) throws -> [String: Any] {
        let outcome = try Program.run(
            "curl",
            [
                "--silent", "--show-error", "--cacert", site.path("pki/ca.pem"), "--cookie", "__Host-sid=\(session)",
                "--header", "Weir-Request: 1", "--header", "Content-Type: application/json",
            ] + arguments)
        guard outcome.status == 0 else { throw Unexpected(outcome.errors) }
        return (try? JSONSerialization.jsonObject(with: outcome.output) as? [String: Any]) ?? [:]
    }
    private func join(_ email: String, _ tenants: [String]) throws {
        for tenant in tenants {
            let out = site.path("\(email).\(tenant)")
            let invited = try Program.run(
                "weir-aggregator",
                [
                    "people", "invite", email, "--tenant", tenant, "--role", "analyst", "--out", out, "--config",
                    site.path("aggregator.yaml"),
                ])
            guard invited.status == 0 else { throw Unexpected(invited.errors) }
            let token = try String(contentsOfFile: out, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            let body = #"{"token":"\#(token)","name":"Ada","password":"\#(Self.password)"}"#
            let answer = try curl("", ["--data", body, "\(url)/v1/invitations/accept"])
            guard answer["title"] == nil else { throw Unexpected("\(answer)") }
        }
    }
    /// The six digits of now (RFC 6238), of an authenticator's address.
    private func code(_ address: String) throws -> String {
        let script = """
            import base64, hashlib, hmac, sys, time, urllib.parse
            secret = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(sys.argv[1]).query))['secret']
            key = base64.b32decode(secret + '=' * (-len(secret) % 8))
            h = hmac.new(key, int(time.time() // 30).to_bytes(8, 'big'), hashlib.sha1).digest()
            o = h[-1] & 15
            print(f"{(int.from_bytes(h[o:o + 4], 'big') & 0x7fffffff) % 10 ** 6:06}", end='')
            """
        return try Program.run("python3", ["-c", script, address]).text
    }

    @Test("with a password: kept for its owner only, for one address and the tenant that was chosen")
    func password() throws {
        try site.startAggregator()
        try site.wait("the API answers") { site.isReady() }
        let no = try login([])
        #expect(no.status == 2 && no.errors.contains("--email") && no.errors.contains("--sign-on"))
        try join("ada@example.net", ["acme", "globex"])
        // Somebody else's tries, who is not there: ada's own few are needed below.
        let wrong = try login(["--email", "eve@example.net"], input: "not the password\n")
        #expect(wrong.status == 2 && wrong.errors.contains("Address or password are wrong"), "\(wrong.errors)")
        #expect(!FileManager.default.fileExists(atPath: kept.path))

        let first = try login(["--email", "ada@example.net"], input: Self.password + "\n")
        #expect(first.status == 0 && first.errors.contains("--tenant acme|globex"), "\(first.errors)")
        let mode = try FileManager.default.attributesOfItem(atPath: kept.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let noTenant = try weirctl(["incidents"])
        #expect(noTenant.status == 2 && noTenant.errors.contains("tenant"), "\(noTenant.errors)")
        #expect(try weirctl(["login", "--tenant", "nobody"]).errors.contains("none of yours"))
        #expect(try weirctl(["login", "--tenant", "globex"]).status == 0)
        let who = try whoami()
        #expect(who["who"] as? String == "ada@example.net" && who["tenant"] as? String == "globex")
        #expect(who["role"] as? String == "analyst" && who["tenants"] as? [String] == ["acme", "globex"])
        #expect(try weirctl(["incidents"]).status == 0)
        let elsewhere = try weirctl(["incidents", "--url", "https://127.0.0.1:\(site.sensorPort)"])
        #expect(elsewhere.status == 2 && elsewhere.errors.contains("nobody is signed in to"), "shown to nobody else")
        try factor()
    }
    /// Then with an authenticator, until it is over.
    private func factor() throws {
        let old = try #require(try session())
        let offer = try curl(old, ["--request", "POST", "\(url)/v1/session/factor"])
        let address = try #require(offer["address"] as? String, "\(offer)")
        let body = #"{"code":"\#(try code(address))"}"#
        let codes = try curl(old, ["--request", "PUT", "--data", body, "\(url)/v1/session/factor"])
        let recovery = try #require((codes["recoveryCodes"] as? [String])?.first, "\(codes)")
        let bare = try login(["--email", "ada@example.net"], input: Self.password + "\n")
        #expect(bare.status == 2 && bare.errors.contains("code of your authenticator"), "\(bare.errors)")
        #expect(try session() == old, "what did not work changes nothing")
        let both = try login(
            ["--email", "ada@example.net", "--tenant", "acme"], input: "\(Self.password)\n\(recovery)\n")
        #expect(both.status == 0, "\(both.errors)")
        #expect(try whoami()["tenant"] as? String == "acme")

        let last = try #require(try session())
        #expect(try weirctl(["logout"]).status == 0)
        #expect(try session() == nil)
        #expect(try curl(last, ["\(url)/v1/session"])["status"] as? Int == 401, "it is over at the aggregator, too")
        let gone = try weirctl(["whoami"])
        #expect(gone.status == 2 && gone.errors.contains("weirctl login"))
        #expect(try weirctl(["logout"]).errors.contains("nobody is signed in"))
    }

    @Test("with a key; a session that is over says so") func key() throws {
        try site.startAggregator()
        try site.wait("the API answers") { site.isReady() }
        #expect(try login(["--key-file", site.path("keys/acme")]).status == 0)
        #expect(try whoami()["who"] as? String == "an API key")
        #expect(try weirctl(["incidents"]).status == 0)
        try "no key".write(to: site.folder.file("bad"), atomically: true, encoding: .utf8)
        #expect(try login(["--key-file", site.path("bad")]).status == 2)
        #expect(try whoami()["who"] as? String == "an API key", "what did not work changes nothing")
        try JSONEncoder().encode(["url": url, "ca": site.path("pki/ca.pem"), "session": "x"]).write(to: kept)
        let over = try weirctl(["incidents"])
        #expect(over.status == 2 && over.errors.contains("sign in again with 'weirctl login'"), "\(over.errors)")
    }

    // MARK: With a provider and a browser

    static let hasBrowser =
        CanailleServer.isInstalled && Program.isInstalled("playwright") && Program.isInstalled("chromium")

    @Test(
        "at a provider: in Chromium, and from the command line by way of it",
        .enabled(if: LoginTests.hasBrowser, "canaille, playwright and chromium are not all installed"))
    func provider() throws {
        let canaille = try CanailleServer(redirect: "\(url)/v1/signon/corp/callback")
        try site.append(
            """
            signOn:
              url: \(url)
              allow: [127.0.0.0/8]
              ports: ["\(canaille.port)"]
              providers:
                - name: corp
                  tenant: acme
                  issuer: \(canaille.address)
                  plainHTTP: true
                  trustEmail: true
                  client: console
                  secret: file:\(canaille.secret)
                  roles:
                    - group: soc
                      role: analyst

            """)
        try site.startAggregator()
        try site.wait("the API answers") { site.isReady() }
        let page = try browse("\(url)/v1/signon/corp", "alice", then: "\(url)/v1/session")
        #expect(page.arrived.hasPrefix("\(url)/"), "\(page)\n\(site.logs())")
        let body = try JSONSerialization.jsonObject(with: Data(page.text.utf8)) as? [String: Any]
        #expect(body?["email"] as? String == "alice@example.net" && body?["tenant"] as? String == "acme", "\(page)")

        let (said, _) = try signOn("alice")
        #expect(said.status == 0 && said.text.contains("You are signed in"), "\(said)\n\(site.logs())")
        let who = try whoami()
        #expect(who["who"] as? String == "alice@example.net" && who["role"] as? String == "analyst")
        #expect(try weirctl(["incidents"]).status == 0)
        let kept = try session()
        let (refused, errors) = try signOn("bob")
        #expect(refused.status == 2 && refused.text.contains("not let in"), "\(refused)")
        #expect(errors.contains("did not let you in"))
        #expect(try session() == kept)
        #expect(try weirctl(["logout"]).status == 0)
    }

    /// Runs `weirctl login --sign-on`, and opens the address that it says.
    private func signOn(_ user: String) throws -> (said: (status: Int32, text: String), errors: String) {
        let errors = site.folder.file("login-\(user)")
        let login = try Program.start(
            "weirctl", ["login", "--url", url, "--ca", site.path("pki/ca.pem"), "--sign-on", "corp"],
            environment: environment, output: site.folder.file("login.out"), errors: errors)
        var address: String?
        try site.wait("an address is said") {
            address = try String(contentsOf: errors, encoding: .utf8).split(whereSeparator: \.isWhitespace)
                .first { $0.hasPrefix("https://") && $0.contains("challenge=") }.map(String.init)
            return address != nil
        }
        let page = try browse(try #require(address), user)
        try site.wait("it ends", seconds: 20) { !login.isRunning }
        return ((login.waitUntilExit(), page.text), try String(contentsOf: errors, encoding: .utf8))
    }

    private struct Page: Decodable { let arrived: String, text: String }
    /// What somebody sees who goes to an address and signs in at the provider, and then somewhere else.
    private func browse(_ address: String, _ user: String, then: String = "") throws -> Page {
        try Self.browser.write(to: site.folder.file("browser.py"), atomically: true, encoding: .utf8)
        let outcome = try Program.run(
            "bash",
            [
                "-c", #"exec "$(dirname "$(command -v playwright)")/python" "$@""#, "bash", site.path("browser.py"),
                address, user, CanailleServer.password, then,
            ])
        guard outcome.status == 0 else { throw Unexpected(outcome.errors) }
        return try JSONDecoder().decode(Page.self, from: outcome.output)
    }

    private static let browser = """
        import json, os, shutil, sys, time
        from playwright.sync_api import sync_playwright
        address, user, password, then = sys.argv[1:5]
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=shutil.which('chromium'),
                args=['--disable-dev-shm-usage'] + (['--no-sandbox'] if os.getuid() == 0 else []))
            page = browser.new_context(ignore_https_errors=True).new_page()
            page.goto(address)
            provider = '/'.join(page.url.split('/')[:3]) + '/'
            page.fill('input[name=login]', user)
            page.press('input[name=login]', 'Enter')
            page.fill('input[name=password]', password)
            page.press('input[name=password]', 'Enter')
            end = time.monotonic() + 30
            while page.url.startswith(provider) and time.monotonic() < end:
                yes = page.locator('button[name=answer][value=accept]')
                if yes.count():
                    yes.first.click()
                time.sleep(0.2)
            page.wait_for_load_state()
            arrived = page.url
            text = page.goto(then).text() if then else page.locator('body').inner_text()
            print(json.dumps(dict(arrived=arrived, text=text)))
            browser.close()
        """
}
