/// A series of sums over time, evenly spaced, with what is known of its quality.
///
/// Invariants: at most `pointsMax` points; every value is finite, not negative and at most `valueMax`; what was
/// neither is missing.
package struct TrendPoint: Equatable, Sendable {
    /// The sum of one step; nil where nothing is known, which is not zero.
    package var value: Double?
    /// Records behind it, and those that came after their step had been closed.
    package var records: UInt64, late: UInt64
    /// The largest sampling interval of the records; 1 when none was sampled.
    package var samplingInterval: Double

    package init(value: Double?, records: UInt64 = 0, late: UInt64 = 0, samplingInterval: Double = 1) {
        (self.value, self.records, self.late, self.samplingInterval) = (value, records, late, samplingInterval)
    }
}

package enum TrendError: Error, Equatable, Sendable {
    /// The step must divide a day, and be at least a minute.
    case badStep(Int64)
    case badTime
    /// Two seasons are needed, in points.
    case tooShort(have: Int, need: Int)
    case tooLong(have: Int, most: Int)
    /// Half of each of the first two seasons must be known.
    case tooManyGaps
}

package struct TrendSeries: Equatable, Sendable {
    /// Start of the first point, in ms since 1970 UTC; width of each in ms.
    package let start: Int64, step: Int64
    package let points: [TrendPoint]

    package static let pointsMax = 20_000
    static let valueMax = 1e18, dayMilliseconds: Int64 = 86_400_000
    private static let timeMax: Int64 = 253_402_300_799_999

    /// - Parameter points: complete steps only: of one that still grows the value is too small. Missing ones at the
    ///   beginning are left out.
    package init(start: Int64, step: Int64, points: [TrendPoint]) throws(TrendError) {
        guard step >= 60_000, step <= Self.dayMilliseconds, Self.dayMilliseconds % step == 0 else {
            throw .badStep(step)
        }
        guard points.count <= Self.pointsMax else { throw .tooLong(have: points.count, most: Self.pointsMax) }
        guard (0...Self.timeMax).contains(start) else { throw .badTime }
        let clean = points.map { point in
            var clean = point
            clean.value = point.value.flatMap { $0.isFinite && $0 >= 0 ? min($0, Self.valueMax) : nil }
            return clean
        }
        let first = clean.firstIndex { $0.value != nil } ?? clean.count
        self.start = start + Int64(first) * step
        self.step = step
        self.points = Array(clean[first...])
    }

    package var stepsInDay: Int { Int(Self.dayMilliseconds / step) }
    package var stepsInWeek: Int { 7 * stepsInDay }
    /// Start of the point at `place`, in ms since 1970 UTC; places beyond the end are the future.
    package func time(of place: Int) -> Int64 { start + Int64(place) * step }
    var values: [Double?] { points.map(\.value) }
}
