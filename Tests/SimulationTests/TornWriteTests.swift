import Delivery
import FlowLog
import FlowModel
import Foundation
import Identity
import Platform
import Spool
import TestKit
import Testing

/// How much a test tries: a small size in every run, a large one with `WEIR_NIGHTLY=1`.
func size(_ small: Int, nightly large: Int) -> Int {
    ProcessInfo.processInfo.environment["WEIR_NIGHTLY"] == "1" ? large : small
}

/// A spool of two files and the bytes it is made of, to be opened again with other bytes.
struct SpoolImage {
    let files: [String: [UInt8]]
    let kept: [BatchKey: BatchDigest]
    /// Of `files`, the one that was written last, and how long it was before the last group.
    let last: String, before: Int

    init(seed: UInt64, lastBytes: Int) throws {
        let disk = SimDisk(), epochs = Locked(SeededGenerator(seed: seed))
        var kept: [BatchKey: BatchDigest] = [:], serial: UInt8 = 0
        func append(_ spool: Spool, _ sizes: [Int]) throws {
            let batches = sizes.map { size in
                serial += 1
                return SpoolAppend(
                    body: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* Int(serial)) } + [serial], rows: 1,
                    tally: Tally(flows: 1), sealedMilliseconds: 1)
            }
            for (batch, result) in zip(batches, spool.append(batches)) {
                kept[try result.get()] = BatchDigest(of: batch.body)
            }
        }
        for run in 0..<2 {
            let spool = try Self.open(disk, epochs)
            try append(spool, [300, 2_000 + run])
            try append(spool, [700])
        }
        let spool = try Self.open(disk, epochs)
        try append(spool, [500])
        last = try #require(disk.allNames().filter { $0.hasSuffix(".spool") }.max { Self.number($0) < Self.number($1) })
        before = try #require(disk.bytes(last)).count
        self.kept = kept
        try append(spool, [lastBytes])
        files = Dictionary(
            uniqueKeysWithValues: disk.allNames().compactMap { name in disk.bytes(name).map { (name, $0) } })
    }
    private static func number(_ name: String) -> Int { Int(name.filter(\.isNumber)) ?? 0 }
    static func open(_ disk: SimDisk, _ epochs: Locked<SeededGenerator>) throws(SpoolError) -> Spool {
        try Spool(directory: "spool", bytesMax: 1 << 20, disk: disk) { epochs.with { Epoch(using: &$0) } }
    }
    static func disk(of files: [String: [UInt8]]) -> SimDisk {
        let disk = SimDisk()
        disk.restore(SimDisk.Image(durable: files, folders: ["spool"]))
        return disk
    }
}

/// What a power cut leaves of the last write: any number of its bytes.
@Suite("A last write of which some bytes survive")
struct TornWriteTests {
    @Test("the spool keeps all groups before the torn one, and goes on") func spool() throws {
        let image = try SpoolImage(seed: 4, lastBytes: size(200, nightly: 2_000))
        let whole = try #require(image.files[image.last])
        for end in image.before..<whole.count {
            var files = image.files
            files[image.last] = Array(whole.prefix(end))
            let epochs = Locked(SeededGenerator(seed: UInt64(end) + 100))
            let spool = try SpoolImage.open(SpoolImage.disk(of: files), epochs)
            let waiting = try spool.waiting(limit: 100)
            for batch in waiting where image.kept[batch.key] != nil {
                let body = try spool.body(of: batch.key)
                #expect(body.map { BatchDigest(of: $0) } == image.kept[batch.key], "cut at \(end)")
            }
            #expect(Set(image.kept.keys).isSubset(of: waiting.map(\.key)), "cut at \(end)")
            // The torn batch, when only the padding is missing.
            #expect(waiting.count <= image.kept.count + 1 && spool.usage.damagedBatches == 0, "cut at \(end)")
            let next = try #require(
                spool.append([SpoolAppend(body: [1], rows: 1, tally: Tally(flows: 1), sealedMilliseconds: 1)]).first)
            let isNew = try image.kept[next.get()] == nil
            #expect(isNew, "cut at \(end)")
        }
    }

    @Test("the log keeps every batch whose commit came before the torn one, and goes on") func log() async throws {
        let folder = try TemporaryFolder("weir-torn")
        let log = try SQLiteFlowLog(directory: folder.path)
        let first = try logBatch(0, bytes: 40_000), second = try logBatch(1, bytes: 90_000)
        let third = try logBatch(2, bytes: 60_000)
        _ = try await log.append(first)
        _ = try await log.append(second)
        func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.file(name)) }
        let before = try bytes("log.sqlite-wal")
        _ = try await log.append(third)
        let (main, wal) = (try bytes("log.sqlite"), try bytes("log.sqlite-wal"))
        // The journal is written from its beginning after a checkpoint: over what was there, or behind it.
        let old = before + Data(count: max(wal.count - before.count, 0))
        let start = try #require(wal.indices.first { wal[$0] != old[$0] })
        let stop = try #require(wal.indices.last { wal[$0] != old[$0] })
        let points = size(40, nightly: 2_000)
        for point in 0..<points {
            let end = start + (stop - start) * point / points
            let torn = try TemporaryFolder("weir-torn")
            try main.write(to: torn.file("log.sqlite"))
            let left = end < before.count ? old[end..<before.count] : Data()
            try (wal[..<end] + left).write(to: torn.file("log.sqlite-wal"))
            let again = try SQLiteFlowLog(directory: torn.path)
            let held = try await again.read(after: 0, limit: 9)
            #expect(held.prefix(2).map(\.key) == [first.key, second.key], "cut at \(end)")
            #expect(held.allSatisfy { BatchDigest(of: $0.body) == $0.digest }, "cut at \(end)")
            for batch in [first, second] {
                let answer = try await again.append(batch)
                guard case .repeated(_, let digest) = answer else {
                    Issue.record("\(answer) after a cut at \(end)")
                    continue
                }
                #expect(digest == batch.digest)
            }
            let new = try await again.append(third)
            guard case .appended = new else {
                Issue.record("\(new) for the torn batch after a cut at \(end)")
                continue
            }
            try again.close()
        }
    }
}

/// A batch of sensor `edge`, whose bytes follow from its sequence.
func logBatch(_ sequence: UInt64, bytes: Int = 200) throws -> LogAppend {
    let body = (0..<bytes).map { UInt8(truncatingIfNeeded: ($0 &+ 7) &* Int(truncatingIfNeeded: sequence &+ 3)) }
    let sensor = SensorIdentity(tenant: try #require(TenantID("acme")), site: "hq", name: "edge")
    return LogAppend(
        sensor: sensor, key: BatchKey(epoch: Epoch(high: 7, low: 9), sequence: sequence),
        digest: BatchDigest(of: body), receivedMilliseconds: 1_700_000_000_000, rows: 1,
        tally: Tally(flows: 1, octets: 100, packets: 2), body: body)
}
