internal import Platform

/// Chance by seed. Only whole numbers and operations that IEEE 754 rounds exactly (no `pow`, no `log`), so that the
/// same seed gives the same bytes on every machine.
struct Dice: Sendable {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func word() -> UInt64 { generator.next() }
    /// 0..<count; 0 for a count of 0.
    mutating func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: word().multipliedFullWidth(by: UInt64(max(count, 0))).high)
    }
    mutating func number(in range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
    /// Above 0, at most 1.
    mutating func unit() -> Double { (Double(word() >> 11) + 1) * 0x1p-53 }
    mutating func happens(_ share: Double) -> Bool { share > 0 && unit() <= share }
    /// A rank of `0..<count`, low ones more often: rank r comes with a weight near r^(-1/2), as hosts' popularity does.
    mutating func rank(of count: Int) -> Int {
        let unit = unit()
        return min(Int(unit * unit * Double(count)), max(count - 1, 0))
    }
    /// How many of `packets` a sampler of one in `interval` takes: the whole part, and chance for the rest.
    mutating func sampled(_ packets: UInt64, interval: UInt32) -> UInt64 {
        let interval = UInt64(max(interval, 1))
        let (whole, rest) = packets.quotientAndRemainder(dividingBy: interval)
        guard rest > 0 else { return whole }
        return whole + (UInt64(below(Int(clamping: interval))) < rest ? 1 : 0)
    }
    mutating func pareto(_ law: Pareto) -> Int { law.value(at: unit()) }
}

/// Pareto's law, cut off: most are near `least`, few are near `most`. Its exponent is 8 / `tailEighths`: 5 is 1.6 (a
/// light tail), 6 is 1.33, 7 is 1.14 (a heavy one, as of file sizes).
struct Pareto: Sendable, Equatable {
    let least: Int, most: Int, tailEighths: Int

    init(_ range: ClosedRange<Int>, tail: Int = 6) {
        (least, most, tailEighths) = (range.lowerBound, range.upperBound, tail)
    }
    /// The value that the share `unit` (above 0, at most 1) of all is not below.
    func value(at unit: Double) -> Int {
        guard least < most else { return least }
        let half = unit.squareRoot(), quarter = half.squareRoot()
        var power = 1.0
        if tailEighths & 4 != 0 { power *= half }
        if tailEighths & 2 != 0 { power *= quarter }
        if tailEighths & 1 != 0 { power *= quarter.squareRoot() }
        return Int(min(Double(least) / power, Double(most)))
    }
}
