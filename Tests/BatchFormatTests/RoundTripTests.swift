import BatchFormat
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("A batch comes back as it was sealed")
struct RoundTripTests {
    @Test("any rows survive encode and decode, with a summary that is theirs") func roundTrip() throws {
        try forAll(runs: 120) { generator, seed in
            let columns = RandomColumns.make(rows: Int.random(in: 0...600, using: &generator), using: &generator)
            let fidelity = Fidelity.allCases[Int(seed % 3)]
            let body = try encode(columns, fidelity: fidelity), back = try decode(body), head = try summary(body)
            #expect(back == columns, "SEED=\(seed)")
            #expect(head.rows == columns.count && head.tally == columns.tally, "SEED=\(seed)")
            #expect(head.fidelity == fidelity, "SEED=\(seed)")
            #expect(head.flowStartMin == columns.rows.map { columns[$0].flowStartMilliseconds }.min() ?? 0)
            #expect(head.flowEndMax == columns.rows.map { columns[$0].flowEndMilliseconds }.max() ?? 0)
            #expect(head.receiveMin == columns.rows.map { columns[$0].receiveMilliseconds }.min() ?? 0)
            #expect(head.receiveMax == columns.rows.map { columns[$0].receiveMilliseconds }.max() ?? 0)
        }
    }

    @Test("rows that share addresses and conversations survive, whichever way they go") func conversations() throws {
        try forAll(runs: 60) { generator, seed in
            let count = Int.random(in: 128...900, using: &generator)
            let columns = RandomColumns.conversations(rows: count, using: &generator)
            let body = try encode(columns), back = try decode(body)
            #expect(back == columns, "SEED=\(seed)")
        }
    }

