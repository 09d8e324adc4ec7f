/// What becomes of limits where only one packet in so many was seen.
///
/// Method: at the limit some `m` packets would be seen, give or take √m (each is picked by chance). More is only said
/// to be above the limit when it lies two such deviations above `m`; how sure that is follows from Cantelli's
/// inequality, which holds for any distribution: with z deviations chance alone gives as many at most once in 1 + z²
/// times. Nothing but additions, products and square roots, so that every machine says the same.
/// Not here: contacts, whose failures are evidence one by one, seen or not (`PortScanDetector`); sessions, calls and
/// sources, of which sampling leaves parts that don't tell (the handbook's page "Detectors").
enum SampledLimit {
    static let deviationsMin = 2.0

    /// How many must be seen, in place of `limit`.
    /// - Parameters:
    ///   - interval: one packet in so many is seen; 1 or less, all are.
    ///   - atLeast: fewer tell nothing of what is looked at besides their number.
    static func seen(_ limit: Int, interval: Double, atLeast: Int) -> Int {
        guard interval > 1 else { return limit }
        let mean = Double(limit) / interval
        let needed = (mean + deviationsMin * mean.squareRoot()).rounded(.up)
        return min(max(Int(min(needed, 1e9)), atLeast), max(limit, atLeast))
    }

    /// Whether a rate is above its limit by more than chance.
    /// - Parameters:
    ///   - fullness: the rate, scaled, over the limit.
    ///   - packets: that make the rate, scaled.
    static func isPassed(fullness: Double, packets: Double, interval: Double) -> Bool {
        guard fullness >= 1 else { return false }
        return interval <= 1
            || square(fullness, packets, interval) >= deviationsMin * deviationsMin
    }

    /// How sure it is that the limit was passed; nil where all packets were seen.
    static func confidence(fullness: Double, packets: Double, interval: Double) -> Double? {
        guard interval > 1, fullness.isFinite else { return nil }
        return rounded(fullness > 1 ? square(fullness, packets, interval) : 0)
    }

    /// How sure it is that contacts of which one in five fails by itself have not failed as often by chance.
    static func confidence(failed: Int, answered: Int, interval: Double) -> Double? {
        guard interval > 1, failed > 0 else { return nil }
        let all = Double(failed) + Double(max(answered, 0)), surplus = Double(failed) - 0.2 * all
        return rounded(surplus > 0 ? surplus * surplus / (0.16 * all) : 0)
    }

    /// Of the deviations that `fullness` lies above 1.
    private static func square(_ fullness: Double, _ packets: Double, _ interval: Double) -> Double {
        (fullness - 1) * (fullness - 1) / fullness * (packets / interval)
    }
    private static func rounded(_ square: Double) -> Double {
        square.isFinite ? (square / (1 + square) * 100).rounded(.down) / 100 : 0.99
    }
}
