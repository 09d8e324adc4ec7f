import BatchFormat
import Delivery
import Detect
import FlowModel
import FlowStore
import Foundation
import Identity
import Platform
import Query
import Sigma
import SigmaBacktest
import TestKit
import Testing

@Suite("Rules over stored history") struct BacktestTests {
    private static let start: Int64 = 1_772_366_400_000
    private static let text = """
        title: door
        name: door
        logsource: {category: firewall}
        detection:
            s: {dst_port: [22, 23]}
            condition: s
        ---
        title: many
        name: many
        correlation:
            {type: value_count, rules: [door], group-by: [src_ip], timespan: 5m, condition: {field: dst_ip, gte: 6}}
        level: high
        ---
        title: large
        name: large
        logsource: {category: flow}
        detection:
            s: {octetDeltaCount|gt: 90000, flowDurationMilliseconds|lt: 40000}
            condition: s
        """

    /// Batches as two sensors send them, a minute apart each, with some traffic that matches.
    private static func batches(_ generator: inout SeededGenerator) throws -> [(FlowColumns, SensorIdentity)] {
        let tenant = try #require(TenantID("acme"))
        return try (0..<40).map { number in
            var columns = FlowColumns()
            let key = ExporterKey(address: IPAddress(v4: 0xC0A8_0101), observationDomain: 0, exportProtocol: .ipfix)
            let interned = columns.intern(key)
            let exporter = try #require(interned)
            for row in 0..<200 {
                var record = FlowRecord()
                record.exporter = exporter
                record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + UInt32.random(in: 1...20, using: &generator))
                record.destinationIPAddress = IPAddress(v4: 0xC633_6400 + UInt32.random(in: 1...30, using: &generator))
                record.sourceTransportPort = UInt16.random(in: 40_000...60_000, using: &generator)
                record.destinationTransportPort =
                    [443, 53, 80, 22, 443, 8_080, 443, 23][Int.random(in: 0..<8, using: &generator)]
                record.protocolIdentifier = 6
                record.tcpControlBits = 0x1B
                record.octetDeltaCount = UInt64.random(in: 100...100_000, using: &generator)
                record.packetDeltaCount = 10
                let moment = start + Int64(number) * 30_000 + Int64(row) * 100
                record.flowStartMilliseconds = moment - Int64.random(in: 0...20_000, using: &generator)
                record.flowEndMilliseconds = moment
                record.receiveMilliseconds = moment + 500
                columns.append(record)
            }
            return (columns, SensorIdentity(tenant: tenant, site: "hq", name: "edge\(number % 2)"))
        }
    }

    private static func store(
        _ batches: [(FlowColumns, SensorIdentity)], _ folder: TemporaryFolder
    ) async throws -> SQLiteFlowStore {
        let store = try SQLiteFlowStore(directory: folder.path)
        var encoder = BatchEncoder(), stored: [StoredBatch] = []
        for (number, (columns, sensor)) in batches.enumerated() {
            let body = try encoder.encode(columns, fidelity: .full)
            stored.append(
                StoredBatch(
                    sensor: sensor, key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: UInt64(number)),
                    logOffset: Int64(number + 1), receivedMilliseconds: columns.receiveMilliseconds.max() ?? start,
                    flowStartMin: columns.flowStartMilliseconds.min() ?? 0,
                    flowEndMax: columns.flowEndMilliseconds.max() ?? 0, rows: columns.count, tally: columns.tally,
                    body: body))
        }
        _ = try await store.store(stored)
        return store
    }

    @Test("a backtest finds what live detection found: the same findings with the same sums") func equality()
        async throws
    {
        var generator = SeededGenerator(seed: 7)
        let folder = try TemporaryFolder("weir-backtest"), batches = try Self.batches(&generator)
        let store = try await Self.store(batches, folder)
        let tenant = try #require(TenantID("acme")), set = SigmaRuleSet(SigmaParse(Self.text).documents)
        try #require(set.refusals.isEmpty, "\(set.refusals)")
        var live = SigmaFold(tenant: tenant, rules: set), last: [String: Finding] = [:]
        for (columns, _) in batches { for finding in live.observe(columns) { last[finding.id] = finding } }
        for finding in live.finish() { last[finding.id] = finding }
        let query = FlowQuery(store: store, time: ManualTime(wallMilliseconds: Self.start))
        let keys: Set = ["many", "large", "door"]
        let found = try await SigmaBacktest.run(set, keys: keys, against: nil, tenant: tenant, in: query)
        #expect(Set(found.outcome.findings.map(\.rule)) == ["many", "large"])
        #expect(Set(found.outcome.findings.map(\.id)) == Set(last.keys))
        for finding in found.outcome.findings {
            let then = last[finding.id]
            #expect(finding.evidence.flows == then?.evidence.flows && finding.start == then?.start)
            #expect(finding.evidence.observed == then?.evidence.observed && finding.end == then?.end)
        }
        #expect(found.outcome.matches["door"] == live.matches[0] && found.leftOut == 0)
        #expect(found.effort.rows == 8_000 && !found.outcome.hosts.isEmpty)
    }

    /// Of whole histories, some days of which are segments.
    @Test("segments that bounds and filters rule out are not read, several are read at once, and nothing is missing")
    func segments() async throws {
        var generator = SeededGenerator(seed: 10)
        let folder = try TemporaryFolder("weir-backtest"), tenant = try #require(TenantID("acme"))
        var batches: [(FlowColumns, SensorIdentity)] = []
        for day in 0..<6 as Range<Int64> {
            for (columns, sensor) in try Self.batches(&generator) {
                var moved = FlowColumns()
                _ = columns.exporters.map { moved.intern($0) }
                for row in columns.rows {
                    var record = columns[row]
                    record.flowStartMilliseconds += day * 86_400_000
                    record.flowEndMilliseconds += day * 86_400_000
                    record.receiveMilliseconds += day * 86_400_000
                    if day == 3, row == 17 { record.destinationIPAddress = IPAddress(v4: 0xCB00_7107) }
                    moved.append(record)
                }
                batches.append((moved, sensor))
            }
        }
        let store = try await Self.store(batches, folder)
        for later in [9 * 86_400_000, 9 * 86_400_000 + 200_000] as [Int64] {
            _ = try await store.compact(now: Self.start + later)
        }
        let query = FlowQuery(store: store, time: ManualTime(wallMilliseconds: Self.start))
        let host = """
            ---
            title: host
            name: host
            logsource: {category: firewall}
            detection:
                s: {dst_ip: 203.0.113.7}
                condition: s
            """
        let documents = SigmaParse(Self.text + "\n" + host).documents
        for keys in [["many"], ["large"], ["host"], ["many", "large", "host"]] as [Set<String>] {
            let plan = SigmaPlan(shared: documents, files: [], decisions: [], usual: .enabled)
            let set = SigmaRuleSet(plan.documents(for: keys))
            try #require(set.refusals.isEmpty, "\(set.refusals)")
            var live = SigmaFold(tenant: tenant, rules: set), last: [String: Finding] = [:]
            for (columns, _) in batches { for finding in live.observe(columns) { last[finding.id] = finding } }
            for finding in live.finish() { last[finding.id] = finding }
            let found = try await SigmaBacktest.run(set, keys: keys, against: nil, tenant: tenant, in: query)
            #expect(!last.isEmpty && Set(found.outcome.findings.map(\.id)) == Set(last.keys), "\(keys)")
            for finding in found.outcome.findings {
                let then = last[finding.id]
                #expect(finding.evidence.flows == then?.evidence.flows && finding.start == then?.start)
                #expect(finding.evidence.observed == then?.evidence.observed && finding.end == then?.end)
            }
            #expect(found.effort.segments >= 6 && found.effort.unreadable == 0)
            let skipped = found.effort.skippedByBloom + found.effort.skippedByBounds
            if keys == ["host"] { #expect(skipped == found.effort.segments - 1, "\(found.effort)") }
        }
    }

    @Test("the difference with the version in use is told, and only records of the period count") func difference()
        async throws
    {
        var generator = SeededGenerator(seed: 8)
        let folder = try TemporaryFolder("weir-backtest"), batches = try Self.batches(&generator)
        let query = FlowQuery(
            store: try await Self.store(batches, folder), time: ManualTime(wallMilliseconds: Self.start))
        let tenant = try #require(TenantID("acme")), current = SigmaRuleSet(SigmaParse(Self.text).documents)
        let strict = SigmaRuleSet(SigmaParse(Self.text.replacing("90000", with: "99900")).documents)
        let found = try await SigmaBacktest.run(strict, keys: ["large"], against: current, tenant: tenant, in: query)
        #expect(found.gained.isEmpty && !found.lost.isEmpty)
        #expect(found.lost.count + found.outcome.findings.count == found.current?.findings.count)
        let none = try await SigmaBacktest.run(
            strict, keys: ["large"], against: nil, tenant: tenant, to: Self.start - 60_000, in: query)
        #expect(none.outcome.findings.isEmpty && none.effort.matched == 0)
        let other = try #require(TenantID("globex"))
        let theirs = try await SigmaBacktest.run(current, keys: ["large"], against: nil, tenant: other, in: query)
        #expect(theirs.outcome.findings.isEmpty)
        let little = try await SigmaBacktest.run(
            current, keys: ["many"], against: nil, tenant: tenant, in: query, rowsMax: 5)
        #expect(little.leftOut > 0)
    }

    /// In a release build, with `WEIR_BACKTEST_ROWS=10000000`.
    @Test(
        "ten million stored flows are gone through in less than 10 s",
        .enabled(if: rowsWanted > 0, "WEIR_BACKTEST_ROWS"))
    func speed() async throws {
        var generator = SeededGenerator(seed: 9)
        let folder = try TemporaryFolder("weir-backtest"), parts = try Self.batches(&generator).prefix(40)
        var columns = FlowColumns()
        for (part, _) in parts {
            let isTaken = columns.append(contentsOf: part)
            try #require(isTaken)
        }
        let count = Self.rowsWanted / columns.count
        let store = try await Self.store((0..<count).map { _ in (columns, parts[0].1) }, folder)
        let query = FlowQuery(store: store, time: ManualTime(wallMilliseconds: Self.start))
        let tenant = try #require(TenantID("acme")), set = SigmaRuleSet(SigmaParse(Self.text).documents)
        for keys in [["many"], ["large"]] as [Set<String>] {
            let documents = SigmaPlan(
                shared: SigmaParse(Self.text).documents, files: [], decisions: [], usual: .enabled
            )
            .documents(for: keys)
            let start = ContinuousClock.now
            let found = try await SigmaBacktest.run(
                SigmaRuleSet(documents), keys: keys, against: nil, tenant: tenant, in: query, rowsMax: 4_000_000)
            let seconds = Double((ContinuousClock.now - start) / .milliseconds(1)) / 1_000
            print("backtest of \(keys): \(found.effort.rows) records, \(found.effort.matched) matched, \(seconds) s")
            #expect(found.effort.rows == count * columns.count && seconds < 10)
        }
        #expect(set.refusals.isEmpty)
    }
    private static let rowsWanted =
        ProcessInfo.processInfo.environment["WEIR_BACKTEST_ROWS"].flatMap { Int($0) } ?? 0
}
