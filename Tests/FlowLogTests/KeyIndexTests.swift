import Delivery
import FlowLog
import FlowModel
import Identity
import TestKit
import Testing

@Suite("The index of keys")
struct KeyIndexTests {
    private func logged(_ sequence: UInt64, epoch: Epoch = epoch) throws -> LoggedBatch {
        LoggedBatch(offset: 1, batch(sequence, from: try sensor(), epoch: epoch))
    }

    @Test("a key is new once, in any order, as a set would have it, and a snapshot changes nothing") func asASet()
        throws
    {
        try forAll(runs: 60) { rng, seed in
            var index = KeyIndex(), model: Set<BatchKey> = []
            for _ in 0..<200 {
                let epoch = Epoch(high: 1, low: UInt64.random(in: 0..<3, using: &rng))
                let sequence = Bool.random(using: &rng) ? UInt64.random(in: 0..<40, using: &rng) : .max
                let one = try logged(sequence, epoch: epoch), isNew = index.take(one)
                #expect(isNew == model.insert(one.key).inserted, "SEED=\(seed)")
                if Int.random(in: 0..<20, using: &rng) == 0 {
                    let restored = KeyIndex(restoring: index.snapshot())
                    #expect(restored == index, "SEED=\(seed)")
                }
            }
            let total = index.totals(of: try sensor().tenant).first?.batches
            #expect(total == UInt64(model.count), "SEED=\(seed)")
        }
    }

    @Test("sums are of what is new, by sensor") func totals() throws {
        var index = KeyIndex(), sum = Tally()
        for sequence in UInt64(0)..<20 {
            let one = try logged(sequence)
            let (isNew, isNewAgain) = (index.take(one), index.take(one))
            #expect(isNew && !isNewAgain)
            sum += one.tally
        }
        let total = try #require(index.totals(of: try sensor().tenant).first)
        #expect(total.batches == 20 && total.tally == sum)
        #expect(try index.totals(of: sensor(tenant: "globex").tenant).isEmpty)
        #expect(index.snapshot().count < 600, "an epoch without gaps is one range")
    }

    @Test("the oldest epochs make room, by name") func forgotten() throws {
        var index = KeyIndex(), taken = 0
        func take(_ low: UInt64) throws -> Bool { index.take(try logged(0, epoch: Epoch(high: 0, low: low))) }
        for low in 0...UInt64(KeyIndex.epochsMax) where try take(low) { taken += 1 }
        #expect(taken == KeyIndex.epochsMax + 1 && index.forgotten == 1)
        let (first, third) = (try take(0), try take(2))
        #expect(first, "it is new again")
        #expect(!third)
    }

    @Test("what is no snapshot is refused", arguments: ["", "{}", #"{"version":2,"books":{},"forgotten":0}"#])
    func damaged(_ text: String) {
        #expect(KeyIndex(restoring: Array(text.utf8)) == nil)
    }
}
