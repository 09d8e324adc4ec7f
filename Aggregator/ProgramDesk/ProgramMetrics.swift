internal import Identity
internal import Telemetry

/// What programs do, as numbers for the metrics page.
struct ProgramMetrics: Sendable {
    private let registry: MetricRegistry
    init(_ registry: MetricRegistry) { self.registry = registry }

    func note(_ desk: ProgramDesk) {
        for member in desk.members() {
            let status = ProgramStatus(member), labels = ["program": status.name, "tenant": member.key.tenant.rawValue]
            registry.gauge(
                "weir_program_running", help: "1 while a process of the program serves.", labels: labels
            ).set(status.running ? 1 : 0)
            follow("starts", "Processes started.", labels, status.starts)
            follow("records", "Records that programs have answered for.", labels, status.recordsSent)
            follow("answers", "Findings, annotations and indicators of programs.", labels, status.answers)
            follow("logs_dropped", "Lines of programs' standard error over the limit.", labels, status.logsDropped)
            follow("batches_lost", "Batches without an answer, by reason.", labels, status.lost)
            follow("ends", "Ends of processes, by reason.", labels, status.ends)
            follow("refused_lines", "Lines of programs that were passed over, by reason.", labels, status.refused)
        }
    }
    private func follow(_ name: String, _ help: String, _ labels: [String: String], _ count: UInt64) {
        registry.counter("weir_program_\(name)_total", help: help, labels: labels).follow(count)
    }
    private func follow(_ name: String, _ help: String, _ labels: [String: String], _ counts: [String: UInt64]) {
        for (reason, count) in counts { follow(name, help, labels.merging(["reason": reason]) { $1 }, count) }
    }
}
