import Delivery
import FlowModel
import Platform
import Spool
import TestKit
import Testing

/// Histories that simulation or chaos found something in, cut down to what it takes.
@Suite("What simulation has found")
struct FoundTests {
    private func open(_ disk: SimDisk) throws -> Spool {
        let epochs = Locked(SeededGenerator(seed: 1))
        return try Spool(directory: "spool", bytesMax: 1 << 20, disk: disk) { epochs.with { Epoch(using: &$0) } }
    }
    private func batch(_ byte: UInt8, _ count: Int) -> SpoolAppend {
        SpoolAppend(
            body: [UInt8](repeating: byte, count: count), rows: 1, tally: Tally(flows: 1), sealedMilliseconds: 1)
    }
    private func used(_ disk: SimDisk) -> Int { disk.state.with { $0.nodes.values.reduce(0) { $0 + $1.live.count } } }

    @Test("a sync that fails, and then no room in the file that takes over, is a refusal, not the end of the process")
    func failedSyncThenFullDisk() throws {
        let disk = SimDisk(), spool = try open(disk)
        let first = try #require(spool.append([batch(1, 1_000)]).first).get()
        // Room for the batch and the next file's head, not for the batch again.
        let room = used(disk) + 1_128 + 64 + 100
        disk.state.with { $0.capacity = room }
        disk.fail(call: 2, .eio)
        #expect(spool.append([batch(2, 1_000)]) == [.failure(.diskFull)])
        disk.state.with { $0.capacity = .max }
        let third = try #require(spool.append([batch(3, 1_000)]).first).get()
        #expect(try spool.waiting(limit: 9).map(\.key) == [first, third])
    }

    @Test("a batch that was refused for want of room doesn't come back with the power") func refusedStaysRefused()
        throws
    {
        var seen = 0
        for seed in 1...50 {
            var generator = SeededGenerator(seed: UInt64(seed))
            let disk = SimDisk()
            var spool: Spool? = try open(disk)
            let first = try #require(spool?.append([batch(1, 500)]).first).get()
            // The first of three fits whole into the half that gets written.
            let room = used(disk) + 100
            disk.state.with { $0.capacity = room }
            let refused = spool?.append([batch(2, 16), batch(3, 900), batch(4, 900)])
            #expect(refused?.allSatisfy { $0 == .failure(.diskFull) } == true)
            spool = nil
            disk.cutPower(&generator, keeping: true)
            disk.state.with { $0.capacity = .max }
            let waiting = try open(disk).waiting(limit: 9)
            #expect(waiting.map(\.key) == [first], "seed \(seed)")
            seen += 1
        }
        #expect(seen == 50)
    }
}
