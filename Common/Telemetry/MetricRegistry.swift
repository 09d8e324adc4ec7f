/// What the process says about itself: counters, gauges and histograms as Prometheus text, log lines as JSON, and
/// the limit on how often a line is written.
///
/// Names are `weir_<area>_<name>_<unit>[_total]`. A metric is made once, at start, and kept by who counts; making it
/// again gives the same one. Wrong names are our own bugs and stop the process; label values are any text.
/// Not here: who serves the text (`SensorPipeline`, `API`), where log lines go (given to `JSONLogHandler`).
internal import Synchronization

package final class MetricRegistry: Sendable {
    enum Kind: String { case counter, gauge, histogram }
    enum Series {
        case counter(Counter), gauge(Gauge), histogram(Histogram)
    }
    struct Family {
        let kind: Kind
        let help: String
        var series: [String: Series] = [:]
    }
    /// Series of one name: more are counted but not shown, so that no input can grow the page without bound.
    package static let seriesMax = 4_096

    private let families = Mutex<[String: Family]>([:])
    private let readers = Mutex<[@Sendable () -> Void]>([])

    package init() {}

    /// A count that only grows; its name ends in `_total`.
    package func counter(_ name: String, help: String, labels: [String: String] = [:]) -> Counter {
        precondition(name.hasSuffix("_total"), "a counter's name ends in _total: \(name)")
        let made = series(name, .counter, help, labels) { .counter(Counter()) }
        if case .counter(let counter) = made { return counter }
        return Counter()
    }
    /// A value that goes both ways.
    package func gauge(_ name: String, help: String, labels: [String: String] = [:]) -> Gauge {
        precondition(!name.hasSuffix("_total"), "a gauge's name does not end in _total: \(name)")
        let made = series(name, .gauge, help, labels) { .gauge(Gauge()) }
        if case .gauge(let gauge) = made { return gauge }
        return Gauge()
    }
    /// A distribution over fixed buckets.
    /// - Parameter buckets: upper bounds, inclusive, rising, finite; one for everything above is added.
    package func histogram(
        _ name: String, help: String, labels: [String: String] = [:], buckets: [Double]
    ) -> Histogram {
        precondition(labels["le"] == nil, "le is the buckets' own label: \(name)")
        let made = series(name, .histogram, help, labels) { .histogram(Histogram(buckets: buckets)) }
        if case .histogram(let histogram) = made { return histogram }
        return Histogram(buckets: buckets)
    }
    /// Calls `body` before each page is written: the place to set gauges that are read off something else.
    package func beforeEachPage(_ body: @escaping @Sendable () -> Void) {
        readers.withLock { $0.append(body) }
    }

    private func series(
        _ name: String, _ kind: Kind, _ help: String, _ labels: [String: String], make: () -> Series
    ) -> Series? {
        precondition(isMetricName(name), "not a metric's name: \(name)")
        precondition(labels.keys.allSatisfy(isLabelName), "not a label's name in \(name): \(labels.keys)")
        let labelText = PrometheusText.labels(labels)
        return families.withLock { families in
            var family = families[name] ?? Family(kind: kind, help: help)
            precondition(family.kind == kind, "\(name) is a \(family.kind.rawValue) already")
            if let known = family.series[labelText] { return known }
            guard family.series.count < Self.seriesMax else { return nil }
            let new = make()
            family.series[labelText] = new
            families[name] = family
            return new
        }
    }

    /// All metrics in Prometheus' text exposition format 0.0.4, sorted by name and labels.
    package func prometheusText() -> String {
        for reader in readers.withLock({ $0 }) { reader() }
        var text = ""
        for (name, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            text +=
                "# HELP \(name) \(PrometheusText.escapedHelp(family.help))\n# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                PrometheusText.append(series, name: name, labels: labels, to: &text)
            }
        }
        return text
    }
    /// The value of HTTP's Content-Type that goes with `prometheusText()`.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
}

private func isMetricName(_ name: String) -> Bool {
    name.hasPrefix("weir_") && name.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
}
private func isLabelName(_ name: String) -> Bool {
    guard let first = name.utf8.first, isLower(first) else { return false }
    return name.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
}
private func isLower(_ octet: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet) }
private func isDigit(_ octet: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) }
