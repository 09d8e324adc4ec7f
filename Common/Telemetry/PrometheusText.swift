/// The text exposition format 0.0.4 of Prometheus.
enum PrometheusText {
    /// `a="1",b="2"`, sorted, values escaped; empty without labels.
    static func labels(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escapedLabel($0.value))\"" }.joined(separator: ",")
    }
    static func escapedHelp(_ text: String) -> String { escaped(text, quotes: false) }
    static func escapedLabel(_ text: String) -> String { escaped(text, quotes: true) }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    static func append(_ series: MetricRegistry.Series, name: String, labels: String, to text: inout String) {
        switch series {
        case .counter(let counter): append("\(counter.value)", name, labels, to: &text)
        case .gauge(let gauge): append(number(gauge.value), name, labels, to: &text)
        case .histogram(let histogram): append(histogram, name, labels, to: &text)
        }
    }
    private static func append(_ histogram: Histogram, _ name: String, _ labels: String, to text: inout String) {
        let state = histogram.snapshot, separator = labels.isEmpty ? "" : ","
        var total: UInt64 = 0
        for (bound, count) in zip(histogram.bounds + [.infinity], state.counts) {
            total &+= count
            append("\(total)", name + "_bucket", "\(labels)\(separator)le=\"\(number(bound))\"", to: &text)
        }
        append(number(state.sum), name + "_sum", labels, to: &text)
        append("\(total)", name + "_count", labels, to: &text)
    }
    private static func append(_ value: String, _ name: String, _ labels: String, to text: inout String) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }
    /// Go's ParseFloat reads it: integers without a fraction, `+Inf`, `-Inf`, `NaN`.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value), abs(value) < 9e15 { return "\(whole)" }
        return "\(value)"
    }
}
