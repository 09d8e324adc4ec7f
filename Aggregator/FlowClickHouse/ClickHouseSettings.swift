/// A tenant's history in ClickHouse: batches are written to it in large blocks, and questions are asked in its SQL.
///
/// Invariants: a tenant has a database of its own, and no query names another's; texts of others are values in SQL,
/// never code; a batch is in the history once, however often it is stored; what can't be reached now is said by the
/// answer's effort, and nothing that was stored is given up for it.
/// Not here: what questions mean (`Query`, `FilterLanguage`), how often the history is looked after
/// (`AggregatorPipeline`).
internal import Foundation
package import Settings

/// Which servers keep history, in a scope of the settings such as `store.clickhouse`:
///
/// - `url` (`https://HOST[:PORT]`, several with commas between): any of a cluster's servers; the first that answers is
///   asked.
/// - `user` (text, `default`), `password` (`file:PATH` or `env:NAME`, none).
/// - `cluster` (name, none): as in the servers' `remote_servers`. With it, tables are replicated and sharded.
/// - `databases` (1 to 40 of `a-z 0-9 _`, `weir_`): what the names of tenants' databases begin with.
/// - `quorum` (number, 0, 0…9): replicas that must have a block before it counts as stored; with a cluster only.
/// - `trust` (path, the machine's own authorities).
/// - `allowPlain` (true or false, false): HTTP without TLS to another machine.
package struct ClickHouseSettings: Equatable, Sendable {
    package var urls: [String]
    package var user: String
    package var password: SecretReference?
    /// Nil: one server, or several that know nothing of each other.
    package var cluster: String?
    package var databases: String
    package var quorum: Int
    package var trust: String?

    /// Nil when one of the URLs is none, or plain to another machine.
    package init?(
        urls: [String], user: String = "default", password: SecretReference? = nil, cluster: String? = nil,
        databases: String = "weir_", quorum: Int = 0, trust: String? = nil, allowPlain: Bool = false
    ) {
        var all: [String] = []
        for text in urls {
            guard let url = URLComponents(string: text), let scheme = url.scheme, let host = url.host, !host.isEmpty,
                url.user == nil, url.query == nil, url.path.isEmpty || url.path == "/",
                scheme == "https"
                    || (scheme == "http" && (allowPlain || ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host)))
            else { return nil }
            all.append("\(scheme)://\(host)" + (url.port.map { ":\($0)" } ?? ""))
        }
        guard !all.isEmpty, SQLName(databases) != nil, cluster.map({ SQLName($0) != nil }) ?? true else { return nil }
        (self.urls, self.user, self.password, self.cluster) = (all, user, password, cluster)
        (self.databases, self.quorum, self.trust) = (databases, quorum, trust)
    }

    /// Nil when the scope has no `url`.
    package init?(_ reader: SettingsReader) throws(SettingError) {
        let user = try reader.string("user", default: "default"), password = try reader.optionalSecret("password")
        let cluster = try reader.optionalString("cluster")
        let databases = try reader.string("databases", default: "weir_")
        let quorum = try reader.int("quorum", default: 0, in: 0...9)
        let trust = try reader.optionalPath(of: "trust")
        let allowPlain = try reader.bool("allowPlain", default: false)
        guard let text = try reader.optionalString("url") else { return nil }
        let allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789_")
        guard (1...40).contains(databases.count), databases.allSatisfy(allowed.contains) else {
            throw reader.error("databases", "\"\(databases)\" is not 1 to 40 of a-z 0-9 _")
        }
        if let cluster, SQLName(cluster) == nil {
            throw reader.error("cluster", "\"\(cluster)\" is not 1 to 200 of A-Z a-z 0-9 _ - .")
        }
        guard quorum == 0 || cluster != nil else { throw reader.error("quorum", "needs a cluster") }
        let urls = text.split(separator: ",").map { String($0.trimmingCharacters(in: .whitespaces)) }
        guard
            let settings = ClickHouseSettings(
                urls: urls, user: user, password: password, cluster: cluster, databases: databases, quorum: quorum,
                trust: trust, allowPlain: allowPlain)
        else {
            throw reader.error("url", "is not https://HOST[:PORT], or several (http:// on this machine only)")
        }
        self = settings
    }
}