    @Test("each field comes back alone as it does with all others") func eachField() throws {
        var generator = SeededNumbers(seed: 11)
        let columns = RandomColumns.conversations(rows: 400, using: &generator), body = try encode(columns)
        let all = try decode(body)
        for bit in 1..<33 {
            let one = try decode(body, fields: FieldSet(rawValue: 1 << UInt64(bit)))
            for row in all.rows {
                #expect(
                    difference(one, all, row).subtracting([bit])
                        == difference(FlowColumns.zeros(400), all, row)
                        .subtracting([bit]), "field \(bit), row \(row)")
                #expect(!difference(one, all, row).contains(bit), "field \(bit), row \(row)")
            }
        }
    }

    @Test("planes of every kind survive") func planes() throws {
        try forAll(runs: 12) { generator, seed in
            let rows = Int.random(in: 3_000...9_000, using: &generator)
            var columns = FlowColumns()
            _ = columns.intern(ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .ipfix))
            _ = columns.extend(by: rows)
            let often = Int.random(in: 1...700, using: &generator), bytes = UInt8.random(in: 1...255, using: &generator)
            for row in 0..<rows {
                let chance = Int.random(in: 0..<often, using: &generator)
                columns.octetDeltaCount[row] = chance == 0 ? generator.next() : UInt64(seed)
                columns.tcpControlBits[row] = chance == 0 ? UInt16.random(in: 0...3, using: &generator) : 0
                columns.packetDeltaCount[row] =
                    row > 0 && chance > 0 ? columns.packetDeltaCount[row - 1] : generator.next()
                columns.flags[row] = UInt8.random(in: 0...bytes, using: &generator)
                columns.ipClassOfService[row] = generator.next()
                columns.nextHopLow[row] = UInt64(row / often) << 40
                columns.flowDirection[row] = row % 255 == 0 ? 1 : 0
            }
            let back = try decode(try encode(columns))
            #expect(back == columns, "SEED=\(seed)")
        }
    }

    @Test("what columns do not hold goes along with the rows that lead to it, and only that") func sideStores() throws {
        var generator = SeededNumbers(seed: 4), columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        var record = FlowRecord()
        record.exporter = try number(key, in: &columns)
        let element = ElementKey(id: 136)
        let maybe = columns.extras.shape([ExtraField(element, length: 1)]), shape = try #require(maybe)
        for row in 0..<300 {
            record.extra = columns.extras.add(shape) { $0.append(UInt8(row % 7)) }
            record.sketch = columns.sketches.add(DistinctPair())
            record.observers = columns.observerSets.place(of: [UInt32(row % 1)])
            columns.append(record)
        }
        var encoder = BatchEncoder()
        let part = try encoder.encode(columns, rows: 10..<20, fidelity: .full), back = try decode(part)
        #expect(back.count == 10 && back.extras.octets.count == 30 && back.sketches.pairs.count == 10)
        #expect(back.rows.allSatisfy { back.extras.value(of: element, at: back.extra[$0]) == [UInt8(($0 + 10) % 7)] })
        #expect(back.observerSets.sets == [[0]] && encoder.entriesLeftOut == 0)
        let bare = RandomColumns.tame(&generator, at: 0)
        var without = FlowColumns()
        record = bare
        record.exporter = try number(key, in: &without)
        for _ in 0..<300 { without.append(record) }
        let body = try encode(without)
        #expect(body.count < 1_100)
        // A second batch goes into the same stores.
        var both = FlowColumns(), decoder = BatchDecoder()
        for _ in 0..<2 { try part.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &both) } }
        #expect(both.count == 20 && both.extras.shapes.count == 1 && both.extras.octets.count == 60)
    }

    @Test("what does not fit beside few rows is left out, counted, and the rows are sealed") func tooMuchBeside() throws
    {
        var generator = SeededNumbers(seed: 8), columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        let exporter = try number(key, in: &columns)
        for _ in 0..<100 {
            var record = FlowRecord.any(using: &generator)
            record.exporter = exporter
            let noise = (0..<60_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
            record.extra = columns.extras.add([ExtraValue(ElementKey(id: 313), noise)])
            columns.append(record)
        }
        var encoder = BatchEncoder()
        let back = try decode(try encoder.encode(columns, fidelity: .full))
        #expect(back.count == 100 && back.tally == columns.tally)
        let kept = back.rows.count { back.extra[$0] != 0 }
        #expect(kept == 4 && encoder.entriesLeftOut == 96)
    }

    @Test("rows with ends of their own, as under a flood, are sealed without a search") func flood() throws {
        var generator = SeededNumbers(seed: 6), columns = FlowColumns()
        _ = columns.intern(ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .ipfix))
        let rows = columns.extend(by: 20_000)
        for row in rows {
            (columns.sourceLow[row], columns.destinationLow[row]) = (generator.next(), generator.next())
            columns.destinationTransportPort[row] = 80
        }
        let body = try encode(columns), back = try decode(body)
        #expect(back == columns && body.count < 20_000 * 17)
    }

    @Test("a part of the rows can be sealed alone") func someRows() throws {
        try forAll(runs: 20) { generator, seed in
            let columns = RandomColumns.make(rows: 90, using: &generator)
            var encoder = BatchEncoder()
            let back = try decode(try encoder.encode(columns, rows: 30..<70, fidelity: .full))
            #expect(back.count == 40, "SEED=\(seed)")
            #expect(back.rows.allSatisfy { difference(back, columns, $0, $0 + 30).isEmpty }, "SEED=\(seed)")
        }
    }

    @Test("flows that end when they start come back so, though the difference is a column of zeros")
    func instants() throws {
        var columns = FlowColumns(), record = FlowRecord()
        let exporter = columns.intern(
            ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .sflow5))
        record.exporter = try #require(exporter)
        for row in 0..<3 {
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (1_000 + Int64(row), 1_000 + Int64(row))
            columns.append(record)
        }
        let back = try decode(try encode(columns, fidelity: .full))
        #expect(back == columns)
    }

    @Test("decoding appends, and gives exporters the numbers of the columns it appends to") func appends() throws {
        let a = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        let b = ExporterKey(address: IPAddress(v4: 2), observationDomain: 0, exportProtocol: .sflow5)
        func columns(_ keys: [ExporterKey]) throws -> FlowColumns {
            var columns = FlowColumns()
            for key in keys {
                var record = FlowRecord()
                record.exporter = try number(key, in: &columns)
                columns.append(record)
            }
            return columns
        }
        var all = FlowColumns(), decoder = BatchDecoder()
        for body in [try encode(try columns([a, b])), try encode(try columns([b, b, a]))] {
            try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &all) }
        }
        #expect(all.exporters == [a, b])
        #expect(all.rows.map { all.exporterKey(ofRow: $0) } == [a, b, b, b, a])
    }

    @Test("only the wanted columns are filled") func fields() throws {
        var generator = SeededNumbers(seed: 5)
        let columns = RandomColumns.make(rows: 50, using: &generator)
        let back = try decode(try encode(columns), fields: [.flowEndMilliseconds, .sourceIPAddress, .octetDeltaCount])
        #expect(back.count == 50)
        for row in back.rows {
            #expect(back[row].flowEndMilliseconds == columns[row].flowEndMilliseconds)
            #expect(back[row].sourceIPAddress == columns[row].sourceIPAddress)
            #expect(back[row].octetDeltaCount == columns[row].octetDeltaCount)
            #expect(back[row].destinationIPAddress == .absent && back[row].packetDeltaCount == 0)
        }
    }

    @Test("what an exporter says instead of a sampling interval is sealed as unknown")
    func badSampling() throws {
        var columns = FlowColumns()
        for value in [Float.nan, .infinity, -1, -.infinity, 1_000, 0] {
            var record = FlowRecord()
            record.exporter = try number(
                ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .netflow9), in: &columns)
            record.samplingInterval = value
            columns.append(record)
        }
        let back = try decode(try encode(columns))
        #expect(back.rows.map { back[$0].samplingInterval } == [0, 0, 0, 0, 1_000, 0])
    }

    @Test("rows that are too many for one body are refused, and their halves are taken") func halves() throws {
        var generator = SeededNumbers(seed: 9), columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        let exporter = try number(key, in: &columns)
        for _ in 0..<34_000 {
            var record = FlowRecord.any(using: &generator)
            record.exporter = exporter
            columns.append(record)
        }
        #expect(throws: BatchError.self) { try encode(columns) }
        var encoder = BatchEncoder(), back = FlowColumns(), open = [columns.rows]
        while let rows = open.popLast() {
            guard let body = try? encoder.encode(columns, rows: rows, fidelity: .full) else {
                try #require(rows.count > BatchLimit.rowsAlwaysFit)
                open += [rows.suffix(rows.count / 2), rows.prefix(rows.count - rows.count / 2)]
                continue
            }
            #expect(rows.lowerBound == back.count && body.count <= BatchLimit.bodyBytesMax)
            let part = try decode(body), isTaken = back.append(contentsOf: part)
            #expect(isTaken)
        }
        #expect(back == columns)
    }

    @Test("the most rows that always fit do, with the most exporters") func alwaysFit() throws {
        var generator = SeededNumbers(seed: 3), columns = FlowColumns()
        for number in 0..<UInt32(FlowColumns.exportersMax) {
            let address = IPAddress(high: generator.next(), low: generator.next())
            _ = columns.intern(.init(address: address, observationDomain: number, exportProtocol: .ipfix))
        }
        for number in 0..<BatchLimit.rowsAlwaysFit {
            var record = FlowRecord.any(using: &generator)
            record.exporter = UInt32(number)
            columns.append(record)
        }
        let back = try decode(try encode(columns))
        #expect(back == columns)
    }

    @Test("rows that are all alike are padded to what a decoder takes") func regular() throws {
        var columns = FlowColumns()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix)
        var record = FlowRecord()
        record.exporter = try number(key, in: &columns)
        record.octetDeltaCount = 40
        for _ in 0..<BatchLimit.rowsMax { columns.append(record) }
        let body = try encode(columns), back = try decode(body)
        #expect(back.count == BatchLimit.rowsMax && back.tally == columns.tally)
        #expect(body.count * 100 + (1 << 20) >= BatchLimit.rowsMax * 150)
        columns.append(record)
        #expect(throws: BatchError.tooManyRows(BatchLimit.rowsMax + 1, max: BatchLimit.rowsMax)) {
            try encode(columns)
        }
    }
}

