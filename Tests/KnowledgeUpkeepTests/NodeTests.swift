import Detect
import Foundation
import Identity
import Incidents
import Intelligence
import Knowledge
import TestKit
import Testing

@Suite("Intelligence in a running node") struct NodeTests {
    /// Evidence without the flows that live detection keeps of it; a hunt keeps none, its incident's query finds them.
    private func numbers(_ findings: [Finding]) -> [Evidence] {
        findings.map { finding in
            var evidence = finding.evidence
            evidence.samples = nil
            return evidence
        }
    }

    @Test("a tenant's feed gives incidents to that tenant alone, a shared one to all, and changes count at once")
    func live() async throws {
        let world = try World(knowing: ["acme.txt": "198.51.100.66\n"])
        await world.feeds.load()
        try await world.contact("198.51.100.66")
        let found = try world.findings(world.acme)
        #expect(found.count == 1)
        #expect(found.first?.title.contains("10.0.0.5 called 198.51.100.66") == true)
        #expect(found.first?.severity == .critical)
        #expect(try world.findings(world.globex).isEmpty)

        try world.write("shared.txt", "203.0.113.0/24 # new\n")
        try world.write("acme.txt", "# none any more\n")
        await world.feeds.refresh()
        try await world.contact("203.0.113.9", at: 600_000)
        try await world.contact("198.51.100.66", at: 700_000)
        #expect(try world.findings(world.globex).map(\.entities.first?.value) == ["203.0.113.9"])
        #expect(
            try world.findings(world.acme).count == 2, "one of each address: what is off the list is not told again")
        #expect(try world.findings(world.acme).first { $0.id == found[0].id }?.update == 0)
    }

    @Test("a new indicator is found in history, as it would have been when it happened, and told once")
    func history() async throws {
        let days: [Int64] = [0, 86_400_000, 86_400_000 * 3]
        let early = try World(knowing: ["shared.txt": "198.51.100.66\n"]), late = try World()
        await early.feeds.load()
        await late.feeds.load()
        await late.hunt()
        for day in days {
            for world in [early, late] {
                try await world.contact("198.51.100.66", at: day, calls: 5)
                try await world.contact("198.51.100.67", at: day)
            }
        }
        #expect(try late.findings(late.acme).isEmpty)
        try late.write("shared.txt", "198.51.100.66\n")
        await late.feeds.refresh()
        await late.hunt()
        let live = try early.findings(early.acme), hunted = try late.findings(late.acme)
        #expect(live.count == 3)
        #expect(hunted.map(\.id) == live.map(\.id))
        #expect(hunted.map(\.start) == days.map { World.start + $0 })
        #expect(hunted.map(\.end) == live.map(\.end))
        #expect(numbers(hunted) == numbers(live))
        #expect(try late.findings(late.globex).count == 3)
        #expect(late.counts("weir_intelligence_hunt_sightings_total 2"))
        #expect(late.counts("weir_intelligence_hunt_findings_total 6"))

        let before = try late.incidents.list(tenant: late.acme, limit: 100).incidents
        await late.hunt()
        try late.write("shared.txt", "# new order\n198.51.100.66\n")
        await late.feeds.refresh()
        await late.hunt()
        #expect(try late.incidents.list(tenant: late.acme, limit: 100).incidents == before)
        #expect(late.counts("weir_intelligence_hunts_total 2"))
    }

    @Test("a listed system is met live and in history alike: by its networks, else by the numbers of records")
    func systems() async throws {
        let early = try World(knowing: ["shared.txt": "AS64496\n"]), late = try World()
        for world in [early, late] {
            try world.place([("203.0.113.0/24", 64_496), ("198.51.100.0/24", 64_499)])
            await world.feeds.load()
            await world.hunt()
            try await world.contact("203.0.113.9", calls: 2)  // by its network
            try await world.contact("192.0.2.9", at: 86_400_000, system: 64_496)  // by its number
            try await world.contact("198.51.100.9", at: 600_000, system: 64_496)  // the table says another's
            try await world.contact("192.0.2.10", at: 900_000, system: 64_499)  // another's
        }
        let live = try early.findings(early.acme)
        #expect(live.map { $0.entities.first?.value } == ["203.0.113.9", "192.0.2.9"])
        // A day later the indicator counts a little less.
        #expect(live.map { $0.title.contains("score 22.5") } == [true, false], "\(live.map(\.title))")
        #expect(live.allSatisfy { $0.title.contains("score 22.") })
        #expect(try late.findings(late.acme).isEmpty)
        try late.write("shared.txt", "AS64496\n")
        await late.feeds.refresh()
        await late.hunt()
        let hunted = try late.findings(late.acme)
        #expect(hunted.map(\.id) == live.map(\.id) && numbers(hunted) == numbers(live))
        #expect(try late.findings(late.globex).count == 2)
        #expect(late.counts("weir_intelligence_hunted_indicators_total 2"), "one, for each of two tenants")
        let before = try late.incidents.list(tenant: late.acme, limit: 100).incidents
        await late.hunt()
        await early.hunt()
        #expect(try late.incidents.list(tenant: late.acme, limit: 100).incidents == before)
        #expect(try early.findings(early.acme).map(\.id) == live.map(\.id))
    }

    @Test("a new table of systems counts at once, and what it first tells of a system is looked for") func table()
        async throws
    {
        let world = try World(knowing: ["shared.txt": "AS64496\n"])
        await world.feeds.load()
        try await world.contact("203.0.113.9")
        await world.hunt()
        #expect(try world.findings(world.acme).isEmpty)
        try world.place([("203.0.113.0/24", 64_496)])
        await world.feeds.refresh()
        await world.hunt()
        #expect(try world.findings(world.acme).map { $0.entities.first?.value } == ["203.0.113.9"])
        try await world.contact("203.0.113.77", at: 600_000)
        #expect(try world.findings(world.acme).count == 2)
    }

    @Test("what live detection told, a search of history does not tell again") func both() async throws {
        let world = try World(knowing: ["acme.txt": "198.51.100.66\n"])
        await world.feeds.load()
        try await world.contact("198.51.100.66", calls: 3)
        let before = try world.incidents.list(tenant: world.acme, limit: 100).incidents
        #expect(!before.isEmpty)
        await world.hunt()
        #expect(world.counts("weir_intelligence_hunt_findings_total 1"))
        #expect(try world.incidents.list(tenant: world.acme, limit: 100).incidents == before)
    }

    @Test("a tenant's own networks and policies count for it alone") func policies() async throws {
        let world = try World()
        let strict = try World(
            also: """
                    policies:
                      - name: no-outside
                        from: [10.0.0.0/8]
                        to: [198.51.100.0/24]
                        severity: high

                """)
        for node in [world, strict] { try await node.contact("198.51.100.66") }
        func rules(_ world: World, _ tenant: TenantID) throws -> [String] {
            try world.incidents.list(tenant: tenant, limit: 100).incidents.map(\.rule)
        }
        #expect(try rules(strict, strict.acme) == ["policy"])
        #expect(try rules(strict, strict.globex).isEmpty)
        #expect(try rules(world, world.acme).isEmpty)
    }
}
