package import FlowModel
package import Identity
package import Intelligence
internal import Logging
internal import NetworkTable
internal import Platform
internal import Telemetry

/// What looking for indicators in one tenant's history came to.
package struct HuntReport: Equatable, Sendable {
    /// Pairs of a host and a listed address.
    package var sightings = 0
    package var findings = 0
    /// Not all of history was looked at, or not all that was seen could be told.
    package var isCutShort = false

    package init() {}
}

/// Looks for indicators in history; `KnowledgeUpkeep` has one.
package protocol HistoryHunter: Sendable {
    /// - Parameters:
    ///   - networks: at most `FeedUpkeep.huntedAtOnce`.
    ///   - systems: by the numbers that records have; what is known to be theirs is among `networks`.
    /// - Throws: what keeps history from being read; then the whole is asked again later.
    func hunt(
        for networks: [IPNetwork], systems: [UInt32], tenant: TenantID, with intelligence: Intelligence
    ) async throws -> HuntReport
}

extension FeedUpkeep {
    package static let huntedAtOnce = 100_000
    /// Networks of one change that are looked for, and systems by number: of more, the first.
    package static let huntedMax = 1_000_000
    private static let huntRetry = Duration.seconds(60)

    private func file(of layer: FeedLayer) -> HuntedFile {
        let key = FeedKey.text(layer: layer.label, name: "hunted", isAllowList: false)
        return HuntedFile(path: "\(folder)/\(key).hunted")
    }
    func readHunted() {
        for layer in Set(feeds.map(\.layer)) { hunted[layer] = file(of: layer).read() }
    }

    /// Looks for indicators that are new since the last time, once no records are under way that were matched without
    /// them. What was looked for is written down when all tenants' histories were; a crash before that repeats it, and
    /// finds what is known already.
    /// - Parameter tenants: those whose history is searched for shared indicators.
    package func hunt(with hunter: some HistoryHunter, tenants: [TenantID]) async {
        guard settings.huntsHistory, !unhunted.isEmpty, time.monotonic() >= huntDue, !current.isBehind(generation)
        else {
            return
        }
        for layer in unhunted.sorted(by: { $0.label < $1.label }) {
            guard let set = sets[layer], !Task.isCancelled else { return }
            let all = HuntedIndicators(set), quarry = Quarry(all.new(since: hunted[layer] ?? .init()), set.announced)
            let edition = current.edition
            do {
                let whose: [TenantID] = if case .tenant(let tenant) = layer { [tenant] } else { tenants }
                for tenant in quarry.isEmpty ? [] : whose {
                    try await hunt(for: quarry, tenant, edition[tenant], hunter)
                }
            } catch {
                logger.warning(
                    "History can't be searched for new indicators now.",
                    metadata: ["tenant": "\(layer.label)", "reason": "\(error)"])
                metrics.huntFailures.add()
                huntDue = time.monotonic() + Self.huntRetry
                return
            }
            finish(layer, all)
        }
    }

    /// What is looked for.
    private struct Quarry {
        /// Of systems, too.
        let networks: [IPNetwork]
        let systems: [UInt32]
        /// Indicators.
        let count: Int
        var isEmpty: Bool { count == 0 }

        init(_ new: (networks: [IPNetwork], systems: [UInt32]), _ announced: AnnouncedNetworks) {
            (systems, count) = (new.systems, new.networks.count + new.systems.count)
            networks = new.networks + (new.systems.isEmpty ? [] : announced.networks(of: Set(new.systems)))
        }
    }

    private func hunt(
        for quarry: Quarry, _ tenant: TenantID, _ intelligence: Intelligence, _ hunter: some HistoryHunter
    ) async throws {
        var total = HuntReport(), rest = quarry.networks.prefix(Self.huntedMax)
        var systems = Array(quarry.systems.prefix(Self.huntedAtOnce))
        while !rest.isEmpty || !systems.isEmpty {  // ends: each turn takes some networks, the first all systems
            let some = Array(rest.prefix(Self.huntedAtOnce))
            rest = rest.dropFirst(Self.huntedAtOnce)
            let report = try await hunter.hunt(for: some, systems: systems, tenant: tenant, with: intelligence)
            systems = []
            total.sightings += report.sightings
            total.findings += report.findings
            total.isCutShort = total.isCutShort || report.isCutShort
        }
        total.isCutShort =
            total.isCutShort || quarry.networks.count > Self.huntedMax || quarry.systems.count > Self.huntedAtOnce
        metrics.note(total, indicators: quarry.count)
        logger.info(
            "History was searched for new indicators.",
            metadata: [
                "tenant": "\(tenant)", "indicators": "\(quarry.count)", "sightings": "\(total.sightings)",
                "findings": "\(total.findings)", "complete": "\(!total.isCutShort)",
            ])
    }

    private func finish(_ layer: FeedLayer, _ all: HuntedIndicators) {
        // Another set may have come meanwhile: its own turn comes.
        hunted[layer] = all
        if let now = sets[layer].map({ HuntedIndicators($0) }), now.table.count == all.table.count,
            now.systems == all.systems, now.new(since: all).networks.isEmpty
        {
            unhunted.remove(layer)
        }
        do throws(SystemError) { try file(of: layer).write(all) } catch {
            logger.warning(
                "What was looked for can't be written down: a restart looks for it again.",
                metadata: ["tenant": "\(layer.label)", "reason": "\(error)"])
        }
    }
}
