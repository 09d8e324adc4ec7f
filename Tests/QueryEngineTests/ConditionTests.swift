import BatchFormat
import FilterLanguage
import FlowModel
import Identity
import Platform
import QueryEngine
import TestKit
import Testing

/// The true bounds of a block's columns.
struct TrueBounds: BlockBounds {
    let block: RowBlock

    func words(_ column: ColumnID) -> ClosedRange<UInt64> {
        let columns = block.columns
        func range<Word: UnsignedInteger>(_ words: [Word]) -> ClosedRange<UInt64> {
            let values = words.prefix(columns.count).map { UInt64($0) }
            return (values.min() ?? 0)...(values.max() ?? 0)
        }
        switch column {
        case .octetDeltaCount: return range(columns.octetDeltaCount)
        case .packetDeltaCount: return range(columns.packetDeltaCount)
        case .deltaFlowCount: return range(columns.deltaFlowCount)
        case .protocolIdentifier: return range(columns.protocolIdentifier)
        case .sourceTransportPort: return range(columns.sourceTransportPort)
        case .destinationTransportPort: return range(columns.destinationTransportPort)
        case .tcpControlBits: return range(columns.tcpControlBits)
        case .ipClassOfService: return range(columns.ipClassOfService)
        case .ingressInterface: return range(columns.ingressInterface)
        case .egressInterface: return range(columns.egressInterface)
        case .bgpSourceAsNumber: return range(columns.bgpSourceAsNumber)
        case .bgpDestinationAsNumber: return range(columns.bgpDestinationAsNumber)
        case .sourceIPPrefixLength: return range(columns.sourceIPPrefixLength)
        case .destinationIPPrefixLength: return range(columns.destinationIPPrefixLength)
        case .vlanId: return range(columns.vlanId)
        case .flowDirection: return range(columns.flowDirection)
        case .flags: return range(columns.flags)
        default: return 0...UInt64.max
        }
    }
    func times(_ column: ColumnID) -> ClosedRange<Int64> {
        let times =
            switch column {
            case .flowStartMilliseconds: block.columns.flowStartMilliseconds
            case .flowEndMilliseconds: block.columns.flowEndMilliseconds
            case .exportMilliseconds: block.columns.exportMilliseconds
            default: block.columns.receiveMilliseconds
            }
        let used = times.prefix(block.count)
        return (used.min() ?? 0)...(used.max() ?? 0)
    }
    func addresses(_ end: BlockAddress) -> ClosedRange<IPAddress> {
        let records = block.columns.rows.map { block.columns[$0] }
        let addresses = records.map { record in
            switch end {
            case .source: record.sourceIPAddress
            case .destination: record.destinationIPAddress
            case .nextHop: record.ipNextHopAddress
            }
        }
        return (addresses.min() ?? .absent)...(addresses.max() ?? .absent)
    }
    var exporters: [ExporterKey] { block.columns.exporters }
    var sensors: [SensorIdentity] { block.columns.rows.map { block.sensors.sensor(ofRow: $0) } }
}

@Suite("Conditions over columns")
struct ConditionTests {
    @Test("a filter over columns finds the rows that it finds record by record") func columnsAgreeWithRecords() throws {
        var matches = 0, misses = 0
        try forAll(runs: 40) { generator, seed in
            let block = try RandomBlocks.block(try RandomBlocks(using: &generator, count: 80).known)
            for _ in 0..<40 {
                let expression = RandomFilter.expression(using: &generator)
                let (from, to) = period(&generator)
                var mask = RowMask(count: block.count)
                Condition(expression, from: from, to: to).keep(&mask, in: block)
                let want = block.columns.rows.filter { row in
                    holds(block, row, expression, from, to)
                }
                let isSame = mask.rows.map(Int.init) == want
                #expect(isSame, "SEED=\(seed) \(expression) \(mask.rows) \(want)")
                matches += want.count
                misses += block.count - want.count
            }
        }
        #expect(matches > 1_000 && misses > 1_000, "\(matches) matches, \(misses) misses: little was compared")
    }
    @Test("where rows' ends have numbers, a filter over numbers finds the rows that it finds over addresses")
    func endsAgreeWithAddresses() throws {
        var matches = 0, asked = 0
        try forAll(runs: 40) { generator, seed in
            var block = try RandomBlocks.block(try RandomBlocks(using: &generator, count: 80).known)
            let isWide = Bool.random(using: &generator)
            for _ in 0..<40 {
                let expression = RandomFilter.expression(using: &generator), condition = Condition(expression)
                var want = RowMask(count: block.count), mask = want
                block.ends = nil
                condition.keep(&want, in: block)
                guard condition.testsEnds else {
                    let isSame = condition.fieldsBesideEnds == condition.fields
                    #expect(isSame, "SEED=\(seed) \(expression)")
                    continue
                }
                block.ends = ends(of: block, isWide: isWide, condition.endRanges)
                // What it says it needs no more is not there.
                var less = block
                if condition.fieldsBesideEnds.isDisjoint(with: .sourceIPAddress) {
                    (less.columns.sourceHigh, less.columns.sourceLow) = ([], [])
                }
                if condition.fieldsBesideEnds.isDisjoint(with: .destinationIPAddress) {
                    (less.columns.destinationHigh, less.columns.destinationLow) = ([], [])
                }
                condition.keep(&mask, in: less)
                #expect(mask.rows == want.rows, "SEED=\(seed) \(expression)")
                matches += want.meant
                asked += 1
            }
        }
        #expect(matches > 1_000 && asked > 100, "\(matches) matches of \(asked) questions: little was compared")
    }
    /// Numbers for the addresses of a block, two places a row.
    private func ends(of block: RowBlock, isWide: Bool, _ ranges: [ClosedRange<IPAddress>]) -> RowEnds {
        let rows = block.columns.rows.map { block.columns[$0] }
        var all = Set(rows.flatMap { [$0.sourceIPAddress, $0.destinationIPAddress] }).sorted()
        // Several numbers for one address are allowed, and addresses of no row.
        if isWide { all = (all + all.prefix(3) + [IPAddress(v4: 7), IPAddress(high: .max, low: 1)]).sorted() }
        let numbers = rows.flatMap { row in
            [row.sourceIPAddress, row.destinationIPAddress].map { end in
                UInt32(all.lastIndex(of: end) ?? 0)
            }
        }
        let known = ranges.map { range in
            let first = all.count { $0 < range.lowerBound }, end = all.count { $0 <= range.upperBound }
            return UInt32(first)..<UInt32(end)
        }
        return RowEnds(
            places: rows.indices.map { UInt32(2 * $0) }, numbers: numbers, ranges: ranges, known: known)
    }

