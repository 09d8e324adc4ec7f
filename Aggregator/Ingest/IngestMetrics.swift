internal import Telemetry

/// What `BatchIngest` counts. Batches: received = stored + repeated + held + Σ refused(reason); what
/// is released counts as stored then.
struct IngestMetrics: Sendable {
    let received: Counter, stored: Counter, repeated: Counter, bytes: Counter, heartbeats: Counter, clones: Counter
    let quarantined: Counter, quarantineFull: Counter, quarantineDropped: Counter
    let held: Counter, heldReleased: Counter, heldDiscarded: Counter
    private let refused: [String: Counter]
    let seconds: Histogram

    init(in registry: MetricRegistry) {
        received = registry.counter("weir_ingest_batches_received_total", help: "Batches that sensors sent.")
        stored = registry.counter("weir_ingest_batches_stored_total", help: "Batches made durable for the first time.")
        repeated = registry.counter("weir_ingest_batches_repeated_total", help: "Batches that were durable already.")
        bytes = registry.counter("weir_ingest_bytes_total", help: "Octets of batches made durable.")
        heartbeats = registry.counter("weir_ingest_heartbeats_total", help: "Heartbeats taken.")
        clones = registry.counter(
            "weir_ingest_clones_total", help: "Heartbeats of two programs, by turns, under one sensor's name and key.")
        quarantined = registry.counter(
            "weir_ingest_quarantined_total", help: "Batches kept aside: other bytes under a used key. Look at once.")
        quarantineFull = registry.counter(
            "weir_ingest_quarantine_full_total", help: "Such batches that found no room in quarantine.")
        quarantineDropped = registry.counter(
            "weir_ingest_quarantine_dropped_total", help: "Batches given up in quarantine for newer ones.")
        held = registry.counter(
            "weir_ingest_held_total", help: "Batches of sensors in quarantine, kept apart for the first time.")
        heldReleased = registry.counter(
            "weir_ingest_held_released_total", help: "Held batches that went into the log after all.")
        heldDiscarded = registry.counter(
            "weir_ingest_held_discarded_total", help: "Held batches that were thrown away, or that nothing can read.")
        refused = Dictionary(
            uniqueKeysWithValues: IngestProblem.kinds.map {
                let help = "Batches not taken, by reason."
                return ($0, registry.counter("weir_ingest_batches_refused_total", help: help, labels: ["reason": $0]))
            })
        seconds = registry.histogram(
            "weir_ingest_seconds", help: "From a batch's header fields to its answer.",
            buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
    }
    func count(_ problem: IngestProblem) { refused[problem.kind]?.add() }
}
