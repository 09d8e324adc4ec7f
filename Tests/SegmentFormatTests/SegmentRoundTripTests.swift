import BatchFormat
import FlowModel
import Platform
import SegmentFormat
import TestKit
import Testing

@Suite("A segment gives back the rows that went in")
struct SegmentRoundTripTests {
    @Test("any rows of any sensors come back, all columns of them, each with its sensor") func roundTrip() async throws
    {
        for seed in UInt64(1)...60 {
            var generator = SeededGenerator(seed: seed)
            let made = try MadeSegment(using: &generator)
            let back = try await made.readAll()
            let same = Counted(back) == Counted(made.rows)
            #expect(same, "SEED=\(seed)")
        }
    }

    @Test("its head has the sums and bounds of its rows") func sums() throws {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed)
            let made = try MadeSegment(using: &generator), head = try SegmentHead(made.segment.head)
            let records = made.rows.map(\.record)
            #expect(head.rows == records.count, "SEED=\(seed)")
            var tally = Tally()
            for record in records { tally += record.tally }
            #expect(head.tally == tally, "SEED=\(seed)")
            #expect(head.flowStartMin == records.map(\.flowStartMilliseconds).min() ?? 0, "SEED=\(seed)")
            #expect(head.flowEndMax == records.map(\.flowEndMilliseconds).max() ?? 0, "SEED=\(seed)")
            #expect(head.receiveMin == records.map(\.receiveMilliseconds).min() ?? 0, "SEED=\(seed)")
            #expect(head.receiveMax == records.map(\.receiveMilliseconds).max() ?? 0, "SEED=\(seed)")
            #expect(head.blobs.map(\.bytes) == made.segment.columns.map(\.bytes.count), "SEED=\(seed)")
            #expect(head.blobs.map(\.blob) == made.segment.columns.map(\.blob), "SEED=\(seed)")
        }
    }

    @Test("each field comes back alone as it does with all others") func eachField() async throws {
        var generator = SeededGenerator(seed: 5)
        let made = try MadeSegment(rows: 900, using: &generator), head = try SegmentHead(made.segment.head)
        for block in 0..<head.blockCount {
            var all = SegmentReader(head, made.segment), whole = FlowColumns()
            try await all.load(.all, blocks: [block])
            _ = try all.decode(block, .all, into: &whole)
            for bit in 1..<33 {
                let field = FieldSet(rawValue: 1 << UInt64(bit))
                var reader = SegmentReader(head, made.segment), columns = FlowColumns()
                try await reader.load(field, blocks: [block])
                let rows = try reader.decode(block, field, into: &columns)
                for row in rows {
                    let alone = values(columns, row), together = values(whole, row)
                    #expect(alone[bit] == together[bit], "field \(bit), row \(row)")
                    for other in 1..<29 where other != bit && !alone[other].isEmpty {
                        #expect(alone[other] == "0", "field \(other) was not asked for, row \(row)")
                    }
                }
            }
        }
    }

    @Test("further fields of a block are added to rows that are there") func further() async throws {
        var generator = SeededGenerator(seed: 8)
        let made = try MadeSegment(rows: 500, using: &generator), head = try SegmentHead(made.segment.head)
        var reader = SegmentReader(head, made.segment), columns = FlowColumns(), whole = FlowColumns()
        try await reader.load(.all, blocks: 0..<head.blockCount, origins: true)
        for block in 0..<head.blockCount {
            let rows = try reader.decode(block, .destinationTransportPort, into: &columns)
            try reader.decode(block, .all, into: &columns, rows: rows)
            _ = try reader.decode(block, .all, into: &whole)
        }
        let isSame = columns == whole
        #expect(isSame)
    }

    @Test("endpoints' numbers lead to the addresses of rows, in the order of addresses") func numbers() async throws {
        var generator = SeededGenerator(seed: 12)
        let made = try MadeSegment(rows: 700, using: &generator), head = try SegmentHead(made.segment.head)
        var reader = SegmentReader(head, made.segment)
        try await reader.load([.sourceIPAddress, .destinationIPAddress], blocks: 0..<head.blockCount)
        let (highs, lows) = try reader.endpointAddresses()
        let addresses = (0..<head.endpointCount).map { number in
            IPAddress(high: highs.isEmpty ? 0 : highs[number], low: lows[number])
        }
        #expect(addresses == addresses.sorted())
        for block in 0..<head.blockCount {
            var columns = FlowColumns()
            let rows = try reader.decode(block, [.sourceIPAddress, .destinationIPAddress], into: &columns)
            let (places, ends) = try reader.endpointNumbers(ofBlock: block)
            #expect(places.count == rows.count)
            for row in rows {
                #expect(addresses[Int(ends[Int(places[row])])] == columns[row].sourceIPAddress)
                #expect(addresses[Int(ends[Int(places[row] ^ 1)])] == columns[row].destinationIPAddress)
            }
        }
    }

    @Test("columns that are asked for alone have what they have among all, and no others have room") func places()
        async throws
    {
        for seed in UInt64(20)...26 {
            var generator = SeededGenerator(seed: seed)
            let made = try MadeSegment(rows: 700, using: &generator), head = try SegmentHead(made.segment.head)
            var reader = SegmentReader(head, made.segment), columns = FlowColumns()
            let fields: FieldSet = [.sourceIPAddress, .octetDeltaCount, .protocolIdentifier, .flowStartMilliseconds]
            try await reader.load(.all, blocks: 0..<head.blockCount)
            for block in 0..<head.blockCount {
                var whole = FlowColumns()
                let rows = try reader.decode(block, .all, into: &whole)
                try reader.decode(block, fields, intoPlacesOf: &columns)
                let clients = try reader.clients(ofBlock: block), servers = try reader.servers(ofBlock: block)
                let numbers = try reader.endpointNumbers(ofBlock: block).ends
                #expect(numbers == zip(clients, servers).flatMap { [$0, $1] })
                for (all, isClient) in [(clients, true), (servers, false)] {
                    let wrong = all.filter { number in
                        let may = head.mayHave([number..<(number + 1)], block: block)
                        return !(isClient ? may.client : may.server)
                    }
                    #expect(wrong.isEmpty, "SEED=\(seed)")
                }
                let beyond = UInt32(head.endpointCount)..<UInt32(head.endpointCount + 1)
                let may = head.mayHave([beyond], block: block)
                #expect(!may.client && !may.server)
                for row in rows {
                    #expect(columns.sourceHigh[row] == whole.sourceHigh[row])
                    #expect(columns.sourceLow[row] == whole.sourceLow[row])
                    #expect(columns.octetDeltaCount[row] == whole.octetDeltaCount[row])
                    #expect(columns.protocolIdentifier[row] == whole.protocolIdentifier[row])
                    #expect(columns.flowStartMilliseconds[row] == whole.flowStartMilliseconds[row])
                }
            }
            #expect(columns.count == 0 && columns.destinationLow.isEmpty && columns.flowEndMilliseconds.isEmpty)
        }
    }

    @Test("what was not loaded is not decoded, and is said") func notLoaded() async throws {
        var generator = SeededGenerator(seed: 8)
        let made = try MadeSegment(rows: 500, using: &generator), head = try SegmentHead(made.segment.head)
        var reader = SegmentReader(head, made.segment), columns = FlowColumns()
        try await reader.load(.packetDeltaCount, blocks: [0])
        let error = #expect(throws: SegmentError.self) {
            _ = try reader.decode(0, [.packetDeltaCount, .octetDeltaCount], into: &columns)
        }
        #expect(error == .notLoaded(part: 11))
        #expect(columns.count == 0)
        #expect(throws: SegmentError.noBlock(head.blockCount)) {
            _ = try reader.decode(head.blockCount, .packetDeltaCount, into: &columns)
        }
    }

    @Test("sealed batches go in as they are, until the segment is full") func batches() async throws {
        var generator = SeededGenerator(seed: 3)
        let columns = RandomRows.make(400, using: &generator)
        var sealer = BatchEncoder(), opener = BatchDecoder(), encoder = SegmentEncoder(rowsMax: 1_000, blockRows: 256)
        let body = try sealer.encode(columns, fidelity: .service), origin = RandomRows.origin("a", .service)
        for offset in [Int64(7), 5] {
            let isTaken = try encoder.add(body, sensor: origin.sensor, logOffset: offset, decoder: &opener)
            #expect(isTaken)
        }
        let isTaken = try encoder.add(body, sensor: origin.sensor, logOffset: 9, decoder: &opener)
        #expect(!isTaken && encoder.rows == 800)
        #expect(throws: BatchError.self) {
            _ = try encoder.add(Array(body.dropLast()), sensor: origin.sensor, logOffset: 9, decoder: &opener)
        }
        let segment = encoder.finish(), head = try SegmentHead(segment.head)
        #expect((head.logOffsetMin, head.logOffsetMax) == (5, 7) && head.origins == [origin])
        let rows = columns.rows.map { WholeRow(columns, $0, origin) }
        let back = try await MadeSegment(segment: segment, rows: []).readAll()
        let same = Counted(back) == Counted(rows + rows)
        #expect(same)
        #expect(encoder.rows == 0)
    }

    @Test("an encoder makes one segment after another, each on its own") func again() async throws {
        var generator = SeededGenerator(seed: 4), encoder = SegmentEncoder(blockRows: 128)
        for count in [500, 0, 300, 700] {
            let columns = RandomRows.make(count, using: &generator), origin = RandomRows.origin("a")
            let isTaken = encoder.add(columns, origin: origin, logOffset: 1)
            #expect(isTaken)
            let back = try await MadeSegment(segment: encoder.finish(), rows: []).readAll()
            let same = Counted(back) == Counted(columns.rows.map { WholeRow(columns, $0, origin) })
            #expect(same)
        }
    }

    /// The fields of a row by their columns' numbers; what is beside the columns counts by its content.
    private func values(_ columns: FlowColumns, _ row: Int) -> [String] {
        var values = [String](repeating: "", count: 33)
        func set(_ bit: Int, _ value: UInt64) { values[bit] = "\(value)" }
        for (bit, time) in [
            columns.flowStartMilliseconds, columns.flowEndMilliseconds, columns.exportMilliseconds,
            columns.receiveMilliseconds,
        ].enumerated() { set(bit + 1, UInt64(bitPattern: time[row])) }
        for (bit, word) in [
            columns.sourceHigh, columns.sourceLow, columns.destinationHigh, columns.destinationLow, columns.nextHopHigh,
            columns.nextHopLow, columns.octetDeltaCount, columns.packetDeltaCount,
        ].enumerated() { set(bit + 5, word[row]) }
        set(13, UInt64(columns.deltaFlowCount[row]))
        set(14, UInt64(columns.protocolIdentifier[row]))
        set(15, UInt64(columns.sourceTransportPort[row]))
        set(16, UInt64(columns.destinationTransportPort[row]))
        set(17, UInt64(columns.tcpControlBits[row]))
        set(19, UInt64(columns.ingressInterface[row]))
        set(20, UInt64(columns.egressInterface[row]))
        set(21, UInt64(columns.bgpSourceAsNumber[row]))
        set(22, UInt64(columns.bgpDestinationAsNumber[row]))
        set(24, UInt64(columns.destinationIPPrefixLength[row]))
        set(26, UInt64(columns.flowDirection[row]))
        set(27, UInt64(columns.samplingInterval[row].bitPattern))
        values[29] = columns.exporters.isEmpty ? "0" : "\(columns.exporterKey(ofRow: row))"
        values[30] = "\(columns.extras.values(at: columns.extra[row]))"
        let observers = columns.observerSets.set(at: columns.observers[row]).map { columns.exporters[Int($0)] }
        values[31] = "\(observers.map { "\($0)" }.sorted())"
        values[32] = "\(String(describing: columns.sketches.pair(at: columns.sketch[row])))"
        return values
    }
}

