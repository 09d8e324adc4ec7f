package import Enrichment
package import Logging
internal import Platform
internal import Synchronization
package import Telemetry

/// Keeps `CurrentEnrichment` as its files are: they are read when they change. One that can't be used leaves in use
/// what was, counted and logged. Who calls `refresh` does so one at a time.
package final class EnrichmentUpkeep: Sendable {
    private let settings: EnrichmentSettings
    private let current: CurrentEnrichment
    private let logger: Logger
    private let failures: Counter
    private let stamp = Mutex<FileStamp?>(nil)

    package init(
        _ settings: EnrichmentSettings, current: CurrentEnrichment, registry: MetricRegistry, logger: Logger
    ) {
        (self.settings, self.current, self.logger) = (settings, current, logger)
        failures = registry.counter(
            "weir_enrichment_failures_total", help: "Times files of countries or systems could not be used.")
    }

    package func refresh() async {
        let settings = settings, now = FileStamp(settings.paths)
        let isNew = stamp.withLock { stamp in
            defer { stamp = now }
            return stamp != now
        }
        guard isNew, !settings.paths.isEmpty else { return }
        let read = await onThread { Result { () throws(EnrichmentFault) in try settings.read() } }
        switch read {
        case .success(let sources):
            current.replace(sources: sources, assets: .none)
            logger.info("Countries and systems were read.", metadata: ["files": "\(settings.paths.count)"])
        case .failure(let fault):
            failures.add()
            logger.warning(
                "Countries and systems can't be read: what was read before stays in use.",
                metadata: ["reason": "\(fault)"])
        }
    }
}
