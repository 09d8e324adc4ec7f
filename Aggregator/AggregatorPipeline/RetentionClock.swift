/// Which time retention goes by: the wall clock, unless it leaps ahead. A clock that is set wrong by a year must not
/// cost a year's history, so a leap is believed only after the clock has kept to it for a day of the monotonic one.
///
/// Not here: order and deduplication, which know no clock at all.
struct RetentionClock: Sendable {
    /// What is believed, and since when by the monotonic clock. ms since 1970 UTC.
    private var believed: (wall: Int64, monotonic: Duration)?
    /// What the clock has said since when, if it is not believed.
    private var doubted: (wall: Int64, monotonic: Duration)?

    /// A leap of less needs no proof: time spent asleep, or without the service.
    static let leapMax: Int64 = 86_400_000
    static let patience = Duration.seconds(86_400)

    /// Whether the wall clock is not believed now.
    var isInDoubt: Bool { doubted != nil }

    /// - Parameter last: what an earlier process believed; nil: nothing is known, so the clock is believed.
    init(last: Int64? = nil, monotonic: Duration = .zero) {
        believed = last.map { ($0, monotonic) }
    }

    /// - Returns: the time to go by.
    mutating func now(wall: Int64, monotonic: Duration) -> Int64 {
        guard let believed else { return believe(wall, monotonic) }
        let expected = Self.time(believed, at: monotonic)
        guard wall > expected + Self.leapMax else { return believe(wall, monotonic) }
        // Another leap meanwhile: the proof begins anew.
        if let doubted, abs(wall - Self.time(doubted, at: monotonic)) <= Self.leapMax {
            return monotonic - doubted.monotonic >= Self.patience ? believe(wall, monotonic) : expected
        }
        doubted = (wall, monotonic)
        return expected
    }
    private mutating func believe(_ wall: Int64, _ monotonic: Duration) -> Int64 {
        believed = (wall, monotonic)
        doubted = nil
        return wall
    }
    private static func time(_ point: (wall: Int64, monotonic: Duration), at monotonic: Duration) -> Int64 {
        let (seconds, attoseconds) = (monotonic - point.monotonic).components
        return point.wall + seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
