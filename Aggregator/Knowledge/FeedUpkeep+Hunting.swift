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
    /// - Parameter networks: at most `FeedUpkeep.huntedAtOnce`.
    /// - Throws: what keeps history from being read; then the whole is asked again later.
    func hunt(
        for networks: [IPNetwork], tenant: TenantID, with intelligence: Intelligence
    ) async throws -> HuntReport
}

extension FeedUpkeep {
    package static let huntedAtOnce = 100_000
    /// New indicators of one change that are looked for: of more, the first.
    package static let huntedMax = 1_000_000
    private static let huntRetry = Duration.seconds(60)

    private func file(of layer: FeedLayer) -> HuntedNetworks {
        let key = FeedKey.text(layer: layer.label, name: "hunted", isAllowList: false)
        return HuntedNetworks(path: "\(folder)/\(key).hunted")
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
            guard let table = sets[layer]?.table, !Task.isCancelled else { return }
            let new = table.networks(notIn: hunted[layer] ?? NetworkTable([]))
            let edition = current.edition
            do {
                let whose: [TenantID] = if case .tenant(let tenant) = layer { [tenant] } else { tenants }
                for tenant in new.isEmpty ? [] : whose { try await hunt(for: new, tenant, edition[tenant], hunter) }
            } catch {
                logger.warning(
                    "History can't be searched for new indicators now.",
                    metadata: ["tenant": "\(layer.label)", "reason": "\(error)"])
                metrics.huntFailures.add()
                huntDue = time.monotonic() + Self.huntRetry
                return
            }
            finish(layer, table, isChanged: !new.isEmpty)
        }
    }

    private func hunt(
        for new: [IPNetwork], _ tenant: TenantID, _ intelligence: Intelligence, _ hunter: some HistoryHunter
    ) async throws {
        var total = HuntReport(), rest = new.prefix(Self.huntedMax)
        while !rest.isEmpty {  // ends: each turn takes some
            let some = Array(rest.prefix(Self.huntedAtOnce))
            rest = rest.dropFirst(Self.huntedAtOnce)
            let report = try await hunter.hunt(for: some, tenant: tenant, with: intelligence)
            total.sightings += report.sightings
            total.findings += report.findings
            total.isCutShort = total.isCutShort || report.isCutShort
        }
        total.isCutShort = total.isCutShort || new.count > Self.huntedMax
        metrics.note(total, indicators: new.count)
        logger.info(
            "History was searched for new indicators.",
            metadata: [
                "tenant": "\(tenant)", "indicators": "\(new.count)", "sightings": "\(total.sightings)",
                "findings": "\(total.findings)", "complete": "\(!total.isCutShort)",
            ])
    }

    private func finish(_ layer: FeedLayer, _ table: NetworkTable, isChanged: Bool) {
        // Another set may have come meanwhile: its own turn comes.
        hunted[layer] = table
        if sets[layer]?.table.count == table.count, sets[layer]?.table.networks(notIn: table).isEmpty == true {
            unhunted.remove(layer)
        }
        do throws(SystemError) { try file(of: layer).write(table) } catch {
            logger.warning(
                "What was looked for can't be written down: a restart looks for it again.",
                metadata: ["tenant": "\(layer.label)", "reason": "\(error)"])
        }
    }
}
