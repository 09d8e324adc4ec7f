import Delivery
import FlowModel
import Platform
import Spool
import TestKit
import Testing

/// A spool on a disk in memory, and what its user knows.
private final class World {
    let disk = SimDisk()
    let epochs = Epochs()
    private(set) var spool: Spool?
    /// Whose append returned, with its bytes; and what was answered since.
    var appended: [BatchKey: [UInt8]] = [:], answered: Set<BatchKey> = []
    /// Bodies whose append failed: never sent.
    var refused: Set<[UInt8]> = []
    private var count = 0

    func open(tail: SpoolTail = .none) throws {
        spool = nil
        spool = try Spool(directory: "s", bytesMax: 1 << 20, tail: tail, disk: disk, epoch: epochs.make)
    }
    func close() { spool = nil }

    func append(_ batches: Int, bytes: Int = 700) {
        let bodies = (0..<batches).map { index in body(count + index, bytes: bytes + index) }
        count += batches
        guard let spool else { return }
        let results = spool.append(
            bodies.map { SpoolAppend(body: $0, rows: 1, tally: Tally(flows: 1), sealedMilliseconds: 1) })
        for (body, result) in zip(bodies, results) {
            switch result {
            case .success(let key):
                #expect(appended.updateValue(body, forKey: key) == nil, "a key is used once")
            case .failure: refused.insert(body)
            }
        }
    }
    func answer(_ keys: [BatchKey]) {
        spool?.acknowledge(keys)
        answered.formUnion(keys)
    }
    func drain(_ limit: Int) {
        guard let spool, let waiting = try? spool.waiting(limit: limit) else { return }
        answer(waiting.map(\.key).filter { (try? spool.body(of: $0)) != nil })
    }

    /// Everything that was appended and not answered is there, byte for byte; nothing is there that was refused.
    func check(_ comment: Comment) throws {
        let spool = try #require(self.spool)
        let waiting = try spool.waiting(limit: 10_000)
        var found: Set<BatchKey> = []
        for batch in waiting {
            let bytes = try spool.body(of: batch.key)
            #expect(found.insert(batch.key).inserted, comment)
            #expect(bytes.map { !refused.contains($0) } == true, comment)
            #expect(appended[batch.key] == bytes, comment)
        }
        #expect(Set(appended.keys).subtracting(answered).isSubset(of: found), comment)
        #expect(spool.usage.damagedBatches == 0, comment)
    }
}

@Suite("The spool on a disk that fails, fills up, tears writes and loses power")
struct FaultySpoolTests {
    /// Groups appended, some answered, a file rotated, a dead letter, a restart.
    private func course(_ world: World) throws {
        try world.open()
        world.append(3)
        world.append(2, bytes: 40_000)
        world.drain(2)
        world.append(1, bytes: 1_100_000)  // more than fits: refused
        world.append(20, bytes: 30_000)
        world.drain(10)
        world.append(12, bytes: 30_000)
        if let spool = world.spool, let key = try? spool.waiting(limit: 1).first?.key,
            (try? spool.deadLetter(key, reason: "why")) != nil
        {
            world.answered.insert(key)
        }
        world.append(1)
        world.drain(100)
        world.append(2)
    }

    @Test(
        "the n-th call fails, for every n: nothing answered for is lost, nothing refused is sent",
        arguments: SimDisk.Fault.allCases)
    func everyCall(_ fault: SimDisk.Fault) throws {
        let sound = World()
        try course(sound)
        let calls = sound.disk.calls
        #expect(calls > 100)
        var hits = 0
        for call in 1...calls {
            let world = World()
            world.disk.fail(call: call, fault)
            // A folder or a lock that can't be had is the one thing that keeps a spool from opening.
            try? course(world)
            hits += world.disk.state.with { $0.failed.count }
            guard world.spool != nil else { continue }
            world.append(1)
            try world.check("call \(call), \(fault)")
            world.close()
            var generator = SeededGenerator(seed: UInt64(call))
            world.disk.cutPower(&generator, keeping: call % 2 == 0)
            try world.open()
            try world.check("call \(call), \(fault), after the power cut")
        }
        #expect(hits >= calls - 20, "the faults happened: \(hits) of \(calls)")
    }

    @Test("a file whose sync failed is never written again; its batches go to a new one under the same keys")
    func failedSync() throws {
        let world = World()
        try world.open()
        world.append(2)
        // write, fdatasync: the second of the next append.
        world.disk.fail(call: 2, .eio)
        world.append(3)
        let spool = try #require(world.spool)
        #expect(world.appended.count == 5 && spool.usage.retiredFiles == 1)
        #expect(world.disk.state.with { $0.failed } == ["fdatasync"])
        #expect(Set(world.appended.keys.map(\.epoch)).count == 1, "the keys are those they had")
        let old = try #require(world.disk.bytes("s/segment-0.spool"))
        let waiting = try spool.waiting(limit: 2)
        world.answer(waiting.map(\.key))
        world.append(1)
        #expect(world.disk.bytes("s/segment-0.spool") == nil || world.disk.bytes("s/segment-0.spool") == old)
        try world.check("before the power cut")
        world.close()
        var generator = SeededGenerator(seed: 1)
        world.disk.cutPower(&generator, keeping: true)
        try world.open()
        try world.check("after the power cut")
    }