extension FlowColumns {
    fileprivate static func zeros(_ rows: Int) -> FlowColumns {
        var columns = FlowColumns()
        _ = columns.extend(by: rows)
        return columns
    }
}
/// The numbers of the fields in which a row of two columns differs.
private func difference(_ a: FlowColumns, _ b: FlowColumns, _ row: Int, _ other: Int? = nil) -> Set<Int> {
    let its = other ?? row
    let same: [Bool] = [
        a.flowStartMilliseconds[row] == b.flowStartMilliseconds[its],
        a.flowEndMilliseconds[row] == b.flowEndMilliseconds[its],
        a.exportMilliseconds[row] == b.exportMilliseconds[its],
        a.receiveMilliseconds[row] == b.receiveMilliseconds[its],
        a.sourceHigh[row] == b.sourceHigh[its], a.sourceLow[row] == b.sourceLow[its],
        a.destinationHigh[row] == b.destinationHigh[its], a.destinationLow[row] == b.destinationLow[its],
        a.nextHopHigh[row] == b.nextHopHigh[its], a.nextHopLow[row] == b.nextHopLow[its],
        a.octetDeltaCount[row] == b.octetDeltaCount[its], a.packetDeltaCount[row] == b.packetDeltaCount[its],
        a.deltaFlowCount[row] == b.deltaFlowCount[its], a.protocolIdentifier[row] == b.protocolIdentifier[its],
        a.sourceTransportPort[row] == b.sourceTransportPort[its],
        a.destinationTransportPort[row] == b.destinationTransportPort[its],
        a.tcpControlBits[row] == b.tcpControlBits[its], a.ipClassOfService[row] == b.ipClassOfService[its],
        a.ingressInterface[row] == b.ingressInterface[its], a.egressInterface[row] == b.egressInterface[its],
        a.bgpSourceAsNumber[row] == b.bgpSourceAsNumber[its],
        a.bgpDestinationAsNumber[row] == b.bgpDestinationAsNumber[its],
        a.sourceIPPrefixLength[row] == b.sourceIPPrefixLength[its],
        a.destinationIPPrefixLength[row] == b.destinationIPPrefixLength[its], a.vlanId[row] == b.vlanId[its],
        a.flowDirection[row] == b.flowDirection[its], a.samplingInterval[row] == b.samplingInterval[its],
        a.flags[row] == b.flags[its], a.exporter[row] == b.exporter[its],
        a.extras.values(at: a.extra[row]) == b.extras.values(at: b.extra[its]),
        a.observerSets.set(at: a.observers[row]) == b.observerSets.set(at: b.observers[its]),
        a.sketches.pair(at: a.sketch[row]) == b.sketches.pair(at: b.sketch[its]),
    ]
    return Set(same.indices.filter { !same[$0] }.map { $0 + 1 })
}

/// The number of an exporter in `columns`.
private func number(_ key: ExporterKey, in columns: inout FlowColumns) throws -> UInt32 {
    let number = columns.intern(key)
    return try #require(number)
}

/// SplitMix64, so that this target needs no more than the modules it tests.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
