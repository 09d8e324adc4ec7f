import FlowModel
import PreAggregate
import TestKit
import Testing

private let exporters = (0..<3).map {
    ExporterKey(address: IPAddress(v4: UInt32($0)), observationDomain: 0, exportProtocol: .ipfix)
}

/// Few hosts and ports, so that many rows share a key.
private func someRows(_ count: Int, using generator: inout some RandomNumberGenerator) -> FlowColumns {
    var columns = FlowColumns()
    for _ in 0..<count {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + UInt32.random(in: 0...3, using: &generator))
        record.destinationIPAddress = IPAddress(high: 0x2001 << 48, low: .random(in: 0...2, using: &generator))
        record.sourceTransportPort = .random(in: 40_000...40_003, using: &generator)
        record.destinationTransportPort = [53, 443][Int.random(in: 0...1, using: &generator)]
        record.protocolIdentifier = [1, 6, 17][Int.random(in: 0...2, using: &generator)]
        record.octetDeltaCount = .random(in: 0...3_000, using: &generator)
        record.packetDeltaCount = .random(in: 1...9, using: &generator)
        record.deltaFlowCount = .random(in: 1...3, using: &generator)
        record.flowStartMilliseconds = .random(in: 1_000...2_000, using: &generator)
        record.flowEndMilliseconds = record.flowStartMilliseconds + .random(in: 0...500, using: &generator)
        record.exportMilliseconds = .random(in: 3_000...4_000, using: &generator)
        record.receiveMilliseconds = .random(in: 3_000...4_000, using: &generator)
        record.tcpControlBits = 1 << UInt16.random(in: 0...5, using: &generator)
        record.ipClassOfService = .random(in: 0...1, using: &generator)
        record.vlanId = .random(in: 0...1, using: &generator)
        record.ingressInterface = .random(in: 1...2, using: &generator)
        record.samplingInterval = [1, 100][Int.random(in: 0...1, using: &generator)]
        record.flowDirection = [0, 1, 255][Int.random(in: 0...2, using: &generator)]
        record.exporter = columns.intern(exporters[Int.random(in: 0...2, using: &generator)]) ?? 0
        columns.append(record)
    }
    return columns
}

private func sum(_ columns: FlowColumns, _ entriesMax: Int = 4_096, _ fidelity: Fidelity = .full) -> FlowColumns {
    var table = FlowTable(entriesMax: entriesMax, fidelity: fidelity, seed: 7), out = FlowColumns()
    let taken = table.add(columns, rows: columns.rows)
    #expect(taken == columns.count)
    table.drain(into: &out)
    let isEmpty = table.isEmpty
    #expect(isEmpty)
    return out
}

private func columns(_ records: [FlowRecord]) -> FlowColumns {
    var columns = FlowColumns()
    for var record in records {
        record.exporter = columns.intern(exporters[0]) ?? 0
        columns.append(record)
    }
    return columns
}

/// What a record's key is, told in another way than the table does it.
private struct Key: Hashable {
    var record: FlowRecord
    var exporter: ExporterKey
    init(_ columns: FlowColumns, _ row: Int) {
        record = columns[row]
        exporter = columns.exporterKey(ofRow: row)
        (record.octetDeltaCount, record.packetDeltaCount, record.deltaFlowCount, record.exporter) = (0, 0, 0, 0)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (0, 0)
        (record.exportMilliseconds, record.receiveMilliseconds, record.tcpControlBits) = (0, 0, 0)
    }
}

@Suite("Rows of one key become one row and nothing is lost")
struct FlowTableTests {
    @Test("at full fidelity there is one row a key, with exact sums, bounds and flags") func model() {
        forAll(runs: 60) { generator, seed in
            let rows = someRows(Int.random(in: 0...400, using: &generator), using: &generator), out = sum(rows)
            let groups = Dictionary(grouping: rows.rows) { Key(rows, $0) }
            #expect(out.count == groups.count, "SEED=\(seed)")
            for row in out.rows {
                guard let group = groups[Key(out, row)]?.map({ rows[$0] }) else {
                    Issue.record("a key that was not put in, SEED=\(seed)")
                    continue
                }
                let record = out[row]
                #expect(record.tally == group.reduce(into: Tally()) { $0 += $1.tally }, "SEED=\(seed)")
                #expect(record.flowStartMilliseconds == group.map(\.flowStartMilliseconds).min())
                #expect(record.flowEndMilliseconds == group.map(\.flowEndMilliseconds).max())
                #expect(record.exportMilliseconds == group.map(\.exportMilliseconds).max())
                #expect(record.receiveMilliseconds == group.map(\.receiveMilliseconds).min())
                #expect(record.tcpControlBits == group.reduce(0) { $0 | $1.tcpControlBits })
            }
        }
    }

