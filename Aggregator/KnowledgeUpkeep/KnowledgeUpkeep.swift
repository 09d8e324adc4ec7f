/// What `Knowledge` needs of the world: feeds are fetched over HTTPS, history is searched for new indicators, and both,
/// with the files of countries and systems, are done again and again.
///
/// Invariants: a feed's name is resolved once, the address is checked, and that one is connected to; a finding from
/// history has the id that live detection would have given it, so nothing is told twice.
/// Not here: when what is due, and what feeds say (`Knowledge`).
package import Identity
package import Knowledge
internal import Logging
internal import Platform
import ServiceLifecycle

package struct KnowledgeUpkeep: Service {
    private let feeds: FeedUpkeep, enrichment: EnrichmentUpkeep, hunter: HistoryHunt
    private let tenants: @Sendable () throws -> [TenantID]
    private let interval: Duration

    /// - Parameters:
    ///   - tenants: all there are now.
    ///   - interval: between two looks at files and clocks.
    package init(
        feeds: FeedUpkeep, enrichment: EnrichmentUpkeep, hunter: HistoryHunt, interval: Duration = .seconds(5),
        tenants: @escaping @Sendable () throws -> [TenantID]
    ) {
        (self.feeds, self.enrichment, self.hunter) = (feeds, enrichment, hunter)
        (self.interval, self.tenants) = (interval, tenants)
    }

    /// Works until graceful shutdown. A search of history under way is given up then, and made again by the next start.
    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await self.forever {
                            // First: feeds' systems are matched by networks that it tells.
                            await self.enrichment.refresh()
                            await self.feeds.refresh()
                        }
                    }
                    // Beside it: a search may take minutes.
                    group.addTask {
                        try await self.forever { await self.hunt() }
                    }
                    try await group.waitForAll()
                }
            }
        } catch is CancellationError where !Task.isCancelled {
        }
    }
    private func forever(_ work: @Sendable () async -> Void) async throws {
        while true {
            await work()
            try await Task.sleep(for: interval)
        }
    }
    private func hunt() async {
        // Where the list of tenants can't be read now, the next turn may.
        guard let all = try? tenants() else { return }
        await feeds.hunt(with: hunter, tenants: all)
    }
}
