import FlowModel
import Platform
import Testing

@testable import FlowStore

@Suite("Sums of many keys")
struct SumTableTests {
    @Test("with more keys than there is room, the large ones stay, whenever they come, and the total is exact")
    func heavyKeys() throws {
        var generator = SeededGenerator(seed: 5), table = SumTable(), total = Tally()
        let minutes: [Int64] = [0, 60_000], heavy = 40
        var large: [UInt64: UInt64] = [:], number: UInt64 = 1_000
        for _ in 0..<40 {
            var parts: [SumPart] = [], keys: [SumKey] = []
            for row in 0..<6_000 {
                // One of thirty is of a large key: 200 rows each in all, of 20,000 octets; the others are of their own.
                let isLarge = row % 30 == 0
                number += 1
                let key = isLarge ? UInt64.random(in: 0..<UInt64(heavy), using: &generator) : number
                let octets: UInt64 = isLarge ? 20_000 : .random(in: 40...30_000, using: &generator)
                let tally = Tally(flows: 1, octets: octets, packets: 1)
                parts.append(SumPart(row: UInt32(row), bucket: UInt32(row % 2), tally: tally))
                keys.append(SumKey(key))
                total += tally
                if isLarge { large[key, default: 0] += octets }
            }
            table.add(parts, keys, buckets: 2)
        }
        var halves = [Tally](repeating: Tally(), count: 2)
        halves[0] = total
        let sums = table.sums(.service, .hour, starts: minutes, totals: halves, exporters: [])
        let bucket = try #require(sums.buckets.first)
        #expect(sums.buckets.count == 1 && bucket.entries.count == RollupLimit.entriesMax(.hour))
        var sum = bucket.other
        for tally in bucket.entries.values { sum += tally }
        #expect(sum == total)
        for (key, octets) in large {
            let found = try #require(SumKey(key).key(.service, exporters: []).flatMap { bucket.entries[$0] }, "\(key)")
            #expect(found.octets <= octets && found.octets >= octets * 3 / 4, "\(found.octets) of \(octets)")
        }
    }
}
