/// Where a series comes from and where it goes: comparisons, a forecast with its band, when a limit is reached, and
/// what all that rests on. Pure values: no clock, no store; whoever asks brings the series.
///
/// Invariants: the same series and options give the same report, bit for bit; at most `horizonMax` steps ahead. Not
/// here: where series come from (rollups of `Query`).
internal import Glibc

package struct TrendOptions: Equatable, Sendable {
    package enum Season: String, Sendable, Codable, CaseIterable { case daily, weekly, automatic }
    /// `automatic`: the one of the two with the lower AIC, of those that the series is long enough for.
    package var season = Season.automatic
    /// Steps ahead, 1...`TrendReport.horizonMax`.
    package var horizon = 168
    /// Of the band, in standard deviations: 1.96 holds 95 % of what is to come, if errors are normal.
    package var bandDeviations = 1.959_964
    /// A value that must not be passed, in the series' own unit; nil for none.
    package var limit: Double?
    package init() {}
}

package struct TrendReport: Equatable, Sendable, Codable {
    /// What is expected of one step, and what it most likely lies between; never below 0.
    package struct Expected: Equatable, Sendable, Codable {
        /// Start of the step, in ms since 1970 UTC.
        package var time: Int64
        package var mean: Double, low: Double, high: Double
    }
    /// When a limit is passed, as starts of steps in ms since 1970 UTC; nil where that is beyond the horizon.
    package struct Capacity: Equatable, Sendable, Codable {
        package var limit: Double
        /// The latest known value passes it.
        package var isPassed: Bool
        /// When the band's upper end, the mean and the band's lower end pass it.
        package var earliest: Int64?, expected: Int64?, latest: Int64?
    }
    package var comparisons: [TrendComparison]
    /// Empty when nothing can be foretold; `refusal` says why.
    package var forecast: [Expected]
    package var refusal: String?
    package var smoothing: Smoothing?
    /// Steps of the season that was used, and the change that is expected of a day, in the series' unit a step.
    package var season: Int?, changeInDay: Double?
    /// Nil without a limit or a forecast.
    package var capacity: Capacity?
    package var quality: TrendQuality

    package static let horizonMax = 2_000

    package init(_ series: TrendSeries, _ options: TrendOptions = .init()) {
        comparisons = TrendComparison.Span.allCases.compactMap { TrendComparison(series, $0) }
        forecast = []
        let values = series.values
        let (fitted, error) = Self.fit(values, series, options.season)
        quality = TrendQuality(
            series, explained: fitted.flatMap { Self.explained($0, values) },
            season: fitted?.seasonal.count ?? series.stepsInDay)
        guard let fitted, let variance = fitted.variance,
            let ahead = fitted.forecast(steps: min(max(options.horizon, 1), Self.horizonMax))
        else {
            refusal = error ?? "the series can't be foretold"
            return
        }
        let width = options.bandDeviations.isFinite ? min(max(options.bandDeviations, 0), 100) : 0
        forecast = ahead.enumerated().map { place, step in
            let half = width * sqrt(variance * step.variance)
            return Expected(
                time: series.time(of: values.count + place), mean: max(step.mean, 0), low: max(step.mean - half, 0),
                high: max(step.mean + half, 0))
        }
        (smoothing, season) = (fitted.smoothing, fitted.seasonal.count)
        changeInDay = fitted.trend * Double(series.stepsInDay)
        capacity = options.limit.flatMap { limit in
            limit.isFinite ? Self.capacity(limit, forecast, latest: values.last { $0 != nil } ?? nil) : nil
        }
    }

    private static func capacity(_ limit: Double, _ forecast: [Expected], latest: Double?) -> Capacity {
        Capacity(
            limit: limit, isPassed: (latest ?? 0) > limit, earliest: forecast.first { $0.high > limit }?.time,
            expected: forecast.first { $0.mean > limit }?.time, latest: forecast.first { $0.low > limit }?.time)
    }

    // MARK: Fitting

    private static func fit(
        _ values: [Double?], _ series: TrendSeries, _ season: TrendOptions.Season
    ) -> (HoltWinters?, String?) {
        let seasons =
            switch season {
            case .daily: [series.stepsInDay]
            case .weekly: [series.stepsInWeek]
            case .automatic: [series.stepsInDay, series.stepsInWeek]
            }
        var best: (model: HoltWinters, criterion: Double)?, refusal: String?
        for steps in seasons {
            do throws(TrendError) {
                let model = try HoltWinters.fit(values, season: steps)
                let criterion = criterion(model)
                guard criterion.isFinite else { continue }
                if best.map({ criterion < $0.criterion }) ?? true { best = (model, criterion) }
            } catch {
                refusal = refusal ?? text(error)
            }
        }
        return (best?.model, best == nil ? refusal : nil)
    }
    /// Akaike's information criterion with normal errors: the season's values are parameters, too.
    private static func criterion(_ model: HoltWinters) -> Double {
        let count = Double(max(model.errors, 1))
        return count * log(max(model.squares, 1e-9) / count) + 2 * Double(model.seasonal.count + 5)
    }
    private static func explained(_ model: HoltWinters, _ values: [Double?]) -> Double? {
        let known = values.compactMap { $0 }, mean = share(known.reduce(0, +), of: Double(known.count))
        let all = known.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        guard model.squares.isFinite else { return nil }
        // A series that never changes is foretold in full when its errors are nothing.
        guard all > 0 else { return model.squares < 1e-6 ? 1 : 0 }
        return 1 - model.squares / all
    }
    private static func text(_ error: TrendError) -> String {
        switch error {
        case .tooShort(let have, let need): "\(have) points are known, and \(need) are needed: two seasons"
        case .tooManyGaps: "half of each of the first two seasons must be known"
        case .tooLong(let have, let most): "\(have) points are more than \(most)"
        case .badStep(let step): "a step of \(step) ms doesn't divide a day"
        case .badTime: "the start is not a time"
        }
    }
}
