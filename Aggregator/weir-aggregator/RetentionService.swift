import Incidents
import Logging
import Platform
import ServiceLifecycle
import Tenancy

/// Erases closed incidents that tenants don't want any longer. Records and their sums are `StoreUpkeep`'s.
struct RetentionService: Service {
    let control: ControlLog, incidents: IncidentLog, time: any TimeSource, logger: Logger

    static let interval: Duration = .seconds(60)
    private static let perPass = 1_000

    func run() async throws {
        while !Task.isShuttingDownGracefully {
            do {
                for (tenant, own) in try control.retentions() {
                    guard let days = own[.incidents] else { continue }
                    let before = time.wallMilliseconds() - Int64(days) * 86_400_000
                    let count = try incidents.eraseClosed(endedBefore: before, tenant: tenant, limit: Self.perPass)
                    guard count > 0 else { continue }
                    logger.notice(
                        "Closed incidents were erased by age.", metadata: ["tenant": "\(tenant)", "count": "\(count)"])
                }
            } catch {
                logger.error("Closed incidents can't be erased.", metadata: ["error": "\(error)"])
            }
            do {
                try await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
            } catch is CancellationError where !Task.isCancelled {
                // Only the end of the wait; when another part has failed this one must end too.
            }
        }
    }
}
