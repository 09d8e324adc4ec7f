package import FlowLog
internal import FlowModel
internal import Identity
internal import Synchronization
package import Telemetry

/// What was stored of each tenant, for the metrics' page: the first so many tenants by name, all others as one.
/// An option: the page is open to whoever reaches the port, and names of tenants are not for everybody.
package final class TenantMeters: Sendable {
    /// Each has four series.
    package static let tenantsMax = 200
    static let others = "(others)"

    private struct Meter {
        let batches: Counter, rows: Counter, flows: Counter, octets: Counter
    }
    private let registry: MetricRegistry
    private let meters = Mutex<[TenantID: Meter]>([:])
    private let rest: Meter

    package init(in registry: MetricRegistry) {
        self.registry = registry
        rest = Self.meter(Self.others, in: registry)
    }

    package func note(_ batch: LogAppend) {
        let meter = meter(of: batch.sensor.tenant)
        meter.batches.add()
        meter.rows.add(batch.rows)
        meter.flows.add(batch.tally.flows)
        meter.octets.add(batch.tally.octets)
    }
    private func meter(of tenant: TenantID) -> Meter {
        meters.withLock { meters in
            if let known = meters[tenant] { return known }
            guard meters.count < Self.tenantsMax else { return rest }
            let made = Self.meter("\(tenant)", in: registry)
            meters[tenant] = made
            return made
        }
    }
    private static func meter(_ tenant: String, in registry: MetricRegistry) -> Meter {
        let labels = ["tenant": tenant]
        return Meter(
            batches: registry.counter(
                "weir_tenant_batches_total", help: "Batches stored, by tenant.", labels: labels),
            rows: registry.counter("weir_tenant_rows_total", help: "Rows stored, by tenant.", labels: labels),
            flows: registry.counter(
                "weir_tenant_flows_total", help: "Flow records in stored rows, by tenant.", labels: labels),
            octets: registry.counter(
                "weir_tenant_flow_octets_total", help: "Octets that stored flows carried, by tenant.", labels: labels))
    }
}
