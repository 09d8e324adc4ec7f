package import FlowStore
package import Identity
package import Logging
package import Platform
import ServiceLifecycle
internal import Synchronization
package import Telemetry

/// What a store needs from time to time: batches compacted to segments, old segments moved to the archive, what is too
/// old or too much given up. Counts and announces all of it.
///
/// A full disk is said and tried again, since retention may make room, and so is an archive that can't be had; any
/// other storage fault ends the service.
package final class StoreUpkeep: Service {
    private let store: SQLiteFlowStore
    private let compaction: CompactionPolicy, archive: ArchivePolicy, retention: RetentionPolicy
    private let own: @Sendable () -> [TenantID: RetentionPolicy]
    private let interval: Duration
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: UpkeepMetrics
    private let clock: Mutex<RetentionClock>

    /// - Parameters:
    ///   - own: tenants whose policy is another one; asked at each pass.
    ///   - interval: between the end of one pass and the start of the next.
    package init(
        store: SQLiteFlowStore, compaction: CompactionPolicy = CompactionPolicy(),
        archive: ArchivePolicy = ArchivePolicy(), retention: RetentionPolicy = RetentionPolicy(),
        own: @escaping @Sendable () -> [TenantID: RetentionPolicy] = { [:] },
        interval: Duration = .seconds(5), time: any TimeSource,
        registry: MetricRegistry, logger: Logger
    ) {
        self.store = store
        self.compaction = compaction
        self.archive = archive
        (self.retention, self.own) = (retention, own)
        self.interval = interval
        self.time = time
        self.logger = logger
        metrics = UpkeepMetrics(registry)
        clock = Mutex(RetentionClock(last: store.lastTime, monotonic: time.monotonic()))
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
        // First, so that what the archive can take is not given up for want of room.
        try await unlessFull("Segments wait to be archived.") {
            let report = try await self.store.archive(now: self.time.wallMilliseconds(), policy: self.archive)
            self.announce(report)
        }
        try await unlessFull("Nothing can be given up.") {
            for retired in try await self.store.retain(
                now: self.retentionTime(), policy: self.retention, own: self.own())
            {
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
        metrics.note(archiveFailures: await store.archiveFailures)
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

    /// The time that retention goes by, also after a restart.
    private func retentionTime() -> Int64 {
        let wall = time.wallMilliseconds(), monotonic = time.monotonic()
        let (now, isInDoubt, wasInDoubt) = clock.withLock { clock in
            let before = clock.isInDoubt
            return (clock.now(wall: wall, monotonic: monotonic), clock.isInDoubt, before)
        }
        metrics.clockDoubt.set(isInDoubt ? 1 : 0)
        if isInDoubt, !wasInDoubt {
            logger.warning(
                "The clock has leapt ahead, or nothing ran for long: no history goes by age for a day.",
                metadata: ["clock": "\(wall)", "believed": "\(now)"])
        }
        store.note(time: now)
        return now
    }

    private func announce(_ report: ArchiveReport) {
        metrics.note(report)
        if report.segments > 0 || report.deletedObjects > 0 {
            logger.info(
                "Segments were archived.",
                metadata: [
                    "segments": "\(report.segments)", "bytes": "\(report.bytes)",
                    "deleted objects": "\(report.deletedObjects)",
                ])
        }
        if let failure = report.failure {
            logger.warning("The archive can't be had: segments stay here for now.", metadata: ["reason": "\(failure)"])
        }
    }

    private func announce(_ retired: RetiredDay) {
        metrics.note(retired)
        logger.log(
            level: retired.reason == .quota ? .warning : .notice, "A day of history was given up.",
            metadata: [
                "tenant": "\(retired.tenant)", "day": "\(retired.day)", "reason": "\(retired.reason.rawValue)",
                "bytes": "\(retired.bytes)", "archived bytes": "\(retired.archivedBytes)", "rows": "\(retired.rows)",
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
    private let archivedSegments, archivedBytes, deletedObjects, archiveFailures: Counter
    let clockDoubt: Gauge
    private let days, bytes, retiredRows: [RetiredDay.Reason: Counter]

    init(_ registry: MetricRegistry) {
        segments = registry.counter("weir_store_segments_total", help: "Segments made by compaction.")
        batches = registry.counter("weir_store_compacted_batches_total", help: "Batches that segments replaced.")
        rows = registry.counter("weir_store_compacted_rows_total", help: "Records in segments made by compaction.")
        segmentBytes = registry.counter("weir_store_segment_bytes_total", help: "Octets of segments made.")
        damagedBatches = registry.counter("weir_store_damaged_batches_total", help: "Stored batches found damaged.")
        damagedSegments = registry.counter("weir_store_damaged_segments_total", help: "Segments found damaged.")
        damagedRows = registry.counter("weir_store_damaged_rows_total", help: "Records lost by damage.")
        clockDoubt = registry.gauge(
            "weir_store_clock_doubted", help: "1 while the clock has leapt ahead and is not believed for retention.")
        archivedSegments = registry.counter(
            "weir_archive_segments_total", help: "Segments moved to the archive.")
        archivedBytes = registry.counter("weir_archive_bytes_total", help: "Octets moved to the archive.")
        deletedObjects = registry.counter(
            "weir_archive_deleted_objects_total", help: "Objects of days given up, deleted from the archive.")
        archiveFailures = registry.counter(
            "weir_archive_failures_total", help: "Times the archive could not be had or lacked an object.")
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
    func note(_ report: ArchiveReport) {
        archivedSegments.add(report.segments)
        archivedBytes.add(report.bytes)
        deletedObjects.add(report.deletedObjects)
    }
    func note(archiveFailures count: Int) { archiveFailures.follow(UInt64(count)) }
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
