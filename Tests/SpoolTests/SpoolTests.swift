import Delivery
import FlowModel
import Foundation
import SQLite
import Spool
import TestKit
import Testing

/// Epochs that differ, in a known order.
private final class Epochs: Sendable {
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

private func body(_ number: Int, bytes: Int = 1_000) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number &* 7) }
}
private let tally = Tally(flows: 10, octets: 2_000, packets: .max)

extension Spool {
    fileprivate func add(_ body: [UInt8], at time: Int64 = 1_000) throws(SpoolError) -> BatchKey {
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
        try spool.acknowledge([keys[0], keys[1], keys[0], BatchKey(epoch: Epoch(high: 1, low: 1), sequence: 0)])
        try spool.acknowledge([keys[0]])
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
            if number % 3 == 2 { try spool.acknowledge([keys.removeFirst()]) }
            // What a crash would leave: the files as they are, with the log not yet copied.
            let copy = try TemporaryFolder("weir-crash")
            for name in names() where name.hasPrefix("spool") && !name.hasSuffix("-shm") {
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
        let first = try spool.add(body(0)), second = try spool.add(body(1))
        #expect(throws: SpoolError.full(bytes: 2_000, bytesMax: 2_500)) { try spool.add(body(2)) }
        let small = try spool.add(body(3, bytes: 500))
        let waiting = try spool.waiting(limit: 10)
        #expect(waiting.map(\.key) == [first, second, small])
        try spool.acknowledge([first])
        let third = try spool.add(body(2))
        #expect(third.sequence == 3)
    }

    @Test("only one opens a spool at a time") func locked() throws {
        let spool = try open()
        #expect(throws: SpoolError.locked(folder.path + "/lock")) { try open() }
        #expect(spool.usage.batches == 0)
    }

    @Test("space is used again and given back") func space() throws {
        let spool = try open(bytesMax: 64 << 20)
        func size() -> Int {
            names().reduce(0) { sum, name in
                let attributes = try? FileManager.default.attributesOfItem(atPath: folder.file(name).path)
                return sum + ((attributes?[.size] as? Int) ?? 0)
            }
        }
        func big(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 500_000) }
        var keys: [BatchKey] = [], largest = 0
        for round in 0..<120 {
            keys.append(try spool.add(big(round)))
            if keys.count > 4 { try spool.acknowledge([keys.removeFirst()]) }
            largest = max(largest, size())
        }
        #expect(largest < 40 << 20, "2.5 MB wait, 60 MB went through")
        for round in 0..<60 { keys.append(try spool.add(big(round))) }
        let peak = size()
        for key in keys { try spool.acknowledge([key]) }
        #expect(spool.usage.batches == 0 && spool.usage.bytes == 0)
        #expect(size() < peak - (16 << 20), "from \(peak) to \(size())")
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

@Suite("A damaged spool starts, keeps what is sound, and says what is not")
struct DamagedSpoolTests {
    private let folder: TemporaryFolder
    private let epochs = Epochs()
    init() throws { folder = try TemporaryFolder("weir-spool") }
    private func open() throws(SpoolError) -> Spool {
        try Spool(directory: folder.path, bytesMax: 64 << 20, epoch: epochs.make)
    }
    private func fill(_ count: Int, bytes: Int = 20_000) throws -> [BatchKey] {
        let spool = try open()
        return try (0..<count).map { try spool.add(body($0, bytes: bytes)) }
    }
    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.file(name).path) }

    @Test("a file that is none is moved aside and a new one is started") func notADatabase() throws {
        try Data("not a database at all, but long enough to look at it".utf8).write(to: folder.file("spool.sqlite"))
        for expected in 1...2 {
            let spool = try open()
            #expect(spool.usage.quarantinedFiles == 1 && spool.usage.batches == expected - 1)
            _ = try spool.add(body(expected))
        }
        #expect(exists("quarantine/1-spool.sqlite"))
    }

    @Test("someone else's database is moved aside, a later version's file is left alone") func foreignFiles() throws {
        func make(_ sql: String) throws {
            let connection = try SQLiteConnection(path: folder.file("spool.sqlite").path)
            try connection.execute(sql)
        }
        try make("CREATE TABLE other (a)")
        let spool: Spool? = try open()
        #expect(spool?.usage.quarantinedFiles == 1)
        try FileManager.default.removeItem(at: folder.url)
        try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
        try make("PRAGMA user_version = 2")
        #expect(throws: SpoolError.self) { try open() }
        #expect(exists("spool.sqlite") && !exists("quarantine/1-spool.sqlite"))
    }

