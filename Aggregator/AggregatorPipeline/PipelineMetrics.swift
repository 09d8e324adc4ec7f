internal import FlowStore
internal import Telemetry

/// What the pipeline says about itself.
struct PipelineMetrics: Sendable {
    let matches: Counter
    let repeats: Counter
    let batches, rows, findings, incidents, undecodable, keyDestroyed, storedBatches, storedBytes, checkpoints: Counter
    let offset, head, lagBatches, lagSeconds, quarantined: Gauge
    /// Of windows that promoted models score.
    let modelWindows, modelOutliers, modelDeviations, modelLate, modelEvicted, modelCrowded, modelForgotten: Counter
    let modelTenants, modelDrift: Gauge
    private let registry: MetricRegistry

    /// - Parameter group: whose log is read, in a cluster: a node has a pipeline for each group that it owns.
    init(_ registry: MetricRegistry, group: Int? = nil) {
        self.registry = registry
        let labels = group.map { ["group": "\($0)"] } ?? [:]
        repeats = registry.counter(
            "weir_pipeline_repeated_batches_total",
            help: "Batches passed over because their keys were taken in before.")
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
            "weir_pipeline_offset", help: "Log offset of the last batch that is stored and detected.",
            labels: labels)
        head = registry.gauge(
            "weir_log_head_offset", help: "Largest durable log offset.", labels: labels)
        lagBatches = registry.gauge(
            "weir_pipeline_lag_batches", help: "Logged batches still to be read.", labels: labels)
        lagSeconds = registry.gauge(
            "weir_pipeline_lag_seconds", help: "Age of the last batch that was read, while others wait; else 0.",
            labels: labels)
        modelTenants = registry.gauge("weir_models_tenants", help: "Tenants whose hosts a promoted model scores.")
        modelDrift = registry.gauge(
            "weir_models_drift_max", help: "Largest population stability index of a tenant's features; 0.25 is much.")
        modelWindows = registry.counter("weir_models_windows_total", help: "Windows of hosts that models scored.")
        modelOutliers = registry.counter("weir_models_outliers_total", help: "Of those, unlike all others.")
        modelDeviations = registry.counter("weir_models_deviations_total", help: "Of those, unlike the host's usual.")
        modelLate = registry.counter(
            "weir_models_late_records_total", help: "Records for windows that were over; no model saw them.")
        modelEvicted = registry.counter(
            "weir_models_evicted_windows_total", help: "Hosts' windows dropped unscored to make room.")
        modelCrowded = registry.counter(
            "weir_models_crowded_records_total", help: "Records of hosts that found no room in a window.")
        modelForgotten = registry.counter(
            "weir_models_forgotten_findings_total", help: "Findings whose repeats may be told as new.")
        quarantined = registry.gauge("weir_store_damaged_files", help: "Day files set aside as damaged since start.")
    }

    func note(_ new: StoreTotals) {
        storedBatches.add(new.batches)
        storedBytes.add(new.bodyBytes)
    }
    func note(evictions: [String: UInt64], reopenings: [String: UInt64]) {
        for (detector, count) in evictions {
            registry.counter(
                "weir_detect_evictions_total", help: "Entries that detectors dropped to make room.",
                labels: ["detector": detector]
            ).follow(count)
        }
        for (detector, count) in reopenings {
            registry.counter(
                "weir_detect_reopened_total",
                help: "Entries begun by records older than what detectors had dropped by then: late ones, whose window "
                    + "may have been counted before.",
                labels: ["detector": detector]
            ).follow(count)
        }
    }
}
