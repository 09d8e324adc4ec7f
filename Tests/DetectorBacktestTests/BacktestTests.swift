import Detect
import DetectorBacktest
import FlowModel
import FlowStore
import Identity
import Query
import TestKit
import Testing

@Suite("Built-in rules over stored history") struct DetectorBacktestTests {
    private static let everything = Set(DetectorSet.rules.map(\.id))

    private func question(
        _ rules: Set<String> = everything, from: Int64 = History.start, learnFrom: Int64 = History.start,
        parameters: DetectorParameters = .init()
    ) throws -> DetectorBacktest.Question {
        DetectorBacktest.Question(
            tenant: try #require(History.tenant), learnFrom: learnFrom, from: from, to: History.end, rules: rules,
            parameters: parameters, current: DetectorParameters())
    }
    private func tuned(_ name: String, _ value: Double) -> DetectorParameters {
        var tuning = DetectorTuning()
        #expect(tuning.set(name, value) == nil)
        return tuning.applied(to: DetectorParameters())
    }

    @Test("it finds what live detection found, from batches and from segments, in slices of any width")
    func equality() async throws {
        let history = History(seed: 3), live = try history.live(), time = ManualTime()
        let named = Set(live.values.map(\.rule))
        #expect(
            named.isSuperset(of: [
                "port-scan-vertical", "port-scan-horizontal", "password-guessing", "flood", "beacon",
            ]))
        for isCompacted in [false, true] {
            let folder = try TemporaryFolder("weir-backtest")
            let query = FlowQuery(store: try await history.store(in: folder, isCompacted: isCompacted), time: time)
            for rowsMax in [1_000_000, 2_000] {
                var limits = DetectorBacktest.Limits()
                limits.rowsMax = rowsMax
                let answer = try await DetectorBacktest.run(try question(), in: query, limits: limits, time: time)
                #expect(answer.isComplete && answer.records == history.records.count, "\(rowsMax)")
                #expect(Set(answer.findings.map(\.id)) == Set(live.keys), "\(rowsMax)")
                for finding in answer.findings {
                    let then = live[finding.id]
                    #expect(finding.start == then?.start && finding.end == then?.end, "\(finding.title)")
                    #expect(finding.evidence == then?.evidence, "\(finding.title)")
                }
                #expect(answer.gained.isEmpty && answer.lost.isEmpty && answer.through == History.end)
            }
        }
    }

    @Test("other limits tell what would be gained and lost, of the rules that were asked for alone")
    func difference() async throws {
        let history = History(seed: 4), folder = try TemporaryFolder("weir-backtest"), time = ManualTime()
        let query = FlowQuery(store: try await history.store(in: folder, isCompacted: true), time: time)
        let scans: Set = ["port-scan-vertical", "port-scan-horizontal"]
        let strict = try await DetectorBacktest.run(
            try question(scans, parameters: tuned("scanHostsMin", 13)), in: query, time: time)
        #expect(strict.lost.map(\.rule) == ["port-scan-horizontal"] && strict.gained.isEmpty)
        #expect(Set(strict.current.map(\.rule)) == scans && Set(strict.findings.map(\.rule)) == ["port-scan-vertical"])
        let loose = try await DetectorBacktest.run(
            try question(["password-guessing"], parameters: tuned("guessSessionsMin", 50)), in: query, time: time)
        #expect(loose.findings.isEmpty && loose.lost.count == 1)
        // What live detection says under those limits is what the trial said.
        let live = try history.live(tuned("scanHostsMin", 13)).values.filter { scans.contains($0.rule) }
        #expect(Set(live.map(\.id)) == Set(strict.findings.map(\.id)))
    }

    @Test("what came before the period is learned from and not told; other tenants have no history")
    func period() async throws {
        let history = History(seed: 5), folder = try TemporaryFolder("weir-backtest"), time = ManualTime()
        let query = FlowQuery(store: try await history.store(in: folder, isCompacted: false), time: time)
        // The scan's last ports alone are too few; with what came before they are a part of it.
        let late = History.start + 10 * 420_000
        let alone = try await DetectorBacktest.run(
            try question(["port-scan-vertical"], from: late, learnFrom: late), in: query, time: time)
        #expect(alone.findings.isEmpty)
        let learned = try await DetectorBacktest.run(
            try question(["port-scan-vertical"], from: late), in: query, time: time)
        #expect(learned.findings.map(\.evidence.observed) == [16])
        let after = try await DetectorBacktest.run(
            try question(["port-scan-vertical"], from: History.start + 20 * History.hour), in: query, time: time)
        #expect(after.findings.isEmpty && after.records == learned.records)
        var others = try question()
        others.tenant = try #require(TenantID("globex"))
        let none = try await DetectorBacktest.run(others, in: query, time: time)
        #expect(none.findings.isEmpty && none.records == 0 && none.isComplete)
    }

    @Test("what finds no room, and what there was no time for, is told") func bounds() async throws {
        let history = History(seed: 6), folder = try TemporaryFolder("weir-backtest"), time = ManualTime()
        let query = FlowQuery(store: try await history.store(in: folder, isCompacted: false), time: time)
        var limits = DetectorBacktest.Limits()
        (limits.rowsMax, limits.width) = (2, 60_000...3_600_000)
        var asked = try question(["flood"])
        asked.to = History.start + History.hour
        let tight = try await DetectorBacktest.run(asked, in: query, limits: limits, time: time)
        #expect(tight.leftOut > 0 && !tight.isComplete && tight.through == asked.to)
        limits = DetectorBacktest.Limits()
        limits.duration = .zero
        let none = try await DetectorBacktest.run(try question(), in: query, limits: limits, time: time)
        #expect(!none.isComplete && none.through == History.start && none.records == 0)
    }
}
