import Platform
import Ship
import TestKit
import Testing

@Suite("Shipping through faults")
struct ShipSimulationTests {
    private func history(seed: UInt64, bug: ShipWorld.PlantedBug = .none) throws -> ShipWorld {
        var world = ShipWorld(seed: seed, batches: 40, bug: bug)
        try world.run(steps: 400)
        world.heal()
        try world.run(steps: 4_000)
        guard world.isSettled else { throw ShipWorld.Violation(description: "still at work long after the faults") }
        try world.checkSettled()
        return world
    }

    @Test("nothing is released before it is stored, all is stored once, and when faults end all is released")
    func atLeastOnceAndOnlyOnce() {
        forAll(runs: 200) { generator, seed in
            do {
                let world = try history(seed: generator.next())
                #expect(world.spooled.count == 40, "SEED=\(seed)")
                #expect(world.released.count >= 30, "SEED=\(seed): all but poison and a few strange answers")
            } catch {
                Issue.record("SEED=\(seed): \(error)")
            }
        }
    }

    /// What a careless shell could do, and the promise it breaks.
    private static let bugs: [(ShipWorld.PlantedBug, String)] = [
        (.releaseOnAnySuccess, "was released, not stored"), (.releaseOnTimeout, "was released, not stored"),
        (.ignoreHold, "asked to wait until"), (.forgetOnLoss, "neither released nor set aside"),
    ]
    @Test("the world notices each planted bug, for the right reason", arguments: bugs)
    func noticesBugs(_ bug: ShipWorld.PlantedBug, promise: String) {
        let complaints = (1...30).map { seed in
            do {
                _ = try history(seed: UInt64(seed), bug: bug)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(complaints.contains { $0.contains(promise) }, "\(bug): \(complaints)")
    }

    @Test("the same seed is the same history") func replays() throws {
        let one = try history(seed: 77), other = try history(seed: 77)
        #expect(one.log == other.log)
        #expect(!one.log.isEmpty)
    }
}
