import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import TestKit
import Testing

@Suite("New indicators are looked for in history") struct HuntingTests {
    private func world() throws -> (World, FeedUpkeep, ScriptedHunter) {
        let world = try World()
        try world.write("shared.txt", "198.51.100.1\n2001:db8::/32\n")
        try world.write("acme.txt", "198.51.100.2\n")
        try world.write("known.txt", "")
        return (world, try world.upkeep(FeedUpkeepTests.files), ScriptedHunter())
    }

    @Test("each once, a tenant's own in its own history only, also across a restart") func once() async throws {
        let (world, upkeep, hunter) = try world(), both = [world.acme, world.globex]
        await upkeep.load()
        await upkeep.hunt(with: hunter, tenants: both)
        let all = ["198.51.100.1/32", "2001:db8::/32"]
        let first = [
            ScriptedHunter.Hunt(tenant: world.acme, networks: all), .init(tenant: world.globex, networks: all),
            .init(tenant: world.acme, networks: ["198.51.100.2/32"]),
        ]
        #expect(hunter.hunts.with { $0 } == first)
        await upkeep.hunt(with: hunter, tenants: both)
        #expect(hunter.hunts.with { $0.count } == 3)
        try world.write("shared.txt", "198.51.100.1\n203.0.113.9\n2001:db8::/32\n")
        await upkeep.refresh()
        await upkeep.hunt(with: hunter, tenants: both)
        #expect(hunter.hunts.with { $0.dropFirst(3).map(\.networks) } == [["203.0.113.9/32"], ["203.0.113.9/32"]])

        let restarted = try world.upkeep(FeedUpkeepTests.files)
        await restarted.load()
        await restarted.hunt(with: hunter, tenants: both)
        #expect(hunter.hunts.with { $0.count } == 5)
        try world.write("acme.txt", "198.51.100.2\n198.51.100.4\n")
        let later = try world.upkeep(FeedUpkeepTests.files)
        await later.load()
        await later.hunt(with: hunter, tenants: both)
        #expect(hunter.hunts.with { $0.last } == .init(tenant: world.acme, networks: ["198.51.100.4/32"]))
        #expect(hunter.hunts.with { $0.count } == 6, "what changed while nothing ran is looked for too")
    }

    @Test("not before records that were matched without them are in history") func order() async throws {
        let (world, upkeep, hunter) = try world()
        _ = world.current.begin()
        await upkeep.load()
        await upkeep.hunt(with: hunter, tenants: [world.acme])
        #expect(hunter.hunts.with { $0.isEmpty })
        world.current.end()
        await upkeep.hunt(with: hunter, tenants: [world.acme])
        #expect(hunter.hunts.with { $0.count } == 2)
    }

    @Test("a search that fails is made again, and a damaged note of it too") func failures() async throws {
        let (world, upkeep, hunter) = try world()
        await upkeep.load()
        hunter.fails.with { $0 = true }
        await upkeep.hunt(with: hunter, tenants: [world.globex])
        #expect(world.counts("weir_intelligence_hunt_failures_total 1"))
        hunter.fails.with { $0 = false }
        await upkeep.hunt(with: hunter, tenants: [world.globex])
        #expect(hunter.hunts.with { $0.isEmpty }, "not at once")
        world.time.advance(by: .seconds(60))
        await upkeep.hunt(with: hunter, tenants: [world.globex])
        #expect(hunter.hunts.with { $0.count } == 2)
        let folder = world.folder.file("intelligence")
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".hunted") {
            var octets = try Data(contentsOf: folder.appendingPathComponent(name))
            octets[octets.count - 1] ^= 1
            try octets.write(to: folder.appendingPathComponent(name))
        }
        let restarted = try world.upkeep(FeedUpkeepTests.files)
        await restarted.load()
        await restarted.hunt(with: hunter, tenants: [world.globex])
        #expect(hunter.hunts.with { $0.count } == 4)
    }
}
