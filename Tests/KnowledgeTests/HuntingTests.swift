import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import TestKit
import Testing
import WireBytes

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

    @Test("systems are looked for by their networks and numbers, once, and again when their networks become known")
    func systems() async throws {
        let world = try World(), hunter = ScriptedHunter(), acme = [world.acme]
        try world.write("shared.txt", "AS64496\n198.51.100.1\nAS64497\n")
        for name in ["acme.txt", "known.txt"] { try world.write(name, "") }
        try world.place([("203.0.113.0/24", 64_496), ("192.0.2.0/24", 64_500)])
        let upkeep = try world.upkeep(FeedUpkeepTests.files)
        await upkeep.load()
        #expect(try world.knows("203.0.113.9", world.acme) && !world.knows("192.0.2.1", world.acme))
        #expect(world.counts("weir_intelligence_system_networks{tenant=\"*\"} 1"))
        #expect(world.counts("weir_intelligence_unplaced_systems{tenant=\"*\"} 1"))
        await upkeep.hunt(with: hunter, tenants: acme)
        let first = ScriptedHunter.Hunt(
            tenant: world.acme, networks: ["198.51.100.1/32", "203.0.113.0/24"], systems: [64_496, 64_497])
        #expect(hunter.hunts.with { $0 } == [first])
        #expect(world.counts("weir_intelligence_hunted_indicators_total 3"))

        // A new one alone, after a restart, too.
        try world.write("shared.txt", "AS64496\n198.51.100.1\nAS64497\nAS64500\n")
        let restarted = try world.upkeep(FeedUpkeepTests.files)
        await restarted.load()
        await restarted.hunt(with: hunter, tenants: acme)
        let second = ScriptedHunter.Hunt(tenant: world.acme, networks: ["192.0.2.0/24"], systems: [64_500])
        #expect(hunter.hunts.with { $0.dropFirst() } == [second])

        // Another table: records are matched by it at once, and only what had no network is looked for again.
        try world.place([("203.0.113.0/25", 64_496), ("192.0.2.0/24", 64_500), ("198.18.0.0/15", 64_497)])
        await restarted.refresh()
        #expect(try world.knows("198.18.5.5", world.acme) && !world.knows("203.0.113.200", world.acme))
        await restarted.hunt(with: hunter, tenants: acme)
        let third = ScriptedHunter.Hunt(tenant: world.acme, networks: ["198.18.0.0/15"], systems: [64_497])
        #expect(hunter.hunts.with { $0.dropFirst(2) } == [third])
        let generation = world.current.edition.generation
        await restarted.refresh()
        #expect(world.current.edition.generation == generation, "a set is made again for another table only")
    }

    @Test("what an earlier version wrote down is read: its networks are not looked for again, systems are")
    func earlier() async throws {
        let world = try World(), hunter = ScriptedHunter()
        try world.write("shared.txt", "AS64496\n198.51.100.1\n")
        for name in ["acme.txt", "known.txt"] { try world.write(name, "") }
        let upkeep = try world.upkeep(FeedUpkeepTests.files)
        await upkeep.load()
        await upkeep.hunt(with: hunter, tenants: [world.acme])
        let folder = world.folder.file("intelligence")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".hunted") }
        var isChanged = false
        for name in names {
            let file = folder.appendingPathComponent(name), octets = try Data(contentsOf: file)
            // One network and one system; version 1 has the network alone, and no count before it.
            guard octets.count == 13 + 4 + 17 + 5 else { continue }
            let body = Array(octets[17..<34]), sum = body.withBytes { CRC32C.checksum($0) }
            let head = Array("WEIRHUNT".utf8) + [1] + (0..<4).map { UInt8(truncatingIfNeeded: sum >> UInt32(8 * $0)) }
            try Data(head + body).write(to: file)
            isChanged = true
        }
        #expect(isChanged)
        let restarted = try world.upkeep(FeedUpkeepTests.files)
        await restarted.load()
        await restarted.hunt(with: hunter, tenants: [world.acme])
        #expect(hunter.hunts.with { $0.dropFirst() } == [.init(tenant: world.acme, networks: [], systems: [64_496])])
    }
}
