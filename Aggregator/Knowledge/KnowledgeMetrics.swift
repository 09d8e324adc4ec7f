internal import Intelligence
internal import Platform
internal import Synchronization
internal import Telemetry

/// What upkeep as a whole says about itself.
struct KnowledgeMetrics: Sendable {
    let hunts, huntedIndicators, huntSightings, huntFindings, huntsCutShort, huntFailures: Counter
    private let registry: MetricRegistry

    init(_ registry: MetricRegistry) {
        self.registry = registry
        hunts = registry.counter(
            "weir_intelligence_hunts_total", help: "Searches of one tenant's history for new indicators.")
        huntedIndicators = registry.counter(
            "weir_intelligence_hunted_indicators_total", help: "New indicators looked for in a tenant's history.")
        huntSightings = registry.counter(
            "weir_intelligence_hunt_sightings_total", help: "Hosts and listed addresses that met in history.")
        huntFindings = registry.counter(
            "weir_intelligence_hunt_findings_total", help: "Findings made from history, known ones included.")
        huntsCutShort = registry.counter(
            "weir_intelligence_hunts_cut_short_total", help: "Searches that did not look at everything.")
        huntFailures = registry.counter(
            "weir_intelligence_hunt_failures_total", help: "Searches that failed and are tried again.")
    }

    func note(_ set: IndicatorSet, layer: FeedLayer) {
        registry.gauge(
            "weir_intelligence_set_indicators", help: "Indicators in use; tenant \"*\" has those of all tenants.",
            labels: ["tenant": layer.label]
        ).set(Double(set.count))
        func gauge(_ name: String, _ help: String, _ value: Int) {
            registry.gauge(name, help: help, labels: ["tenant": layer.label]).set(Double(value))
        }
        gauge("weir_intelligence_system_networks", "Networks of listed systems in use.", set.announced.count)
        gauge(
            "weir_intelligence_system_networks_left_out", "Networks of listed systems that found no room.",
            set.announced.leftOut)
        gauge(
            "weir_intelligence_unplaced_systems",
            "Listed systems of which no network is known: matched by the numbers that records have alone.",
            set.systems.isEmpty ? 0 : set.systems.count - set.announced.known.count)
    }
    func note(_ report: HuntReport, indicators: Int) {
        hunts.add()
        huntedIndicators.add(indicators)
        huntSightings.add(report.sightings)
        huntFindings.add(report.findings)
        if report.isCutShort { huntsCutShort.add() }
    }
}

/// What one feed says about itself.
struct FeedMetrics: Sendable {
    private let registry: MetricRegistry
    private let labels: [String: String]
    private let indicators: Gauge
    private let last: LastConfirmed

    private final class LastConfirmed: Sendable {
        let milliseconds = Mutex<Int64?>(nil)
    }

    init(_ registry: MetricRegistry, feed: String, layer: String, time: any TimeSource) {
        self.registry = registry
        labels = ["feed": feed, "tenant": layer]
        indicators = registry.gauge(
            "weir_intelligence_indicators", help: "Indicators of a feed, or networks of an allow-list, in use.",
            labels: labels)
        let age = registry.gauge(
            "weir_intelligence_age_seconds",
            help: "Since a feed's source last said what is in use; -1 when it never has.", labels: labels)
        let last = LastConfirmed()
        self.last = last
        registry.beforeEachPage {
            let seconds = last.milliseconds.withLock { $0 }.map { Double(time.wallMilliseconds() - $0) / 1_000 }
            age.set(seconds.map { max($0, 0) } ?? -1)
        }
    }

    func note(_ state: FeedState) {
        indicators.set(Double(state.indicators))
        for reason in FeedRefusal.allCases {
            registry.gauge(
                "weir_intelligence_refused_lines", help: "Lines and objects of a feed that gave no indicator.",
                labels: labels.merging(["reason": reason.rawValue]) { $1 }
            ).set(Double(state.refused[reason.rawValue] ?? 0))
        }
        if let time = state.confirmed { confirmed(time) }
    }
    func confirmed(_ time: Int64) { last.milliseconds.withLock { $0 = time } }
    func failed(_ kind: String) {
        registry.counter(
            "weir_intelligence_refresh_failures_total", help: "Times a feed could not be had or used.",
            labels: labels.merging(["reason": kind]) { $1 }
        ).add()
    }
}
