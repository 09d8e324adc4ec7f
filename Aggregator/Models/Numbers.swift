/// Arithmetic that gives the same bits on every machine: no library's logarithm or power is in it, so that equal data
/// give equal models.
import FlowModel

enum Numbers {
    static let ln2 = 0.693_147_180_559_945_3

    /// Of a number above 0; 0 for others. Within 1e-9 (the series of the inverse hyperbolic tangent).
    static func log2(_ value: Double) -> Double {
        guard value > 0, value.isFinite else { return 0 }
        let ratio = (value.significand - 1) / (value.significand + 1), square = ratio * ratio
        var term = ratio, sum = 0.0
        for step in 0..<10 {
            sum += term / Double(2 * step + 1)
            term *= square
        }
        return Double(value.exponent) + 2 * sum / ln2
    }

    /// 2 to the power of `-value`, for values of 0 and more.
    static func halved(_ value: Double) -> Double {
        guard value > 0 else { return 1 }
        let whole = min(value.rounded(.down), 1_000), rest = -(min(value, 1_001) - whole) * ln2
        var term = 1.0, sum = 1.0
        for step in 1..<16 {
            term *= rest / Double(step)
            sum += term
        }
        return Double(sign: .plus, exponent: -Int(whole), significand: sum)
    }

    /// The value at a share of a sorted list (nearest rank); 0 for none.
    static func quantile(_ share: Double, of sorted: some RandomAccessCollection<Float>) -> Float {
        guard !sorted.isEmpty else { return 0 }
        let rank = min(max(Int((share * Double(sorted.count)).rounded(.up)) - 1, 0), sorted.count - 1)
        return sorted[sorted.index(sorted.startIndex, offsetBy: rank)]
    }

    /// Bits that each depend on all of the address's.
    static func mix(_ address: IPAddress) -> UInt64 { mix(address.high &* 31 ^ address.low) }
    static func mix(_ value: UInt64) -> UInt64 {
        var bits = value &+ 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): what a seed gives is the same everywhere and for ever. Numbers are
/// drawn with the methods here only: the standard library's may change.
struct SeededNumbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        defer { state &+= 0x9E37_79B9_7F4A_7C15 }
        return Numbers.mix(state)
    }
    /// 0 up to, not including, 1.
    mutating func share() -> Float { Float(next() >> 40) / 16_777_216 }
    /// Of `count` things, which; `count` is above 0.
    mutating func below(_ count: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(max(count, 1))).high) }
    mutating func between(_ low: Float, _ high: Float) -> Float { low + (high - low) * share() }
}

extension UInt64 {
    /// Without a trap whatever the exporter claims.
    mutating func addSaturating(_ other: UInt64) {
        let (sum, overflow) = addingReportingOverflow(other)
        self = overflow ? .max : sum
    }
}
