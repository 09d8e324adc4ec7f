import Detect
import Identity
import Incidents
import TestKit
import Testing

@Suite("Following a tenant's incidents") struct LiveTests {
    private static func finding(_ number: Int) -> Finding {
        let text = String(number), start = Int64(number) * 86_400_000
        return Finding(
            id: String(repeating: "0", count: 32 - text.count) + text, rule: "rule-\(number)", title: "t",
            severity: .low, tactics: [], techniques: [],
            entities: [FindingEntity(type: "ipv4-addr", role: .attacker, value: "192.0.2.\(number % 200)")],
            ports: [], start: start, end: start + 1, windowStart: start,
            evidence: Evidence(observed: 2, threshold: 1, unit: "ports", flows: 1, packets: 1, octets: 1), update: 0)
    }

    @Test("each tenant has a count of its own; a page goes on where the one before ended") func counts() throws {
        let folder = try TemporaryFolder("weir-live"), log = try IncidentLog(directory: folder.path)
        let acme = try #require(TenantID("acme")), globex = try #require(TenantID("globex"))
        #expect(try log.liveHead(of: acme) == 0)
        #expect(try log.live(of: acme, after: 0, limit: 10) == LivePage(entries: [], through: 0, hasGap: false))
        for number in 1...3 { _ = try log.record([Self.finding(number)], tenant: acme, at: 1) }
        _ = try log.record([Self.finding(9)], tenant: globex, at: 1)
        let head = try log.liveHead(of: acme)
        let all = try log.live(of: acme, after: 0, limit: 100)
        #expect(all.through == head && all.entries.map(\.position) == Array(1...head) && !all.hasGap)
        #expect(Set(all.entries.map(\.incident.id)).count == 3)
        #expect(try log.live(of: globex, after: 0, limit: 100).entries.first?.position == 1)
        let first = try log.live(of: acme, after: 0, limit: 2), rest = try log.live(of: acme, after: 2, limit: 100)
        #expect(first.entries + rest.entries == all.entries)
        #expect(try log.live(of: acme, after: head + 1, limit: 1).hasGap, "a position that was never given")
        try log.close()
        let again = try IncidentLog(directory: folder.path)
        #expect(try again.live(of: acme, after: 0, limit: 100).entries == all.entries)
    }

    @Test("the newest are kept: who was away for longer is told") func window() throws {
        var policy = IncidentPolicy()
        policy.liveKept = 300
        let folder = try TemporaryFolder("weir-live"), log = try IncidentLog(directory: folder.path, policy: policy)
        let acme = try #require(TenantID("acme"))
        var number = 0
        while try log.liveHead(of: acme) < policy.liveKept + 256 {
            _ = try log.record((number..<number + 100).map { Self.finding($0) }, tenant: acme, at: 1)
            number += 100
        }
        let head = try log.liveHead(of: acme)
        #expect(try log.live(of: acme, after: 0, limit: 1) == LivePage(entries: [], through: head, hasGap: true))
        let kept = try log.live(of: acme, after: head - policy.liveKept + 1, limit: 1)
        #expect(!kept.hasGap && kept.entries.count == 1)
    }
}
