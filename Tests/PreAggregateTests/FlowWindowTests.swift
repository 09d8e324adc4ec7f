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

private func sum(
    _ columns: FlowColumns, _ rowsMax: Int = 4_096, _ fidelity: Fidelity = .full, parts: Int = 1
) -> FlowColumns {
    var window = FlowWindow(rowsMax: rowsMax, fidelity: fidelity, seed: 7)
    for part in 0..<parts {
        for row in columns.rows where row % parts == part {
            var record = columns[row]
            record.exporter = window.columns.intern(columns.exporterKey(ofRow: row)) ?? 0
            record.extra = window.columns.extras.copy(record.extra, from: columns.extras)
            window.columns.append(record)
        }
        window.absorb()
    }
    let closed = window.close(next: .full)
    #expect(window.columns.count == 0 && closed.conversations.count >= closed.columns.count)
    return closed.columns
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
struct FlowWindowTests {
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

    @Test("a window that is too small says so, loses nothing and goes on") func full() {
        forAll(runs: 30) { generator, seed in
            let rows = someRows(500, using: &generator)
            #expect(sum(rows, 20).tally == rows.tally, "SEED=\(seed)")
            var window = FlowWindow(rowsMax: 20, fidelity: .full, seed: seed), out = Tally(), windows = 0
            for row in rows.rows {
                var record = rows[row]
                record.exporter = window.columns.intern(rows.exporterKey(ofRow: row)) ?? 0
                window.columns.append(record)
                window.absorb()
                let isFull = window.isFull
                guard isFull || row == rows.count - 1 else { continue }
                let closed = window.close(next: .full)
                #expect(closed.columns.count <= 20)
                out += closed.columns.tally
                windows += 1
                window.recycle(closed)
            }
            #expect(out == rows.tally && windows > 1, "SEED=\(seed)")
        }
    }

    @Test("in how many parts rows come makes no difference") func parts() {
        forAll(runs: 30) { generator, seed in
            let rows = someRows(200, using: &generator)
            for fidelity in Fidelity.allCases {
                let whole = sum(rows, 4_096, fidelity), inParts = sum(rows, 4_096, fidelity, parts: 7)
                #expect(whole.tally == inParts.tally, "SEED=\(seed)")
                // At host fidelity the rows that come first decide which hosts are crowded.
                if fidelity != .host { #expect(whole.count == inParts.count, "SEED=\(seed)") }
            }
        }
    }

    @Test("AS numbers and next hop are the first row's") func firstSeen() {
        func record(_ host: UInt32, _ system: UInt32) -> FlowRecord {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: host)
            record.bgpSourceAsNumber = system
            record.ipNextHopAddress = IPAddress(v4: system)
            return record
        }
        let out = sum(columns([record(9, 1), record(3, 2), record(9, 3), record(1, 4), record(3, 5)]))
        let seen = Dictionary(
            uniqueKeysWithValues: out.rows.map { (out[$0].sourceIPAddress.v4, out[$0].bgpSourceAsNumber) })
        #expect(seen == [9: 1, 3: 2, 1: 4])
        #expect(out.rows.allSatisfy { out[$0].ipNextHopAddress.v4 == out[$0].bgpSourceAsNumber })
    }

    @Test("rows whose further elements differ are not summed at full fidelity; coarser, these go") func extras() {
        var columns = FlowColumns()
        for label in [1, 2, 1, 1] as [UInt8] {
            var record = FlowRecord()
            record.octetDeltaCount = 10
            record.extra = columns.extras.add([ExtraValue(ElementKey(id: 351), [label])])
            record.exporter = columns.intern(exporters[0]) ?? 0
            columns.append(record)
        }
        let out = sum(columns)
        let octets = Dictionary(
            uniqueKeysWithValues: out.rows.map {
                (out.extras.value(of: ElementKey(id: 351), at: out[$0].extra), out[$0].octetDeltaCount)
            })
        #expect(octets == [[1]: 30, [2]: 10])
        #expect(sum(columns, 64, .service).rows.count == 1)
    }

    @Test("a scan of many ports stays visible in a sketch when ports are summed away") func ports() {
        let probes = (1...1_000).map { port in
            var record = FlowRecord()
            (record.sourceIPAddress, record.destinationIPAddress) = (IPAddress(v4: 1), IPAddress(v4: 2))
            (record.sourceTransportPort, record.destinationTransportPort) = (50_000, UInt16(port))
            record.protocolIdentifier = 6
            return record
        }
        let out = sum(columns(probes), 4_096, .host)
        #expect(out.count == 1 && out.tally.flows == 1_000)
        let estimate = out.sketches.pair(at: out[0].sketch)?.ports.estimate ?? 0
        #expect((700...1_300).contains(estimate), "\(estimate)")
    }

    @Test("a host with very many peers keeps its name, theirs are counted: scanners and victims stay visible")
    func peers() {
        func flow(_ source: UInt32, _ destination: UInt32) -> FlowRecord {
            var record = FlowRecord()
            (record.sourceIPAddress, record.destinationIPAddress) = (IPAddress(v4: source), IPAddress(v4: destination))
            (record.protocolIdentifier, record.octetDeltaCount) = (17, 100)
            return record
        }
        let scan = (1...2_000).map { flow(0x0A00_0001, 0xC000_0000 + $0) }
        let flood = (1...2_000).map { flow(0xD000_0000 + $0, 0x0A00_0002) }
        let out = sum(columns(scan + flood), 8_192, .host)
        #expect(out.count < 200 && out.tally.octets == 400_000)
        let scanner = out.rows.map { out[$0] }.first {
            $0.sourceIPAddress.v4 == 0x0A00_0001 && $0.destinationIPAddress.isAbsent
        }
        let victim = out.rows.map { out[$0] }.first {
            $0.destinationIPAddress.v4 == 0x0A00_0002 && $0.sourceIPAddress.isAbsent
        }
        for row in [scanner, victim] {
            #expect(row?.tally.flows ?? 0 > 1_900)
            let peers = out.sketches.pair(at: row?.sketch ?? 0)?.peers.estimate ?? 0
            #expect((1_300...2_700).contains(peers), "\(peers)")
        }
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

    @Test("small windows that sum nothing are not looked up for seven windows, and then tried again; counters stay")
    func pace() {
        var window = FlowWindow(rowsMax: 1_024, fidelity: .full, seed: 3), counts: [Int] = []
        func fill(_ flows: Int, next: Int? = 256) {
            for index in 0..<256 {
                var record = FlowRecord()
                (record.sourceIPAddress, record.octetDeltaCount) = (IPAddress(v4: UInt32(index % flows)), 1)
                window.columns.append(record)
            }
            let out = window.close(next: .full, rows: next)
            #expect(out.columns.tally.octets == 256 && out.conversations.count >= out.columns.count)
            counts.append(out.columns.count)
        }
        fill(256)  // sums nothing
        for _ in 0..<8 { fill(16) }
        #expect(counts == [256] + Array(repeating: 256, count: 7) + [16], "seven are left alone")
        counts = []
        for _ in 0..<3 { fill(16) }
        #expect(counts == [16, 16, 16], "it pays")
        counts = []
        fill(256, next: nil)
        for _ in 0..<3 { fill(16, next: nil) }
        #expect(counts == [256, 16, 16, 16], "large windows are always summed")
    }
}
