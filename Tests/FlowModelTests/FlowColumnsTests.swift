import FlowModel
import TestKit
import Testing

/// What zeroed storage reads as.
private var zeroed: FlowRecord {
    var record = FlowRecord()
    record.deltaFlowCount = 0
    return record
}
private func key(_ number: UInt32) -> ExporterKey {
    ExporterKey(address: IPAddress(v4: number), observationDomain: number, exportProtocol: .netflow9)
}

@Suite("Columns of flow records")
struct FlowColumnsTests {
    @Test("any record comes back as it was put in") func rows() {
        forAll(runs: 100) { generator, seed in
            var columns = FlowColumns()
            let records = (0..<5).map { _ in FlowRecord.any(using: &generator) }
            for record in records { columns.append(record) }
            #expect(columns.rows.map { columns[$0] } == records, "SEED=\(seed)")
            let sum = records.reduce(into: Tally()) { $0 += $1.tally }
            #expect(columns.tally == sum && columns.tally(of: 1..<2) == records[1].tally, "SEED=\(seed)")
        }
    }

    @Test("storage beyond the rows is zero, whatever was there before") func zeroing() {
        forAll(runs: 60) { generator, seed in
            var columns = FlowColumns(capacity: Int.random(in: 0...20, using: &generator))
            for _ in 0..<30 {
                switch Int.random(in: 0...3, using: &generator) {
                case 0:
                    let before = columns.count
                    let rows = columns.extend(by: Int.random(in: 0...40, using: &generator))
                    #expect(rows.lowerBound == before && rows.upperBound == columns.count, "SEED=\(seed)")
                    #expect(rows.allSatisfy { columns[$0] == zeroed }, "SEED=\(seed)")
                case 1: for row in columns.rows { columns[row] = FlowRecord.any(using: &generator) }
                case 2: columns.truncate(to: Int.random(in: 0...60, using: &generator))
                default: columns.removeAll()
                }
                #expect(columns.count <= columns.capacity && columns.sourceLow.count == columns.capacity)
            }
            let kept = columns.count, rest = columns.extend(by: columns.capacity - kept)
            #expect(rest.allSatisfy { columns[$0] == zeroed }, "SEED=\(seed)")
        }
    }

    @Test("truncating to more rows than there are changes nothing") func truncate() {
        var columns = FlowColumns()
        columns.append(FlowRecord())
        columns.truncate(to: 5)
        #expect(columns.count == 1)
        columns.truncate(to: 0)
        #expect(columns.count == 0)
    }

    @Test("rows whose ends were not written are zero when they come again, whatever else was") func untouchedEnds() {
        var columns = FlowColumns()
        for row in columns.extend(by: 300) {
            columns.octetDeltaCount[row] = 7
            columns.nextHopLow[row] = 8
            columns.flags[row] = 1
            columns.vlanId[row] = 9
        }
        columns.truncate(to: 100, areEndsZero: true)
        #expect(columns.count == 100 && columns.octetDeltaCount[99] == 7)
        columns.truncate(to: 0, areEndsZero: true)
        let isZero = columns.extend(by: 300).allSatisfy { columns[$0] == zeroed }
        #expect(isZero)
    }

    @Test(
        "rows that take the place of others are zero but for the columns that are left, and zero when they come again")
    func replaced() {
        forAll(runs: 30) { generator, seed in
            var columns = FlowColumns()
            for _ in columns.extend(by: 100) {}
            for row in columns.rows { columns[row] = FlowRecord.any(using: &generator) }
            let count = Int.random(in: 0...400, using: &generator)
            let rows = columns.replaceRows(by: count, areEndsZero: false, leaving: [.times, .nextHops])
            #expect(rows == 0..<count && columns.count == count, "SEED=\(seed)")
            for row in rows {
                var record = columns[row]
                record.flowStartMilliseconds = 0
                record.flowEndMilliseconds = 0
                record.exportMilliseconds = 0
                record.receiveMilliseconds = 0
                record.ipNextHopAddress = .absent
                #expect(record == zeroed, "SEED=\(seed)")
            }
            let rest = columns.extend(by: columns.capacity - count)
            #expect(rest.allSatisfy { columns[$0] == zeroed }, "SEED=\(seed)")
        }
    }

    @Test("exporters are numbered in order of first use, up to the bound") func exporters() {
        var columns = FlowColumns()
        #expect([key(5), key(3), key(5)].map { columns.intern($0) } == [0, 1, 0])
        for number in 10..<UInt32(FlowColumns.exportersMax + 8) { _ = columns.intern(key(number)) }
        let last = columns.intern(key(1 << 20)), known = columns.intern(key(3))
        #expect(columns.exporters.count == FlowColumns.exportersMax && last == nil && known == 1)
        columns.removeAll()
        let again = columns.intern(key(3))
        #expect(columns.exporters == [key(3)] && again == 0)
    }

    @Test("columns are joined with their exporters translated, or not at all") func join() {
        func columns(_ keys: [UInt32]) -> FlowColumns {
            var columns = FlowColumns()
            for number in keys {
                var record = FlowRecord()
                record.exporter = columns.intern(key(number)) ?? 99
                record.octetDeltaCount = UInt64(number)
                columns.append(record)
            }
            return columns
        }
        var all = columns([1, 2])
        let isTaken = all.append(contentsOf: columns([2, 3, 2]))
        #expect(isTaken && all.exporters == [key(1), key(2), key(3)])
        #expect(all.rows.map { all.exporterKey(ofRow: $0) } == [1, 2, 2, 3, 2].map { key($0) })
        #expect(all == columns([1, 2, 2, 3, 2]) && all != columns([1, 2, 2, 3, 3]))
        for number in 10..<UInt32(FlowColumns.exportersMax + 7) { _ = all.intern(key(number)) }
        let isRefused = !all.append(contentsOf: columns([7]))
        #expect(isRefused && all.count == 5)
    }

    @Test("fidelities go from fine to coarse and have names of their own") func fidelity() {
        #expect(Fidelity.full < .service && Fidelity.service < .host)
        #expect(Fidelity.allCases.map(\.name) == ["full", "service", "host"])
        #expect(Fidelity.allCases.map(\.rawValue) == [0, 1, 2])
    }
}

@Suite("The ledger's arithmetic")
struct LedgerTests {
    @Test("what is decoded and neither sealed nor lost is open") func open() {
        var ledger = ExporterLedger()
        ledger.decoded = Tally(flows: 10, octets: 1_000, packets: 100)
        ledger.sealed = Tally(flows: 4, octets: 300, packets: 30)
        ledger.records = [
            .duplicate: Tally(flows: 1, octets: 100, packets: 10),
            .queueFull: Tally(flows: 2, octets: 200, packets: 20),
        ]
        #expect(ledger.open == Tally(flows: 3, octets: 400, packets: 40))
    }

    @Test("every loss has a label of its own and a unit") func losses() {
        #expect(Set(Loss.allCases.map(\.rawValue)).count == Loss.allCases.count)
        #expect(Loss.allCases.allSatisfy { loss in loss.rawValue.allSatisfy { $0.isLowercase || $0 == "_" } })
        #expect(Loss.kernelDrop.unit == .datagrams && Loss.noTemplate.unit == .sets && Loss.spoolFull.unit == .records)
    }

    @Test("export protocols are found by name") func names() {
        #expect(ExportProtocol.allCases.allSatisfy { ExportProtocol(name: $0.name) == $0 })
        #expect(ExportProtocol(name: "netflow6") == nil)
    }
}
