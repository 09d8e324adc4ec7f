internal import Delivery
internal import Detect
internal import FlowLog
internal import Identity
internal import Platform
internal import Telemetry

/// The spans of a group of batches on their way through the pipeline, each in its batch's own trace.
struct GroupTrace {
    private let tracer: Tracer, time: any TimeSource
    private var batches: [(key: BatchKey, findings: [Finding])] = []

    init(_ tracer: Tracer, _ time: any TimeSource) { (self.tracer, self.time) = (tracer, time) }

    var now: Int64 { tracer.isOn ? time.wallMilliseconds() : 0 }

    mutating func detected(_ batch: LoggedBatch, _ findings: [Finding], since begin: Int64) {
        guard tracer.wants(batch.key.trace) else { return }
        batches.append((batch.key, findings))
        tracer.record(
            Span(
                "detect", batch.key.step("detect"), parent: batch.key.step("ingest"), begin: begin, end: now,
                attributes: [
                    ("weir.tenant", "\(batch.sensor.tenant)"), ("weir.rows", "\(batch.rows)"),
                    ("weir.findings", "\(findings.count)"),
                ]))
    }
    func stored(since begin: Int64) {
        for (key, _) in batches {
            tracer.record(Span("store", key.step("store"), parent: key.step("ingest"), begin: begin, end: now))
        }
    }
    /// Findings have become incidents, or have joined some.
    func filed(since begin: Int64) {
        for (key, findings) in batches where !findings.isEmpty {
            let rules = Set(findings.map(\.rule)).sorted().joined(separator: " ")
            tracer.record(
                Span(
                    "incident", key.step("incident"), parent: key.step("detect"), begin: begin, end: now,
                    attributes: [("weir.rules", rules), ("weir.findings", "\(findings.count)")]))
        }
    }
}
