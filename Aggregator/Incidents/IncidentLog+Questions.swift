/// What people ask beside an incident itself.
package import Detect
internal import GRDB
package import Identity

/// Another incident that has to do with one.
package struct IncidentNeighbour: Equatable, Sendable, Codable {
    package var incident: String, title: String, rule: String
    package var severity: String, status: String, verdict: String?
    package var start: String
    /// Addresses that both have.
    package var shared: [String]
    /// 0 to 1; see `IncidentLikeness`.
    package var likeness: Double
}

/// How many incidents have a severity and a status.
package struct IncidentCount: Equatable, Sendable, Encodable {
    package var severity: Severity, status: IncidentStatus, count: Int
}

extension IncidentLog {
    package static let neighboursMax = 20

    /// Incidents that share addresses with this one, those that share most first.
    package func related(to id: String, tenant: TenantID) throws(IncidentError) -> [IncidentNeighbour] {
        try read { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard let incident = try rows.incident(id) else { throw IncidentError.unknown }
            let values = incident.entities.map(\.value)
            guard !values.isEmpty else { return [] }
            let found = try rows.incidents(withAnyOf: Array(Set(values)), but: id, limit: 200)
            return Self.nearest(found.map { IncidentLikeness.neighbour($0, of: incident) }) {
                (Double($0.shared.count), $0.likeness)
            }
        }
    }

    /// Incidents of the same rule that look alike, and what they turned out to be; the most alike first.
    package func similar(to id: String, tenant: TenantID) throws(IncidentError) -> [IncidentNeighbour] {
        try read { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard let incident = try rows.incident(id) else { throw IncidentError.unknown }
            let found = try rows.incidents(ofRule: incident.rule, but: id, limit: 500)
            return Self.nearest(found.map { IncidentLikeness.neighbour($0, of: incident) }) {
                ($0.likeness, Double($0.shared.count))
            }
        }
    }
    private static func nearest(
        _ all: [IncidentNeighbour], by measure: (IncidentNeighbour) -> (Double, Double)
    ) -> [IncidentNeighbour] {
        let ordered = all.sorted { a, b in
            let (x, y) = (measure(a), measure(b))
            return x == y ? (a.start, a.incident) > (b.start, b.incident) : x > y
        }
        return Array(ordered.prefix(neighboursMax))
    }

    /// How many incidents a filter lets through, by severity and status: pairs that there are, gravest first.
    package func counts(tenant: TenantID, filter: IncidentFilter) throws(IncidentError) -> [IncidentCount] {
        try read { try IncidentRows(db: $0, tenant: tenant, policy: policy).counts(filter) }
    }

    /// People's verdicts by rule.
    package func feedback(tenant: TenantID) throws(IncidentError) -> [RuleFeedback] {
        try read { try IncidentRows(db: $0, tenant: tenant, policy: policy).feedback() }
    }

    /// What people accepted and is not over, with the incident it is for.
    package func mitigations(
        tenant: TenantID, at now: Int64
    ) throws(IncidentError) -> [(incident: String, accepted: AcceptedMitigation)] {
        let all = try read { db in
            try IncidentRows(db: db, tenant: tenant, policy: policy).mitigations(at: now)
                .map { Standing(incident: $0.incident, accepted: $0.accepted) }
        }
        return all.filter { $0.accepted.isInForce(at: now) }.map { ($0.incident, $0.accepted) }
    }
    private struct Standing: Sendable {
        let incident: String, accepted: AcceptedMitigation
    }
}

/// How alike two incidents of one rule are: techniques, ports and addresses in common (Jaccard), and the same size.
package enum IncidentLikeness {
    static func neighbour(_ other: Incident, of incident: Incident) -> IncidentNeighbour {
        let mine = Set(incident.entities.map(\.value)), theirs = Set(other.entities.map(\.value))
        return IncidentNeighbour(
            incident: other.id, title: other.title, rule: other.rule, severity: other.severity.rawValue,
            status: other.status.rawValue, verdict: other.work.verdict?.kind.rawValue,
            start: "\(EventTime(other.start))", shared: mine.intersection(theirs).sorted(),
            likeness: likeness(incident, other))
    }

    package static func likeness(_ a: Incident, _ b: Incident) -> Double {
        let rule = a.rule == b.rule ? 1.0 : 0
        let techniques = jaccard(Set(a.techniques), Set(b.techniques))
        let ports = jaccard(Set(a.findings.flatMap(\.ports)), Set(b.findings.flatMap(\.ports)))
        let addresses = jaccard(Set(a.entities.map(\.value)), Set(b.entities.map(\.value)))
        let sum = 0.4 * rule + 0.15 * techniques + 0.2 * ports + 0.25 * addresses
        return (sum * 1_000).rounded() / 1_000
    }
    private static func jaccard<Value: Hashable>(_ a: Set<Value>, _ b: Set<Value>) -> Double {
        let all = a.union(b).count
        return all == 0 ? 1 : Double(a.intersection(b).count) / Double(all)
    }
}
