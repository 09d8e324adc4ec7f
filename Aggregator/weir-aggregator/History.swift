import AggregatorPipeline
import DataKeys
import FlowClickHouse
import FlowLog
import FlowStore
import Identity
import Logging
import ObjectStore
import Platform
import Query
import ServiceLifecycle
import Telemetry

/// Where this node's tenants have their history: in files here, or in ClickHouse.
struct History {
    let store: any FlowStore
    /// For people, and for the hunts of this node's own.
    let query: any FlowHistory, hunts: any FlowHistory
    /// What looks after it, in the order of their start.
    let upkeep: [any Service]

    /// - Parameters:
    ///   - folder: the data folder.
    ///   - own: tenants whose retention is another one; asked at each pass.
    init(
        _ settings: AggregatorSettings, folder: String, keys: DataKeys,
        own: @escaping @Sendable () -> [TenantID: RetentionPolicy], time: any TimeSource, registry: MetricRegistry
    ) throws {
        let logger = Logger(label: "store")
        guard let clickHouse = settings.clickHouse else {
            let archive = try settings.archive.map { archive in
                ObjectArchive(
                    try archive.place.open(time: time, random: SystemRandomNumberGenerator()),
                    cacheBytesMax: archive.cacheBytes, time: time, registry: registry)
            }
            let files = try SQLiteFlowStore(
                directory: folder + "/flows", sealer: StoreKeys(keys: keys), archive: archive)
            store = files
            (query, hunts) = (FlowQuery(store: files, time: time), FlowQuery(store: files, time: time, atOnce: 1))
            upkeep = [
                StoreUpkeep(
                    store: files, compaction: settings.compaction,
                    archive: settings.archive?.policy ?? ArchivePolicy(), retention: settings.retention, own: own,
                    time: time, registry: registry, logger: logger)
            ]
            return
        }
        let servers = ClickHouseFlowStore(clickHouse), waitingFolder = folder + "/waiting"
        try makeFolder(waitingFolder)
        let waiting = WaitingStore(
            servers, log: try SQLiteFlowLog(directory: waitingFolder, sealing: keys.sealing),
            bytesMax: settings.waitingBytesMax, registry: registry, logger: logger)
        store = waiting
        query = ClickHouseHistory(servers) { waiting.isBehind($0) }
        hunts = ClickHouseHistory(servers, atOnce: 1) { waiting.isBehind($0) }
        let keeper = RemoteUpkeep(
            retention: settings.retention, own: own, time: time, registry: registry, logger: logger
        ) { (now, policy, own) async throws(FlowStoreError) in
            try await servers.retain(now: now, policy: policy, own: own)
        }
        upkeep = [waiting, keeper]
    }
}
