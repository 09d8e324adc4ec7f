import Delivery
import FlowLog
import FlowModel
import Identity
import Ingest
import Telemetry
import Testing

@Suite("Numbers by tenant")
struct TenantMetersTests {
    @Test("each tenant has its own, and more than there is room for are one") func cap() throws {
        let registry = MetricRegistry(), meters = TenantMeters(in: registry)
        for number in 0...TenantMeters.tenantsMax + 4 {
            let tenant = try #require(TenantID("t\(number)"))
            meters.note(
                LogAppend(
                    sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge1"),
                    key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: UInt64(number)), digest: BatchDigest(of: []),
                    receivedMilliseconds: 0, rows: 2, tally: Tally(flows: 3, octets: 40, packets: 5), body: []))
        }
        let page = registry.prometheusText()
        #expect(page.contains("weir_tenant_rows_total{tenant=\"t0\"} 2\n"))
        #expect(page.contains("weir_tenant_flow_octets_total{tenant=\"t199\"} 40\n"))
        #expect(!page.contains("t200"))
        #expect(page.contains("weir_tenant_flows_total{tenant=\"(others)\"} 15\n"))
        #expect(page.contains("weir_tenant_batches_total{tenant=\"(others)\"} 5\n"))
    }
}
