package import Logging
package import Platform

/// A back end of swift-log: one JSON object a line,
///     {"time":"2026-01-02T03:04:05.678Z","level":"info","logger":"sensor","message":"…","key":"value"}
/// with the metadata's keys beside the fixed ones (an own key of a fixed name gets a `_` in front). Lines are whole:
/// each is handed over in one piece.
package struct JSONLogHandler: LogHandler {
    package typealias Sink = @Sendable ([UInt8]) -> Void
    /// Of this logger alone once it is set, else the shared one.
    package var logLevel: Logger.Level {
        get { own ?? shared.value }
        set { own = newValue }
    }
    private var own: Logger.Level?
    private let shared: LogLevel
    private let reports: ErrorReports?
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let time: any TimeSource
    private let sink: Sink

    /// - Parameters:
    ///   - label: the `logger` of each line.
    ///   - sink: takes a whole line with its line feed; called from any thread.
    ///   - level: shared with others, and changed while the process runs.
    ///   - reports: hears of errors, too.
    package init(
        label: String, level: LogLevel, reports: ErrorReports? = nil, time: any TimeSource, sink: @escaping Sink
    ) {
        self.label = label
        self.reports = reports
        shared = level
        self.time = time
        self.sink = sink
    }
    package init(label: String, level: Logger.Level, time: any TimeSource, sink: @escaping Sink) {
        self.init(label: label, level: LogLevel(level), time: time, sink: sink)
    }
    /// Writes to standard error.
    package init(label: String, level: LogLevel, reports: ErrorReports? = nil, time: any TimeSource) {
        self.init(label: label, level: level, reports: reports, time: time) { writeAll($0, to: 2) }
    }
    package init(label: String, level: Logger.Level, time: any TimeSource) {
        self.init(label: label, level: LogLevel(level), time: time)
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        if let error = event.error { fields["error"] = "\(error)" }
        var line = #"{"time":""# + rfc3339(milliseconds: time.wallMilliseconds()) + #"","level":""#
        line += event.level.rawValue + #"","logger":"#
        JSONText.append(label, to: &line)
        line += #","message":"#
        JSONText.append(event.message.description, to: &line)
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            line += ","
            JSONText.append(Self.fixedKeys.contains(key) ? "_" + key : key, to: &line)
            line += ":"
            JSONText.append(value, to: &line)
        }
        line += "}\n"
        sink([UInt8](line.utf8))
        if event.level >= .error {
            reports?.take(event.level, logger: label, message: event.message.description, fields: fields)
        }
    }
    private static let fixedKeys: Set = ["time", "level", "logger", "message"]
}

/// JSON out of log values, without Foundation.
enum JSONText {
    static func append(_ value: Logger.Metadata.Value, to line: inout String) {
        switch value {
        case .string(let text): append(text, to: &line)
        case .stringConvertible(let number as any BinaryInteger): line += "\(number)"
        case .stringConvertible(let flag as Bool): line += "\(flag)"
        case .stringConvertible(let other): append(other.description, to: &line)
        case .array(let values):
            line += "["
            for (index, value) in values.enumerated() {
                if index > 0 { line += "," }
                append(value, to: &line)
            }
            line += "]"
        case .dictionary(let fields):
            line += "{"
            for (index, field) in fields.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line += "," }
                append(field.key, to: &line)
                line += ":"
                append(field.value, to: &line)
            }
            line += "}"
        }
    }
    /// A JSON string (RFC 8259 §7).
    static func append(_ text: String, to line: inout String) {
        line += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += "\\\""
            case "\\": line += "\\\\"
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                line += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: line.unicodeScalars.append(scalar)
            }
        }
        line += "\""
    }
}

/// `2026-01-02T03:04:05.678Z` (RFC 3339 §5.6) from ms since 1970 UTC, any Int64 whose year has four digits; others
/// are clamped to the nearest such time.
package func rfc3339(milliseconds: Int64) -> String {
    let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
    let days = clamped >= 0 ? clamped / 86_400_000 : (clamped - 86_399_999) / 86_400_000
    let ofDay = clamped - days * 86_400_000
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, eras have 400 of them.
    let shifted = days + 719_468, era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let ofEra = shifted - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * ofYear + 2) / 153
    let day = ofYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let clock = "\(padded(ofDay / 3_600_000)):\(padded(ofDay / 60_000 % 60)):\(padded(ofDay / 1_000 % 60))"
    return "\(padded(year, 4))-\(padded(month))-\(padded(day))T\(clock).\(padded(ofDay % 1_000, 3))Z"
}
private func padded(_ number: Int64, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
}
