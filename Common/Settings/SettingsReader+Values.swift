/// One method a type. Without a default the key is required; every bounded type takes its range.
extension SettingsReader {
    /// A leaf's text and place; nil when the key is absent.
    private func text(_ key: String, _ kind: String) throws(SettingError) -> (text: String, place: String)? {
        guard let found = try source.value(at: path(key)) else { return nil }
        guard case .scalar(let text, _) = found.node else {
            throw SettingError(key: path(key), problem: "\(found.node.article) is not \(kind)", place: found.place)
        }
        return (text, found.place)
    }
    private func missing(_ key: String) -> SettingError {
        let variable = SettingsSource.variable(for: path(key))
        return SettingError(
            key: path(key), problem: "missing; set it here or in the environment as \(variable)", place: source.file)
    }
    /// Text turned into a value inside a range, or an error that names both.
    private func parsed<Value: Comparable>(
        _ key: String, _ kind: String, in range: ClosedRange<Value>, show: (Value) -> String,
        _ parse: (String) -> Value?
    ) throws(SettingError) -> Value? {
        guard let (text, place) = try text(key, kind) else { return nil }
        guard let value = parse(text) else {
            throw SettingError(key: path(key), problem: "\(quoted(text)) is not \(kind)", place: place)
        }
        guard range.contains(value) else {
            let allowed = "\(show(range.lowerBound))...\(show(range.upperBound))"
            throw SettingError(key: path(key), problem: "\(quoted(text)) is outside \(allowed)", place: place)
        }
        return value
    }

    /// Any text but the empty one.
    package func string(_ key: String) throws(SettingError) -> String {
        guard let value = try optionalString(key) else { throw missing(key) }
        guard !value.isEmpty else { throw error(key, "must not be empty") }
        return value
    }
    /// Any text; the empty one counts.
    package func string(_ key: String, default fallback: String) throws(SettingError) -> String {
        try optionalString(key) ?? fallback
    }
    package func optionalString(_ key: String) throws(SettingError) -> String? { try text(key, "a text")?.text }
    /// One of `allowed`.
    package func choice(
        _ key: String, default fallback: String, of allowed: [String]
    ) throws(SettingError) -> String {
        guard let (text, place) = try text(key, "one of \(allowed.joined(separator: ", "))") else { return fallback }
        guard allowed.contains(text) else {
            let problem = "\(quoted(text)) is not one of \(allowed.joined(separator: ", "))"
            throw SettingError(key: path(key), problem: problem, place: place)
        }
        return text
    }
    /// A file's path; a relative one starts at the settings file's folder.
    package func path(of key: String) throws(SettingError) -> String { source.resolved(try string(key)) }
    package func optionalPath(of key: String) throws(SettingError) -> String? {
        guard let text = try optionalString(key) else { return nil }
        guard !text.isEmpty else { throw error(key, "must not be empty") }
        return source.resolved(text)
    }
    package func bool(_ key: String, default fallback: Bool) throws(SettingError) -> Bool {
        guard let (text, place) = try text(key, "true or false") else { return fallback }
        guard let value = Bool(text) else {
            throw SettingError(key: path(key), problem: "\(quoted(text)) is not true or false", place: place)
        }
        return value
    }
    /// A whole number.
    package func int(_ key: String, default fallback: Int?, in range: ClosedRange<Int>) throws(SettingError) -> Int {
        let value = try parsed(key, "a whole number", in: range, show: { "\($0)" }, { Int($0) })
        guard let value = value ?? fallback else { throw missing(key) }
        return value
    }
    package func double(
        _ key: String, default fallback: Double?, in range: ClosedRange<Double>
    ) throws(SettingError) -> Double {
        let value = try parsed(key, "a number", in: range, show: { "\($0)" }, { Double($0) })
        guard let value = value ?? fallback else { throw missing(key) }
        return value
    }
    /// `500ms`, `10s`, `5m`, `12h`, `7d`.
    package func duration(
        _ key: String, default fallback: Duration?, in range: ClosedRange<Duration>
    ) throws(SettingError) -> Duration {
        let value = try parsed(
            key, "a duration such as 500ms, 10s, 5m, 12h or 7d", in: range, show: durationText, parseDuration)
        guard let value = value ?? fallback else { throw missing(key) }
        return value
    }
    /// Bytes: `4194304`, `64KiB`, `8GiB`, `500MB`.
    package func bytes(_ key: String, default fallback: Int?, in range: ClosedRange<Int>) throws(SettingError) -> Int {
        let value = try parsed(
            key, "a size such as 4194304, 64KiB, 8GiB or 500MB", in: range, show: { "\($0)" }, parseBytes)
        guard let value = value ?? fallback else { throw missing(key) }
        return value
    }
    /// Texts: a list, or one text with commas. Nil as the default makes the key required.
    package func strings(
        _ key: String, default fallback: [String]?, countMax: Int = 256
    ) throws(SettingError) -> [String] {
        guard let found = try source.value(at: path(key)) else {
            guard let fallback else { throw missing(key) }
            return fallback
        }
        let texts: [String]
        switch found.node {
        case .scalar(let text, _): texts = text.split(separator: ",").map { trimmed($0) }
        case .list(let items, _):
            var all: [String] = []
            for item in items {
                guard case .scalar(let text, _) = item else {
                    throw source.error(path(key), "\(item.article) is not a text", line: item.line)
                }
                all.append(text)
            }
            texts = all
        case .map, .empty:
            throw SettingError(key: path(key), problem: "\(found.node.article) is not a list", place: found.place)
        }
        guard texts.count <= countMax else {
            throw error(key, "has \(texts.count) elements, at most \(countMax) are allowed")
        }
        return texts
    }
}

extension SettingsSource {
    /// `path` as seen from the settings file's folder.
    func resolved(_ path: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return file[...slash] + path
    }
}

func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " { text = text.dropFirst() }
    while text.last == " " { text = text.dropLast() }
    return String(text)
}
/// A whole number and a unit behind it, or nil.
private func numberAndUnit(_ text: String) -> (number: Int, unit: String)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits) else { return nil }
    return (number, String(text.dropFirst(digits.count)))
}
func parseDuration(_ text: String) -> Duration? {
    let milliseconds = ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
    guard let (number, unit) = numberAndUnit(text), let scale = milliseconds[unit] else { return nil }
    let (total, isTooLong) = number.multipliedReportingOverflow(by: scale)
    return isTooLong ? nil : .milliseconds(total)
}
func parseBytes(_ text: String) -> Int? {
    let units = [
        "": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "kB": 1_000, "MB": 1_000_000,
        "GB": 1_000_000_000, "TB": 1_000_000_000_000,
    ]
    guard let (number, unit) = numberAndUnit(text), let scale = units[unit] else { return nil }
    let (total, isTooLarge) = number.multipliedReportingOverflow(by: scale)
    return isTooLarge ? nil : total
}
/// In the largest unit that leaves no rest.
func durationText(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    guard attoseconds == 0 else { return "\(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)ms" }
    for (unit, scale) in [("d", Int64(86_400)), ("h", 3_600), ("m", 60)] where seconds != 0 && seconds % scale == 0 {
        return "\(seconds / scale)\(unit)"
    }
    return "\(seconds)s"
}
