import Delivery
import FlowModel
import Foundation
import Spool
import TestKit
import Testing

/// Epochs that differ, in a known order.
final class Epochs: Sendable {
    private let next = Locked<UInt64>(0)
    let seen = Locked<[Epoch]>([])
    var make: @Sendable () -> Epoch {
        {
            let low = self.next.with { next in
                next += 1
                return next
            }
            let epoch = Epoch(high: 0xABCD, low: low)
            self.seen.with { $0.append(epoch) }
            return epoch
        }
    }
}

func body(_ number: Int, bytes: Int = 1_000) -> [UInt8] {
    let pattern = (0..<min(bytes, 256)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number &* 7) }
    var out = pattern
    while out.count < bytes { out += out.prefix(bytes - out.count) }
    let tag = UInt64(number).littleEndian
    return withUnsafeBytes(of: tag) { Array($0.prefix(min(8, bytes))) } + out.dropFirst(min(8, bytes))
}
let tally = Tally(flows: 10, octets: 2_000, packets: .max)

extension Spool {
    func add(_ body: [UInt8], at time: Int64 = 1_000) throws(SpoolError) -> BatchKey {
        try append(body, rows: 5, tally: tally, sealedMilliseconds: time)
    }
}

@Suite("The spool keeps batches until they are answered")
struct SpoolTests {
    private let folder: TemporaryFolder
    private let epochs = Epochs()
    init() throws { folder = try TemporaryFolder("weir-spool") }
    private func open(bytesMax: Int = 1 << 20, at path: String? = nil) throws(SpoolError) -> Spool {
        try Spool(directory: path ?? folder.path, bytesMax: bytesMax, epoch: epochs.make)
    }
    private func names(_ sub: String = "") -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder.path + "/" + sub))?.sorted() ?? []
    }

    @Test("batches come out oldest first, with key, digest, size and tally; sequences have no gaps") func order() throws
    {
        let spool = try open()
        let keys = try (0..<5).map { try spool.add(body($0), at: Int64($0)) }
        #expect(keys.map(\.sequence) == [0, 1, 2, 3, 4] && Set(keys.map(\.epoch)).count == 1)
        let waiting = try spool.waiting(limit: 10)
        #expect(waiting.map(\.key) == keys)
        #expect(waiting.map(\.digest) == (0..<5).map { BatchDigest(of: body($0)) })
        #expect(waiting.allSatisfy { $0.byteCount == 1_000 && $0.tally == tally && $0.rows == 5 })
        let some = try spool.waiting(limit: 2, excluding: [keys[0], keys[2]])
        #expect(some.map(\.key) == [keys[1], keys[3]])
        let third = try spool.body(of: keys[2])
        #expect(third == body(2))
        #expect(spool.usage.batches == 5 && spool.usage.bytes == 5_000 && spool.usage.oldestSealedMilliseconds == 0)
    }

    @Test("an answered batch is gone; unknown and repeated keys are passed over") func acknowledge() throws {
        let spool = try open()
        let keys = try (0..<3).map { try spool.add(body($0), at: Int64($0)) }
        spool.acknowledge([keys[0], keys[1], keys[0], BatchKey(epoch: Epoch(high: 1, low: 1), sequence: 0)])
        spool.acknowledge([keys[0]])
        let rest = try spool.waiting(limit: 10), gone = try spool.body(of: keys[0])
        #expect(rest.map(\.key) == [keys[2]] && gone == nil)
        #expect(spool.usage.batches == 1 && spool.usage.bytes == 1_000 && spool.usage.oldestSealedMilliseconds == 2)
        let next = try spool.add(body(9))
        #expect(next.sequence == 3)
    }

    @Test("a restart keeps keys, bytes and order, and has an epoch of its own") func restart() throws {
        var keys: [BatchKey] = []
        for run in 0..<3 {
            let spool = try open()
            let before = try spool.waiting(limit: 100)
            #expect(before.map(\.key) == keys)
            keys.append(try spool.add(body(run)))
            keys.append(try spool.add(body(run + 100)))
        }
        #expect(Set(keys.map(\.epoch)).count == 3 && keys.map(\.sequence) == [0, 1, 0, 1, 0, 1])
        let spool = try open()
        for (index, key) in keys.enumerated() {
            let bytes = try spool.body(of: key)
            #expect(bytes == body(index / 2 + index % 2 * 100))
        }
        #expect(spool.usage.batches == 6 && spool.usage.bytes == 6_000)
    }

    @Test("a process that dies at any time leaves every appended batch") func crash() throws {
        let spool = try open()
        var keys: [BatchKey] = []
        for number in 0..<12 {
            keys.append(try spool.add(body(number, bytes: 100_000)))
            if number % 3 == 2 { spool.acknowledge([keys.removeFirst()]) }
            // What a crash would leave: the files as they are, with the log not yet copied.
            let copy = try TemporaryFolder("weir-crash")
            for name in names() where name.hasPrefix("segment") || name == "ledger" {
                try FileManager.default.copyItem(at: folder.file(name), to: copy.file(name))
            }
            let after = try open(at: copy.path), waiting = try after.waiting(limit: 100)
            #expect(waiting.map(\.key) == keys)
            for batch in waiting {
                let bytes = try after.body(of: batch.key)
                #expect(bytes.map { BatchDigest(of: $0) } == batch.digest)
            }
        }
    }

    @Test("a full spool takes nothing and drops nothing, until there is room") func full() throws {
        let spool = try open(bytesMax: 2_500)
        #expect(names().contains("lock"))
        let first = try spool.add(body(0)), second = try spool.add(body(1))
        #expect(throws: SpoolError.full(bytes: 2_000, bytesMax: 2_500)) { try spool.add(body(2)) }
        let small = try spool.add(body(3, bytes: 500))
        let waiting = try spool.waiting(limit: 10)
        #expect(waiting.map(\.key) == [first, second, small])
        spool.acknowledge([first])
        let third = try spool.add(body(2))
        #expect(third.sequence == 3)
    }

    @Test("only one opens a spool at a time") func locked() throws {
        let spool = try open()
        #expect(throws: SpoolError.locked(folder.path + "/lock")) { try open() }
        #expect(spool.usage.batches == 0)
    }

    @Test("files go when all in them is answered; one batch that nobody takes holds no more than its own room")
    func space() throws {
        let spool = try open(bytesMax: 16 << 20)
        func size() -> Int {
            names().reduce(0) { sum, name in
                let attributes = try? FileManager.default.attributesOfItem(atPath: folder.file(name).path)
                return sum + ((attributes?[.size] as? Int) ?? 0)
            }
        }
        func big(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 200_000) }
        var keys: [BatchKey] = [], largest = 0, stuck: [BatchKey] = []
        for round in 0..<200 {
            keys.append(try spool.add(big(round)))
            if keys.count > 4 {
                let oldest = keys.removeFirst()
                if round % 20 == 0 { stuck.append(oldest) } else { spool.acknowledge([oldest]) }
            }
            largest = max(largest, size())
        }
        #expect(largest < 24 << 20, "2.8 MB wait at the most, 40 MB went through: \(largest)")
        let waiting = try spool.waiting(limit: 100)
        #expect(Set(waiting.map(\.key)) == Set(stuck + keys))
        for batch in waiting {
            let bytes = try spool.body(of: batch.key)
            #expect(bytes.map { BatchDigest(of: $0) } == batch.digest)
        }
        spool.acknowledge(waiting.map(\.key))
        #expect(spool.usage.batches == 0 && spool.usage.bytes == 0)
        #expect(names().count { $0.hasPrefix("segment") } == 1)
    }

    @Test("several batches cost one write and one sync, and each has its own answer") func groups() throws {
        let disk = SimDisk()
        let spool = try Spool(directory: "s", bytesMax: 2_500, disk: disk, epoch: epochs.make)
        _ = try spool.add(body(0))
        let before = disk.state.with { $0.syncs }
        let appends = [1_000, 900, 500].map { size in
            SpoolAppend(body: body(size, bytes: size), rows: 1, tally: tally, sealedMilliseconds: 1)
        }
        let results = spool.append(appends)
        #expect(disk.state.with { $0.syncs } == before + 1)
        #expect(results[1] == .failure(.full(bytes: 2_000, bytesMax: 2_500)))
        let keys = results.compactMap { try? $0.get() }
        #expect(keys.map(\.sequence) == [1, 2])
        let waiting = try spool.waiting(limit: 10), last = try spool.body(of: keys[1])
        #expect(waiting.count == 3 && last == body(500, bytes: 500))
    }

    @Test("a refused batch is put aside with its reason") func deadLetter() throws {
        let spool = try open()
        let key = try spool.add(body(1)), other = try spool.add(body(2))
        let carried = try spool.deadLetter(key, reason: "sum \"mismatch\"\n\u{1}")
        #expect(carried == tally)
        let name = "dead-letter/\(key.epoch)-0"
        let bytes = try Data(contentsOf: folder.file(name + ".weir")),
            note = try Data(contentsOf: folder.file(name + ".json"))
        #expect([UInt8](bytes) == body(1))
        let fields = try JSONSerialization.jsonObject(with: note) as? [String: Any]
        #expect(fields?["reason"] as? String == "sum \"mismatch\"\n\u{1}")
        #expect(fields?["sha256"] as? String == BatchDigest(of: body(1)).description)
        let waiting = try spool.waiting(limit: 10), again = try spool.deadLetter(key, reason: "again")
        #expect(waiting.map(\.key) == [other] && again == nil)
        #expect(spool.usage.deadLetters == 1 && spool.usage.deadLettersDropped == 0)
    }
}
