import Foundation
import Platform
import TestKit
import Testing

/// From the spool to the log, with every fault at once. `WEIR_SEEDS=10000` runs so many histories instead of 200, and
/// `SEED=42` one alone: what a failure prints.
@Suite("Delivery through faults of disks, networks, clocks and processes")
struct DeliverySimulationTests {
    private static let seeds =
        ProcessInfo.processInfo.environment["WEIR_SEEDS"].flatMap { Int($0) } ?? 200

    /// One history, settled and checked.
    private func history(
        seed: UInt64, faults: DeliveryWorld.Faults = DeliveryWorld.Faults(), losingDisk: Bool = false
    ) throws -> DeliveryWorld {
        var world = try DeliveryWorld(seed: seed, faults: faults)
        try world.run(steps: 500)
        try world.heal()
        try world.run(steps: 20_000)
        guard world.isSettled else { throw DeliveryWorld.Violation(description: "still at work long after the faults") }
        try world.checkSettled()
        if losingDisk {
            world.loseDiskAndReship()
            try world.run(steps: 20_000)
            try world.checkSettled()
        }
        return world
    }

    @Test("what a spool has promised is stored once, and what it has refused never, through all faults at once")
    func promises() {
        let crashes = Locked(0), cuts = Locked(0), repeats = Locked(0), promised = Locked(0)
        forAll(runs: Self.seeds) { generator, seed in
            do {
                let world = try history(seed: generator.next())
                crashes.with { $0 += world.crashes }
                cuts.with { $0 += world.cuts }
                repeats.with { $0 += world.log.repeats }
                promised.with { $0 += world.sensors.reduce(0) { $0 + $1.promised.count } }
            } catch {
                Issue.record("SEED=\(seed): \(error)")
            }
        }
        #expect(crashes.with { $0 } > cuts.with { $0 } && cuts.with { $0 } > 0, "the faults happen")
        #expect(repeats.with { $0 } > 0, "answers were lost, so something must have come twice")
        #expect(promised.with { $0 } > Self.seeds, "something was promised")
    }

    @Test("bit flips cost the batches of the damaged file at most, and each is counted") func bitFlips() {
        var faults = DeliveryWorld.Faults()
        faults.bitFlips = 30
        faults.sensorCrashes = 4
        let damaged = Locked(0)
        forAll(runs: Self.seeds / 2, from: 10_000) { generator, seed in
            do {
                let world = try history(seed: generator.next(), faults: faults)
                damaged.with { $0 += world.sensors.reduce(0) { $0 + $1.damagedBatches } }
            } catch {
                Issue.record("SEED=\(seed): \(error)")
            }
        }
        #expect(damaged.with { $0 } > 0, "some flips hit")
    }

    @Test("an aggregator that lost its disk gets all of the tail again") func lostDisk() {
        forAll(runs: Self.seeds / 10, from: 20_000) { generator, seed in
            do {
                let world = try history(seed: generator.next(), losingDisk: true)
                #expect(!world.log.durable.isEmpty, "SEED=\(seed)")
            } catch {
                Issue.record("SEED=\(seed): \(error)")
            }
        }
    }

    @Test("the same seed is the same history") func replays() throws {
        let one = try history(seed: 77), other = try history(seed: 77)
        let isSame = one.log.durable == other.log.durable && one.crashes == other.crashes && one.cuts == other.cuts
        #expect(isSame)
        #expect(!one.log.durable.isEmpty)
    }
}
