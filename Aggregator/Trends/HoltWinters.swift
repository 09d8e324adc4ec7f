/// Exponential smoothing with level, trend and an additive season, in the form of errors.
///
/// Method: P. R. Winters, *Forecasting Sales by Exponentially Weighted Moving Averages*, 1960, as the state space
/// model ETS(A,A,A) of R. J. Hyndman, A. B. Koehler, J. K. Ord and R. D. Snyder, *Forecasting with Exponential
/// Smoothing*, 2008 (chapter 6 for the variance of forecasts). A missing value is taken as forecast: it moves level
/// and season by the trend alone.
/// Invariants: the same values give the same numbers; nothing traps, whatever they are; what isn't finite ends as nil.
internal import Glibc

package struct Smoothing: Equatable, Sendable, Codable {
    /// How far an error moves the level, the trend and the season: 0...1 each.
    package var level: Double, trend: Double, season: Double
    package init(level: Double, trend: Double, season: Double) {
        (self.level, self.trend, self.season) = (level, trend, season)
    }
}

package struct HoltWinters: Equatable, Sendable {
    package let smoothing: Smoothing
    package private(set) var level: Double, trend: Double
    /// By the place in the season of the next value onwards: `seasonal[next]` belongs to it.
    package private(set) var seasonal: [Double]
    private var next = 0
    /// Of the errors of one step: their squares' sum, and how many there were.
    package private(set) var squares = 0.0, errors = 0

    /// - Parameter seasonal: of the first value and those after it; one season, at least two values.
    package init(smoothing: Smoothing, level: Double, trend: Double, seasonal: [Double]) {
        precondition(seasonal.count > 1, "a season of \(seasonal.count)")
        (self.smoothing, self.level, self.trend, self.seasonal) = (smoothing, level, trend, seasonal)
    }

    package mutating func learn(_ value: Double?) {
        let season = seasonal[next], expected = level + trend + season
        let error = value.map { $0 - expected } ?? 0
        level += trend + smoothing.level * error
        trend += smoothing.trend * error
        seasonal[next] = season + smoothing.season * error
        next = next + 1 == seasonal.count ? 0 : next + 1
        guard value != nil else { return }
        squares += error * error
        errors += 1
    }
    package mutating func learn(all values: some Sequence<Double?>) {
        for value in values { learn(value) }
    }

    /// Variance of the errors of one step; nil while there are too few, or when it isn't finite.
    package var variance: Double? {
        guard errors > 3, squares.isFinite else { return nil }
        return squares / Double(errors - 3)
    }

    /// Expected values of the next steps, and the variance of each in units of the errors' variance.
    /// - Returns: nil when the state isn't finite.
    package func forecast(steps: Int) -> [(mean: Double, variance: Double)]? {
        guard level.isFinite, trend.isFinite, seasonal.allSatisfy(\.isFinite) else { return nil }
        var variance = 1.0
        return (1...max(steps, 1)).map { ahead in
            let mean = level + Double(ahead) * trend + seasonal[(next + ahead - 1) % seasonal.count]
            defer {
                let weight =
                    smoothing.level + smoothing.trend * Double(ahead)
                    + (ahead % seasonal.count == 0 ? smoothing.season : 0)
                variance += weight * weight
            }
            return (mean, variance)
        }
    }
}

extension HoltWinters {
    /// Level, trend and season of the first two seasons: means that leave out what is missing.
    /// - Throws: `TrendError.tooShort`, `.tooManyGaps`.
    package static func initial(
        _ values: [Double?], season: Int, smoothing: Smoothing
    ) throws(TrendError) -> HoltWinters {
        guard season > 1, values.count >= 2 * season else { throw .tooShort(have: values.count, need: 2 * season) }
        let first = values[..<season].compactMap { $0 }, second = values[season..<2 * season].compactMap { $0 }
        guard 2 * first.count >= season, 2 * second.count >= season else { throw .tooManyGaps }
        let (a, b) = (mean(first), mean(second)), trend = (b - a) / Double(season)
        // The mean of the first season is the level in its middle.
        let middle = Double(season + 1) / 2, level = a - trend * middle
        var seasonal = (0..<season).map { place -> Double in
            let seen = [
                values[place].map { $0 - level - trend * Double(place + 1) },
                values[season + place].map { $0 - level - trend * Double(season + place + 1) },
            ].compactMap { $0 }
            return seen.isEmpty ? 0 : mean(seen)
        }
        let centre = mean(seasonal)
        for place in seasonal.indices { seasonal[place] -= centre }
        return HoltWinters(smoothing: smoothing, level: level + centre, trend: trend, seasonal: seasonal)
    }
    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }

    /// The smoothing with the least squares of errors: a coarse grid, then ever smaller steps from its best point.
    /// - Throws: `TrendError.tooShort`, `.tooManyGaps`.
    package static func fit(_ values: [Double?], season: Int) throws(TrendError) -> HoltWinters {
        let blank = try initial(values, season: season, smoothing: Smoothing(level: 0, trend: 0, season: 0))
        func learned(_ smoothing: Smoothing) -> HoltWinters {
            var model = HoltWinters(
                smoothing: smoothing, level: blank.level, trend: blank.trend, seasonal: blank.seasonal)
            model.learn(all: values)
            return model
        }
        var best = learned(Smoothing(level: 0.1, trend: 0, season: 0.1))
        func consider(_ smoothing: Smoothing) {
            let model = learned(smoothing)
            if model.squares < best.squares { best = model }
        }
        for level in [0.01, 0.05, 0.1, 0.2, 0.4, 0.7] {
            for share in [0, 0.005, 0.02, 0.1] {
                for season in [0.01, 0.1, 0.3] {
                    consider(Smoothing(level: level, trend: level * share, season: (1 - level) * season))
                }
            }
        }
        for halving in 1...6 {
            let width = exp2(-Double(halving)) / 2
            let centre = best.smoothing
            for sign in [-1.0, 1.0] {
                let level = min(max(centre.level + sign * width, 0.001), 0.999)
                consider(
                    Smoothing(
                        level: level, trend: min(best.smoothing.trend, level),
                        season: min(best.smoothing.season, 1 - level)))
            }
            for sign in [-1.0, 1.0] {
                var other = best.smoothing
                other.season = min(max(other.season + sign * width, 0), 1 - other.level)
                consider(other)
            }
            for factor in [1 - width, 1 + width] {
                var other = best.smoothing
                other.trend = min(other.trend * factor, other.level)
                consider(other)
            }
        }
        return best
    }
}
