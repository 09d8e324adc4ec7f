package import Detect
package import Settings

/// What an operator says about the built-in detectors, for all tenants (`detectors`) or for one (`tenants[].detectors`,
/// which counts before the other).
///
/// - `off` (list, none): rules that say nothing: ids such as `new-country`, or beginnings of ids and a `*`.
/// - every limit of `DetectorLimit.all` by its name: times as durations (`scanWindow: 4h`), the others as numbers
///   (`scanPortsMin: 12`, `floodUsual.days: 3`).
extension DetectorTuning {
    package init(_ reader: SettingsReader) throws(SettingError) {
        self.init()
        for limit in DetectorLimit.all where reader.has(limit.name) {
            let value = try Self.value(of: limit, reader)
            if let problem = set(limit.name, value) { throw reader.error(limit.name, problem) }
        }
        guard reader.has("off") else { return }
        if let unknown = setOff(try reader.strings("off", default: [])) {
            throw reader.error(
                "off", "\"\(unknown)\" is no built-in rule: \(DetectorSet.rules.map(\.id).joined(separator: ", "))")
        }
    }

    private static func value(of limit: DetectorLimit, _ reader: SettingsReader) throws(SettingError) -> Double {
        let (low, high) = (limit.range.lowerBound, limit.range.upperBound)
        switch limit.unit {
        case .count: return Double(try reader.int(limit.name, default: nil, in: Int(low)...Int(high)))
        case .number: return try reader.double(limit.name, default: nil, in: low...high)
        case .milliseconds:
            let range = Duration.milliseconds(Int64(low))...Duration.milliseconds(Int64(high))
            let (seconds, attoseconds) = try reader.duration(limit.name, default: nil, in: range).components
            return Double(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
        }
    }
}
