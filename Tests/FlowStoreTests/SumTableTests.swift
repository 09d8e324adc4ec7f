import FlowModel
import Platform
import Testing

@testable import FlowStore
@testable import SegmentFormat

@Suite("Sums of many keys")
struct SumTableTests {
    @Test("with more keys than there is room, the large ones stay, whenever they come, and the total is exact")
    func heavyKeys() throws {
        var generator = SeededGenerator(seed: 5), table = SumTable(), total = Tally()
        let minutes: [Int64] = [0, 60_000], heavy = 40
        var large: [UInt64: UInt64] = [:], number: UInt64 = 1_000
        for _ in 0..<40 {
            var parts: [SumPart] = [], keys: [UInt64] = []
            for row in 0..<6_000 {
                // One of thirty is of a large key: 200 rows each in all, of 20,000 octets; the others are of their own.
                let isLarge = row % 30 == 0
                number += 1
                let key = isLarge ? UInt64.random(in: 0..<UInt64(heavy), using: &generator) : number
                let octets: UInt64 = isLarge ? 20_000 : .random(in: 40...30_000, using: &generator)
                let tally = Tally(flows: 1, octets: octets, packets: 1)
                parts.append(SumPart(row: UInt32(row), bucket: UInt32(row % 2), tally: tally))
                keys.append(key)
                total += tally
                if isLarge { large[key, default: 0] += octets }
            }
            table.add(parts, keys, buckets: 2)
        }
        var halves = [Tally](repeating: Tally(), count: 2)
        halves[0] = total
        let sums = SumBuckets(starts: minutes, totals: halves).sums(of: table.sums, .service) {
            $0.key(.service, exporters: [], hosts: nil)
        }
        let hours = try #require(sums.first { $0.period == .hour }), bucket = try #require(hours.buckets.first)
        #expect(hours.buckets.count == 1 && bucket.entries.count == RollupLimit.entriesMax(.hour))
        var sum = bucket.other
        for tally in bucket.entries.values { sum += tally }
        #expect(sum == total)
        for (key, octets) in large {
            let found = try #require(
                key.key(.service, exporters: [], hosts: nil).flatMap { bucket.entries[$0] }, "\(key)")
            #expect(found.octets <= octets && found.octets >= octets * 3 / 4, "\(found.octets) of \(octets)")
        }
    }

    @Test("in a full table a key of many small parts is missed for little, and the many small keys for all they have")
    func smallParts() throws {
        var generator = SeededGenerator(seed: 6), table = SumTable(), number: UInt64 = 1_000
        let steady: UInt64 = 7
        var ofSteady: UInt64 = 0
        for turn in 0..<60 {
            var parts: [SumPart] = [], keys: [UInt64] = []
            for row in 0..<4_000 {
                let isSteady = row % 40 == 0
                number += 1
                let octets: UInt64 = isSteady ? 200 : .random(in: 100...9_000, using: &generator)
                // Before the table is full all that is asked is in it.
                ofSteady += isSteady && turn > 5 ? octets : 0
                parts.append(
                    SumPart(row: UInt32(row), bucket: 0, tally: Tally(flows: 1, octets: octets, packets: 1)))
                keys.append(isSteady ? steady : number)
            }
            if turn <= 5 { keys = keys.map { $0 == steady ? 8 : $0 } }
            table.add(parts, keys, buckets: 1)
            #expect(table.count <= RollupLimit.sumsMin)
        }
        let found = try #require(table.sums.first { $0.key == steady })
        #expect(ofSteady == 1_080_000)
        #expect(found.octets <= ofSteady && found.octets >= ofSteady * 9 / 10, "\(found.octets)")
    }

    @Test("interfaces have one number each, near or far, and new ones when all are forgotten") func interfaces() {
        var numbers = InterfaceNumbers(), ins = [UInt32](repeating: 0, count: 6), outs = ins
        let exporters: [UInt32] = [0, 1, 31, 32, 0, 0], ingress: [UInt32] = [5, 5, 2_047, 5, 2_048, .max]
        let egress: [UInt32] = [5, 6, 5, 5, 5, 2_048]
        func find() {
            numbers.find(exporters.span, ingress.span, egress.span, ins: &ins, outs: &outs)
            let keys = numbers.keys
            #expect(zip(ins, zip(exporters, ingress)).allSatisfy { keys[Int($0)] == UInt64($1.0) << 32 | UInt64($1.1) })
            #expect(zip(outs, zip(exporters, egress)).allSatisfy { keys[Int($0)] == UInt64($1.0) << 32 | UInt64($1.1) })
            #expect(keys.count == Set(keys).count && keys.count == 8)
        }
        find()
        let first = ins
        find()
        #expect(ins == first)
        numbers.removeAll()
        #expect(numbers.count == 0)
        let other: [UInt32] = [1]
        numbers.find(other.span, other.span, other.span, ins: &ins, outs: &outs)
        #expect(ins[0] == 0 && outs[0] == 0 && numbers.count == 1)
        numbers.removeAll()
        find()
    }

    @Test("rows in more minutes than are summed by key are in totals, exactly") func manyMinutes() {
        var builder = RollupBuilder(), columns = FlowColumns(), total = Tally()
        let count = RollupLimit.bucketsMax + 5_000
        let rows = columns.extend(by: count)
        for row in rows {
            columns.flowStartMilliseconds[row] = Int64(row) * 60_000
            columns.flowEndMilliseconds[row] = Int64(row) * 60_000
            columns.octetDeltaCount[row] = UInt64(row)
            columns.deltaFlowCount[row] = 1
            total += Tally(flows: 1, octets: UInt64(row), packets: 0)
        }
        let numbers = [UInt32](repeating: 0, count: count)
        for first in stride(from: 0, to: count, by: EndpointTable.chunkRows) {
            let chunk = first..<min(first + EndpointTable.chunkRows, count)
            builder.add(columns, rows: chunk, .rows(sources: numbers, destinations: numbers))
        }
        let hosts = SegmentHosts(EndpointRanks(EndpointTable()))
        for sums in builder.sums(exporters: [], hosts: hosts) {
            var sum = Tally(), keyed = 0
            for bucket in sums.buckets {
                sum += bucket.other
                for tally in bucket.entries.values { sum += tally }
                keyed += bucket.entries.count
            }
            #expect(sum == total, "\(sums.kind) \(sums.period)")
            if sums.kind == .service, sums.period == .minute { #expect(keyed == RollupLimit.bucketsMax) }
        }
    }

    @Test("a table that is emptied sums anew") func emptied() {
        var table = SumTable()
        for turn in 0..<3 {
            let parts = (0..<500).map {
                SumPart(row: $0, bucket: $0 % 3, tally: Tally(flows: 1, octets: UInt64(turn), packets: 2))
            }
            table.add(parts, parts.map { UInt64($0.row % 50) }, buckets: 3)
            let sums = table.sums
            #expect(sums.count == 150 && sums.reduce(0) { $0 + $1.flows } == 500)
            #expect(sums.reduce(0) { $0 + $1.octets } == UInt64(500 * turn))
            table.removeAll()
            #expect(table.sums.isEmpty)
        }
    }
}
