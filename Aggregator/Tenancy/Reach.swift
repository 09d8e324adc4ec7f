/// How much of a tenant somebody sees: all of it, or only what came through some of its sites and exporters.
///
/// Kept as words with spaces between (`site:hq exporter:10.0.0.0/8`), none for the whole tenant. A limit to nothing is
/// a word without a name (`site:`), so that losing the last site never widens a reach.
package struct Reach: Hashable, Sendable {
    /// Nil: all.
    package var sites: Set<String>?
    /// Addresses and networks as text, nil: all. What a network is, is the business of who reads it.
    package var exporters: Set<String>?

    package static let whole = Reach()
    package static let membersMax = 256

    package init(sites: Set<String>? = nil, exporters: Set<String>? = nil) {
        (self.sites, self.exporters) = (sites, exporters)
    }

    package var isWhole: Bool { sites == nil && exporters == nil }

    /// - Returns: nil for what is no reach; who keeps one MUST then see nothing.
    package init?(text: String) {
        for word in text.split(separator: " ") {
            if word.hasPrefix("site:") {
                sites = (sites ?? []).union([String(word.dropFirst("site:".count))])
            } else if word.hasPrefix("exporter:") {
                exporters = (exporters ?? []).union([String(word.dropFirst("exporter:".count))])
            } else {
                return nil
            }
        }
        sites?.remove("")
        exporters?.remove("")
    }

    package var text: String {
        func words(_ kind: String, _ names: Set<String>?) -> [String] {
            guard let names else { return [] }
            return names.isEmpty ? [kind] : names.sorted().map { kind + $0 }
        }
        return (words("site:", sites) + words("exporter:", exporters)).joined(separator: " ")
    }

    /// Names without spaces, and not more than may be kept.
    var isKeepable: Bool {
        let names = (sites ?? []).union(exporters ?? [])
        return names.count <= Self.membersMax
            && names.allSatisfy {
                (1...100).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            }
    }
}
