import Delivery
import FlowModel
import Platform
import Spool
import TestKit
import Testing

/// A spool on a disk in memory whose last append was of three batches, and what the disk holds of it.
private struct LastAppend {
    static let path = "s/segment-0.spool", sectorBytes = 512
    let disk = SimDisk(), epochs = Epochs()
    /// By sequence; the first one was appended before.
    let bodies: [[UInt8]]
    /// The file before the last append, and after it.
    let before: [UInt8], full: [UInt8]

    /// - Parameter first: octets of the batch before, which decides where the sectors part the others.
    init(after first: Int) throws {
        bodies = [body(0, bytes: first)] + (1...3).map { body($0, bytes: 640 + 64 * $0) }
        let spool = try Self.open(disk, epochs)
        _ = try spool.add(bodies[0])
        before = try #require(disk.bytes(Self.path))
        let added = spool.append(
            bodies[1...].map { SpoolAppend(body: $0, rows: 1, tally: tally, sealedMilliseconds: 1) })
        for result in added { _ = try result.get() }
        full = try #require(disk.bytes(Self.path))
    }
    static func open(_ disk: SimDisk, _ epochs: Epochs) throws(SpoolError) -> Spool {
        try Spool(directory: "s", bytesMax: 1 << 20, disk: disk, epoch: epochs.make)
    }
    func open() throws(SpoolError) -> Spool { try Self.open(disk, epochs) }

    private var sectors: Range<Int> {
        (before.count / Self.sectorBytes)..<((full.count + Self.sectorBytes - 1) / Self.sectorBytes)
    }
    var subsets: Range<Int> { 0..<(1 << sectors.count) }
    /// What is left of the file when of the last append only the sectors of a subset got there.
    func file(_ subset: Int, isLong: Bool) -> [UInt8] {
        var left = before
        if isLong { left += [UInt8](repeating: 0, count: full.count - before.count) }
        for (bit, sector) in sectors.enumerated() where subset & 1 << bit != 0 {
            let start = max(sector * Self.sectorBytes, before.count)
            SimDisk.put(Array(full[start..<min((sector + 1) * Self.sectorBytes, full.count)]), at: start, in: &left)
        }
        return left
    }
    /// How many batches of the file can be there: the first one, and those of the others before the first torn one.
    func whole(_ subset: Int) -> Int {
        var at = before.count
        for (index, body) in bodies.enumerated().dropFirst() {
            let needed = (at / Self.sectorBytes)...((at + 128 + body.count - 1) / Self.sectorBytes)
            guard needed.allSatisfy({ subset & 1 << ($0 - sectors.lowerBound) != 0 }) else { return index }
            at += (128 + body.count + 7) & ~7
        }
        return bodies.count
    }
    /// Changes an octet in the body of a batch.
    func flip(_ bytes: inout [UInt8], _ batch: Int) {
        guard let place = bytes.firstRange(of: bodies[batch])?.lowerBound else { return }
        bytes[place + 300] ^= 1
    }
}

