import Delivery
import FlowLog
import FlowModel
import Foundation
import Identity
import Platform
import Spool
import TestKit
import Testing

/// Faults one at a time, each place in turn.
@Suite("Every call that can fail, every file that can be damaged")
struct EveryFaultTests {
    @Test(
        "whichever call to the disk fails, and however: what was promised arrives once",
        arguments: SimDisk.Fault.allCases)
    func everyCall(_ kind: SimDisk.Fault) throws {
        let most = size(150, nightly: 2_000)
        for number in stride(from: 1, through: most, by: size(7, nightly: 1)) {
            var world = try DeliveryWorld(seed: 5, sensors: 1, appends: size(40, nightly: 400), faults: .none)
            let sensor = world.sensors[0]
            sensor.disk.fail(call: number, kind)
            try world.run(steps: 60_000)
            let failed = sensor.disk.state.with { $0.failed.count }
            try world.heal()
            try world.run(steps: 60_000)
            #expect(failed == 1, "call \(number) came")
            #expect(world.isSettled, "call \(number)")
            do { try world.checkSettled() } catch { Issue.record("\(kind) at call \(number): \(error)") }
            #expect(!world.log.durable.isEmpty, "call \(number)")
        }
    }

    @Test("however the spool's files are changed: it starts, gives nothing wrong, and counts what is missing")
    func mutations() throws {
        let image = try SpoolImage(seed: 9, lastBytes: 1_000)
        let names = image.files.keys.filter { $0.hasSuffix(".spool") || $0.hasSuffix("ledger") }.sorted()
        var missed = 0
        try forAll(runs: size(500, nightly: 10_000)) { generator, seed in
            var files = image.files
            let name = try #require(names.randomElement(using: &generator))
            let whole = try #require(files[name])
            files[name] = mutated(whole, &generator)
            if files[name] == nil, Bool.random(using: &generator) { files["spool/segment-77.spool"] = whole }
            let epochs = Locked(SeededGenerator(seed: seed))
            let spool = try SpoolImage.open(SpoolImage.disk(of: files), epochs)
            var found = 0
            for batch in try spool.waiting(limit: 100) {
                guard let body = try spool.body(of: batch.key) else { continue }
                guard let digest = image.kept[batch.key] else { continue }  // the last one
                found += 1
                #expect(BatchDigest(of: body) == digest, "SEED=\(seed)")
            }
            let usage = spool.usage, missing = image.kept.count - found
            missed += missing
            // Of a file that the process was writing when it died the ledger has no count: it is counted as a file.
            // Of one batch less in the last file nothing tells: the process may have died before it was written.
            let counted = usage.damagedBatches + (usage.tornFiles + usage.missingFiles) * 2
            #expect(missing <= counted + (name == image.last ? 1 : 0), "SEED=\(seed) \(name) \(missing) \(usage)")
            let appended = spool.append([SpoolAppend(body: [1], rows: 1, tally: Tally(flows: 1), sealedMilliseconds: 1)]
            )
            let isKept = try appended.first?.get() != nil
            #expect(isKept, "SEED=\(seed)")
        }
        #expect(missed > 0, "some of it hit something")
    }

    /// Nil: the file is gone.
    private func mutated(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
        var bytes = bytes
        let start = Int.random(in: 0..<bytes.count, using: &generator)
        let end = min(start + (1 << Int.random(in: 0...12, using: &generator)), bytes.count)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: bytes[start] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes.removeLast(bytes.count - start)
        case 2: bytes.replaceSubrange(start..<end, with: [UInt8](repeating: 0, count: end - start))
        case 3: bytes[start..<end].reverse()
        case 4: bytes.replaceSubrange(start..<end, with: bytes.prefix(end - start))
        default: return nil
        }
        return bytes
    }
}

/// What happens to sensors that are copied or taken back, and to batches that come again and again.
@Suite("Batches that come again")
struct ReplayTests {
    @Test("batches that are sent again, also after a trim and a restart, are told by their keys: none is stored twice")
    func retried() async throws {
        let retries = size(10_000, nightly: 1_000_000), count = 2_000
        let folder = try TemporaryFolder("weir-replay")
        let batches = try (0..<count).map { try logBatch(UInt64($0)) }
        var log = try SQLiteFlowLog(directory: folder.path), told = 0
        func sendAll(_ log: SQLiteFlowLog) async throws -> [LogAppendResult] {
            try await withThrowingTaskGroup(of: LogAppendResult.self) { group in
                for batch in batches { group.addTask { try await log.append(batch) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        let first = try await sendAll(log)
        #expect(first.allSatisfy { if case .appended = $0 { true } else { false } })
        let head = try await log.headOffset()
        for round in 0..<(retries / count) {
            if round == 1 { try await log.trim(through: head - Int64(count / 2)) }
            if round % 100 == 2 {
                try log.close()
                log = try SQLiteFlowLog(directory: folder.path)
            }
            for answer in try await sendAll(log) {
                guard case .repeated = answer else {
                    Issue.record("\(answer)")
                    continue
                }
                told += 1
            }
        }
        #expect(told == retries)
        let after = try await log.headOffset(), held = try await log.read(after: 0, limit: count * 2)
        #expect(after == head && held.count == count / 2)
    }

    @Test("a sensor's disk that is taken back: no key is used for another batch, and what waited arrives once")
    func rolledBack() throws {
        var taken = 0
        for seed in 1...UInt64(size(20, nightly: 1_000)) {
            var faults = DeliveryWorld.Faults()
            faults.rollbacks = 30
            var world = try DeliveryWorld(seed: seed &* 31, faults: faults)
            do {
                try world.run(steps: 500)
                try world.heal()
                try world.run(steps: 20_000)
                try world.checkSettled()
            } catch {
                Issue.record("SEED=\(seed): \(error)")
            }
            #expect(world.isSettled, "SEED=\(seed)")
            taken += world.sensors.reduce(0) { $0 + $1.rollbacks }
        }
        #expect(taken > 0, "it happened")
    }
}
