import Foundation
import TestKit
import Testing
import Trends

@Suite("Exponential smoothing with a season") struct HoltWintersTests {
    private func close(_ a: Double, _ b: Double, _ part: Double = 1e-9) -> Bool { abs(a - b) <= part * max(abs(b), 1) }

    /// The numbers are those of statsmodels 0.15 (`ETSModel(...).smooth`, `get_prediction`) for the same series.
    @Test("states, forecasts and their variance are those of statsmodels") func reference() throws {
        var model = HoltWinters(
            smoothing: Smoothing(level: 0.3, trend: 0.02, season: 0.15), level: 1_000, trend: 2,
            seasonal: (0..<24).map { 300 * sin(2 * .pi * Double($0) / 24) })
        model.learn(all: (0..<336).map { Series.value($0) })
        #expect(close(model.squares, 1_203_067.959327781))
        #expect(close(model.level, 1_858.7200175633493))
        #expect(close(model.trend, 3.7993488983818122))
        let ahead = try #require(model.forecast(steps: 48))
        let means = [1_933.7314042706882, 1_928.9740878929833, 2_024.915777831852, 2_020.158461454147]
        let variances = [1, 8.1116, 8.9765, 33.3105]
        for (place, (mean, variance)) in zip([0, 23, 24, 47], zip(means, variances)) {
            #expect(close(ahead[place].mean, mean), "\(place)")
            #expect(close(ahead[place].variance, variance), "\(place)")
        }
    }

    /// statsmodels' maximum likelihood fit of the same series has a sum of squares of 746,217 with initial states
    /// that are fitted, too.
    @Test("the fit comes near the one of statsmodels") func fit() throws {
        let model = try HoltWinters.fit((0..<336).map { Series.value($0) }, season: 24)
        #expect(model.squares < 1.1 * 746_217)
        let ahead = try #require(model.forecast(steps: 48))
        #expect(close(ahead[0].mean, 1_879.5, 0.03) && close(ahead[47].mean, 1_973.6, 0.03))
    }

    @Test("a pure trend with a season is foretold exactly") func exact() throws {
        let season: [Double] = [5, -3, 8, -10], values = (0..<40).map { 100 + 2 * Double($0) + season[$0 % 4] }
        let model = try HoltWinters.fit(values, season: 4), ahead = try #require(model.forecast(steps: 8))
        for (place, step) in ahead.enumerated() {
            #expect(abs(step.mean - (100 + 2 * Double(40 + place) + season[place % 4])) < 1e-6)
        }
    }

    @Test("a gap moves the level by the trend alone, and leaves the season in step") func gap() throws {
        let season: [Double] = [5, -3, 8, -10]
        let values = (0..<43).map { (20..<27).contains($0) ? nil : 100 + 2 * Double($0) + season[$0 % 4] }
        let ahead = try #require(try HoltWinters.fit(values, season: 4).forecast(steps: 1))
        #expect(abs(ahead[0].mean - (100 + 2 * 43 + season[3])) < 1e-6)
    }

    @Test("what is too short or too full of gaps is refused") func refusals() {
        #expect(throws: TrendError.tooShort(have: 7, need: 8)) {
            try HoltWinters.fit([Double?](repeating: 1, count: 7), season: 4)
        }
        #expect(throws: TrendError.tooManyGaps) {
            try HoltWinters.fit([1, nil, nil, nil, 1, 2, 3, 4, 5, 6], season: 4)
        }
        #expect(throws: TrendError.badStep(7)) { try TrendSeries(start: 0, step: 7, points: []) }
        #expect(throws: TrendError.badTime) { try TrendSeries(start: -1, step: 3_600_000, points: []) }
        #expect(throws: TrendError.tooLong(have: 20_001, most: 20_000)) {
            try TrendSeries(
                start: 0, step: 3_600_000, points: [TrendPoint](repeating: TrendPoint(value: 1), count: 20_001))
        }
    }

    @Test("any numbers at all end in a report, never in a trap") func anything() throws {
        let extremes: [Double?] = [
            nil, .nan, .infinity, -.infinity, 0, -1, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 1e18, 1, 1e300,
        ]
        try forAll(runs: 20) { generator, seed in
            let values = (0..<Int.random(in: 0...120, using: &generator)).map { _ in
                extremes[Int.random(in: extremes.indices, using: &generator)]
            }
            var options = TrendOptions()
            options.limit = .nan
            options.bandDeviations = .infinity
            options.horizon = .min
            let report = TrendReport(try Series.hourly(values, samplingInterval: .nan), options)
            #expect(report.forecast.allSatisfy { $0.mean.isFinite && $0.low <= $0.high }, "SEED=\(seed)")
            #expect(report.capacity == nil && (report.forecast.isEmpty) == (report.refusal != nil), "SEED=\(seed)")
        }
    }
}
