/// What a trend rests on: gaps, sampling, late records, and how well the past was foretold.
package struct TrendQuality: Equatable, Sendable, Codable {
    package enum Grade: String, Sendable, Codable { case good, fair, poor }
    /// Why the grade isn't better.
    package enum Doubt: String, Sendable, Codable, CaseIterable {
        case gaps, longGap = "long-gap", sampled, late, poorFit = "poor-fit", shortHistory = "short-history"
    }
    package var grade: Grade, doubts: [Doubt]
    /// Points; those that are missing; runs of missing ones, and the longest in points.
    package var points: Int, missing: Int, gaps: Int, longestGap: Int
    /// Share of the points with sampled records, and the largest interval of all.
    package var sampledShare: Double, samplingInterval: Double
    /// Share of the records that came after their step had been closed.
    package var lateShare: Double
    /// Share of the variance that forecasts of one step explain: 1 is all, 0 no better than the mean; nil without a
    /// fit.
    package var explained: Double?

    static let missingFair = 0.02, missingPoor = 0.2, longGapHours = 24.0
    static let samplingPoor = 100.0, lateFair = 0.05, explainedFair = 0.5

    init(_ series: TrendSeries, explained: Double?, season: Int) {
        let points = series.points
        self.points = points.count
        var run = 0, gaps = 0, longest = 0, missing = 0
        for point in points {
            guard point.value == nil else {
                run = 0
                continue
            }
            if run == 0 { gaps += 1 }
            run += 1
            missing += 1
            longest = max(longest, run)
        }
        (self.missing, self.gaps, longestGap) = (missing, gaps, longest)
        let intervals = points.map { $0.samplingInterval.isFinite ? max($0.samplingInterval, 1) : 1 }
        samplingInterval = intervals.max() ?? 1
        sampledShare = share(Double(intervals.count { $0 > 1 }), of: Double(points.count))
        lateShare = min(
            share(points.reduce(0) { $0 + Double($1.late) }, of: points.reduce(0) { $0 + Double($1.records) }), 1)
        self.explained = explained
        (grade, doubts) = (.good, [])
        let gapHours = Double(longest) * Double(series.step) / 3_600_000
        judge(gapHours: gapHours, isShort: points.count < 4 * season)
    }

    private mutating func judge(gapHours: Double, isShort: Bool) {
        let missingShare = share(Double(missing), of: Double(points))
        var worst = Grade.good
        func doubt(_ doubt: Doubt, _ isThere: Bool, _ isPoor: Bool) {
            guard isThere else { return }
            doubts.append(doubt)
            worst = isPoor || worst == .poor ? .poor : .fair
        }
        doubt(.gaps, missingShare > Self.missingFair, missingShare > Self.missingPoor)
        doubt(.longGap, gapHours > Self.longGapHours, false)
        doubt(.sampled, sampledShare > 0, samplingInterval > Self.samplingPoor)
        doubt(.late, lateShare > Self.lateFair, false)
        doubt(.poorFit, (explained ?? 0) < Self.explainedFair, (explained ?? 0) <= 0)
        doubt(.shortHistory, isShort, false)
        grade = worst
    }
}

func share(_ part: Double, of whole: Double) -> Double { whole > 0 ? part / whole : 0 }
