import Delivery
import FlowModel
import Foundation
import Platform
import Ship
import Spool
import TestKit
import Testing

/// The real spool on real files and the real `ShipCore`, killed at random moments: what lies in the folder at that
/// moment is all that the next start finds.
private struct CrashingSensor {
    struct Violation: Error {
        let what: String
    }
    private var folder: TemporaryFolder, spool: Spool, core: ShipCore, generator: SeededGenerator
    private var now = Duration.zero
    /// Whose `append` returned.
    private(set) var appended: [BatchKey: BatchDigest] = [:]
    /// What the aggregator holds durably, and how often it was asked to.
    private(set) var stored: [BatchKey: BatchDigest] = [:], received = 0

    init(seed: UInt64) throws {
        generator = SeededGenerator(seed: seed)
        folder = try TemporaryFolder("weir-crash")
        spool = try Self.open(folder, &generator)
        core = ShipCore(settings: ShipWorld.settings(), seed: seed)
    }
    private static func open(_ folder: TemporaryFolder, _ generator: inout SeededGenerator) throws -> Spool {
        let epochs = Locked(SeededGenerator(seed: generator.next()))
        return try Spool(directory: folder.path, bytesMax: 1 << 26) { epochs.with { Epoch(using: &$0) } }
    }

    mutating func append() throws {
        let body = (0..<Int.random(in: 1...3_000, using: &generator)).map { _ in
            UInt8.random(in: 0...255, using: &generator)
        }
        let key = try spool.append(body, rows: 1, tally: Tally(flows: 1), sealedMilliseconds: 1_700_000_000_000)
        guard appended.updateValue(BatchDigest(of: body), forKey: key) == nil else {
            throw Violation(what: "\(key) was used twice")
        }
    }

    /// A turn of the shell. An answer, or what is done on it, may be lost with `lossPercent`.
    mutating func ship(lossPercent: Int) throws {
        core.offer(
            try spool.waiting(limit: core.appetite, excluding: core.known).map {
                WaitingBatch(key: $0.key, digest: $0.digest, byteCount: $0.byteCount)
            })
        now = max(now, core.wake(after: now) ?? now)
        var queue = core.step(at: now)
        while !queue.isEmpty {
            switch queue.removeFirst() {
            case .connect: queue += core.connected(at: now)
            case .disconnect, .deadLetter: throw Violation(what: "nobody asked for that")
            case .send(let key):
                guard let body = try spool.body(of: key) else { throw Violation(what: "\(key) has no body") }
                try receive(key, body)
                if isUnlucky(lossPercent) { continue }
                queue += core.answered(key, .stored(BatchDigest(of: body)), at: now)
            case .release(let key):
                guard stored[key] != nil else { throw Violation(what: "\(key) was released, not stored") }
                if !isUnlucky(lossPercent) { spool.acknowledge([key]) }
            }
        }
    }
    private mutating func isUnlucky(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

    private mutating func receive(_ key: BatchKey, _ body: [UInt8]) throws {
        received += 1
        let digest = BatchDigest(of: body)
        guard stored[key, default: digest] == digest else { throw Violation(what: "\(key) came with other bytes") }
        guard appended[key] == digest else { throw Violation(what: "\(key) is not what was appended") }
        stored[key] = digest
    }

    /// The files as they are, with their logs, to another place; the old process is never heard of again.
    mutating func crash() throws {
        let next = try TemporaryFolder("weir-crash")
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            try FileManager.default.copyItem(at: folder.file(name), to: next.file(name))
        }
        spool = try Self.open(next, &generator)
        folder = next
        core = ShipCore(settings: ShipWorld.settings(), seed: generator.next())
    }

    mutating func isUnsent() throws -> Bool { try !spool.waiting(limit: 1).isEmpty }
}

@Suite("The spool and shipping through crashes")
struct SpoolCrashTests {
    @Test("a batch that was appended is stored with its bytes, through crashes and lost answers, under one key only")
    func crashes() throws {
        var repeats = 0
        try forAll(runs: 10) { generator, seed in
            var sensor = try CrashingSensor(seed: generator.next())
            for _ in 0..<6 {
                for _ in 0..<Int.random(in: 1...12, using: &generator) {
                    if Bool.random(using: &generator) { try sensor.append() }
                    try sensor.ship(lossPercent: 30)
                }
                try sensor.crash()
            }
            for _ in 0..<100 where try sensor.isUnsent() { try sensor.ship(lossPercent: 0) }
            let (appended, stored) = (sensor.appended, sensor.stored)
            #expect(stored == appended, "SEED=\(seed)")
            #expect(!stored.isEmpty, "SEED=\(seed)")
            repeats += sensor.received - stored.count
        }
        #expect(repeats > 0, "answers were lost, so something must have come twice")
    }
}
