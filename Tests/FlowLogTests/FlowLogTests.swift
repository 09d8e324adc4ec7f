import Delivery
import FlowLog
import FlowModel
import Foundation
import Identity
import TestKit
import Testing

@Suite("The flow log")
struct FlowLogTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-log") }

    private func open(limits: SQLiteFlowLog.Limits = .init()) throws -> SQLiteFlowLog {
        try SQLiteFlowLog(directory: folder.path, limits: limits)
    }

    @Test("a batch comes back as it went in") func roundTrip() async throws {
        let log = try open()
        let sent = batch(.max - 3, from: try sensor(), body: [1, 2, 3])
        let offset = try #require(try await log.append(sent).offset)
        let back = try #require(try await log.read(after: 0, limit: 10).first)
        #expect(back.offset == offset)
        #expect(back.sensor == sent.sensor)
        #expect(back.key == sent.key)
        #expect(back.digest == sent.digest)
        #expect(back.receivedMilliseconds == sent.receivedMilliseconds)
        #expect(back.rows == sent.rows)
        #expect(back.tally == sent.tally)
        #expect(back.body == [1, 2, 3])
        let head = try await log.headOffset()
        #expect(head == offset)
    }

    @Test("many at once are all answered, each with an offset of its own, repeats and conflicts among them told apart")
    func groupCommit() async throws {
        let log = try open()
        let identity = try sensor()
        let results = try await withThrowingTaskGroup(of: (UInt64, Int, LogAppendResult).self) { group in
            for sequence in UInt64(0)..<200 {
                for copy in 0..<2 {
                    group.addTask { (sequence, copy, try await log.append(batch(sequence, from: identity))) }
                }
                if sequence % 10 == 0 {
                    group.addTask {
                        (sequence, 2, try await log.append(batch(sequence, from: identity, body: [0xEE])))
                    }
                }
            }
            var all: [(UInt64, Int, LogAppendResult)] = []
            for try await result in group { all.append(result) }
            return all
        }
        #expect(results.count == 420)
        let stored = try await log.read(after: 0, limit: 1_000)
        #expect(stored.map(\.key.sequence).sorted() == Array(0..<200))
        #expect(Set(stored.map(\.offset)).count == 200)
        for (sequence, copy, result) in results {
            let kept = try #require(stored.first { $0.key.sequence == sequence })
            let mine = copy == 2 ? BatchDigest(of: [0xEE]) : batch(sequence, from: identity).digest
            switch result {
            case .appended(let offset): #expect(offset == kept.offset && mine == kept.digest)
            case .repeated(let offset, let digest):
                #expect(offset == kept.offset && digest == kept.digest && mine == kept.digest)
            case .conflict(let digest): #expect(digest == kept.digest && mine != kept.digest)
            }
        }
        #expect(results.filter { $0.2.offset != nil }.count == 200)
    }

    @Test("other bytes under a used key are refused and change nothing") func conflict() async throws {
        let log = try open()
        let first = batch(1, from: try sensor(), body: [1])
        _ = try await log.append(first)
        let answer = try await log.append(batch(1, from: try sensor(), body: [2]))
        #expect(answer == .conflict(stored: first.digest))
        let held = try await log.read(after: 0, limit: 10)
        #expect(held.map(\.body) == [[1]])
        let total = try await log.totals(of: first.sensor.tenant)
        #expect(total.map(\.batches) == [1])
    }

    @Test("the same sequence of another sensor, tenant or epoch is another batch") func keysAreWhole() async throws {
        let log = try open()
        let senders = [try sensor(), try sensor("edge-2"), try sensor(tenant: "globex")]
        for identity in senders { #expect(try await log.append(batch(1, from: identity)).offset != nil) }
        let rolled = try await log.append(batch(1, from: senders[0], epoch: Epoch(high: 7, low: 10)))
        #expect(rolled.offset != nil)
    }

    @Test("a repeat is told after a trim and after opening anew: deduplication has no window")
    func keysOutliveBodies() async throws {
        let sent = try (UInt64(0)..<150).map { batch($0, from: try sensor()) }
        var log = try open()
        var offsets: [Int64] = []
        for batch in sent { offsets.append(try #require(try await log.append(batch).offset)) }
        try await log.trim(through: offsets[149])
        #expect(try await log.read(after: 0, limit: 10).isEmpty)
        try log.close()
        log = try open()
        let head = try await log.headOffset()
        #expect(head == offsets[149])
        let answers = [try await log.append(sent[0]), try await log.append(sent[149])]
        #expect(
            answers == [
                .repeated(offset: offsets[0], digest: sent[0].digest),
                .repeated(offset: offsets[149], digest: sent[149].digest),
            ])
        let next = try await log.append(batch(150, from: try sensor()))
        #expect(next == .appended(offset: offsets[149] + 1))
    }

    @Test("trimming leaves later batches") func trimStopsAtOffset() async throws {
        let log = try open()
        var offsets: [Int64] = []
        for sequence in UInt64(0)..<10 {
            offsets.append(try #require(try await log.append(batch(sequence, from: try sensor())).offset))
        }
        try await log.trim(through: offsets[3])
        #expect(try await log.read(after: 0, limit: 100).map(\.key.sequence) == Array(4..<10))
        #expect(try await log.read(after: offsets[6], limit: 2).map(\.key.sequence) == [7, 8])
    }

    @Test("reading stops before the body that is too much, but never gives nothing") func readingIsBounded()
        async throws
    {
        let log = try open()
        for sequence in UInt64(0)..<4 {
            _ = try await log.append(
                batch(sequence, from: try sensor(), body: [UInt8](repeating: UInt8(sequence), count: 1_000)))
        }
        #expect(try await log.read(after: 0, limit: 100, bytesMax: 2_500).count == 2)
        #expect(try await log.read(after: 0, limit: 100, bytesMax: 10).count == 1)
        #expect(try await log.read(after: 0, limit: 3, bytesMax: 1 << 20).count == 3)
    }

    @Test("totals add up by sensor, and a tenant sees its own only") func totals() async throws {
        var log = try open()
        let mine = [try sensor("edge-1"), try sensor("edge-2")], other = try sensor(tenant: "globex")
        for sequence in UInt64(0)..<20 {
            for identity in mine + [other] { _ = try await log.append(batch(sequence, from: identity)) }
            _ = try await log.append(batch(sequence, from: mine[0]))
        }
        try log.close()
        log = try open()
        _ = try await log.append(batch(20, from: mine[1]))
        let totals = try await log.totals(of: mine[0].tenant)
        #expect(totals.map(\.sensor) == mine)
        #expect(totals.map(\.batches) == [20, 21])
        let sent = (UInt64(0)..<21).map { batch($0, from: mine[1]) }
        var sum = Tally()
        for batch in sent { sum += batch.tally }
        #expect(totals[1].tally == sum)
        #expect(totals[1].rows == sent.reduce(0) { $0 + UInt64($1.rows) })
        let absent = try #require(TenantID("nobody"))
        #expect(try await log.totals(of: absent) == [])
    }

    @Test("a log made anew in the place of a lost one gives no offset twice") func offsetsOutliveTheFile() async throws
    {
        var log = try open()
        var last: Int64 = 0
        for sequence in UInt64(0)..<50 {
            last = try #require(try await log.append(batch(sequence, from: try sensor())).offset)
        }
        try log.close()
        for name in ["log.sqlite", "log.sqlite-wal", "log.sqlite-shm"] {
            try? FileManager.default.removeItem(at: folder.file(name))
        }
        log = try open()
        let later = batch(0, from: try sensor(), receivedMilliseconds: 1_700_000_001_000)
        let first = try #require(try await log.append(later).offset)
        #expect(first > last)
    }
}
