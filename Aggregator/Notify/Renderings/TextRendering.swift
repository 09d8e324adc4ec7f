import Detect
import Incidents

/// For people: a subject of one line, and lines under it.
extension Rendering {
    /// Such as `[high] Port scan of one host: 192.0.2.1 (acme)`.
    package func subject(_ message: Message) -> String {
        switch message.body {
        case .single(let brief, let change):
            let changed = change == .opened ? "" : ", \(words(change, brief))"
            return "[\(brief.severity.rawValue)] \(brief.title)\(changed) (\(message.tenant))"
        case .gathered(let gathering):
            let count = gathering.members.count
            return "[\(message.severity.rawValue)] \(count) \(count == 1 ? "incident" : "incidents"), "
                + "\(gathering.reason.rawValue) (\(message.tenant))"
        }
    }

    /// Subject and lines, each ended by a line feed.
    package func text(_ message: Message) -> String {
        ([subject(message), ""] + lines(message)).map { $0 + "\n" }.joined()
    }

    /// What is under the subject.
    package func lines(_ message: Message) -> [String] {
        switch message.body {
        case .single(let brief, let change): singleLines(brief, change, message)
        case .gathered(let gathering): gatheredLines(gathering)
        }
    }

    private func singleLines(_ brief: IncidentBrief, _ change: Change, _ message: Message) -> [String] {
        var lines = [
            "Severity: \(brief.severity.rawValue)", "Status: \(brief.status.rawValue)", "Rule: \(brief.rule)",
            "Tenant: \(message.tenant)", "What changed: \(words(change, brief))",
            "From \(EventTime(brief.start)) to \(EventTime(brief.end))",
        ]
        for (name, role) in [("Attackers", FindingEntity.Role.attacker), ("Victims", .victim)] {
            let values = brief.values(of: role)
            if !values.isEmpty { lines.append("\(name): \(values.joined(separator: ", "))") }
        }
        let unnamed = brief.entityCount - brief.entities.count
        if unnamed > 0 { lines.append("And \(unnamed) more addresses") }
        if !brief.ports.isEmpty { lines.append("Ports: \(brief.ports.map(String.init).joined(separator: ", "))") }
        if let evidence = brief.evidence {
            lines.append(
                "Evidence: \(plain(evidence.observed)) \(evidence.unit), limit \(plain(evidence.threshold)); "
                    + "\(evidence.flows) flows, \(evidence.packets) packets, \(evidence.octets) octets")
        }
        let attack = brief.tactics + brief.techniques
        if !attack.isEmpty { lines.append("ATT&CK: \(attack.joined(separator: ", "))") }
        lines.append("Incident: \(brief.id), revision \(brief.revision), \(brief.findings) findings")
        if let url = url(brief.id) { lines.append(url) }
        return lines
    }

    private func gatheredLines(_ gathering: Gathering) -> [String] {
        let why =
            switch gathering.reason {
            case .digest: "Changes of the period"
            case .storm: "More changes than are told one by one"
            }
        return [
            "\(why): \(gathering.changes) changes of \(gathering.members.count) incidents, "
                + "\(EventTime(gathering.from)) to \(EventTime(gathering.to))"
        ] + gathering.members.map(memberLine)
    }
    func memberLine(_ member: Gathering.Member) -> String {
        let times = member.changes == 1 ? "" : ", \(member.changes) changes"
        return "[\(member.severity.rawValue)] \(member.title) (\(member.status.rawValue)\(times)) \(member.id)"
    }

    func words(_ change: Change, _ brief: IncidentBrief) -> String {
        switch change {
        case .opened: "opened"
        case .grew: "more findings"
        case .statusChanged: "now \(brief.status.rawValue)"
        case .commented: "commented"
        case .assigned: brief.assignee.map { "assigned to \($0)" } ?? "assigned to nobody"
        case .edited: brief.note ?? "worked on"
        case .severityChanged: "severity now \(brief.severity.rawValue)"
        case .overdue: "overdue: \(brief.note ?? "")"
        case .approved: "approved: \(brief.note ?? "")"
        case .mitigation: "mitigation: \(brief.note ?? "")"
        }
    }
    /// `12` and `12.5`.
    func plain(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let tenths = (value * 10).rounded() / 10
        return tenths == tenths.rounded() ? String(Int64(tenths)) : "\(tenths)"
    }
}
