package import Detect
package import FlowModel
package import Identity
package import Incidents
package import Intelligence
package import Knowledge
package import Platform
package import Query
internal import QueryEngine

/// Looks for indicators in a tenant's history, and tells what it finds as live detection would have: one pass over all
/// history finds who met which of them (Bloom filters leave most of it unread), then the days of those meetings are
/// read again, the addresses that were met alone, and shown to the detector.
package struct HistoryHunt: HistoryHunter {
    private let query: FlowQuery
    private let incidents: IncidentLog
    private let parameters: @Sendable (TenantID) -> DetectorParameters
    private let time: any TimeSource

    /// Pairs of addresses, and days, that one search tells of.
    static let sightingsMax = 20_000, daysMax = 400
    private static let day = ThreatIntelligenceDetector.windowMilliseconds

    /// - Parameter query: one of its own, so that it does not take people's turns.
    package init(
        query: FlowQuery, incidents: IncidentLog, time: any TimeSource,
        parameters: @escaping @Sendable (TenantID) -> DetectorParameters
    ) {
        (self.query, self.incidents, self.time) = (query, incidents, time)
        self.parameters = parameters
    }

    package func hunt(
        for networks: [IPNetwork], tenant: TenantID, with intelligence: Intelligence
    ) async throws -> HuntReport {
        var report = HuntReport()
        guard let answer = try await meetings(with: networks, tenant) else { return report }
        report.sightings = answer.sightings.count
        report.isCutShort = answer.leftOut > 0 || answer.effort.isCutShort || answer.effort.unreadable > 0
        guard !answer.sightings.isEmpty else { return report }
        var days: Set<Int64> = [], met: Set<IPAddress> = []
        for sighting in answer.sightings {
            met.insert(sighting.met)
            let (first, last) = (sighting.period.lowerBound, sighting.period.upperBound)
            for day in max(first / Self.day, last / Self.day - Int64(Self.daysMax))...(last / Self.day) {
                days.insert(day)
            }
        }
        let filter = met.map { IPNetwork($0, length: $0.isV4 ? 32 : 128) }
        let wanted = days.sorted().suffix(Self.daysMax)
        report.isCutShort = report.isCutShort || wanted.count < days.count
        for day in wanted {
            try Task.checkCancellation()
            let part = try await findings(on: day, filter, tenant, intelligence)
            report.isCutShort = report.isCutShort || part.isCutShort
            report.findings += part.findings.count
            try incidents.record(part.findings, tenant: tenant, at: time.wallMilliseconds())
        }
        return report
    }

    /// Nil for a tenant without history: its data key was destroyed.
    private func meetings(
        with networks: [IPNetwork], _ tenant: TenantID
    ) async throws(QueryError) -> HuntAnswer? {
        do throws(QueryError) {
            return try await query.hunt(tenant: tenant, indicators: networks, sightingsMax: Self.sightingsMax)
        } catch {
            if error == .keyDestroyed { return nil }
            throw error
        }
    }

    /// Findings' windows are days: each day by itself gives the findings that all history would.
    private func findings(
        on day: Int64, _ networks: [IPNetwork], _ tenant: TenantID, _ intelligence: Intelligence
    ) async throws -> (findings: [Finding], isCutShort: Bool) {
        var detector = ThreatIntelligenceDetector(
            tenant: tenant, parameters: parameters(tenant), intelligence: intelligence)
        let period = day * Self.day..<(day + 1) * Self.day
        var filter = FlowFilter(from: period.lowerBound, to: period.upperBound)
        filter.networks = networks
        let effort = try await query.stream(tenant: tenant, filter: filter) { columns, _ in
            // A flow over midnight is under way on both days, and belongs to that of its start.
            for row in columns.rows where period.contains(columns.flowStartMilliseconds[row]) {
                detector.take(columns, rows: row..<row + 1)
            }
        }
        return (detector.finish(), effort.isCutShort || effort.unreadable > 0)
    }
}
