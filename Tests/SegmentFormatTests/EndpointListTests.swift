import BatchFormat
import FlowModel
import Platform
import SegmentFormat
import Testing

@Suite("A segment's list of endpoints is read block by block")
struct EndpointListTests {
    private static let blockWords = 2_048, rows = 6_000

    /// Each row has a source of its own, some twice with another AS number; in blocks of 1 000 rows.
    private static func segment(isV6: Bool = false) -> EncodedSegment {
        var encoder = SegmentEncoder(blockRows: 1_000, listBlock: blockWords), columns = FlowColumns()
        _ = columns.intern(ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix))
        for index in 0..<rows {
            var record = FlowRecord()
            record.sourceIPAddress = address(index / 2 * 2, isV6: isV6)
            record.destinationIPAddress = address(-1, isV6: isV6)
            record.bgpSourceAsNumber = UInt32(index % 2) + 64_512
            record.octetDeltaCount = UInt64(index)
            record.destinationTransportPort = 443
            record.sourceTransportPort = 50_000
            columns.append(record)
        }
        let isTaken = encoder.add(columns, origin: RandomRows.origin("a"), logOffset: 1)
        #expect(isTaken)
        return encoder.finish()
    }
    private static func address(_ index: Int, isV6: Bool = false) -> IPAddress {
        let number = UInt64(1_000 + 3 * index)
        return isV6
            ? IPAddress(high: 0x2001_0DB8_0000_0000 | number / 1_024, low: number % 1_024)
            : IPAddress(v4: 0x0A00_0000 + UInt32(number))
    }
    private static func exactly(_ address: IPAddress) -> ClosedRange<IPAddress> { address...address }

    @Test("one address opens one block of each part that has its addresses", arguments: [false, true])
    func needle(isV6: Bool) async throws {
        let segment = Self.segment(isV6: isV6), head = try SegmentHead(segment.head)
        for index in [0, 2, 1_000, 2_046, 2_048, 4_000, 5_998] {
            var reader = SegmentReader(head, segment)
            let range = Self.exactly(Self.address(index, isV6: isV6))
            try await reader.loadEndpoints(in: [range])
            let before = reader.bytesRead, numbers = try reader.numbers(in: [range])
            #expect(numbers.count == 1 && numbers[0].count == 2, "\(index)")
            // A range that ends where a block does looks at the next one, too.
            let blocks = Set(
                [Int(numbers[0].lowerBound) - 1, Int(numbers[0].upperBound) - 1].map { $0 / Self.blockWords })
            #expect(reader.listBlocks == blocks.count * (isV6 ? 2 : 1), "\(index): \(reader.listBlocks)")
            #expect(before > 0 && reader.bytesRead == before)
        }
    }

    @Test("ranges have the numbers that a search of all addresses gives", arguments: [false, true])
    func ranges(isV6: Bool) async throws {
        let segment = Self.segment(isV6: isV6), head = try SegmentHead(segment.head)
        var reader = SegmentReader(head, segment), generator = SeededGenerator(seed: 4)
        try await reader.load([.sourceIPAddress, .destinationIPAddress], blocks: [0])
        let (highs, lows) = try reader.endpointAddresses()
        let all = (0..<head.endpointCount).map { IPAddress(high: highs.isEmpty ? 0 : highs[$0], low: lows[$0]) }
        #expect(all.count == Self.rows + 1)
        for _ in 0..<300 {
            let ends = (0..<2).map { _ in
                let shift = UInt64.random(in: 0...2, using: &generator)
                let some = Self.address(Int.random(in: -3...6_010, using: &generator), isV6: isV6)
                return IPAddress(high: some.high, low: some.low &+ shift &- 1)
            }.sorted()
            let range = ends[0]...ends[1]
            var few = SegmentReader(head, segment)
            try await few.loadEndpoints(in: [range])
            let numbers = try few.numbers(in: [range])
            let want = all.indices.filter { range.contains(all[$0]) }
            #expect(numbers.count == 1 && numbers[0].map { Int($0) } == want, "\(range)")
            #expect(few.listBlocks <= 4)
        }
        for range in [IPAddress.absent...IPAddress.absent, .absent...IPAddress(high: .max, low: .max)] {
            let numbers = try reader.numbers(in: [range])
            #expect(numbers[0].count == all.filter { range.contains($0) }.count)
        }
    }

    @Test("rows that are picked are those of the whole block, and open only their endpoints' blocks")
    func picked() async throws {
        let segment = Self.segment(), head = try SegmentHead(segment.head)
        var whole = SegmentReader(head, segment)
        try await whole.load(.all, blocks: 0..<head.blockCount)
        for block in 0..<head.blockCount {
            var columns = FlowColumns(), some = FlowColumns()
            _ = try whole.decode(block, .all, into: &columns)
            let picks: [Int32] = [7, 8, 9]
            var reader = SegmentReader(head, segment)
            try await reader.load(.all, block: block, rows: picks)
            _ = try reader.decode(block, .all, rows: picks, into: &some)
            let same = picks.indices.allSatisfy { some[$0] == columns[Int(picks[$0])] }
            #expect(same && some.count == picks.count)
            // Of addresses and AS numbers the block of the sources, and that of the destination.
            #expect((2...4).contains(reader.listBlocks) && whole.listBlocks == 6, "\(reader.listBlocks)")
            #expect(reader.bytesRead < whole.bytesRead / 3)
        }
    }

    @Test("picked rows have all that their segment says of them") func pickedRandom() async throws {
        for seed in UInt64(40)...60 {
            var generator = SeededGenerator(seed: seed)
            let made = try MadeSegment(rows: 300, using: &generator), head = try SegmentHead(made.segment.head)
            for block in 0..<head.blockCount {
                let count = head.rows(ofBlock: block).count
                var picks = (0..<Int32(count)).filter { _ in UInt8.random(in: 0...5, using: &generator) == 0 }
                if picks.isEmpty { picks = [0] }
                var whole = SegmentReader(head, made.segment), columns = FlowColumns(), some = FlowColumns()
                try await whole.load(.all, blocks: [block])
                _ = try whole.decode(block, .all, into: &columns)
                var reader = SegmentReader(head, made.segment)
                try await reader.load(.all, block: block, rows: picks)
                _ = try reader.decode(block, .all, rows: picks, into: &some)
                let origin = RandomRows.origin("a")
                let same = picks.indices.allSatisfy {
                    WholeRow(some, $0, origin) == WholeRow(columns, Int(picks[$0]), origin)
                }
                #expect(same, "SEED=\(seed)")
            }
        }
    }

    @Test("damage in one block of the list costs who needs it, and nobody else") func damage() async throws {
        let segment = Self.segment(), head = try SegmentHead(segment.head)
        var pieces = Pieces(segment)
        let list = SegmentBlob(rawValue: 81), size = pieces.blobs[list]?.count ?? 0
        pieces.blobs[list]?[size / 2] ^= 1
        let hurt = try await faults(head, pieces)
        #expect(hurt == [3_000], "\(hurt)")
        // Without its directory nothing of the list can be read.
        pieces = Pieces(segment)
        pieces.blobs[SegmentBlob(rawValue: 87)]?[9] ^= 1
        let all = try await faults(head, pieces)
        #expect(all.count == 3)
        var reader = SegmentReader(head, pieces), columns = FlowColumns()
        try await reader.load(.octetDeltaCount, blocks: [0])
        let rows = try reader.decode(0, .octetDeltaCount, into: &columns)
        #expect(rows.count == 1_000)
    }
    /// The indices of addresses, one of each block of the list, that can't be looked for.
    private func faults(_ head: SegmentHead, _ pieces: Pieces) async throws -> [Int] {
        var hurt: [Int] = []
        for index in [100, 3_000, 5_000] {
            var reader = SegmentReader(head, pieces)
            do {
                try await reader.loadEndpoints(in: [Self.exactly(Self.address(index))])
                _ = try reader.numbers(in: [Self.exactly(Self.address(index))])
            } catch is SegmentError {
                hurt.append(index)
            }
        }
        return hurt
    }

    @Test("rows that a block does not have are refused") func noRows() async throws {
        let segment = Self.segment(), head = try SegmentHead(segment.head)
        var reader = SegmentReader(head, segment), columns = FlowColumns()
        for wrong in [Int32(-1), 1_000] {
            await #expect(throws: SegmentError.noBlock(0)) { try await reader.load(.all, block: 0, rows: [wrong]) }
            #expect(throws: SegmentError.noBlock(0)) {
                _ = try reader.decode(0, .all, rows: [wrong], into: &columns)
            }
        }
        #expect(columns.count == 0)
    }
}