    @Test("a restart right after a failed sync, without an append in between, remembers it") func failureIsRemembered()
        throws
    {
        let world = World()
        try world.open()
        world.append(2)
        world.disk.fail(call: 2, .eio)
        world.append(1)
        world.close()
        world.disk.killProcess()
        let before = world.disk.bytes("s/segment-0.spool")
        try world.open()
        world.append(2)
        let spool = try #require(world.spool)
        spool.acknowledge(try spool.waiting(limit: 1).map(\.key))
        #expect(world.disk.bytes("s/segment-0.spool") == before, "neither appended to nor marked")
    }

    @Test("on a full disk answers are remembered, also across a restart, and what is answered makes room")
    func fullDisk()
        throws
    {
        let world = World()
        try world.open()
        world.append(20, bytes: 20_000)
        world.disk.state.with { state in
            state.capacity = state.nodes.values.reduce(0) { $0 + $1.live.count } + 1_000
        }
        world.append(2, bytes: 20_000)
        #expect(world.refused.count == 2)
        world.drain(19)
        world.append(1, bytes: 20_000)
        #expect(world.refused.count == 3, "the room is still in the file")
        world.close()
        world.disk.killProcess()
        try world.open()
        #expect(world.spool?.usage.batches == 1)
        try world.check("after the restart")
        world.drain(1)
        world.append(2, bytes: 20_000)
        #expect(world.refused.count == 3 && world.spool?.usage.batches == 2)
        try world.check("with room again")
    }

    @Test("power cuts at any call, with any part of what was not synced kept: all that returned is there")
    func powerCuts() throws {
        try forAll(runs: 60) { generator, seed in
            let world = World()
            try world.open()
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                for _ in 0..<Int.random(in: 1...8, using: &generator) {
                    world.append(
                        Int.random(in: 1...4, using: &generator), bytes: Int.random(in: 1...60_000, using: &generator))
                    if Bool.random(using: &generator) { world.drain(Int.random(in: 1...6, using: &generator)) }
                }
                // The last append dies between its write and its sync.
                world.disk.fail(call: Int.random(in: 1...4, using: &generator), .lostSync)
                world.append(3)
                world.close()
                world.disk.cutPower(&generator, keeping: true)
                try world.open()
                try world.check("SEED=\(seed)")
            }
        }
    }

    @Test("the last group is torn at any byte: what was synced before is whole") func torn() throws {
        let world = World()
        try world.open()
        world.append(2)
        let whole = try #require(world.disk.bytes("s/segment-0.spool")).count
        let kept = world.appended
        world.append(2)
        let full = try #require(world.disk.bytes("s/segment-0.spool"))
        world.close()
        for cut in stride(from: whole, to: full.count, by: 3) {
            world.disk.killProcess()
            world.disk.change("s/segment-0.spool") { $0 = Array(full.prefix(cut)) }
            try world.open()
            let waiting = try #require(world.spool).waiting(limit: 10)
            #expect(
                Set(kept.keys).isSubset(of: waiting.map(\.key)) && waiting.count <= (cut > full.count - 8 ? 4 : 3),
                "cut at \(cut)")
            world.close()
        }
    }

    @Test("of the last append a power cut keeps the head and not the body: no damage, and nothing to send")
    func headWithoutBody() throws {
        let world = World()
        try world.open()
        world.append(2)
        let kept = world.appended
        let whole = try #require(world.disk.bytes("s/segment-0.spool")).count
        world.append(1, bytes: 9_000)
        world.close()
        world.disk.killProcess()
        world.disk.change("s/segment-0.spool") { bytes in
            for place in (whole + 4_096)..<(whole + 8_192) { bytes[place] = 0 }
        }
        for start in 1...3 {  // the ledger tells later starts where the file ends
            try world.open()
            let spool = try #require(world.spool)
            let waiting = try spool.waiting(limit: 10).map(\.key)
            #expect(Set(waiting) == Set(kept.keys), "start \(start)")
            for key in waiting { #expect(try spool.body(of: key) != nil, "start \(start)") }
            #expect(spool.usage.tornFiles == (start == 1 ? 1 : 0) && spool.usage.damagedBatches == 0)
            world.close()
            world.disk.killProcess()
        }
    }
}