    @Test("any damage to the file: it opens, and every batch it still gives is the one that was put in")
    func anyDamage() throws {
        let keys = try fill(30)
        let sound = try Data(contentsOf: folder.file("spool.sqlite"))
        var refused = 0
        try forAll(runs: 60) { generator, seed in
            var bytes = sound
            switch seed % 3 {
            case 0: bytes[Int.random(in: bytes.indices, using: &generator)] ^= 0x40
            case 1: bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))
            default:
                let start = Int.random(in: 0..<(bytes.count - 65_536), using: &generator)
                bytes.replaceSubrange(start..<(start + 65_536), with: Data(count: 65_536))
            }
            try FileManager.default.removeItem(at: folder.url)
            try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
            try bytes.write(to: folder.file("spool.sqlite"))
            let spool = try open()
            for batch in try spool.waiting(limit: 100) {
                guard let back = try spool.body(of: batch.key) else { continue }
                let number = keys.firstIndex(of: batch.key)
                #expect(number.map { body($0, bytes: 20_000) } == back, "SEED=\(seed)")
            }
            let usage = spool.usage
            if usage.quarantinedFiles + usage.damagedBatches > 0 || usage.batches < 30 { refused += 1 }
            let key = try spool.add(body(99)), back = try spool.body(of: key)
            #expect(back == body(99), "SEED=\(seed)")
        }
        #expect(refused > 30, "most of these changes hit something")
    }

    @Test("bytes that changed on disk are never sent: they are put aside and counted") func flippedBody() throws {
        let keys = try fill(3)
        do {
            let connection = try SQLiteConnection(path: folder.file("spool.sqlite").path)
            try connection.prepare("UPDATE body SET content = ?1 WHERE batch = 2").run(.blob(body(7, bytes: 20_000)))
        }
        let spool = try open()
        let bodies = try keys.map { try spool.body(of: $0) }
        #expect(bodies == [body(0, bytes: 20_000), nil, body(2, bytes: 20_000)])
        #expect(spool.usage.damagedBatches == 1 && spool.usage.batches == 2 && spool.usage.deadLetters == 1)
    }

    @Test("after a failed write the file is never written again: the batch goes to a new one, the old one is drained")
    func failedWrite() throws {
        let spool = try open()
        let old = try (0..<3).map { try spool.add(body($0)) }
        // An index that only an append reads points to a page that is none of its own: SQLITE_CORRUPT, a file fault.
        do {
            let other = try SQLiteConnection(path: folder.file("spool.sqlite").path)
            try other.execute(
                """
                PRAGMA writable_schema = ON;
                UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'batch')
                WHERE name = 'sqlite_autoindex_epoch_1';
                PRAGMA schema_version = 100;
                """)
        }
        let new = try spool.add(body(3))
        #expect(new.epoch != old[0].epoch && new.sequence == 0)
        #expect(exists("spool-1.sqlite") && spool.usage.retiredFiles == 1)
        let waiting = try spool.waiting(limit: 10), bodies = try waiting.map { try spool.body(of: $0.key) }
        #expect(waiting.map(\.key) == old + [new] && bodies == (0..<4).map { body($0) })
        try spool.acknowledge([old[1], new])
        let rest = try spool.waiting(limit: 10)
        #expect(rest.map(\.key) == [old[0], old[2]] && spool.usage.batches == 2 && spool.usage.bytes == 2_000)
        try spool.acknowledge([old[2], old[0]])
        #expect(!exists("spool.sqlite") && !exists("spool.sqlite-wal"), "drained, so it goes")
        let next = try spool.add(body(4))
        #expect(next.sequence == 1 && next.epoch == new.epoch)
    }

    @Test("an append that failed is not sent from its old file as well, should a crash bring it back") func abandoned()
        throws
    {
        let keys = try fill(2)
        do {
            // As after a failed sync: the batch is in the old file after all, and a newer one has taken it over.
            let spool = try Spool(directory: folder.file("side").path, bytesMax: 1 << 20, epoch: epochs.make)
            _ = try spool.add(body(1, bytes: 20_000))
        }
        try FileManager.default.moveItem(
            at: folder.file("side/spool.sqlite"), to: folder.file("spool-1.sqlite"))
        do {
            let newer = try SQLiteConnection(path: folder.file("spool-1.sqlite").path)
            try newer.prepare("INSERT INTO abandoned VALUES (?1, ?2, ?3)").run(
                .unsigned(keys[1].epoch.high), .unsigned(keys[1].epoch.low), .unsigned(keys[1].sequence))
        }
        let spool = try open()
        let waiting = try spool.waiting(limit: 10)
        #expect(waiting.count == 2 && waiting.first?.key == keys[0] && !waiting.map(\.key).contains(keys[1]))
        try spool.acknowledge([keys[0]])
        #expect(!exists("spool.sqlite"), "an old file that is drained goes")
        #expect(spool.usage.batches == 1)
    }

    @Test("an append that failed and never reached its file costs no other batch of that file")
    func abandonedAndAbsent()
        throws
    {
        let keys = try fill(1)
        do {
            let side = try Spool(directory: folder.file("side").path, bytesMax: 1 << 20, epoch: epochs.make)
            _ = try side.add(body(1))
        }
        try FileManager.default.moveItem(at: folder.file("side/spool.sqlite"), to: folder.file("spool-1.sqlite"))
        do {
            let newer = try SQLiteConnection(path: folder.file("spool-1.sqlite").path)
            try newer.prepare("INSERT INTO abandoned VALUES (?1, ?2, ?3)").run(
                .unsigned(keys[0].epoch.high), .unsigned(keys[0].epoch.low), .unsigned(1))
        }
        let spool = try open(), waiting = try spool.waiting(limit: 10)
        #expect(waiting.first?.key == keys[0] && waiting.count == 2 && spool.usage.batches == 2)
        #expect(exists("spool.sqlite"))
    }
}