    @Test("octets, packets, flows and time bounds are exact at each fidelity, and coarser is never longer")
    func conservation() {
        forAll(runs: 60) { generator, seed in
            let rows = someRows(300, using: &generator)
            var before = Int.max
            for fidelity in Fidelity.allCases {
                let out = sum(rows, 4_096, fidelity)
                #expect(out.tally == rows.tally, "\(fidelity) SEED=\(seed)")
                #expect(
                    out.rows.map { out[$0].flowStartMilliseconds }.min()
                        == rows.rows.map { rows[$0].flowStartMilliseconds }.min())
                #expect(
                    out.rows.map { out[$0].flowEndMilliseconds }.max()
                        == rows.rows.map { rows[$0].flowEndMilliseconds }.max())
                for key in exporters {
                    let its = { (columns: FlowColumns) in
                        columns.rows.filter { columns.exporterKey(ofRow: $0) == key }
                            .reduce(into: Tally()) { $0 += columns[$1].tally }
                    }
                    #expect(its(out) == its(rows), "each exporter keeps its own, SEED=\(seed)")
                }
                #expect(out.count <= before)
                before = out.count
            }
        }
    }

    @Test("service drops the client's port and nothing else") func service() {
        func kept(_ source: UInt16, _ destination: UInt16, _ number: UInt8 = 6) -> [UInt16] {
            var record = FlowRecord()
            record.sourceTransportPort = source
            record.destinationTransportPort = destination
            record.protocolIdentifier = number
            (record.ipClassOfService, record.vlanId, record.ingressInterface) = (3, 4, 5)
            let out = sum(columns([record]), 16, .service)[0]
            #expect((out.ipClassOfService, out.vlanId, out.ingressInterface) == (3, 4, 5))
            let isSummed = (out.sourceTransportPort, out.destinationTransportPort) != (source, destination)
            #expect(out.flags.contains(.portsSummed) == isSummed)
            return [out.sourceTransportPort, out.destinationTransportPort]
        }
        #expect(kept(50_000, 443) == [0, 443])
        #expect(kept(443, 50_000) == [443, 0])
        #expect(kept(50_000, 8_080) == [0, 8_080])
        #expect(kept(123, 123, 17) == [123, 123])
        #expect(kept(5_060, 5_060, 17) == [5_060, 5_060])
        #expect(kept(1_023, 22) == [1_023, 22])
        #expect(kept(1_024, 22) == [0, 22])
        #expect(kept(0, 0x0800, 1) == [0, 0x0800])
        #expect(kept(0, 0x8000, 58) == [0, 0x8000])
    }

    @Test("host keeps the two addresses, the protocol and the direction") func host() {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 1)
        (record.sourceTransportPort, record.destinationTransportPort, record.protocolIdentifier) = (1, 2, 6)
        (record.ipClassOfService, record.vlanId, record.ingressInterface, record.egressInterface) = (3, 4, 5, 6)
        record.flowDirection = 1
        let out = sum(columns([record]), 16, .host)[0]
        #expect((out.sourceTransportPort, out.destinationTransportPort, out.vlanId) == (0, 0, 0))
        #expect((out.ipClassOfService, out.ingressInterface, out.egressInterface) == (0, 0, 0))
        #expect(out.protocolIdentifier == 6 && out.flowDirection == 1 && out.sourceIPAddress == IPAddress(v4: 1))
        #expect(out.flags == .portsSummed)
    }

    @Test("a sum that would overflow opens a second row") func overflow() {
        func pair(_ change: (inout FlowRecord) -> Void) -> [Tally] {
            var record = FlowRecord()
            change(&record)
            let out = sum(columns([record, record, record]))
            return out.rows.map { out[$0].tally }
        }
        #expect(pair { $0.octetDeltaCount = .max }.map(\.octets) == [.max, .max, .max])
        #expect(pair { $0.packetDeltaCount = 1 << 63 }.map(\.packets) == [1 << 63, 1 << 63, 1 << 63])
        #expect(pair { $0.deltaFlowCount = 1 << 31 }.map(\.flows) == [1 << 31, 1 << 31, 1 << 31])
        #expect(
            pair { $0.deltaFlowCount = .max / 2 }.map(\.flows) == [
                (UInt64(UInt32.max) / 2) * 2, UInt64(UInt32.max) / 2,
            ])
    }

    @Test("a full table says how many rows it took, and goes on once it is drained") func full() {
        forAll(runs: 30) { generator, seed in
            let rows = someRows(500, using: &generator)
            var table = FlowTable(entriesMax: 20, fidelity: .full, seed: seed), out = FlowColumns(), first = 0
            while first < rows.count {
                let taken = table.add(rows, rows: first..<rows.count)
                let held = table.count
                #expect(taken > 0 && held <= 20, "SEED=\(seed)")
                first += taken
                if first < rows.count { #expect(held == 20) }
                table.drain(into: &out)
            }
            #expect(out.tally == rows.tally && out.exporters.count <= 3, "SEED=\(seed)")
        }
    }

    @Test("rows come out in order of first sight; AS numbers and next hop are the first row's") func order() {
        func record(_ host: UInt32, _ system: UInt32) -> FlowRecord {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: host)
            record.bgpSourceAsNumber = system
            record.ipNextHopAddress = IPAddress(v4: system)
            return record
        }
        let out = sum(columns([record(9, 1), record(3, 2), record(9, 3), record(1, 4), record(3, 5)]))
        #expect(out.rows.map { out[$0].sourceIPAddress.v4 } == [9, 3, 1])
        #expect(out.rows.map { out[$0].bgpSourceAsNumber } == [1, 2, 4])
        #expect(out.rows.map { out[$0].ipNextHopAddress.v4 } == [1, 2, 4])
    }

    @Test("a secondary copy is never added to the row it copies; other flags are joined") func flags() {
        var plain = FlowRecord(), copy = FlowRecord(), estimated = FlowRecord()
        plain.octetDeltaCount = 1
        (copy.octetDeltaCount, copy.flags) = (10, .secondary)
        (estimated.octetDeltaCount, estimated.flags) = (100, .timesEstimated)
        let out = sum(columns([plain, copy, estimated, copy]))
        #expect(out.rows.map { out[$0].octetDeltaCount } == [101, 20])
        #expect(out.rows.map { out[$0].flags } == [.timesEstimated, .secondary])
    }
}
