/// One number of `DetectorParameters` that may be set, known by its name: what settings, the API and backtests
/// speak of.
///
/// Invariants: every number of the parameters is one of `all` (a test compares); any values within the ranges are
/// taken by every detector without a trap. Not here: which tenant has which (`DetectorTuning`), what they mean (the
/// handbook's page "Detectors").
package struct DetectorLimit: Sendable {
    package enum Unit: String, Sendable, Codable { case count, number, milliseconds }

    /// That of the field; of times without their unit (`scanWindow`), of `floodUsual` with it (`floodUsual.days`).
    package let name: String
    /// Which detectors look at it; empty: all.
    package let detectors: [String]
    package let unit: Unit
    package let range: ClosedRange<Double>
    /// What detectors hold is cut to it: with another value they begin anew. Other limits change what is said of what
    /// is held, and nothing that was learned is lost.
    package let isShape: Bool
    private let read: @Sendable (DetectorParameters) -> Double
    private let write: @Sendable (inout DetectorParameters, Double) -> Void

    package func value(in parameters: DetectorParameters) -> Double { read(parameters) }
    /// What is wrong with a value; nil when it may be set.
    package func problem(_ value: Double) -> String? {
        guard range.contains(value) else {
            return "\(Self.text(value)) is outside \(Self.text(range.lowerBound))...\(Self.text(range.upperBound))"
        }
        return unit == .number || value == value.rounded() ? nil : "\(Self.text(value)) is no whole number"
    }
    func set(_ value: Double, in parameters: inout DetectorParameters) { write(&parameters, value) }

    /// Whole numbers without a fraction.
    package static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    package static let all: [DetectorLimit] = scans + guesses + floods + usual + lasting + places + tables
    package static func named(_ name: String) -> DetectorLimit? { byName[name] }
    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}

extension DetectorLimit {
    static func count(
        _ name: String, _ path: any WritableKeyPath<DetectorParameters, Int> & Sendable, _ range: ClosedRange<Int>,
        _ detectors: [String] = [], isShape: Bool = false
    ) -> DetectorLimit {
        DetectorLimit(
            name: name, detectors: detectors, unit: .count,
            range: Double(range.lowerBound)...Double(range.upperBound), isShape: isShape,
            read: { Double($0[keyPath: path]) }, write: { $0[keyPath: path] = Int($1) })
    }
    static func number(
        _ name: String, _ path: any WritableKeyPath<DetectorParameters, Double> & Sendable,
        _ range: ClosedRange<Double>,
        _ detectors: [String] = []
    ) -> DetectorLimit {
        DetectorLimit(
            name: name, detectors: detectors, unit: .number, range: range, isShape: false,
            read: { $0[keyPath: path] }, write: { $0[keyPath: path] = $1 })
    }
    /// - Parameter range: in seconds.
    static func time(
        _ name: String, _ path: any WritableKeyPath<DetectorParameters, Int64> & Sendable, _ range: ClosedRange<Int64>,
        _ detectors: [String] = [], isShape: Bool = false
    ) -> DetectorLimit {
        DetectorLimit(
            name: name, detectors: detectors, unit: .milliseconds,
            range: Double(range.lowerBound * 1_000)...Double(range.upperBound * 1_000), isShape: isShape,
            read: { Double($0[keyPath: path]) }, write: { $0[keyPath: path] = Int64($1) })
    }
    static func factor(
        _ name: String, _ path: any WritableKeyPath<DetectorParameters, Int64> & Sendable, _ range: ClosedRange<Int64>,
        _ detectors: [String]
    ) -> DetectorLimit {
        DetectorLimit(
            name: name, detectors: detectors, unit: .count,
            range: Double(range.lowerBound)...Double(range.upperBound), isShape: false,
            read: { Double($0[keyPath: path]) }, write: { $0[keyPath: path] = Int64($1) })
    }
}
