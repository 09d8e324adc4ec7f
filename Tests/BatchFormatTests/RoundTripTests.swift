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

    @Test("a part of the rows can be sealed alone") func someRows() throws {
        try forAll(runs: 20) { generator, seed in
            let columns = RandomColumns.make(rows: 90, using: &generator)
            var encoder = BatchEncoder()
            let back = try decode(try encoder.encode(columns, rows: 30..<70, fidelity: .full))
            #expect(back.count == 40, "SEED=\(seed)")
            #expect(back.rows.allSatisfy { back[$0] == columns[$0 + 30] }, "SEED=\(seed)")
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
        #expect(body.count * 100 + (1 << 20) >= BatchLimit.rowsMax * 138)
        columns.append(record)
        #expect(throws: BatchError.tooManyRows(BatchLimit.rowsMax + 1, max: BatchLimit.rowsMax)) {
            try encode(columns)
        }
    }
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
