/// Which incident a finding belongs to: a pure rule, the same for the running service and for files.
///
/// Findings of one tenant belong together when they share their subject (the attacker; for floods, whose sources lie,
/// the victim) and no more than `gapMilliseconds` of event time lies between them. So a source that scans and then
/// guesses passwords is one incident along ATT&CK's course, and a host flooded twice a week has two.
/// Invariant: the incident's id is a hash of its first finding's, so two nodes that open it open the same one.
package import Detect

package struct IncidentGrouping: Equatable, Sendable {
    /// The most event time between two findings of one incident, in ms.
    package var gapMilliseconds: Int64 = 3_600_000

    package init(gapMilliseconds: Int64 = 3_600_000) { self.gapMilliseconds = gapMilliseconds }

    /// What findings must share: `attacker:192.0.2.1` or `victim:192.0.2.9`.
    package static func subject(of finding: Finding) -> String {
        let isFlood = finding.tactics.contains("TA0040")
        let first = finding.entities.first { $0.role == (isFlood ? .victim : .attacker) } ?? finding.entities.first
        guard let first else { return "finding:\(finding.id)" }
        return "\(first.role.rawValue):\(first.value)"
    }

    /// Whether `finding` lies near enough to an incident of the same subject.
    package func joins(_ finding: Finding, start: Int64, end: Int64) -> Bool {
        finding.start <= end &+ gapMilliseconds && finding.end >= start &- gapMilliseconds
    }

    package static func incidentID(firstFinding id: String) -> String { Digest128.hex("incident", id) }

    /// Adds `finding` to the incident it belongs to, or opens one.
    /// - Returns: the index of the incident, and whether anything changed.
    package func place(_ finding: Finding, into incidents: inout [Incident]) -> (index: Int, isChange: Bool) {
        if let known = incidents.firstIndex(where: { $0.findings.contains { $0.id == finding.id } }) {
            return (known, incidents[known].add(finding))
        }
        let subject = Self.subject(of: finding)
        let fitting = incidents.indices.filter { index in
            let incident = incidents[index]
            return joins(finding, start: incident.start, end: incident.end)
                && incident.findings.count < Incident.findingsMax
                && incident.findings.first.map(Self.subject) == subject
        }
        let home = fitting.min { (incidents[$0].start, incidents[$0].id) < (incidents[$1].start, incidents[$1].id) }
        guard let home else {
            incidents.append(Incident(opening: finding))
            return (incidents.count - 1, true)
        }
        return (home, incidents[home].add(finding))
    }
}

/// FNV-1a, 128 bits: an id that is the same on every machine.
enum Digest128 {
    static func hex(_ parts: String...) -> String {
        var hash: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D
        for octet in parts.joined(separator: "\u{0}").utf8 {
            hash = (hash ^ UInt128(octet)) &* 0x0000_0000_0100_0000_0000_0000_0000_013B
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }
}
