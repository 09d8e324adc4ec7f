internal import FlowStore
internal import Telemetry

/// What the pipeline says about itself.
struct PipelineMetrics: Sendable {
    let matches: Counter
    let batches, rows, findings, incidents, undecodable, keyDestroyed, storedBatches, storedBytes, checkpoints: Counter
    let offset, head, lagBatches, lagSeconds, quarantined: Gauge
    private let registry: MetricRegistry

    init(_ registry: MetricRegistry) {
        self.registry = registry
        batches = registry.counter("weir_pipeline_batches_total", help: "Batches read from the log.")
        rows = registry.counter("weir_pipeline_rows_total", help: "Records shown to detectors.")
        findings = registry.counter(
            "weir_pipeline_findings_total", help: "Findings made, updates and replays included.")
        matches = registry.counter(
            "weir_intelligence_matches_total",
            help: "Findings of contacts with listed addresses, updates and replays included.")
        incidents = registry.counter("weir_incidents_opened_total", help: "Incidents opened.")
        undecodable = registry.counter(
            "weir_pipeline_undecodable_batches_total", help: "Logged batches that could not be decoded.")
        keyDestroyed = registry.counter(
            "weir_store_key_destroyed_batches_total",
            help: "Logged batches not stored because their tenant's data key was destroyed.")
        storedBatches = registry.counter("weir_store_batches_total", help: "Batches new in the store.")
        storedBytes = registry.counter("weir_store_bytes_total", help: "Octets of sealed batches new in the store.")
        checkpoints = registry.counter("weir_pipeline_checkpoints_total", help: "Checkpoints written.")
        offset = registry.gauge(
            "weir_pipeline_offset", help: "Log offset of the last batch that is stored and detected.")
        head = registry.gauge("weir_log_head_offset", help: "Largest durable log offset.")
        lagBatches = registry.gauge("weir_pipeline_lag_batches", help: "Logged batches still to be read.")
        lagSeconds = registry.gauge(
            "weir_pipeline_lag_seconds", help: "Age of the last batch that was read, while others wait; else 0.")
        quarantined = registry.gauge("weir_store_damaged_files", help: "Day files set aside as damaged since start.")
    }

    func note(_ new: StoreTotals) {
        storedBatches.add(new.batches)
        storedBytes.add(new.bodyBytes)
    }
    func note(evictions: [String: UInt64]) {
        for (detector, count) in evictions {
            registry.counter(
                "weir_detect_evictions_total", help: "Entries that detectors dropped to make room.",
                labels: ["detector": detector]
            ).follow(count)
        }
    }
}