    private func period(_ generator: inout SeededGenerator) -> (Int64, Int64) {
        guard Bool.random(using: &generator) else { return (.min, .max) }
        let from = RandomBlocks.start + Int64.random(in: 0..<1_000_000, using: &generator)
        return (from, from + Int64.random(in: 0..<1_000_000, using: &generator))
    }
    private func holds(_ block: RowBlock, _ row: Int, _ expression: FilterExpression, _ from: Int64, _ to: Int64)
        -> Bool
    {
        let sensor = block.sensors.sensor(ofRow: row)
        let subject = FilterSubject(block.columns, row: row, site: sensor.site, sensor: sensor.name)
        return !subject.record.flags.contains(.secondary) && subject.record.flowEndMilliseconds >= from
            && subject.record.flowStartMilliseconds < to && expression.matches(subject)
    }

    @Test("bounds never say none where a row matches, nor all where one does not; what they leave finds the same")
    func boundsAreCertain() throws {
        var none = 0, all = 0
        try forAll(runs: 60) { generator, seed in
            let known = try RandomBlocks(using: &generator, count: 40).known
            for size in [1, 2, 5, 40] {
                let block = try RandomBlocks.block(Array(known.prefix(size))), bounds = TrueBounds(block: block)
                for _ in 0..<15 {
                    let expression = RandomFilter.expression(using: &generator, depth: 2)
                    let condition = Condition(expression)
                    var mask = RowMask(count: block.count), left = mask
                    condition.keep(&mask, in: block)
                    condition.simplified(by: bounds).keep(&left, in: block)
                    #expect(left.rows == mask.rows, "SEED=\(seed) \(expression)")
                    switch condition.verdict(bounds) {
                    case .none:
                        none += 1
                        #expect(mask.isEmpty, "SEED=\(seed) \(expression)")
                    case .all:
                        all += 1
                        #expect(mask.meant == block.count, "SEED=\(seed) \(expression)")
                    case .some: break
                    }
                }
            }
        }
        #expect(none > 100 && all > 100, "bounds said none \(none) times, all \(all) times")
    }

    @Test("a Bloom filter that knows all addresses of a block rules out no block with a match") func bloom() throws {
        var ruledOut = 0
        try forAll(runs: 40) { generator, seed in
            let block = try RandomBlocks.block(try RandomBlocks(using: &generator, count: 3, spread: 40).known)
            let records = block.columns.rows.map { block.columns[$0] }
            let addresses = records.flatMap { [$0.sourceIPAddress, $0.destinationIPAddress] }
            for _ in 0..<20 {
                let expression = RandomFilter.expression(using: &generator, depth: 2), condition = Condition(expression)
                var mask = RowMask(count: block.count)
                condition.keep(&mask, in: block)
                if condition.canMatch({ network in addresses.contains(where: network.contains) }) { continue }
                ruledOut += 1
                #expect(mask.isEmpty, "SEED=\(seed) \(expression)")
            }
        }
        #expect(ruledOut > 10, "\(ruledOut) times")
    }

    @Test("later stages are those that cost more") func stages() {
        let filter = FilterExpression.conjunction(of: [
            .test(.address(.source, AddressSet([IPNetwork(IPAddress(v4: 0x0A00_0000), length: 8)]))),
            .test(.number(.destinationPort, NumberSet(22))),
        ])
        let stages = Condition(filter).stages
        #expect(stages.map(\.fields) == [.destinationTransportPort, .sourceIPAddress])
    }
}
