package import FlowStore
package import Identity
package import Logging
package import Platform
import ServiceLifecycle
internal import Synchronization
package import Telemetry

/// What a store elsewhere needs from time to time: what is too old or too much is given up. A store that is away is
/// tried again; it loses nothing by that.
package final class RemoteUpkeep: Service {
    /// Gives up what is due: by a time, a policy, and some tenants' own ones.
    package typealias Retain =
        @Sendable (Int64, RetentionPolicy, [TenantID: RetentionPolicy]) async throws(FlowStoreError) -> [RetiredDay]

    private let retain: Retain
    private let own: @Sendable () -> [TenantID: RetentionPolicy]
    private let retention: RetentionPolicy
    private let interval: Duration
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: UpkeepMetrics
    private let clock: Mutex<RetentionClock>

    /// - Parameter own: tenants whose policy is another one; asked at each pass.
    package init(
        retention: RetentionPolicy, own: @escaping @Sendable () -> [TenantID: RetentionPolicy] = { [:] },
        interval: Duration = .seconds(600), time: any TimeSource, registry: MetricRegistry, logger: Logger,
        retain: @escaping Retain
    ) {
        self.own = own
        (self.retain, self.retention, self.interval) = (retain, retention, interval)
        (self.time, self.logger) = (time, logger)
        metrics = UpkeepMetrics(registry)
        clock = Mutex(RetentionClock(monotonic: time.monotonic()))
    }

    /// Works until graceful shutdown.
    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    try await self.pass()
                    try await Task.sleep(for: self.interval)
                }
            }
        } catch is CancellationError where !Task.isCancelled {
        } catch FlowStoreError.cancelled where !Task.isCancelled {
        }
    }

    /// Does once what is due.
    package func pass() async throws {
        let wall = time.wallMilliseconds(), monotonic = time.monotonic()
        let (now, isInDoubt) = clock.withLock { ($0.now(wall: wall, monotonic: monotonic), $0.isInDoubt) }
        metrics.clockDoubt.set(isInDoubt ? 1 : 0)
        let retired: [RetiredDay]
        do throws(FlowStoreError) {
            retired = try await retain(now, retention, own())
        } catch {
            guard case .unavailable(let reason) = error else { throw error }
            logger.warning("Nothing can be given up: the store is away.", metadata: ["reason": "\(reason)"])
            return
        }
        for day in retired {
            metrics.note(day)
            logger.notice(
                "A day of history was given up.",
                metadata: [
                    "tenant": "\(day.tenant)", "day": "\(day.day)", "reason": "\(day.reason.rawValue)",
                    "bytes": "\(day.bytes)", "rows": "\(day.rows)",
                ])
        }
    }
}
