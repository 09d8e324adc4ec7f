/// What an operator says about the world around the flows: threat intelligence feeds and allow-lists, shared and of
/// single tenants, their own networks and policies, and files of countries and systems; and the upkeep of all that:
/// feeds are read, kept on disk and read again, and what detectors know is replaced as a whole.
///
/// Invariants: what can't be read keeps what was read before, with a count and a reason; a restart without a network
/// has the last good copies; one tenant's feeds never match another's records; each set of indicators has bounds
/// (`Intelligence.Limit`).
/// Not here: HTTP and questions to history (`KnowledgeUpkeep`), what feeds say (`Intelligence`), what is detected
/// (`Detect`), the API's answers (`API`).
package import Detect
internal import Enrichment
package import FlowModel
internal import Foundation
package import Identity
package import Intelligence
internal import Platform
package import Settings

/// - `intelligence.feeds`, `intelligence.allowLists` (lists of maps, none): of all tenants; see `FeedSettings`.
/// - `intelligence.scoring` (path of a JSON file, Weir's own): what a match is worth; see `ScoreRules`.
/// - `intelligence.huntHistory` (true or false, true): whether new indicators are looked for in history.
/// - `intelligence.egress`: where feeds may be fetched from; see `FeedEgress`.
/// - `tenants` (list of maps, none), each with `name` (text, required):
///   - `networks`, `policies`: see `TenantKnowledge`.
///   - `detectors`: see `DetectorTuning`.
///   - `intelligence.feeds`, `intelligence.allowLists`: this tenant's own.
///   - `intelligence.scoring`: in the place of everybody's.
/// - `detectors`: of all tenants; see `DetectorTuning`.
/// - `enrichment`: see `EnrichmentSettings`.
package struct KnowledgeSettings: Equatable, Sendable {
    package var feeds: [FeedSettings] = [], allowLists: [FeedSettings] = []
    package var scoring = ScoreRules()
    package var huntsHistory = true
    package var egress = FeedEgress()
    package var tenants: [TenantID: TenantKnowledge] = [:]
    package var enrichment = EnrichmentSettings()
    package var detectors = DetectorTuning()

    /// Feeds of one list, and tenants.
    package static let feedsMax = 256, tenantsMax = 4_096

    package init() {}

    /// - Parameter urlProblem: what is wrong with a feed's URL, if it is none that may be asked.
    package init(
        _ reader: SettingsReader, urlProblem: (String) -> String? = { _ in nil }
    ) throws(SettingError) {
        let shared = reader.scoped(to: "intelligence")
        (feeds, allowLists) = try Self.feeds(shared, urlProblem)
        scoring = try Self.scoring(shared) ?? ScoreRules()
        huntsHistory = try shared.bool("huntHistory", default: true)
        egress = try FeedEgress(shared.scoped(to: "egress"))
        enrichment = try EnrichmentSettings(reader.scoped(to: "enrichment"))
        detectors = try DetectorTuning(reader.scoped(to: "detectors"))
        for tenant in try reader.elements(of: "tenants", countMax: Self.tenantsMax) {
            let name = try tenant.string("name")
            guard let id = TenantID(name) else {
                throw tenant.error("name", "\"\(name)\" is not a tenant's name: 1 to 63 of a-z 0-9 -")
            }
            guard tenants[id] == nil else { throw tenant.error("name", "\"\(name)\" is there twice") }
            let own = try Self.feeds(tenant.scoped(to: "intelligence"), urlProblem)
            try Self.checkNames(shared: feeds, own: own.feeds, tenant)
            var known = try TenantKnowledge(tenant, feeds: own.feeds, allowLists: own.allowLists)
            known.scoring = try Self.scoring(tenant.scoped(to: "intelligence"))
            tenants[id] = known
        }
    }

    private static func feeds(
        _ reader: SettingsReader, _ urlProblem: (String) -> String?
    ) throws(SettingError) -> (feeds: [FeedSettings], allowLists: [FeedSettings]) {
        func read(_ key: String, _ formats: [FeedSettings.Format]) throws(SettingError) -> [FeedSettings] {
            var all: [FeedSettings] = []
            for element in try reader.elements(of: key, countMax: feedsMax) {
                let feed = try FeedSettings(element, formats: formats, urlProblem: urlProblem)
                guard !all.contains(where: { $0.source.name == feed.source.name }) else {
                    throw element.error("name", "\"\(feed.source.name)\" is there twice")
                }
                all.append(feed)
            }
            return all
        }
        return (
            try read("feeds", [.list, .table, .stix, .misp, .mispFeed, .taxii]),
            try read("allowLists", [.list, .warningList])
        )
    }
    /// Scores and answers name feeds.
    private static func checkNames(
        shared: [FeedSettings], own: [FeedSettings], _ tenant: SettingsReader
    ) throws(SettingError) {
        let names = Set(shared.map(\.source.name))
        guard let twice = own.first(where: { names.contains($0.source.name) }) else { return }
        throw tenant.error(
            "intelligence.feeds", "\"\(twice.source.name)\" is the name of a shared feed: give this one another")
    }

    private static func scoring(_ reader: SettingsReader) throws(SettingError) -> ScoreRules? {
        guard let path = try reader.optionalPath(of: "scoring") else { return nil }
        do {
            return try JSONDecoder().decode(ScoreRules.self, from: Data(try readFile(path, bytesMax: 1 << 20)))
        } catch let fault as SettingFault {
            throw reader.error("scoring", "\(path): \(fault)")
        } catch {
            throw reader.error("scoring", "\(path) is no JSON file of scoring rules: \(error)")
        }
    }

    /// What detectors go by: everybody's limits, a tenant's own ones before them, its networks and policies.
    package var parameters: TenantParameters {
        TenantParameters(
            usual: detectors.applied(to: DetectorParameters()),
            own: Dictionary(uniqueKeysWithValues: tenants.keys.map { ($0, parameters(of: $0)) }))
    }
    private func parameters(of tenant: TenantID) -> DetectorParameters {
        var parameters = detectors.applied(to: DetectorParameters())
        guard let known = tenants[tenant] else { return parameters }
        parameters = known.detectors.applied(to: parameters)
        parameters.ownNetworks = known.networks.map(\.network)
        parameters.policies = known.policies
        return parameters
    }
}

/// Which addresses feeds may be fetched from, besides those of the Internet.
///
/// - `allow` (networks, none): of private and other special addresses, such as `10.1.2.0/24`.
/// - `ports` (list of numbers, `443, 8443`).
/// - `plain` (true or false, false): HTTP without TLS too.
package struct FeedEgress: Equatable, Sendable {
    package var allowed: [IPNetwork] = []
    package var ports: [Int] = [443, 8_443]
    package var allowsPlain = false

    package init() {}
    init(_ reader: SettingsReader) throws(SettingError) {
        allowed = try reader.networks("allow")
        ports = try reader.strings("ports", default: ["443", "8443"]).map { text throws(SettingError) in
            guard let port = Int(text), (1...65_535).contains(port) else {
                throw reader.error("ports", "\"\(text)\" is not a port, 1...65535")
            }
            return port
        }
        allowsPlain = try reader.bool("plain", default: false)
    }
}

extension SettingsReader {
    /// A list of networks; none without it.
    func networks(_ key: String, countMax: Int = 10_000) throws(SettingError) -> [IPNetwork] {
        try strings(key, default: [], countMax: countMax).map { text throws(SettingError) in
            guard let network = IPNetwork(text) else {
                throw error(key, "\"\(text)\" is not an address or a network such as 10.0.0.0/8 or 2001:db8::/32")
            }
            return network
        }
    }
}
