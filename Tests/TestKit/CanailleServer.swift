internal import Foundation
internal import Platform

/// A real provider of identities, Canaille, on a port of its own: `alice` in the group `soc`, `bob` in none, and one
/// client, `console`.
package final class CanailleServer {
    package static let isInstalled = Program.isInstalled("canaille")
    package static let why = "canaille (an identity provider) is not installed"
    package static let password = "a long pass word"
    package struct Fault: Error { package let problem: String }
    package let folder: TemporaryFolder, port: Int
    private var process: RunningProgram?
    package var address: String { "http://127.0.0.1:\(port)" }
    /// The client's secret is in this file.
    package var secret: String { folder.file("secret").path }
    package var log: String { (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "" }

    /// - Parameter redirect: where people are sent back to.
    package init(redirect: String) throws {
        folder = try TemporaryFolder("weir-canaille")
        port = try Self.freePort()
        try makeFile(folder.file("secret").path, with: Array("s3cret\n".utf8))
        try python(Self.makeSettings, ["k1"])
        try python(Self.makePeople, [Self.password, redirect])
        try start()
    }
    deinit { process?.kill() }

    /// Another key in the place of the one there was.
    package func changeKeys() throws {
        process?.kill()
        try python(Self.makeSettings, ["k2"])
        try start()
    }

    private func start() throws {
        process = try Program.start(
            "canaille", ["run", "--bind", "127.0.0.1:\(port)"],
            environment: ["CANAILLE_CONFIG": folder.file("canaille.toml").path], output: folder.file("out"),
            errors: folder.file("err"))
        for _ in 0..<600 {
            if try Program.run("curl", ["-sf", "\(address)/.well-known/openid-configuration"]).status == 0 { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        throw Fault(problem: log)
    }
    /// Runs a script, in the Python that Canaille's own packages are for, with the folder and the port before its
    /// arguments.
    /// - Returns: what it prints.
    @discardableResult
    package func python(_ script: String, _ arguments: [String]) throws -> String {
        try Data(script.utf8).write(to: folder.file("script.py"))
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

    /// All commands in one process: to load Canaille takes longer than they do.
    private static let makePeople = """
        import json, os, sys
        folder, port, password, redirect = sys.argv[1:5]
        os.environ['CANAILLE_CONFIG'] = folder + '/canaille.toml'
        from canaille.commands import cli
        from click.testing import CliRunner
        def do(*words):
            outcome = CliRunner().invoke(cli, list(words))
            if outcome.exit_code: sys.exit(f'{words}: {outcome.output} {outcome.exception!r}')
            return outcome.output
        do('db', 'upgrade')
        for name in ('alice', 'bob'):
            do('create', 'user', '--user-name', name, '--password', password, '--emails', f'{name}@example.net',
                '--family-name', name)
        do('create', 'group', '--display-name', 'soc', '--members', 'alice')
        made = do('create', 'client', '--client-id', 'console', '--client-secret', 's3cret', '--client-name', 'C',
            '--redirect-uris', redirect, '--grant-types', 'authorization_code', '--response-types', 'code',
            *[word for scope in ('openid', 'email', 'profile', 'groups') for word in ('--scope', scope)],
            '--token-endpoint-auth-method', 'client_secret_basic')
        # Without it tokens are for nobody.
        do('set', 'client', 'console', '--audience', json.loads(made)['id'])
        """
}
