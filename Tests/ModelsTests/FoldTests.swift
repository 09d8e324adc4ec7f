import Detect
import FlowModel
import Identity
import Platform
import Testing

@testable import Models

@Suite("A promoted model at work") struct FoldTests {
    /// A Friday, 10 h, of a week after the model's.
    private static let morning = Made.start + 3 * Made.week + 86_400_000 + 10 * 3_600_000

    private static func fold(
        _ model: AnomalyModel, version: Int = 1, limits: ModelFold.Limits = .init()
    ) throws -> ModelFold {
        ModelFold(
            tenant: try Made.tenant(), promoted: PromotedModel(version: version, model: model),
            parameters: DetectorParameters(), limits: limits)
    }
    /// Batches of four hours in which one host sweeps for twenty minutes.
    private static func batches() -> [FlowColumns] {
        (0..<24).map { number in
            let time = morning + Int64(number) * Made.width + 1_000
            var records = (0..<4).flatMap { Made.busy($0, at: time) }
            if number == 6 || number == 7 { records += Made.sweep(1, at: time).prefix(number == 6 ? 900 : 600) }
            return Made.columns(records)
        }
    }

    @Test("a sweep is told when its window is over, with its reasons; usual windows are not") func findings() throws {
        var fold = try Self.fold(try Made.model()), findings: [(Int, Finding)] = []
        for (number, batch) in Self.batches().enumerated() {
            findings += fold.observe(batch).map { (number, $0) }
        }
        let outliers = findings.filter { $0.1.rule == "model-outlier" && $0.1.title.hasPrefix("10.0.0.2 ") }
        let (number, finding) = try #require(outliers.first)
        #expect(number == 7 || number == 8)
        #expect(finding.title.contains("hosts called (usually ") && finding.title.contains("calls failed (usually "))
        #expect(finding.entities == [FindingEntity(type: "ipv4-addr", role: .attacker, value: "10.0.0.2")])
        #expect(finding.start == Self.morning + 6 * Made.width && finding.end == finding.start + Made.width - 1)
        #expect(finding.evidence.flows == 1_000 && finding.evidence.observed > finding.evidence.threshold)
        #expect(Set(outliers.map(\.1.id)).count == 1)
        let others = findings.filter { !$0.1.title.hasPrefix("10.0.0.2 ") }
        #expect(others.isEmpty, "\(others.map(\.1.title))")
        #expect(fold.counts.windows > 80 && fold.counts.outliers >= 1 && fold.counts.late == 0)
    }

    @Test("a fold that was saved between any two batches says what it would have said") func snapshots() throws {
        let model = try Made.smallModel(), batches = Self.batches()
        var whole = try Self.fold(model)
        let said = batches.map { whole.observe($0) }
        for stop in [1, 6, 7, 8, 20] {
            var first = try Self.fold(model)
            for batch in batches[..<stop] { _ = first.observe(batch) }
            let bytes = first.snapshot()
            var second = try ModelFold(
                restoring: bytes, tenant: try Made.tenant(), promoted: PromotedModel(version: 1, model: model),
                parameters: DetectorParameters())
            #expect(second.snapshot() == bytes)
            #expect(batches[stop...].map { second.observe($0) } == Array(said[stop...]))
            #expect(second.snapshot() == whole.snapshot() && second.counts == whole.counts)
        }
    }

    @Test("windows go on under another version; another tenant's or a damaged state is refused") func versions() throws
    {
        let model = try Made.smallModel(), other = try Made.train(seed: 8, trees: 20, hosts: 4)
        let batches = Self.batches()
        var fold = try Self.fold(model)
        for batch in batches[..<7] { _ = fold.observe(batch) }
        let bytes = fold.snapshot()
        func restored(_ tenant: String, _ bytes: [UInt8]) throws -> ModelFold {
            try ModelFold(
                restoring: bytes, tenant: try Made.tenant(tenant), promoted: PromotedModel(version: 2, model: other),
                parameters: DetectorParameters())
        }
        var next = try restored("acme", bytes)
        #expect(next.drift.windows == 0 && next.fillingCount == fold.fillingCount && fold.drift.windows > 0)
        let told = batches[7...].flatMap { next.observe($0) }
        #expect(told.contains { $0.start == Self.morning + 6 * Made.width && $0.rule == "model-outlier" })
        #expect(throws: SnapshotError.otherTenant) { try restored("globex", bytes) }
        #expect(throws: SnapshotError.self) { try restored("acme", Array(bytes.dropLast(20))) }
    }

    @Test("late records, windows without room and hosts without room are counted") func bounds() throws {
        var limits = ModelFold.Limits()
        limits.entriesMax = 6
        var fold = try Self.fold(try Made.smallModel(), limits: limits)
        let time = Self.morning + 1_000
        func busy(_ numbers: Range<Int>, _ window: Int64) -> FlowColumns {
            Made.columns(numbers.flatMap { Made.busy($0, at: time + window * Made.width).dropFirst().prefix(2) })
        }
        _ = fold.observe(busy(0..<4, 0))
        #expect(fold.fillingCount == 4)
        // 300 s after its end a window is over; before, the next one may drive it out.
        var near = busy(0..<8, 0)
        _ = fold.observe(near)
        #expect(fold.fillingCount == 6 && fold.counts.crowded == 4 && fold.counts.evicted == 0)
        near = Made.columns(
            (0..<3).map { Made.record(Made.host($0), IPAddress(v4: 0xC633_6401), at: time + Made.width) })
        _ = fold.observe(near)
        #expect(fold.counts.evicted == 6 && fold.fillingCount == 3 && fold.counts.windows == 0)
        _ = fold.observe(busy(0..<1, 0))
        #expect(fold.counts.late == 2 && fold.fillingCount == 3)
        _ = fold.observe(busy(0..<1, 3))
        #expect(fold.counts.windows == 3 && fold.fillingCount == 1)
    }
}
