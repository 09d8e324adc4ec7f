package import FlowStore
package import Logging
package import Platform
import ServiceLifecycle
package import Telemetry

/// What a store needs from time to time: batches compacted to segments, what is too old or too much given up. Counts and
/// announces both.
///
/// A full disk is said and tried again, since retention may make room; any other storage fault ends the service.
package final class StoreUpkeep: Service {
    private let store: SQLiteFlowStore
    private let compaction: CompactionPolicy, retention: RetentionPolicy
    private let interval: Duration
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: UpkeepMetrics

    /// - Parameter interval: between the end of one pass and the start of the next.
    package init(
        store: SQLiteFlowStore, compaction: CompactionPolicy = CompactionPolicy(),
        retention: RetentionPolicy = RetentionPolicy(), interval: Duration = .seconds(5), time: any TimeSource,
        registry: MetricRegistry, logger: Logger
    ) {
        self.store = store
        self.compaction = compaction
        self.retention = retention
        self.interval = interval
        self.time = time
        self.logger = logger
        metrics = UpkeepMetrics(registry)
    }

    /// Works until graceful shutdown. A segment that is being made then is given up: its batches are still there.
    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    try await self.pass()
                    try await Task.sleep(for: self.interval)
                }
            }
        } catch is CancellationError where !Task.isCancelled {
        } catch FlowStoreError.cancelled where !Task.isCancelled {
        }
    }

    /// Does once what is due.
    package func pass() async throws {
        try await unlessFull("Nothing can be given up.") {
            for retired in try await self.store.retain(now: self.time.wallMilliseconds(), policy: self.retention) {
                self.announce(retired)
            }
        }
        try await unlessFull("Batches wait to be compacted.") {
            let report = try await self.store.compact(now: self.time.wallMilliseconds(), policy: self.compaction)
            self.metrics.note(report)
            if report.segments > 0 {
                self.logger.info(
                    "Batches were compacted.",
                    metadata: [
                        "segments": "\(report.segments)", "batches": "\(report.replaced.batches)",
                        "rows": "\(report.replaced.rows)", "bytes": "\(report.segmentBytes)",
                    ])
            }
        }
        let damage = await store.damage
        if metrics.note(damage) {
            logger.error(
                "Damaged history was set aside.",
                metadata: [
                    "files": "\(damage.files)", "batches": "\(damage.batches)", "segments": "\(damage.segments)",
                    "rows": "\(damage.rows)",
                ])
        }
    }

    private func announce(_ retired: RetiredDay) {
        metrics.note(retired)
        logger.log(
            level: retired.reason == .quota ? .warning : .notice, "A day of history was given up.",
            metadata: [
                "tenant": "\(retired.tenant)", "day": "\(retired.day)", "reason": "\(retired.reason.rawValue)",
                "bytes": "\(retired.bytes)", "rows": "\(retired.rows)",
            ])
    }

    private func unlessFull(_ consequence: String, _ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch FlowStoreError.full {
            logger.error("The disk is full.", metadata: ["consequence": "\(consequence)"])
        }
    }
}

/// What upkeep says about itself.
struct UpkeepMetrics: Sendable {
    private let segments, batches, rows, segmentBytes, damagedBatches, damagedSegments, damagedRows: Counter
    private let days, bytes, retiredRows: [RetiredDay.Reason: Counter]

    init(_ registry: MetricRegistry) {
        segments = registry.counter("weir_store_segments_total", help: "Segments made by compaction.")
        batches = registry.counter("weir_store_compacted_batches_total", help: "Batches that segments replaced.")
        rows = registry.counter("weir_store_compacted_rows_total", help: "Records in segments made by compaction.")
        segmentBytes = registry.counter("weir_store_segment_bytes_total", help: "Octets of segments made.")
        damagedBatches = registry.counter("weir_store_damaged_batches_total", help: "Stored batches found damaged.")
        damagedSegments = registry.counter("weir_store_damaged_segments_total", help: "Segments found damaged.")
        damagedRows = registry.counter("weir_store_damaged_rows_total", help: "Records lost by damage.")
        func byReason(_ name: String, _ help: String) -> [RetiredDay.Reason: Counter] {
            Dictionary(
                uniqueKeysWithValues: RetiredDay.Reason.allCases.map {
                    ($0, registry.counter(name, help: help, labels: ["reason": $0.rawValue]))
                })
        }
        days = byReason("weir_store_retired_days_total", "Days of history given up.")
        bytes = byReason("weir_store_retired_bytes_total", "Octets of days given up.")
        retiredRows = byReason("weir_store_retired_rows_total", "Records in days given up.")
    }

    func note(_ report: CompactionReport) {
        segments.add(report.segments)
        batches.add(report.replaced.batches)
        rows.add(report.replaced.rows)
        segmentBytes.add(report.segmentBytes)
    }
    func note(_ retired: RetiredDay) {
        days[retired.reason]?.add()
        bytes[retired.reason]?.add(retired.bytes)
        retiredRows[retired.reason]?.add(retired.rows)
    }
    /// - Returns: whether there is more than before.
    func note(_ damage: StoreDamage) -> Bool {
        let before = damagedBatches.value + damagedSegments.value + damagedRows.value
        damagedBatches.follow(UInt64(damage.batches))
        damagedSegments.follow(UInt64(damage.segments))
        damagedRows.follow(damage.rows)
        return damagedBatches.value + damagedSegments.value + damagedRows.value > before
    }
}
