/// Detection over files: columns in, incidents out, with the engine of the running service. What `weirctl detect` and
/// backtests use. No storage, no clock.
package import Detect
package import FlowModel
package import Identity

package struct OfflineDetection: Sendable {
    private var detectors: DetectorSet
    private let grouping: IncidentGrouping
    private var incidents: [Incident] = []

    package init(
        tenant: TenantID, parameters: DetectorParameters = .init(), grouping: IncidentGrouping = .init()
    ) {
        detectors = DetectorSet(tenant: tenant, parameters: parameters)
        self.grouping = grouping
    }

    /// Records taken in so far.
    package var records: UInt64 { detectors.records }
    /// See `DetectorSet.evictions`.
    package var evictions: [String: UInt64] { detectors.evictions }

    /// Takes in the next records; call it as often as is handy.
    package mutating func observe(_ columns: FlowColumns) {
        for var finding in detectors.observe(columns) {
            finding.takeSamples(of: columns, rows: columns.rows)
            _ = grouping.place(finding, into: &incidents)
        }
    }

    /// Everything found, oldest first. Further records may follow.
    package mutating func finish() -> [Incident] {
        for finding in detectors.finish() { _ = grouping.place(finding, into: &incidents) }
        return incidents.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
}