@Suite("The batches of one append, of which a power cut keeps some parts")
struct TornAppendTests {
    // The heads lie across the border of two sectors: between their parts, within the mark, and not at all.
    @Test(
        "whichever sectors of it survive, what was promised is there, and of the append what lies before the first gap",
        arguments: [200, 208, 256, 700])
    func anySectors(first: Int) throws {
        let last = try LastAppend(after: first)
        for subset in last.subsets {
            for isLong in [false, true] {
                let comment: Comment = "sectors \(String(subset, radix: 2)), \(isLong ? "long" : "short")"
                last.disk.change(LastAppend.path) { $0 = last.file(subset, isLong: isLong) }
                let expected = last.whole(subset)
                for start in 1...2 {
                    let spool = try last.open(), waiting = try spool.waiting(limit: 10)
                    #expect(waiting.map(\.key.sequence) == (0..<UInt64(expected)).map { $0 }, comment)
                    for batch in waiting {
                        let back = try spool.body(of: batch.key)
                        #expect(back == last.bodies[Int(batch.key.sequence)], comment)
                    }
                    #expect(spool.usage.damagedBatches == 0 && spool.usage.deadLetters == 0, comment)
                    if start == 2 { #expect(spool.usage.tornFiles == 0, comment) }
                    if start == 1, expected < last.bodies.count, isLong {
                        #expect(spool.usage.tornFiles == 1, comment)
                    }
                }
                for name in last.disk.allNames() where name != LastAppend.path { try last.disk.remove(name) }
            }
        }
    }

    @Test("what a start finds of an append that was never synced stays, also when the power fails after that start")
    func killedThenCut() throws {
        let last = try LastAppend(after: 700)
        last.disk.state.with { state in
            guard let node = state.nodes[LastAppend.path] else { return }
            node.durable = last.before
            node.dirty = [(last.before.count, Array(last.full[last.before.count...]))]
        }
        do {
            let spool = try last.open()
            #expect(spool.usage.batches == 4)
        }
        var generator = SeededGenerator(seed: 1)
        last.disk.cutPower(&generator)
        let spool = try last.open()
        #expect(spool.usage.batches == 4 && spool.usage.damagedBatches == 0 && spool.usage.tornFiles == 0)
    }
}

@Suite("A start that can't make sure of what it finds")
struct UnsureStartTests {
    @Test("a file whose sync fails at the start is an alarm: its batches are sent, and nothing is written to it again")
    func failedSync() throws {
        var seen = 0
        for call in 1...60 {
            let last = try LastAppend(after: 700)
            last.disk.fail(call: call, .eio)
            guard let spool = try? last.open(), spool.usage.retiredFiles == 1 else { continue }
            seen += 1
            #expect(last.disk.state.with { $0.failed } == ["fdatasync"], "call \(call)")
            let waiting = try spool.waiting(limit: 10)
            #expect(waiting.map(\.key.sequence) == [0, 1, 2, 3])
            spool.acknowledge([waiting[1].key])
            #expect(last.disk.bytes(LastAppend.path) == last.full)
        }
        #expect(seen == 1)
    }
}

@Suite("Damage to an append that was synced, as far as anything tells that it was")
struct DamagedAppendTests {
    /// Opens the spool: of the last append only the damaged batch is missing, and it is counted.
    private func expectOneDamaged(_ last: LastAppend, _ sequences: [UInt64]) throws {
        let spool = try last.open()
        let found = try spool.waiting(limit: 10).filter { try spool.body(of: $0.key) != nil }
        #expect(found.map(\.key.sequence) == sequences)
        #expect(spool.usage.damagedBatches == 1 && spool.usage.deadLetters == 1)
    }

    @Test("one of its batches was answered") func answered() throws {
        let last = try LastAppend(after: 700)
        do {
            let spool = try last.open()
            spool.acknowledge([try #require(spool.waiting(limit: 2).last?.key)])
        }
        // As if it were the run that made the file: the ledger knows nothing of its end.
        for name in last.disk.allNames() where name != LastAppend.path { try last.disk.remove(name) }
        last.disk.change(LastAppend.path) { last.flip(&$0, 2) }
        try expectOneDamaged(last, [0, 3])
    }

    @Test("another append had begun") func followed() throws {
        let last = try LastAppend(after: 700)
        last.disk.change(LastAppend.path) { bytes in
            last.flip(&bytes, 2)
            bytes += [UInt8](repeating: 0, count: 200)
        }
        try expectOneDamaged(last, [0, 1, 3])
    }

    @Test("the ledger was written after it") func inLedger() throws {
        let last = try LastAppend(after: 700)
        do { _ = try last.open() }
        last.disk.change(LastAppend.path) { last.flip(&$0, 2) }
        try expectOneDamaged(last, [0, 1, 3])
    }

    @Test("the ledger was written after it, while the file was in use") func inLedgerOfTheRun() throws {
        let disk = SimDisk(), epochs = Epochs(), path = "s/segment-1.spool"
        let old = try LastAppend.open(disk, epochs).add(body(9))
        disk.killProcess()
        do {
            let spool = try LastAppend.open(disk, epochs)
            for result in spool.append(
                (1...3).map { SpoolAppend(body: body($0), rows: 1, tally: tally, sealedMilliseconds: 1) })
            { _ = try result.get() }
            spool.acknowledge([old])  // its file goes
        }
        let damaged = try #require(disk.bytes(path)?.firstRange(of: body(2)))
        disk.change(path) { $0[damaged.lowerBound + 300] ^= 1 }
        let spool = try LastAppend.open(disk, epochs)
        let found = try spool.waiting(limit: 10).filter { try spool.body(of: $0.key) != nil }
        #expect(found.map(\.key.sequence) == [0, 2] && spool.usage.damagedBatches == 1)
    }

    @Test("nothing tells: it is taken for torn, and what lies behind the damage goes with it") func untold() throws {
        let last = try LastAppend(after: 700)
        last.disk.change(LastAppend.path) { last.flip(&$0, 2) }
        let spool = try last.open()
        let waiting = try spool.waiting(limit: 10)
        #expect(waiting.map(\.key.sequence) == [0, 1])
        #expect(spool.usage.tornFiles == 1 && spool.usage.damagedBatches == 0)
    }

    @Test("an append before the last one") func earlier() throws {
        let last = try LastAppend(after: 700)
        last.disk.change(LastAppend.path) { last.flip(&$0, 0) }
        try expectOneDamaged(last, [1, 2, 3])
    }
}
