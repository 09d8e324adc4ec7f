/// Now against the same time of earlier, by the mean of the steps that are known on both sides.
package struct TrendComparison: Equatable, Sendable, Codable {
    package enum Span: String, Sendable, Codable, CaseIterable {
        /// The latest 24 hours against the same of the week before, and of four weeks before.
        case dayAgainstLastWeek = "day-against-last-week", dayAgainstLastMonth = "day-against-last-month"
        /// The latest 7 days against the 7 before them; the latest 28 against the 28 before them.
        case weekAgainstLast = "week-against-last", monthAgainstLast = "month-against-last"

        /// In days: how long, and how much earlier.
        var days: (length: Int, back: Int) {
            switch self {
            case .dayAgainstLastWeek: (1, 7)
            case .dayAgainstLastMonth: (1, 28)
            case .weekAgainstLast: (7, 7)
            case .monthAgainstLast: (28, 28)
            }
        }
    }
    package var span: Span
    /// Means of a step now and then, and the difference in parts of then; nil where then was nothing.
    package var now: Double, then: Double, change: Double?
    /// Share of the steps that are known on both sides; the means are of those.
    package var coverage: Double

    static let coverageMin = 0.5

    /// Nil where the series is too short or too full of gaps.
    init?(_ series: TrendSeries, _ span: Span) {
        let length = span.days.length * series.stepsInDay, back = span.days.back * series.stepsInDay
        let values = series.values
        guard values.count >= length + back else { return nil }
        var now = 0.0, then = 0.0, pairs = 0
        for place in (values.count - length)..<values.count {
            guard let here = values[place], let there = values[place - back] else { continue }
            now += here
            then += there
            pairs += 1
        }
        coverage = share(Double(pairs), of: Double(length))
        guard coverage >= Self.coverageMin else { return nil }
        self.span = span
        (self.now, self.then) = (now / Double(pairs), then / Double(pairs))
        change = then > 0 ? (now - then) / then : nil
    }
}
