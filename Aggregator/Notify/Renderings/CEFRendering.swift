import Detect
import FlowModel
import Identity
import Incidents

/// ArcSight's Common Event Format, `CEF:0`. One line an event; a gathering is one line an incident.
extension Rendering {
    func cef(_ message: Message) -> [String] {
        switch message.body {
        case .single(let brief, let change): [single(brief, change, message)]
        case .gathered(let gathering): gathering.members.map { line(of: $0, in: gathering, message) }
        }
    }

    private func single(_ brief: IncidentBrief, _ change: Change, _ message: Message) -> String {
        let attackers = brief.values(of: .attacker), victims = brief.values(of: .victim)
        var fields: [(String, String)] = [
            ("rt", String(message.at)), ("start", String(brief.start)), ("end", String(brief.end)),
            ("externalId", brief.id), ("act", change.rawValue), ("cat", "incident"), ("dvchost", host),
            ("cnt", String(brief.findings)),
        ]
        fields += address(attackers.first, v4: "src", v6: "c6a2", label: "Source IPv6 Address")
        fields += address(victims.first, v4: "dst", v6: "c6a3", label: "Destination IPv6 Address")
        fields += labelled("cs1", "tenant", message.tenant.rawValue) + labelled("cs2", "status", brief.status.rawValue)
        if !brief.ports.isEmpty {
            fields += labelled("cs3", "ports", brief.ports.map(String.init).joined(separator: " "))
        }
        if attackers.count > 1 { fields += labelled("cs4", "attackers", attackers.joined(separator: " ")) }
        if victims.count > 1 { fields += labelled("cs5", "victims", victims.joined(separator: " ")) }
        let techniques = brief.techniques.joined(separator: " ")
        if !techniques.isEmpty { fields += labelled("cs6", "techniques", techniques) }
        if let url = url(brief.id) { fields.append(("request", url)) }
        fields.append(("msg", subject(message)))
        return Self.cef(id: brief.rule, name: brief.title, severity: brief.severity, fields)
    }

    private func line(of member: Gathering.Member, in gathering: Gathering, _ message: Message) -> String {
        Self.cef(
            id: member.rule, name: member.title, severity: member.severity,
            [
                ("rt", String(message.at)), ("start", String(member.start)), ("externalId", member.id),
                ("act", gathering.reason.rawValue), ("cat", "incident"), ("dvchost", host),
                ("cnt", String(member.changes)),
            ] + labelled("cs1", "tenant", message.tenant.rawValue)
                + labelled("cs2", "status", member.status.rawValue))
    }

    private func labelled(_ key: String, _ label: String, _ value: String) -> [(String, String)] {
        [("\(key)Label", label), (key, value)]
    }
    private func address(_ text: String?, v4: String, v6: String, label: String) -> [(String, String)] {
        guard let text, let address = IPAddress(text) else { return [] }
        return address.isV4 ? [(v4, text)] : labelled(v6, label, text)
    }

    /// `CEF:0|vendor|product|version|id|name|severity|key=value …`
    static func cef(id: String, name: String, severity: Severity, _ fields: [(String, String)]) -> String {
        let ofTen = [Severity.low: 3, .medium: 5, .high: 8, .critical: 10][severity] ?? 5
        let header = ["CEF:0", vendor, product, version, cefHeader(id), cefHeader(name), String(ofTen)]
        let text = fields.map { "\($0.0)=\(cefValue($0.1))" }.joined(separator: " ")
        return header.joined(separator: "|") + "|" + text
    }
    /// In the header a backslash and a bar are escaped, and nothing else: an equals sign is not. One line.
    static func cefHeader(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "|": out += "\\|"
            case "\r", "\n": out += " "
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
    /// In a value a backslash and an equals sign are, a bar is not; line breaks are `\n` and `\r`.
    static func cefValue(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "=": out += "\\="
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
