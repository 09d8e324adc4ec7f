import Delivery
import FlowModel
import Foundation
import Identity
import TestKit
import Testing

@testable import FlowLog

@Suite("Batches that the log keeps in memory") struct RecentBatchesTests {
    @Test("what is read from memory is what the file has, at any bounds, while batches come and are trimmed")
    func same() async throws {
        var random = SystemRandomNumberGenerator()
        for recentBytes in [0, 1_000, 3_000, 1 << 20] {
            let folder = try TemporaryFolder("weir-recent")
            var limits = SQLiteFlowLog.Limits(), plain = limits
            (limits.recentBytes, plain.recentBytes) = (recentBytes, 0)
            let log = try SQLiteFlowLog(directory: folder.path, limits: limits), identity = try sensor()
            // Each opens the file afresh, and so has nothing in memory.
            var offsets: [Int64] = [0]
            for round in 0..<6 {
                for sequence in UInt64(0)..<7 {
                    let sent = batch(UInt64(round) * 7 + sequence, from: identity)
                    offsets.append(try #require(try await log.append(sent).offset))
                    guard case .repeated = try await log.append(sent) else {
                        Issue.record("a repeat is a repeat")
                        return
                    }
                }
                if round % 2 == 1, let offset = offsets.randomElement(using: &random) {
                    try await log.trim(through: offset)
                }
                let file = try SQLiteFlowLog(directory: folder.path, limits: plain)
                for offset in offsets + [offsets[1] - 1, .max] {
                    let limit = Int.random(in: 1...50, using: &random)
                    let bytesMax = Int.random(in: 1...4_000, using: &random)
                    let here = try await log.read(after: offset, limit: limit, bytesMax: bytesMax)
                    let there = try await file.read(after: offset, limit: limit, bytesMax: bytesMax)
                    #expect(here.map(Told.init) == there.map(Told.init), "after \(offset), \(limit), \(bytesMax)")
                }
                try file.close()
            }
            try log.close()
        }
    }
    private struct Told: Equatable {
        let offset: Int64, key: BatchKey, digest: BatchDigest, rows: Int, tally: Tally, body: [UInt8]
        init(_ batch: LoggedBatch) {
            (offset, key, digest) = (batch.offset, batch.key, batch.digest)
            (rows, tally, body) = (batch.rows, batch.tally, batch.body)
        }
    }

    @Test("the newest are there; who asks for an older one is sent to the file") func bounds() throws {
        var recent = RecentBatches(bytesMax: 3_000, head: 0)
        #expect(recent.read(after: 0, limit: 10, bytesMax: 1 << 20)?.count == 0)
        let identity = try sensor()
        for number in Int64(0)..<20 {
            recent.note(
                batch(UInt64(number), from: identity, body: [UInt8](repeating: 1, count: 744)), at: 100 + number)
        }
        func offsets(after offset: Int64, limit: Int = 10, bytesMax: Int = 1 << 20) -> [Int64]? {
            recent.read(after: offset, limit: limit, bytesMax: bytesMax)?.map(\.offset)
        }
        #expect(offsets(after: 116) == [117, 118, 119] && offsets(after: 115) == nil && offsets(after: 0) == nil)
        #expect(offsets(after: 117, limit: 1) == [118] && offsets(after: 119) == [])
        #expect(offsets(after: 116, bytesMax: 1_500) == [117, 118] && offsets(after: 116, bytesMax: 1) == [117])
        recent.trim(through: 118)
        #expect(offsets(after: 117) == nil && offsets(after: 118) == [119])
        recent.trim(through: .max)
        #expect(offsets(after: 118) == nil && offsets(after: 119) == [])
        // One that is larger than all room there is stays in the file.
        recent.note(batch(20, from: identity, body: [UInt8](repeating: 1, count: 4_000)), at: 120)
        #expect(offsets(after: 119) == nil && offsets(after: 120) == [])
        recent.note(batch(21, from: identity), at: 121)
        #expect(offsets(after: 120) == [121])
    }
}
