/// What one host, or one network, got at most on each of its last eight days.
///
/// Invariants: seven words, whatever is told; records of one day may come in any order and a day or more late; of days
/// that lie eight or more behind the latest nothing is kept. Not here: which limits follow (`UsualRates`).

/// A rate a second as a step of an eighth of a doubling, which is an octet for all from 1 to 4,000 million; 0 is less.
enum RateStep {
    /// Of 1.0: a double's exponent and the first three bits of its fraction.
    private static let one: UInt64 = 1_023 << 3

    @inline(__always)
    static func of(_ rate: Double) -> UInt8 {
        guard rate >= 1 else { return 0 }
        return UInt8(clamping: (rate.bitPattern >> 49) - one + 1)
    }
    /// The least rate of a step, and that of the next one.
    static func low(_ step: UInt8) -> Double { step == 0 ? 0 : Double(bitPattern: (one + UInt64(step) - 1) << 49) }
    static func high(_ step: UInt8) -> Double { Double(bitPattern: (one + UInt64(step)) << 49) }
}

/// By class of traffic (`FloodClass`: datagrams, conversation, empty) the peaks of packets and of octets a second.
struct UsualPeaks: CellPayload {
    /// Since 1970.
    private var latestDay: UInt32 = 0
    /// Whether anything was seen: the latest day is bit 0, the one before it bit 1.
    private var seenDays: UInt8 = 0
    /// Steps: the latest day is the lowest octet. The last lane is nobody's.
    private var packets = SIMD4<UInt64>.zero, octets = SIMD4<UInt64>.zero

    static let classes = 3
    private static let daysMax: Int64 = 8

    init() {}

    /// Notes that there was traffic on `day`, and how much of one class, as steps.
    mutating func note(_ day: Int64, _ index: Int = 0, packets: UInt8 = 0, octets: UInt8 = 0) {
        turn(to: day)
        let age = Int64(latestDay) &- day
        guard (0..<Self.daysMax).contains(age), index < Self.classes else { return }
        seenDays |= 1 << UInt8(age)
        Self.raise(&self.packets[index], at: age, to: packets)
        Self.raise(&self.octets[index], at: age, to: octets)
    }
    private static func raise(_ steps: inout UInt64, at age: Int64, to step: UInt8) {
        let shift = UInt64(age) * 8, mask = UInt64(0xFF) << shift
        if steps & mask < UInt64(step) << shift { steps = steps & ~mask | UInt64(step) << shift }
    }
    /// Makes `day` the latest, if it is later; what then lies too far behind goes.
    private mutating func turn(to day: Int64) {
        let ahead = day &- Int64(latestDay)
        guard ahead > 0, let latest = UInt32(exactly: day) else { return }
        latestDay = latest
        seenDays <<= UInt8(min(ahead, Self.daysMax))
        let shift = UInt64(min(ahead, Self.daysMax)) * 8
        for lane in packets.indices {
            packets[lane] <<= shift
            octets[lane] <<= shift
        }
    }

    /// Of the seven days before `day` those on which anything was seen.
    func past(_ index: Int, before day: Int64) -> PastPeaks {
        let age = Int64(latestDay) &- day
        var past = PastPeaks()
        guard index < Self.classes, (-Self.daysMax...Self.daysMax).contains(age) else { return past }
        for old in stride(from: max(age + 1, 0), through: min(age + 7, 7), by: 1) where seenDays >> UInt8(old) & 1 == 1
        {
            past.packets.append(UInt8(truncatingIfNeeded: packets[index] >> UInt64(old * 8)))
            past.octets.append(UInt8(truncatingIfNeeded: octets[index] >> UInt64(old * 8)))
        }
        return past
    }
    /// Of `day` itself, so far.
    func peak(_ index: Int, on day: Int64) -> (packets: UInt8, octets: UInt8) {
        let age = Int64(latestDay) &- day
        guard index < Self.classes, (0..<Self.daysMax).contains(age) else { return (0, 0) }
        let shift = UInt64(age) * 8
        return (
            UInt8(truncatingIfNeeded: packets[index] >> shift), UInt8(truncatingIfNeeded: octets[index] >> shift)
        )
    }

    static var words: Int { 7 }
    init(_ cells: borrowing Span<UInt64>, at place: Int) {
        latestDay = UInt32(truncatingIfNeeded: cells[place])
        seenDays = UInt8(truncatingIfNeeded: cells[place] >> 32)
        for index in 0..<Self.classes {
            packets[index] = cells[place + 1 + index]
            octets[index] = cells[place + 4 + index]
        }
    }
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {
        cells[place] = UInt64(latestDay) | UInt64(seenDays) << 32
        for index in 0..<Self.classes {
            cells[place + 1 + index] = packets[index]
            cells[place + 4 + index] = octets[index]
        }
    }
}

/// The peaks of one class, a step for each day.
struct PastPeaks {
    var packets: [UInt8] = [], octets: [UInt8] = []

    var days: Int { packets.count }
    /// What was reached on so many of the days: a few days with more don't move it.
    static func usual(_ steps: [UInt8], days: Int) -> UInt8 {
        let falling = steps.sorted(by: >), place = max(days, 1) - 1
        return place < falling.count ? falling[place] : 0
    }
}
