import Dedupe
import FlowModel
import Platform
import TestKit
import Testing

@Suite("What holds for any window")
struct ObserverPropertyTests {
    /// Few conversations, observers and times, so that every rule applies often.
    private func window(_ generator: inout SeededGenerator, rows: Int, from time: Int64 = 0) -> Window {
        Window { window in
            for _ in 0..<rows {
                let host = UInt32.random(in: 1...4, using: &generator)
                window.add(
                    Window.flow(UInt32.random(in: 1...20, using: &generator)), by: Window.exporter(host)
                ) { record in
                    record.ingressInterface = UInt32.random(in: 1...2, using: &generator)
                    record.flowDirection = UInt8.random(in: 0...1, using: &generator)
                    record.vlanId = UInt16.random(in: 1...2, using: &generator)
                    record.samplingInterval = [0, 1, 1, 1, 100].randomElement(using: &generator) ?? 1
                    record.packetDeltaCount = UInt64.random(in: 0...300, using: &generator)
                    record.octetDeltaCount = 400 * record.packetDeltaCount
                    record.flowStartMilliseconds = time + Int64.random(in: 0...30_000, using: &generator)
                    record.flowEndMilliseconds =
                        record.flowStartMilliseconds + Int64.random(in: 0...20_000, using: &generator)
                    record.receiveMilliseconds = time + 30_000
                    if Int.random(in: 0..<20, using: &generator) == 0 { record.flags = .denied }
                }
            }
        }
    }
    /// A row's content without what a pass may change.
    private func content(_ columns: FlowColumns, _ row: Int) -> String {
        var record = columns[row]
        (record.exporter, record.observers) = (0, 0)
        return "\(columns.exporterKey(ofRow: row)) \(record)"
    }
    private func contents(_ columns: FlowColumns) -> [String] { columns.rows.map { content(columns, $0) }.sorted() }

    @Test("kept and removed are all, exactly, per exporter; what is kept is unchanged")
    func conservation() {
        forAll(runs: 40) { generator, seed in
            var dedupe = ObserverDedupe(settings: .init(), seed: generator.next())
            for step in 0..<4 as Range<Int64> {
                let before = window(&generator, rows: 120, from: step * 30_000).columns
                var after = before
                let report = dedupe.apply(&after)
                #expect(UInt64(before.count) == UInt64(after.count) + report.rows, "SEED=\(seed)")
                var rest = Dictionary(grouping: contents(before)) { $0 }.mapValues(\.count)
                for kept in contents(after) {
                    #expect(rest[kept, default: 0] > 0, "SEED=\(seed): \(kept) was not there")
                    rest[kept, default: 0] -= 1
                }
                for key in before.exporters {
                    var sum = report.elsewhere[key] ?? Tally()
                    for row in after.rows where after.exporterKey(ofRow: row) == key { sum += after[row].tally }
                    var all = Tally()
                    for row in before.rows where before.exporterKey(ofRow: row) == key { all += before[row].tally }
                    #expect(sum == all, "SEED=\(seed): \(key)")
                }
            }
        }
    }

    @Test("the choice does not depend on the order of rows, nor on the seed")
    func order() {
        forAll(runs: 60) { generator, seed in
            var first = ObserverDedupe(settings: .init(), seed: 1), second = ObserverDedupe(settings: .init(), seed: 2)
            for step in 0..<3 as Range<Int64> {
                var one = window(&generator, rows: 120, from: step * 30_000).columns, two = FlowColumns()
                for row in one.rows.shuffled(using: &generator) {
                    var record = one[row]
                    record.exporter = two.intern(one.exporterKey(ofRow: row)) ?? 0
                    two.append(record)
                }
                let reportOne = first.apply(&one), reportTwo = second.apply(&two)
                #expect(reportOne == reportTwo, "SEED=\(seed)")
                #expect(contents(one) == contents(two), "SEED=\(seed)")
            }
        }
    }

    @Test("the same windows and seed give the same result, bit for bit")
    func determinism() {
        forAll(runs: 10) { generator, seed in
            var first = ObserverDedupe(settings: .init(), seed: seed), second = first
            for step in 0..<3 as Range<Int64> {
                var one = window(&generator, rows: 200, from: step * 10_000).columns, two = one
                #expect(first.apply(&one) == second.apply(&two))
                #expect(one == two, "SEED=\(seed)")
            }
        }
    }

