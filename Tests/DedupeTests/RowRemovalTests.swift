import FlowModel
import Platform
import TestKit
import Testing

@Suite("Rows go, and hashes tell conversations apart")
struct RowRemovalTests {
    @Test("marked rows go, the others stay whole, and the storage behind them is zero")
    func removal() {
        forAll(runs: 60) { generator, seed in
            var columns = FlowColumns(), marks = RowMarks(), kept: [FlowRecord] = []
            let count = Int.random(in: 0...200, using: &generator), odds = Int.random(in: 0...4, using: &generator)
            marks.reset(rowCount: count)
            for row in 0..<count {
                let record = FlowRecord.any(using: &generator)
                columns.append(record)
                if Int.random(in: 0..<4, using: &generator) < odds {
                    let isNew = marks.insert(row), isNewAgain = marks.insert(row)
                    #expect(isNew && !isNewAgain, "SEED=\(seed)")
                } else {
                    kept.append(record)
                }
            }
            columns.removeRows(marks)
            #expect(columns.rows.map { columns[$0] }.sorted(by: before) == kept.sorted(by: before), "SEED=\(seed)")
            _ = columns.extend(by: count)
            for row in kept.count..<columns.count {
                var zero = FlowRecord()
                zero.deltaFlowCount = 0
                #expect(columns[row] == zero, "SEED=\(seed)")
            }
        }
    }
    private func before(_ a: FlowRecord, _ b: FlowRecord) -> Bool { a.octetDeltaCount < b.octetDeltaCount }

    @Test("no two of half a million conversations that differ in few bits share a hash, nor many its lower bits")
    func hashes() {
        var seen: Set<UInt64> = [], buckets = [Int](repeating: 0, count: 1 << 12)
        for number in 0..<500_000 as Range<UInt64> {
            // IPv4 in both places, ports that count along: what scans look like.
            let hash = ConversationHash.of(
                sourceHigh: 0, sourceLow: IPAddress.mappedPrefix | number >> 10, destinationHigh: 0,
                destinationLow: IPAddress.mappedPrefix | number & 1_023, ports: UInt32(number & 7) << 16 | 443,
                protocolIdentifier: 6, seed: 9)
            #expect(seen.insert(hash).inserted)
            buckets[Int(hash & 4_095)] += 1
        }
        #expect((buckets.max() ?? 0) < 122 + 90 && (buckets.min() ?? 0) > 122 - 80)
    }

    @Test("addresses that fit a hash's constants or each other collide under no seed")
    func hostileAddresses() {
        for seed in 0..<200 as Range<UInt64> {
            var seen: Set<UInt64> = []
            for (source, destination) in [(0, 0), (0, 1), (1, 0), (.max, 0), (0, .max), (.max, .max)]
                as [(UInt64, UInt64)]
            {
                for highs in [(0, 0), (1, 0), (0, 1), (.max, .max)] as [(UInt64, UInt64)] {
                    let hash = ConversationHash.of(
                        sourceHigh: highs.0, sourceLow: source, destinationHigh: highs.1, destinationLow: destination,
                        ports: 1, protocolIdentifier: 6, seed: seed)
                    #expect(seen.insert(hash).inserted, "seed \(seed)")
                }
            }
        }
    }
}
