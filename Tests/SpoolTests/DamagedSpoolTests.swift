import Delivery
import FlowModel
import Foundation
import Platform
import Spool
import TestKit
import Testing

@Suite("A damaged spool starts, keeps what is sound, and says what is not")
struct DamagedSpoolTests {
    private let folder: TemporaryFolder
    private let epochs = Epochs()
    init() throws { folder = try TemporaryFolder("weir-spool") }
    private func open() throws(SpoolError) -> Spool {
        try Spool(directory: folder.path, bytesMax: 64 << 20, epoch: epochs.make)
    }
    /// Each run makes a file; the sizes differ, so that no two batches are alike.
    @discardableResult
    private func fill(_ count: Int, runs: Int = 1, bytes: Int = 2_000) throws -> [BatchKey: [UInt8]] {
        var kept: [BatchKey: [UInt8]] = [:]
        for run in 0..<runs {
            let spool = try open()
            for number in 0..<count {
                let body = body(run * 100 + number, bytes: bytes + number)
                kept[try spool.add(body)] = body
            }
        }
        return kept
    }
    private func path(_ name: String) -> URL { folder.file(name) }
    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name).path) }
    private func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: path(name))) }
    private func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: path(name)) }

    /// What the spool still gives, each as it was put in.
    private func sound(_ spool: Spool, of kept: [BatchKey: [UInt8]], _ comment: Comment = "") throws -> Set<BatchKey> {
        var found: Set<BatchKey> = []
        for batch in try spool.waiting(limit: 1_000) {
            guard let back = try spool.body(of: batch.key) else { continue }
            #expect(kept[batch.key] == back, comment)
            #expect(found.insert(batch.key).inserted, comment)
        }
        return found
    }

    @Test("a file that is none is moved aside and a new one is started") func noSegment() throws {
        try Data("not a segment at all, but long enough to look at it, and then some more".utf8)
            .write(to: path("segment-3.spool"))
        for expected in 1...2 {
            let spool = try open()
            #expect(spool.usage.quarantinedFiles == 1 && spool.usage.batches == expected - 1)
            _ = try spool.add(body(expected))
        }
        #expect(exists("quarantine/1-segment-3.spool"))
    }

    @Test(
        "flipped, zeroed, cut, deleted, doubled, swapped: every change is noticed, and costs the changed batches only")
    func anyDamage() throws {
        let kept = try fill(8, runs: 3)
        // An orderly end of the last file: the next run knows how many there were.
        do { _ = try open() }
        let sound = Dictionary(
            uniqueKeysWithValues: try (0..<3).map { ("segment-\($0).spool", try bytes("segment-\($0).spool")) })
        let ledger = try bytes("ledger")
        try forAll(runs: 300) { generator, seed in
            try? FileManager.default.removeItem(at: folder.url)
            try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
            try write(ledger, to: "ledger")
            for (name, bytes) in sound { try write(bytes, to: name) }
            let name = "segment-\(Int.random(in: 0..<3, using: &generator)).spool", whole = try bytes(name)
            var changed = whole
            let start = Int.random(in: 0..<whole.count, using: &generator)
            switch seed % 6 {
            case 0: changed[start] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: changed = Array(whole.prefix(start))
            case 2:
                let end = min(start + 4_096, whole.count)
                changed.replaceSubrange(start..<end, with: [UInt8](repeating: 0, count: end - start))
            case 3: changed = []
            default: break
            }
            try write(changed, to: name)
            if seed % 6 == 4 { try write(whole, to: "segment-9.spool") }
            if seed % 6 == 5 { try FileManager.default.removeItem(at: path(name)) }
            let spool = try open(), found = try self.sound(spool, of: kept, "SEED=\(seed)"), usage = spool.usage
            #expect(found.count + usage.damagedBatches == 24, "SEED=\(seed) \(usage)")
            if changed != whole, seed % 6 != 0 {
                #expect(usage.damagedBatches > 0 || start >= whole.count - 8, "SEED=\(seed)")
            }
            if seed % 6 == 4 { #expect(usage.quarantinedFiles == 1 && found.count == 24, "SEED=\(seed)") }
            if seed % 6 == 5 { #expect(usage.missingFiles == 1 && usage.damagedBatches == 8, "SEED=\(seed)") }
            let key = try spool.add(body(99)), back = try spool.body(of: key)
            #expect(back == body(99), "SEED=\(seed)")
        }
    }

    @Test("damage is counted once, not at each start") func countedOnce() throws {
        let kept = try fill(4)
        do { _ = try open() }
        var bytes = try bytes("segment-0.spool")
        bytes[64 + 20] ^= 1  // the first record's head
        try write(bytes, to: "segment-0.spool")
        for expected in [1, 0, 0] {
            let spool = try open()
            let found = try sound(spool, of: kept)
            #expect(spool.usage.damagedBatches == expected && found.count == 3)
        }
    }

    @Test("a damaged ledger costs nothing but is said; swapped names are seen through") func ledger() throws {
        let kept = try fill(3, runs: 2)
        try write([UInt8](repeating: 0xFF, count: 131_072), to: "ledger")
        try FileManager.default.moveItem(at: path("segment-0.spool"), to: path("segment-7.spool"))
        try FileManager.default.moveItem(at: path("segment-1.spool"), to: path("segment-0.spool"))
        let spool = try open(), found = try sound(spool, of: kept)
        #expect(found == Set(kept.keys) && spool.usage.ledgerFailures == 1)
        let key = try spool.add(body(50))
        #expect(kept[key] == nil && exists("segment-8.spool"))
    }

    @Test("a file that left the ledger but not the folder is taken off, not sent again") func halfRemoved() throws {
        let kept = try fill(2)
        let before = try bytes("segment-0.spool")
        do {
            let spool = try open()
            spool.acknowledge(Array(kept.keys))
            #expect(!exists("segment-0.spool"))
        }
        try write(before, to: "segment-0.spool")
        let spool = try open()
        #expect(spool.usage.batches == 0 && !exists("segment-0.spool") && spool.usage.damagedBatches == 0)
    }

    @Test("bytes that changed on disk are never sent: they are put aside and counted") func flippedBody() throws {
        var keys: [BatchKey] = []
        do {
            let spool = try open()
            keys = try (0..<3).map { try spool.add(body($0, bytes: 20_000)) }
        }
        let spool = try open()
        var changed = try bytes("segment-0.spool")
        let second = try #require(changed.firstRange(of: body(1, bytes: 20_000)))
        changed[second.lowerBound + 777] ^= 4
        let handle = try FileHandle(forWritingTo: path("segment-0.spool"))
        try handle.write(contentsOf: Data(changed))
        let bodies = try keys.map { try spool.body(of: $0) }
        #expect(bodies == [body(0, bytes: 20_000), nil, body(2, bytes: 20_000)])
        #expect(spool.usage.damagedBatches == 1 && spool.usage.batches == 2 && spool.usage.deadLetters == 1)
    }

    @Test("the quarantine is bounded: the oldest files go, and are counted") func boundedQuarantine() throws {
        for number in 0..<70 { try write(body(number), to: "segment-\(number).spool") }
        let spool = try open()
        #expect(spool.usage.quarantinedFiles == 70 && spool.usage.quarantineDropped == 6)
        #expect(!exists("quarantine/6-segment-14.spool"))
        let left = try FileManager.default.contentsOfDirectory(atPath: path("quarantine").path)
        #expect(left.count == 64)
    }
}
