import Foundation
import Trends

/// Series whose numbers other programs worked out, too.
enum Series {
    static let hour: Int64 = 3_600_000
    /// 2026-03-02T00:00:00Z, a Monday.
    static let monday: Int64 = 1_772_409_600_000

    /// A trend, a day, half a day, and what looks like noise.
    static func value(_ place: Int) -> Double {
        let day = 2 * Double.pi * Double(place)
        return 1_000 + 2.5 * Double(place) + 300 * sin(day / 24) + 60 * cos(day / 12)
            + (Double((place * 7_919) % 101) - 50) * 1.5
    }

    static func hourly(_ values: [Double?], samplingInterval: Double = 1, late: UInt64 = 0) throws -> TrendSeries {
        try TrendSeries(
            start: monday, step: hour,
            points: values.map { TrendPoint(value: $0, records: 100, late: late, samplingInterval: samplingInterval) })
    }
    static func hourly(count: Int, _ value: (Int) -> Double?) throws -> TrendSeries {
        try hourly((0..<count).map(value))
    }
}
