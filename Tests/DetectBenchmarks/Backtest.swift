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
import Simulator

/// How long rules take to go through stored history, and whether they find there what they found live. A site's
/// traffic with attacks is simulated, put before live rules batch by batch, stored and compacted; then each case is
/// asked of the store.
struct Backtest {
    struct Line: Encodable {
        let name = "backtest"
        let rules: String, records: Int, rowsLookedAt: Int, matched: Int, leftOut: Int
        let findings: Int, live: Int, differing: Int, isEqual: Bool
        /// Of the whole question: by the clock, and of all threads.
        let seconds: Double, cpuSeconds: Double
        let bar = 10.0, isWithinBar: Bool
    }
    /// Rules that are asked about together.
    struct Case {
        let name: String
        let rules: SigmaRuleSet
        var keys: Set<String>
    }
    let folder: String, records: Int

    private static let login = """
        title: Login
        name: login
        logsource: {category: firewall}
        detection:
            s: {dst_port: [22, 23, 3389]}
            condition: s
        level: informational
        ---
        title: Logins with many hosts
        name: fan-out
        correlation:
            {type: value_count, rules: [login], group-by: [src_ip], timespan: 5m, condition: {field: dst_ip, gte: 4}}
        level: high
        """
    private static let large = """
        title: Large upload over HTTPS
        name: upload
        logsource: {product: zeek, service: conn}
        detection:
            s: {id.resp_p: 443, 'orig_bytes|gt': 100000}
            condition: s
        level: low
        """
    private static let host = """
        title: A listed host
        name: host
        logsource: {category: firewall}
        detection:
            s:
                - dst_ip: [203.0.113.7, 198.19.255.250]
                - src_ip: [203.0.113.7, 198.19.255.250]
            condition: s
        level: low
        """
    /// Nothing that an index or a bound knows: each record is looked at.
    private static let each = """
        title: Long and small
        name: long
        logsource: {category: flow}
        detection:
            s: {'flowDurationMilliseconds|gt': 50000, 'octetDeltaCount|lt': 2000}
            condition: s
        level: low
        """

    static func cases() throws -> [Case] {
        func made(_ name: String, _ text: String, _ keys: Set<String>) throws -> Case {
            let set = SigmaRuleSet(SigmaParse(text).documents)
            guard set.refusals.isEmpty else { throw BenchError("\(name): \(set.refusals)") }
            return Case(name: name, rules: set, keys: keys)
        }
        let hundred = try MadeRules.set(100)
        return [
            try made("one host", host, ["host"]), try made("one service, large", large, ["upload"]),
            try made("correlation of logins", login, ["fan-out"]), try made("no index", each, ["long"]),
            Case(name: "a hundred", rules: hundred, keys: Set(hundred.infos.map(\.id))),
        ]
    }

    /// - Returns: whether all of the cases found what was found live.
    func run() async throws -> Bool {
        var areAllEqual = true
        let tenant = try WeirBenchDetect.tenant(), cases = try Self.cases()
        let store = try SQLiteFlowStore(directory: folder)
        let live = try await fill(store, cases, tenant)
        let query = FlowQuery(store: store, time: SystemTime())
        for (one, found) in zip(cases, live) {
            let before = cpuSeconds(), start = ContinuousClock.now
            let answer = try await SigmaBacktest.run(
                one.rules, keys: one.keys, against: nil, tenant: tenant, in: query)
            let seconds = Double((ContinuousClock.now - start) / .milliseconds(1)) / 1_000
            let differing = Self.differing(answer.outcome.findings, found), isEqual = differing == 0
            areAllEqual = areAllEqual && isEqual
            try WeirBenchDetect.say(
                Line(
                    rules: one.name, records: records, rowsLookedAt: answer.effort.rows, matched: answer.effort.matched,
                    leftOut: answer.leftOut, findings: answer.outcome.findings.count, live: found.count,
                    differing: differing, isEqual: isEqual, seconds: seconds,
                    cpuSeconds: ((cpuSeconds() - before) * 1_000).rounded() / 1_000, isWithinBar: seconds < 10))
        }
        return areAllEqual
    }

    /// How many have no equal on the other side: the same id with the same times and sums.
    private static func differing(_ findings: [Finding], _ live: [String: Finding]) -> Int {
        let equal = findings.count { finding in
            guard let then = live[finding.id] else { return false }
            return finding.start == then.start && finding.end == then.end
                && finding.evidence.flows == then.evidence.flows && finding.evidence.observed == then.evidence.observed
        }
        return max(findings.count, live.count) - equal
    }

    /// Fills the store.
    /// - Returns: the last word of each finding of each case, by id, as live rules gave them.
    private func fill(
        _ store: SQLiteFlowStore, _ cases: [Case], _ tenant: TenantID
    ) async throws -> [[String: Finding]] {
        var folds = cases.map { SigmaFold(tenant: tenant, rules: $0.rules) }
        var live = [[String: Finding]](repeating: [:], count: cases.count)
        func keep(_ findings: [Finding], _ index: Int) {
            for finding in findings where cases[index].keys.contains(finding.rule) { live[index][finding.id] = finding }
        }
        var plan = try WeirBenchDetect.plan("office,attacks", records: records, seconds: max(records / 1_000, 60))
        plan.seed = 7
        var traffic = SimulatedBatches(plan, rows: 65_536, window: 10_000), encoder = BatchEncoder(), number = 0
        let sensor = SensorIdentity(tenant: tenant, site: "hq", name: "edge-1")
        var now = plan.startMilliseconds
        while let columns = traffic.next() {
            for index in cases.indices { keep(folds[index].observe(columns), index) }
            number += 1
            now = columns.receiveMilliseconds.max() ?? now
            _ = try await store.store([try Self.stored(columns, sensor, number, now, &encoder)])
            if number % 64 == 0 { _ = try await store.compact(now: now) }
        }
        for later in [3 * 86_400_000, 3 * 86_400_000 + 200_000] as [Int64] {
            _ = try await store.compact(now: now + later)
        }
        for index in cases.indices { keep(folds[index].finish(), index) }
        return live
    }
    private static func stored(
        _ columns: FlowColumns, _ sensor: SensorIdentity, _ number: Int, _ now: Int64, _ encoder: inout BatchEncoder
    ) throws -> StoredBatch {
        let times = columns.flowStartMilliseconds + columns.flowEndMilliseconds
        return StoredBatch(
            sensor: sensor, key: BatchKey(epoch: Epoch(high: 1, low: 1), sequence: UInt64(number)),
            logOffset: Int64(number), receivedMilliseconds: now, flowStartMin: times.min() ?? 0,
            flowEndMax: times.max() ?? 0, rows: columns.count, tally: columns.tally,
            body: try encoder.encode(columns, fidelity: .full))
    }
}
