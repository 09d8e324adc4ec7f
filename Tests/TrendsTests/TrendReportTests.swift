import Foundation
import Testing
import Trends

@Suite("A trend's report") struct TrendReportTests {
    @Test("days, weeks and months are compared with those before, step by step") func comparisons() throws {
        // Each week is a tenth more than the one before.
        let series = try Series.hourly(count: 24 * 7 * 8) { 100 * pow(1.1, Double($0 / 168)) }
        let found = TrendReport(series).comparisons
        #expect(found.map(\.span) == TrendComparison.Span.allCases)
        let changes = found.compactMap(\.change)
        #expect(abs(changes[0] - 0.1) < 1e-9 && abs(changes[2] - 0.1) < 1e-9)
        #expect(abs(changes[1] - (pow(1.1, 4) - 1)) < 1e-9 && abs(changes[3] - (pow(1.1, 4) - 1)) < 1e-9)
    }

    @Test("what is missing on one side is left out on both, and half must be there") func gaps() throws {
        let series = try Series.hourly(count: 336) { place in
            place < 6 ? 1 : place < 168 ? (place % 2 == 0 ? nil : 10) : 20
        }
        let week = try #require(TrendReport(series).comparisons.first { $0.span == .weekAgainstLast })
        #expect(week.coverage == 87.0 / 168)
        #expect(week.now == 20 && abs(week.then - (6 + 81 * 10) / 87) < 1e-9)
        let sparse = try Series.hourly(count: 336) { $0 < 168 && $0 % 3 != 0 ? nil : 1 }
        #expect(!TrendReport(sparse).comparisons.contains { $0.span == .weekAgainstLast })
    }

    @Test("a limit is passed first by the band's upper end, then by the mean, last by its lower end") func capacity()
        throws
    {
        var options = TrendOptions()
        options.season = .daily
        options.horizon = 1_000
        options.limit = 2_700
        let series = try Series.hourly(count: 336, Series.value), report = TrendReport(series, options)
        let capacity = try #require(report.capacity)
        let earliest = try #require(capacity.earliest), expected = try #require(capacity.expected)
        let latest = try #require(capacity.latest)
        #expect(!capacity.isPassed && earliest < expected && expected < latest)
        // Worked out from the series itself: its day's highest hours pass 2,700 first in the hour 603.
        let truth = Series.monday + 603 * Series.hour
        #expect(earliest < truth && truth < latest && abs(expected - truth) < 72 * Series.hour)

        options.limit = 1e9
        let never = TrendReport(series, options).capacity
        #expect(never?.earliest == nil && never?.expected == nil && never?.latest == nil && never?.isPassed == false)
        options.limit = 1
        #expect(TrendReport(series, options).capacity?.isPassed == true)
    }

    @Test("the band of 95 % holds about 95 of 100 later values") func band() throws {
        var options = TrendOptions()
        options.season = .daily
        options.horizon = 240
        // Normal noise around a daily curve, by the sum of twelve even numbers.
        var state: UInt64 = 42
        func unit() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 11) * 0x1p-53
        }
        let values = (0..<(24 * 60)).map { place -> Double in
            var noise = -6.0
            for _ in 0..<12 { noise += unit() }
            return 1_000 + 200 * sin(2 * Double.pi * Double(place) / 24) + 40 * noise
        }
        let report = TrendReport(try Series.hourly(values.dropLast(240).map { $0 }), options)
        let held = zip(report.forecast, values.suffix(240)).filter { $0.low <= $1 && $1 <= $0.high }.count
        #expect(report.forecast.count == 240 && (218...240).contains(held), "\(held)")
        #expect(report.forecast[0].time == Series.monday + 1_200 * Series.hour)
    }

    @Test("the season of a week is chosen where weekends differ, and of a day where they don't") func season() throws {
        let noise = { (place: Int) in Double((place * 7_919) % 101) / 10 }
        let office = try Series.hourly(count: 168 * 6) { place in
            let isWork = (place / 24) % 7 < 5 && (8..<18).contains(place % 24)
            return (isWork ? 500 : 50) + noise(place)
        }
        #expect(TrendReport(office).season == 168)
        let plant = try Series.hourly(count: 168 * 6) { ((8..<18).contains($0 % 24) ? 500 : 50) + noise($0) }
        #expect(TrendReport(plant).season == 24)
    }

    @Test("gaps, sampling, late records, a poor fit and a short history are said") func quality() throws {
        var options = TrendOptions()
        options.season = .daily
        let clean = TrendReport(try Series.hourly(count: 336, Series.value), options).quality
        #expect(clean.grade == .good && clean.doubts == [] && clean.gaps == 0 && clean.samplingInterval == 1)
        #expect((clean.explained ?? 0) > 0.9)

        let values = (0..<336).map { (100..<130).contains($0) || $0 == 200 ? nil : Series.value($0) }
        let holes = TrendReport(try Series.hourly(values), options).quality
        #expect(holes.missing == 31 && holes.gaps == 2 && holes.longestGap == 30)
        #expect(holes.grade == .fair && holes.doubts == [.gaps, .longGap])

        let sampled = TrendReport(
            try Series.hourly((0..<336).map { Series.value($0) }, samplingInterval: 1_000, late: 10), options
        ).quality
        #expect(sampled.grade == .poor && sampled.doubts == [.sampled, .late])
        #expect(sampled.sampledShare == 1 && sampled.samplingInterval == 1_000 && sampled.lateShare == 0.1)

        let short = TrendReport(try Series.hourly(count: 30, Series.value))
        #expect(short.quality.doubts.contains(.shortHistory) && short.quality.doubts.contains(.poorFit))
        #expect(short.forecast.isEmpty && short.refusal == "30 points are known, and 48 are needed: two seasons")
    }

    @Test("the same series gives the same report, and a report survives JSON") func same() throws {
        let series = try Series.hourly(count: 336, Series.value)
        var options = TrendOptions()
        options.limit = 2_000
        let report = TrendReport(series, options)
        #expect(TrendReport(series, options) == report)
        let data = try JSONEncoder().encode(report), back = try JSONDecoder().decode(TrendReport.self, from: data)
        #expect(back == report)
    }
}
