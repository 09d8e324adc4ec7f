import ArgumentParser
import Foundation

/// Where an aggregator's API is, how to trust it, and what to show: a key, or the session of somebody who signed in.
/// Kept by `weirctl login` in a file that only its owner can read.
struct Profile: Codable {
    var url: String
    /// The file with the authorities that the API's certificate is checked against; the system's when nil.
    var ca: String?
    var key: String?, session: String?

    static var saved: Profile? {
        try? JSONDecoder().decode(Profile.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
    func save() throws {
        let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent()
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try replaceFile(Self.path, with: JSONEncoder().encode(self), isSecret: true)
    }

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

    /// - Throws: when there is nothing to show, neither a key nor a session.
    func profile() throws -> Profile {
        let profile = try place()
        guard profile.key != nil || profile.session != nil else {
            throw Failure.usage(
                "nobody is signed in to \(profile.url): run 'weirctl login', give --key-file or set WEIR_API_KEY")
        }
        return profile
    }
    /// Where to ask, and what there is to show. What was kept is for the address that it was kept with, and no other.
    func place() throws -> Profile {
        let environment = ProcessInfo.processInfo.environment, saved = Profile.saved
        guard let url = url ?? environment["WEIR_URL"] ?? saved?.url else {
            throw Failure.usage("no aggregator is known: give --url, set WEIR_URL, or run 'weirctl login'")
        }
        guard url.hasPrefix("https://") else { throw Failure.usage("--url: \(url) does not start with https://") }
        var profile = Profile(url: url.hasSuffix("/") ? String(url.dropLast()) : url)
        let kept = saved?.url == profile.url ? saved : nil
        profile.ca = (ca ?? environment["WEIR_CA"] ?? saved?.ca).map {
            URL(fileURLWithPath: $0).standardizedFileURL.path
        }
        profile.key = try givenKey() ?? kept?.key
        if try givenKey() == nil { profile.session = kept?.session }
        return profile
    }
    /// The key of the command line or the environment, not one that was kept.
    func givenKey() throws -> String? { try key(ProcessInfo.processInfo.environment) }
    private func key(_ environment: [String: String]) throws -> String? {
        guard let keyFile else { return environment["WEIR_API_KEY"] }
        guard let text = try? String(contentsOfFile: keyFile, encoding: .utf8) else {
            throw Failure.usage("--key-file: \(keyFile) cannot be read")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