/// A segment and what went into it.
struct MadeSegment {
    let segment: EncodedSegment
    let rows: [WholeRow]

    init(segment: EncodedSegment, rows: [WholeRow]) { (self.segment, self.rows) = (segment, rows) }
    init(rows count: Int? = nil, using generator: inout some RandomNumberGenerator) throws {
        let blockRows = [64, 100, 256, 65_536][Int(RandomRows.below(4, &generator))]
        var encoder = SegmentEncoder(blockRows: count == nil ? blockRows : 256), rows: [WholeRow] = []
        for part in 0..<Int(1 + RandomRows.below(3, &generator)) {
            let columns = RandomRows.make(
                count ?? Int(RandomRows.below(400, &generator)), using: &generator)
            let origin = RandomRows.origin(["a", "b"][part % 2], Fidelity.allCases[part % 3])
            let isTaken = encoder.add(columns, origin: origin, logOffset: Int64(part))
            #expect(isTaken)
            rows += columns.rows.map { WholeRow(columns, $0, origin) }
        }
        (self.segment, self.rows) = (encoder.finish(), rows)
    }

    /// All rows, through a reader.
    func readAll() async throws -> [WholeRow] {
        let head = try SegmentHead(segment.head)
        var reader = SegmentReader(head, segment), rows: [WholeRow] = []
        try await reader.load(.all, blocks: 0..<head.blockCount, origins: true)
        var columns = FlowColumns()
        for block in 0..<head.blockCount {
            if block % 3 == 0 { columns.removeAll() }
            let range = try reader.decode(block, .all, into: &columns), origins = try reader.origins(ofBlock: block)
            rows += range.map { WholeRow(columns, $0, head.origins[Int(origins[$0 - range.lowerBound])]) }
        }
        return rows
    }
}

/// How often each row occurs: a segment keeps no order of its own.
struct Counted: Equatable {
    private var counts: [WholeRow: Int] = [:]
    init(_ rows: [WholeRow]) { for row in rows { counts[row, default: 0] += 1 } }
}
