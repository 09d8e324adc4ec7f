package import Detect
internal import FilterLanguage
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
/// read again, the addresses that were met alone, and shown to the detector. Systems take a second pass, over the
/// numbers that records have.
package struct HistoryHunt: HistoryHunter {
    private let query: any FlowHistory
    private let incidents: IncidentLog
    private let parameters: @Sendable (TenantID) -> DetectorParameters
    private let places: PlaceLookup
    private let time: any TimeSource

    /// Pairs of addresses, and days, that one search tells of.
    static let sightingsMax = 20_000, daysMax = 400
    private static let day = ThreatIntelligenceDetector.windowMilliseconds

    /// What both passes have seen: who met whom, and on which days.
    private struct Meetings {
        struct Pair: Hashable {
            let met: IPAddress, host: IPAddress
        }
        var pairs: Set<Pair> = [], met: Set<IPAddress> = [], days: Set<Int64> = [], isCutShort = false

        mutating func add(_ met: IPAddress, _ host: IPAddress, on days: ClosedRange<Int64>) {
            let pair = Pair(met: met, host: host)
            guard pairs.contains(pair) || pairs.count < 2 * HistoryHunt.sightingsMax else {
                isCutShort = true
                return
            }
            pairs.insert(pair)
            self.met.insert(met)
            self.days.formUnion(max(days.lowerBound, days.upperBound - Int64(HistoryHunt.daysMax))...days.upperBound)
        }
    }

    /// - Parameters:
    ///   - query: one of its own, so that it does not take people's turns.
    ///   - places: as live detection has it.
    package init(
        query: any FlowHistory, incidents: IncidentLog, time: any TimeSource, places: PlaceLookup = .none,
        parameters: @escaping @Sendable (TenantID) -> DetectorParameters
    ) {
        (self.query, self.incidents, self.time, self.places) = (query, incidents, time, places)
        self.parameters = parameters
    }

    package func hunt(
        for networks: [IPNetwork], systems: [UInt32], tenant: TenantID, with intelligence: Intelligence
    ) async throws -> HuntReport {
        var report = HuntReport(), meetings = Meetings()
        guard !parameters(tenant).off.contains(ThreatIntelligenceDetector.rule.id) else { return report }
        do throws(QueryError) {
            if !networks.isEmpty { try await find(networks, tenant, &meetings) }
            if !systems.isEmpty { try await find(systems, tenant, &meetings) }
        } catch {
            // A tenant without history: its data key was destroyed.
            guard error != .keyDestroyed else { return report }
            throw error
        }
        (report.sightings, report.isCutShort) = (meetings.pairs.count, meetings.isCutShort)
        guard !meetings.pairs.isEmpty else { return report }
        let filter = meetings.met.map { IPNetwork($0, length: $0.isV4 ? 32 : 128) }
        let wanted = meetings.days.sorted().suffix(Self.daysMax)
        report.isCutShort = report.isCutShort || wanted.count < meetings.days.count
        for day in wanted {
            try Task.checkCancellation()
            let part = try await findings(on: day, filter, tenant, intelligence)
            report.isCutShort = report.isCutShort || part.isCutShort
            report.findings += part.findings.count
            try incidents.record(part.findings, tenant: tenant, at: time.wallMilliseconds())
        }
        return report
    }

    private func find(
        _ networks: [IPNetwork], _ tenant: TenantID, _ meetings: inout Meetings
    ) async throws(QueryError) {
        let answer = try await query.hunt(tenant: tenant, indicators: networks, sightingsMax: Self.sightingsMax)
        for sighting in answer.sightings {
            let (first, last) = (sighting.period.lowerBound, sighting.period.upperBound)
            meetings.add(sighting.met, sighting.host, on: first / Self.day...last / Self.day)
        }
        if answer.leftOut > 0 || answer.effort.isCutShort || answer.effort.unreadable > 0 { meetings.isCutShort = true }
    }

    /// By the numbers that records have. Whether they count, or a table knows better, is the detector's to say.
    private func find(
        _ systems: [UInt32], _ tenant: TenantID, _ meetings: inout Meetings
    ) async throws(QueryError) {
        let wanted = Set(systems), numbers = NumberSet(systems.map { UInt64($0)...UInt64($0) })
        var found = meetings
        let filter = FlowFilter(expression: .test(.number(.autonomousSystem, numbers)))
        let effort = try await query.stream(tenant: tenant, filter: filter) { columns, _ in
            for row in columns.rows {
                let source = IPAddress(high: columns.sourceHigh[row], low: columns.sourceLow[row])
                let destination = IPAddress(high: columns.destinationHigh[row], low: columns.destinationLow[row])
                let day = columns.flowStartMilliseconds[row] / Self.day
                if wanted.contains(columns.bgpSourceAsNumber[row]) { found.add(source, destination, on: day...day) }
                if wanted.contains(columns.bgpDestinationAsNumber[row]) {
                    found.add(destination, source, on: day...day)
                }
            }
        }
        meetings = found
        if effort.isCutShort || effort.unreadable > 0 { meetings.isCutShort = true }
    }

    /// Findings' windows are days: each day by itself gives the findings that all history would.
    private func findings(
        on day: Int64, _ networks: [IPNetwork], _ tenant: TenantID, _ intelligence: Intelligence
    ) async throws -> (findings: [Finding], isCutShort: Bool) {
        var detector = ThreatIntelligenceDetector(
            tenant: tenant, parameters: parameters(tenant), intelligence: intelligence, places: places)
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
