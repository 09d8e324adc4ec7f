import ArgumentParser
import Foundation

/// Where an aggregator's API is, how to trust it, and the key to show. Kept by `weirctl login` in a file that only
/// its owner can read.
struct Profile: Codable {
    var url: String
    /// The file with the authorities that the API's certificate is checked against; the system's when nil.
    var ca: String?
    var key: String

    static var path: String {
        let home =
            ProcessInfo.processInfo.environment["XDG_CONFIG_HOME"].map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".config")
        return home.appendingPathComponent("weir/profile.json").path
    }
}

/// The options of every command that asks an aggregator. Each comes from its flag, else the environment, else the
/// profile.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The API's address, such as https://aggregator:8444 (or WEIR_URL).") var url: String?
    @Option(help: "PEM file of the authorities to trust (or WEIR_CA).") var ca: String?
    @Option(help: "File that holds the API key (or the key itself in WEIR_API_KEY).") var keyFile: String?

    func profile() throws -> Profile {
        let environment = ProcessInfo.processInfo.environment
        let saved = try? JSONDecoder().decode(Profile.self, from: Data(contentsOf: URL(fileURLWithPath: Profile.path)))
        guard let url = url ?? environment["WEIR_URL"] ?? saved?.url else {
            throw Failure.usage("no aggregator is known: give --url, set WEIR_URL, or run 'weirctl login'")
        }
        guard url.hasPrefix("https://") else { throw Failure.usage("--url: \(url) does not start with https://") }
        guard let key = try key(environment) ?? saved?.key else {
            throw Failure.usage("no API key: give --key-file, set WEIR_API_KEY, or run 'weirctl login'")
        }
        return Profile(
            url: url.hasSuffix("/") ? String(url.dropLast()) : url, ca: ca ?? environment["WEIR_CA"] ?? saved?.ca,
            key: key)
    }
    private func key(_ environment: [String: String]) throws -> String? {
        guard let keyFile else { return environment["WEIR_API_KEY"] }
        guard let text = try? String(contentsOfFile: keyFile, encoding: .utf8) else {
            throw Failure.usage("--key-file: \(keyFile) cannot be read")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Checks an address and a key, and keeps them for the other commands.",
        discussion: "weirctl login --url https://aggregator:8444 --ca ca.pem --key-file acme.key")
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        var profile = try connection.profile()
        profile.ca = profile.ca.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
        _ = try await APIClient(profile).get("/v1/incidents", ["limit": "1"])
        let folder = URL(fileURLWithPath: Profile.path).deletingLastPathComponent()
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try replaceFile(Profile.path, with: JSONEncoder().encode(profile), isSecret: true)
        complain("\(profile.url) answers; kept in \(Profile.path)")
    }
}
