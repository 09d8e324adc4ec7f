import Enrichment
import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import Logging
import Platform
import Settings
import Telemetry
import TestKit
import Testing

/// Feeds in a folder, with a clock and a network of the test's own.
struct World {
    /// When the clock starts, in ms since 1970 UTC.
    static let start: Int64 = 1_795_262_400_000
    let folder: TemporaryFolder
    let time = ManualTime(wallMilliseconds: Self.start)
    let network = ScriptedNetwork()
    let current = CurrentIntelligence(), enrichment = CurrentEnrichment(.none)
    let registry = MetricRegistry()
    let acme: TenantID, globex: TenantID

    init() throws {
        folder = try TemporaryFolder("weir-knowledge")
        acme = try #require(TenantID("acme"))
        globex = try #require(TenantID("globex"))
    }

    func settings(_ yaml: String) throws -> KnowledgeSettings {
        let reader = try SettingsReader(text: Array(yaml.utf8), file: folder.file("weir.yaml").path)
        let settings = try KnowledgeSettings(reader)
        try reader.checkAllUsed()
        return settings
    }
    func upkeep(_ yaml: String) throws -> FeedUpkeep {
        FeedUpkeep(
            try settings(yaml), folder: folder.file("intelligence").path, current: current, enrichment: enrichment,
            transport: network, time: time, registry: registry,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.file(name), options: .atomic)
    }
    /// The table of systems says this from now on.
    func place(_ systems: [(String, UInt32)]) throws {
        let file = folder.file("systems-\(enrichment.value.generation).mmdb").path
        let known = try systems.map { (try #require(IPNetwork($0.0)), $0.1) }
        try makeFile(file, with: MMDBFile.octets(systems: known))
        enrichment.replace(sources: [.database(try AddressDatabase(path: file))], assets: .none)
    }
    /// Whether a tenant's records are matched with `address` now.
    func knows(_ address: String, _ tenant: TenantID) throws -> Bool {
        let address = try #require(IPAddress(address))
        let indicators = current.edition[tenant].indicators
        return !indicators.matches(address, at: time.wallMilliseconds()).isEmpty
    }
    func counts(_ line: String) -> Bool { registry.prometheusText().contains("\n\(line)\n") }
}

/// Answers as the test says, and keeps what it was asked.
final class ScriptedNetwork: FeedTransport {
    let asked = Locked<[FeedRequest]>([])
    private let answer = Locked<(@Sendable (FeedRequest) throws -> FeedResponse)?>(nil)

    func answers(_ body: (@Sendable (FeedRequest) throws -> FeedResponse)?) { answer.with { $0 = body } }
    func fetch(_ request: FeedRequest) async throws(FeedTransportFault) -> FeedResponse {
        asked.with { $0.append(request) }
        do {
            guard let body = answer.with({ $0 }) else { throw FeedTransportFault(.unreachable, "no network") }
            return try body(request)
        } catch {
            throw error as? FeedTransportFault ?? FeedTransportFault(.unreachable, "\(error)")
        }
    }
}

/// Keeps what it was asked to look for.
final class ScriptedHunter: HistoryHunter {
    struct Hunt: Equatable {
        let tenant: TenantID, networks: [String]
        var systems: [UInt32] = []
    }
    struct Failed: Error {}
    let hunts = Locked<[Hunt]>([])
    let fails = Locked(false)

    func hunt(
        for networks: [IPNetwork], systems: [UInt32], tenant: TenantID, with intelligence: Intelligence
    ) async throws -> HuntReport {
        guard !fails.with({ $0 }) else { throw Failed() }
        hunts.with { $0.append(Hunt(tenant: tenant, networks: networks.map { "\($0)" }, systems: systems)) }
        return HuntReport()
    }
}