    @Test("no flow disappears: of each 5-tuple at least one row stays")
    func soleObservations() {
        forAll(runs: 60) { generator, seed in
            var window = window(&generator, rows: 100)
            let before = window.columns
            _ = passed(window)
            var dedupe = ObserverDedupe(settings: .init(), seed: 1)
            _ = dedupe.apply(&window.columns)
            func sources(_ columns: FlowColumns) -> Set<UInt64> { Set(columns.rows.map { columns.sourceLow[$0] }) }
            #expect(sources(before) == sources(window.columns), "SEED=\(seed)")
        }
    }

    @Test("any bits in any column, several windows long, stop nothing and keep the sums")
    func anyRecords() {
        forAll(runs: 30) { generator, seed in
            var dedupe = ObserverDedupe(settings: .init(conversationsMax: 1_024), seed: seed)
            dedupe.clockSkews = [Window.exporter(1): .min, Window.exporter(2): .max]
            for _ in 0..<3 {
                let twin = FlowRecord.any(using: &generator)
                var columns = Window { window in
                    for _ in 0..<60 {
                        var record = FlowRecord.any(using: &generator)
                        if Bool.random(using: &generator) {
                            (record.sourceIPAddress, record.destinationIPAddress) = (
                                twin.sourceIPAddress, twin.destinationIPAddress
                            )
                            record.sourceTransportPort = twin.sourceTransportPort
                            record.destinationTransportPort = twin.destinationTransportPort
                            record.protocolIdentifier = twin.protocolIdentifier
                            record.flags = []
                        }
                        (record.extra, record.observers, record.sketch) = (0, 0, 0)
                        window.add(record, by: Window.exporter(UInt32.random(in: 1...3, using: &generator)))
                    }
                }.columns
                var all = columns.tally
                let report = dedupe.apply(&columns)
                all -= report.savings
                #expect(columns.tally == all, "SEED=\(seed)")
            }
        }
    }

    @Test("hashes that are all the same, or miss, merge no two conversations")
    func hostileHashes() {
        for hash in [0, 1, UInt64.max] {
            var dedupe = ObserverDedupe(settings: .init(), seed: 1)
            var window = Window { window in
                for number in 0..<500 as Range<UInt32> {
                    window.add(Window.flow(number), by: Window.exporter(number % 2))
                }
            }
            #expect(dedupe.apply(&window.columns, hashes: Array(repeating: hash, count: 500)).rows == 0)
            #expect(window.columns.count == 500)
        }
        var dedupe = ObserverDedupe(settings: .init(), seed: 1)
        var pair = Window {
            $0.add(by: Window.exporter(1))
            $0.add(by: Window.exporter(2))
        }
        #expect(dedupe.apply(&pair.columns, hashes: [1]).rows == 1)
    }

    @Test("given hashes find what computed ones do")
    func givenHashes() {
        forAll(runs: 10) { generator, seed in
            var one = window(&generator, rows: 200).columns, two = one
            let hashes = one.rows.map { ConversationHash.of(one, $0, seed: 7) }
            var first = ObserverDedupe(settings: .init(), seed: 7), second = ObserverDedupe(settings: .init(), seed: 7)
            let reports = (first.apply(&one), second.apply(&two, hashes: hashes))
            #expect(reports.0 == reports.1, "SEED=\(seed)")
            #expect(one == two, "SEED=\(seed)")
        }
    }

    @Test("a flow with thousands of rows from thousands of points keeps its sums")
    func manyRowsOfOneFlow() {
        var dedupe = ObserverDedupe(settings: .init(), seed: 1)
        var window = Window { window in
            for number in 0..<20_000 as Range<UInt32> {
                window.add(by: Window.exporter(1 + number % 3)) {
                    $0.ingressInterface = number
                    $0.flowStartMilliseconds = Int64(number) * 10_000
                    $0.flowEndMilliseconds = $0.flowStartMilliseconds
                }
            }
        }
        var all = window.columns.tally
        let report = dedupe.apply(&window.columns)
        all -= report.savings
        #expect(window.columns.tally == all)
    }
}
