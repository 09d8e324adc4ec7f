import Delivery
import FlowModel
import Foundation
import Spool
import TestKit
import Testing

/// Files that released versions have left behind with batches that have yet to be sent.
///
/// Each holds four batches in two appends: 0, and then 1, 2 and 3. The first was set aside, the second answered.
@Suite("Spool files of every released format are sent from")
struct SpoolCompatibilityTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-old-spool") }
    private static func body(_ number: Int) -> [UInt8] {
        (0..<(100 + number)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number &* 7) }
    }
    private func open(_ name: String, _ change: (inout [UInt8]) -> Void = { _ in }) throws -> Spool {
        var bytes = try Corpus.bytes(name)
        change(&bytes)
        try Data(bytes).write(to: folder.file("segment-0.spool"))
        return try Spool(
            directory: folder.path, bytesMax: 1 << 20, tail: SpoolTail(age: .seconds(60), bytesMax: 1 << 20)
        ) { Epoch(high: 1, low: 1) }
    }

    @Test("every batch that waits, under its key", arguments: ["spool-v2.spool", "spool-v2-places.spool"])
    func whole(name: String) throws {
        let spool = try open(name), waiting = try spool.waiting(limit: 10)
        #expect(waiting.map(\.key) == [2, 3].map { BatchKey(epoch: Epoch(high: 0xABCD, low: 77), sequence: $0) })
        for (batch, number) in zip(waiting, 2...) {
            let body = try spool.body(of: batch.key)
            #expect(body == Self.body(number) && batch.rows == 5 + number)
            #expect(batch.tally == Tally(flows: UInt64(10 + number), octets: 2_000, packets: 30))
            #expect(batch.sealedMilliseconds == 1_700_000_000_000 + Int64(number))
        }
        #expect(spool.usage.tailBatches == 1 && spool.usage.damagedBatches == 0 && spool.usage.tornFiles == 0)
        let new = try spool.append([9], rows: 1, tally: Tally(flows: 1), sealedMilliseconds: 1)
        #expect(new == BatchKey(epoch: Epoch(high: 1, low: 1), sequence: 0))
    }

    @Test("of a file without places: what is torn at its end is taken off, and what is torn before that is counted")
    func tornWithoutPlaces() throws {
        func flip(_ bytes: inout [UInt8], _ number: Int) {
            guard let place = bytes.firstRange(of: Self.body(number)) else { return }
            bytes[place.lowerBound + 50] ^= 1
        }
        do {
            let spool = try open("spool-v2.spool") { flip(&$0, 3) }, waiting = try spool.waiting(limit: 10)
            #expect(waiting.map(\.key.sequence) == [2] && spool.usage.tornFiles == 1)
        }
        try FileManager.default.removeItem(at: folder.file("ledger"))
        let spool = try open("spool-v2.spool") { flip(&$0, 2) }
        let found = try spool.waiting(limit: 10).filter { try spool.body(of: $0.key) != nil }
        #expect(found.map(\.key.sequence) == [3] && spool.usage.damagedBatches == 1)
    }
}
