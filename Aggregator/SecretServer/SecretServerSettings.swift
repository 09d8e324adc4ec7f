internal import Foundation
package import Settings

/// Where secrets are that settings name as `bao:MOUNT/PATH#FIELD`.
///
/// - `secrets.server` (`https://HOST[:PORT]`): OpenBao or Vault; such references are refused without. Plain HTTP is for
///   this machine's own addresses only.
/// - `secrets.token` (`file:PATH` or `env:NAME`, required then): its token, read anew for each: an agent may renew it.
/// - `secrets.trust` (path, the machine's own authorities): PEM, the server's authorities.
package struct SecretServerSettings: Equatable, Sendable {
    package let server: String, token: SecretReference, trust: String?

    package init(server: String, token: SecretReference, trust: String?) {
        (self.server, self.token, self.trust) = (server, token, trust)
    }

    /// Nil when there is no `secrets.server`.
    /// - Throws: the first wrong key.
    package init?(_ reader: SettingsReader) throws(SettingError) {
        let token = try reader.optionalSecret("token")
        trust = try reader.optionalPath(of: "trust")
        guard let text = try reader.optionalString("server") else {
            guard token == nil else { throw reader.error("server", "missing, and there is secrets.token") }
            return nil
        }
        guard Self.isServer(text) else {
            throw reader.error("server", "\"\(text)\" is not https://HOST or https://HOST:PORT")
        }
        guard let token else { throw reader.error("token", "missing, and there is secrets.server") }
        if case .server = token { throw reader.error("token", "is file:PATH or env:NAME") }
        (server, self.token) = (text, token)
    }

    private static func isServer(_ text: String) -> Bool {
        guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty, url.user == nil,
            url.query == nil, url.fragment == nil, url.path.isEmpty
        else { return false }
        return url.scheme == "https"
            || url.scheme == "http" && ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host)
    }
}
