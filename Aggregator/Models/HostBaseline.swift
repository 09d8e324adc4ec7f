/// What one host is used to: for each hour of the week a level and a spread of each seasonal feature, from its own
/// past.
///
/// Levels are medians and spreads come from the median absolute deviation and the 95th percentile, so that a few
/// attacks in the past bend neither. An hour is learned together with the ones beside it; one with too little of a past
/// is judged by the same hour of all days, then by all hours. Windows without a record count, from the host's first
/// one on: being quiet is a habit. What is too little to matter (`ModelFeature.insignificant`) is all alike.
/// Not here: what deviates enough to be told (`AnomalyModel`).
import Detect

package struct HostBaseline: Equatable, Sendable {
    /// A level and a spread, in 1/256 of a doubling.
    struct Usual: Equatable, Sendable {
        var level: UInt16, spread: UInt16
        static let unknown = Usual(level: UInt16(0), spread: UInt16(0))
        var isKnown: Bool { spread > 0 }

        init(level: UInt16, spread: UInt16) { (self.level, self.spread) = (level, spread) }
        init(level: Float, spread: Float) {
            self.level = UInt16(min(max(level, 0) * 256, 65_535))
            self.spread = UInt16(min(max(spread * 256, 1), 65_535))
        }
        func deviation(of value: Float) -> Double {
            max(0, Double(value) - Double(level) / 256) / (Double(spread) / 256)
        }
    }
    /// The score that few of its windows (one of 100) pass: what is an outlier among hosts may be this one's role.
    package internal(set) var habit: Float = 0
    /// For each seasonal feature: 168 hours of the week, 24 of the day, one for all.
    private(set) var usuals: [Usual]

    static let slots = 168 + 24 + 1
    /// No spread is below: half of a doubling, about as much as counts differ from window to window.
    static let spreadMin: Float = 0.5
    /// Weeks, and days, that a slot must have been seen in.
    static let weeksMin = 2, daysMin = 3

    /// - Parameters:
    ///   - windows: of one host, rising.
    ///   - end: the window after the last that was gathered.
    init(_ windows: [(window: Int64, features: FeatureVector)], end: Int64, width: Int64) {
        usuals = []
        guard let first = windows.first?.window, end > first else {
            usuals = Self.nothing
            return
        }
        let clock = WeekClock(width: width)
        for feature in ModelFeature.seasonal {
            var slots = SlotSamples(first: first, end: end, clock: clock, least: feature.insignificant)
            for (window, features) in windows { slots.set(window, features[feature]) }
            var usuals = (0..<Self.slots).map { slots.usual(of: $0) }
            Self.widen(&usuals, windows.map { ($0.window, $0.features[feature]) }, clock)
            self.usuals += usuals
        }
    }
    private static var nothing: [Usual] {
        [Usual](repeating: .unknown, count: slots * ModelFeature.seasonal.count)
    }

    /// A host that often leaves its usual is told later: spreads grow until one window of 200 of its own past is four
    /// of them away.
    private static func widen(
        _ usuals: inout [Usual], _ values: [(window: Int64, value: Float)], _ clock: WeekClock
    ) {
        let deviations = values.map { window, value in
            Float(
                Self.find(usuals[...], clock.hour(of: window))?.deviation(of: value) ?? 0)
        }
        let factor = Numbers.quantile(0.995, of: deviations.sorted()) / 4
        guard factor > 1 else { return }
        for place in usuals.indices where usuals[place].isKnown {
            usuals[place].spread = UInt16(min(Float(usuals[place].spread) * factor, 65_535))
        }
    }

    /// By the hour of the week, else of the day, else any.
    private static func find(_ usuals: ArraySlice<Usual>, _ hour: Int) -> Usual? {
        for slot in [hour, 168 + hour % 24, slots - 1] {
            let place = usuals.startIndex + slot
            guard place < usuals.endIndex else { return nil }
            if usuals[place].isKnown { return usuals[place] }
        }
        return nil
    }

    /// How many spreads a host's window lies above its usual, and the feature that does most.
    func deviation(_ features: FeatureVector, hour: Int) -> (value: Double, feature: ModelFeature) {
        var most = (value: 0.0, feature: ModelFeature.octetsOut)
        for (number, feature) in ModelFeature.seasonal.enumerated() {
            guard let usual = self.usual(number, hour) else { continue }
            let value = usual.deviation(of: features[feature])
            if value > most.value { most = (value, feature) }
        }
        return most
    }
    private func usual(_ number: Int, _ hour: Int) -> Usual? {
        Self.find(usuals[(number * Self.slots)..<((number + 1) * Self.slots)], hour)
    }
    /// The level of a seasonal feature at an hour of the week; nil: not known.
    package func level(of feature: ModelFeature, hour: Int) -> Float? {
        guard let number = ModelFeature.seasonal.firstIndex(of: feature) else { return nil }
        return usual(number, hour).map { Float($0.level) / 256 }
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(UInt64(habit.bitPattern))
        for usual in usuals { writer.add(UInt64(usual.spread) << 16 | UInt64(usual.level)) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        habit = Float(bitPattern: try reader.nextSmall(UInt32.self))
        guard (0...1).contains(habit) else { throw .damaged }
        usuals = []
        usuals.reserveCapacity(Self.slots * ModelFeature.seasonal.count)
        for _ in 0..<(Self.slots * ModelFeature.seasonal.count) {
            let word = try reader.nextSmall(UInt32.self)
            usuals.append(Usual(level: UInt16(truncatingIfNeeded: word), spread: UInt16(word >> 16)))
        }
    }
}

/// Which hour of the week a window lies in: 0 to 167, in UTC, from Thursday on, as 1970 began.
struct WeekClock {
    let width: Int64
    private static let hourMilliseconds: Int64 = 3_600_000

    func hour(of window: Int64) -> Int { Int(window * width / Self.hourMilliseconds % 168) }
    func week(of window: Int64) -> Int64 { window * width / Self.hourMilliseconds / 168 }
}

/// One feature of one host in all windows of a stretch.
private struct SlotSamples {
    private let first: Int64, clock: WeekClock, least: Float
    private var values: [Float]
    /// Places in `values` of each hour of the week.
    private var places: [[Int]]

    init(first: Int64, end: Int64, clock: WeekClock, least: Float) {
        (self.first, self.clock, self.least) = (first, clock, least)
        // A model's stretch is bounded (`ModelSettings`), so this is, too.
        values = [Float](repeating: least, count: Int(end - first))
        places = [[Int]](repeating: [], count: 168)
        for place in values.indices { places[clock.hour(of: first + Int64(place))].append(place) }
    }
    mutating func set(_ window: Int64, _ value: Float) {
        let place = Int(window - first)
        if values.indices.contains(place) { values[place] = max(value, least) }
    }

    func usual(of slot: Int) -> HostBaseline.Usual {
        let samples: [Float], perHour = max(Int(3_600_000 / clock.width), 1)
        switch slot {
        case ..<168:
            samples = [(slot + 167) % 168, slot, (slot + 1) % 168].flatMap { places[$0].map { values[$0] } }
            guard places[slot].count >= HostBaseline.weeksMin * perHour else { return .unknown }
        case ..<192:
            samples = stride(from: slot - 168, to: 168, by: 24).flatMap { places[$0].map { values[$0] } }
            guard samples.count >= HostBaseline.daysMin * perHour else { return .unknown }
        default:
            samples = values
            guard samples.count >= 24 * perHour else { return .unknown }
        }
        return Self.usual(samples.sorted())
    }
    private static func usual(_ sorted: [Float]) -> HostBaseline.Usual {
        let level = Numbers.quantile(0.5, of: sorted)
        let away = sorted.map { abs($0 - level) }.sorted()
        let spread = max(1.482_6 * Numbers.quantile(0.5, of: away), (Numbers.quantile(0.95, of: sorted) - level) / 2)
        return HostBaseline.Usual(level: level, spread: max(spread, HostBaseline.spreadMin))
    }
}
