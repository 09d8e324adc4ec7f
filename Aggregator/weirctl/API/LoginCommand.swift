import ArgumentParser
import Foundation
internal import NIOHTTP1

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Signs in to an aggregator, and keeps the session (or an API key) for the other commands.",
        discussion: """
            With a password; it is asked for, and a code of your authenticator if you have one:
              weirctl login --url https://weir.example:8444 --email ada@example.net
            At your company's provider, in a browser on this machine:
              weirctl login --url https://weir.example:8444 --sign-on corp
            With an API key, for programs:
              weirctl login --url https://weir.example:8444 --ca ca.pem --key-file acme.key
            Ask about another tenant of yours, once signed in:
              weirctl login --tenant globex

            In scripts the password is the first line of standard input, the code the second. A session ends half an
            hour after the last command, and after twelve hours; 'weirctl logout' ends it at once.
            """)
    @OptionGroup var connection: ConnectionOptions
    @Option(help: "Sign in with this address and a password.") var email: String?
    @Option(help: "Sign in at this provider of the aggregator's settings, in a browser.") var signOn: String?
    @Option(help: "The tenant to ask about, for who belongs to several.") var tenant: String?
    @Option(help: "For operators: why they look into the tenant.") var reason: String?

    func validate() throws {
        guard email == nil || signOn == nil else {
            throw ValidationError("--email and --sign-on are two ways to sign in: give one")
        }
    }

    func run() async throws {
        var profile = try connection.place()
        if let email {
            profile = try await Password(profile, email: email).session()
        } else if let signOn {
            profile = try await BrowserSignOn(profile, provider: signOn).session()
        } else if let key = try connection.givenKey() {
            profile.key = key
            try await Self.check(profile)
        } else if tenant == nil || profile.session == nil {
            throw Failure.usage(
                "say how: --email ADDRESS (password), --sign-on NAME (your company's provider) or --key-file FILE"
            )
        }
        try profile.save()
        try await choose(profile)
        if profile.session != nil { try await Self.greet(profile) }
        complain("\(profile.url) answers; kept in \(Profile.path)")
    }

    /// A key's every request is answered, but for who somebody is: a key is nobody.
    static func check(_ profile: Profile) async throws {
        let client = APIClient(profile), answer = try await client.answer(.GET, "/v1/session")
        guard answer.status == 403, answer.kind == "forbidden" else { throw client.refusal(answer) }
    }
    private func choose(_ profile: Profile) async throws {
        guard let tenant else { return }
        guard profile.session != nil else { throw Failure.usage("--tenant: an API key is one tenant's") }
        var json = ["tenant": tenant]
        json["reason"] = reason
        let client = APIClient(profile), answer = try await client.answer(.PUT, "/v1/session/tenant", json: json)
        if answer.status == 404 { throw Failure.usage("--tenant: \(tenant) is none of yours; see 'weirctl whoami'") }
        guard answer.status == 204 else { throw client.refusal(answer) }
    }
    private static func greet(_ profile: Profile) async throws {
        let who = Person(try await APIClient(profile).get("/v1/session"))
        complain("\(who.email), \(who.place)")
        if who.tenant == nil, who.roles.count > 1 {
            complain("choose a tenant: weirctl login --tenant \(who.roles.keys.sorted().joined(separator: "|"))")
        }
    }
}

/// Who is signed in, as `/v1/session` says.
struct Person {
    let email: String, tenant: String?, roles: [String: String], until: String

    init(_ body: [String: Any]) {
        email = RowPrinter.text(body, "email")
        tenant = body["tenant"] as? String
        until = RowPrinter.text(body, "expiresAt")
        let places = (body["tenants"] as? [[String: Any]] ?? []).map {
            (RowPrinter.text($0, "tenant"), RowPrinter.text($0, "role"))
        }
        roles = Dictionary(places) { first, _ in first }
    }
    /// The role, where somebody has one in the tenant: an operator looks in without.
    var role: String? { tenant.flatMap { roles[$0] } }
    var place: String { tenant.map { "in \($0)\(role.map { " as \($0)" } ?? "")" } ?? "in no tenant yet" }
}

/// Signing in with a password, and a code where one is needed.
private struct Password {
    private var profile: Profile
    private let email: String

    init(_ profile: Profile, email: String) {
        self.email = email
        self.profile = profile
        (self.profile.key, self.profile.session) = (nil, nil)
    }

    func session() async throws -> Profile {
        guard let password = askSecretly("Password of \(email): "), !password.isEmpty else {
            throw Failure.usage("no password was given")
        }
        let client = APIClient(profile)
        var body = ["email": email, "password": password]
        var answer = try await client.answer(.POST, "/v1/session", json: body)
        if answer.kind == "code-needed" {
            guard let code = askSecretly("Code of your authenticator, or a recovery code: "), !code.isEmpty else {
                throw Failure.usage("a code of your authenticator is needed, too")
            }
            body["code"] = code.filter { !$0.isWhitespace }
            answer = try await client.answer(.POST, "/v1/session", json: body)
        }
        guard answer.status == 200, let session = answer.session else { throw client.refusal(answer) }
        var signedIn = profile
        signedIn.session = session
        return signedIn
    }
}

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "Ends the session at the aggregator, and forgets it or the API key here.",
        discussion: """
            weirctl logout
            The address stays, for the next 'weirctl login'. A key is good as before: 'weirctl keys revoke' ends one.
            """)

    func run() async throws {
        guard let saved = Profile.saved, saved.key != nil || saved.session != nil else {
            return complain("nobody is signed in")
        }
        try Profile(url: saved.url, ca: saved.ca).save()
        guard saved.session != nil else { return complain("the key is forgotten here, and good as before") }
        let client = APIClient(saved)
        do {
            let answer = try await client.answer(.DELETE, "/v1/session")
            // One that is over needs no end.
            guard [204, 401].contains(answer.status) else { throw client.refusal(answer) }
            complain("signed out of \(saved.url)")
        } catch let failure as Failure {
            throw Failure.work("forgotten here, but at the aggregator it goes on until it runs out: \(failure.message)")
        }
    }
}

struct WhoAmICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Who is signed in, in which tenant and as what, until when.",
        discussion: "weirctl whoami --format csv")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions

    func run() async throws {
        let profile = try connection.profile()
        var printer = RowPrinter(
            rows.chosen, columns: ["who", "tenant", "role", "until", "url"].map { RowPrinter.column($0) })
        if profile.key != nil {
            try await LoginCommand.check(profile)
            try printer.add(["who": "an API key", "url": profile.url])
        } else {
            let person = Person(try await APIClient(profile).get("/v1/session"))
            try printer.add([
                "who": person.email, "tenant": person.tenant ?? "-", "role": person.role ?? "-",
                "until": person.until, "url": profile.url, "tenants": person.roles.keys.sorted(),
            ])
        }
        printer.finish(whenEmpty: "nobody")
    }
}
