import API
import AggregatorPipeline
import Cluster
import ClusterLog
import FlowLog
import Identity
import Incidents
import JetStream
import Logging
import Platform
import ServiceLifecycle
import Telemetry

/// Where this node's batches go, and who reads them: a file with its pipeline, or a cluster's streams with a pipeline
/// for each group that this node owns.
struct NodeLog {
    /// Makes a pipeline over a log; nil checkpoints: a file's.
    typealias MakePipeline =
        @Sendable (any FlowLog, any FindingSink, (any CheckpointStore)?, _ group: Int?) throws -> AggregatorPipeline

    let sink: any BatchSink, totals: any SensorTotals
    let logs: FollowedLogs
    let workers: [any Service]
    /// What keeps the log from being used.
    let unready: @Sendable () async -> [String]
    let close: @Sendable () -> Void

    init(file: SQLiteFlowLog, incidents: IncidentLog, _ make: MakePipeline) throws {
        (sink, totals) = (file, file)
        logs = FollowedLogs([file])
        workers = [try make(file, incidents, nil, nil)]
        unready = {
            do { _ = try await file.headOffset() } catch { return ["the log: \(error)"] }
            return []
        }
        close = { try? file.close() }
    }

    init(
        _ cluster: ClusterLink, incidents: IncidentLog, folder: String, time: any TimeSource,
        registry: MetricRegistry, logger: Logger, _ make: @escaping MakePipeline
    ) {
        let api = cluster.api, logs = cluster.logs, node = cluster.roster.node
        sink = GroupedLog(logs)
        totals = ClusterTotals(api) { groupOf($0, groups: logs.count) }
        self.logs = FollowedLogs(logs) { groupOf($0, groups: logs.count) }
        let owners = GroupOwners(
            api, roster: cluster.roster, groups: logs.count, time: time, registry: registry, logger: logger
        ) { group in
            try make(logs[group], FindingStream(api), JetStreamCheckpoints(api, group: group, node: node), group)
        }
        workers = [
            FindingFollower(api, incidents: incidents, folder: folder, registry: registry, logger: logger), owners,
        ]
        unready = {
            do throws(JetStreamError) { _ = try await api.state(of: JetStreamFlowLog.Place.stream(of: 0)) } catch {
                return ["the cluster's log: \(error)"]
            }
            return []
        }
        close = { api.client.close() }
    }
}

/// This node's connection to its cluster: streams are there and as they must be.
struct ClusterLink {
    let api: JetStreamAPI, logs: [JetStreamFlowLog], roster: NodeRoster

    /// How long a node waits at its start for servers that have no leader yet.
    private static let patience = Duration.seconds(60)

    /// - Throws: `Failure` when no server answers for a minute, or one is not as it must be.
    static func open(_ settings: ClusterSettings, time: any TimeSource, logger: Logger) async throws(Failure) -> Self {
        var random = SystemRandomNumberGenerator()
        let options = NATSOptions(
            servers: settings.servers, tls: settings.tls, name: "weir-aggregator \(settings.node)")
        let api = JetStreamAPI(NATSClient(options, random: &random, logger: logger))
        let begin = time.monotonic()
        while true {
            do {
                try await api.client.waitUntilConnected(.seconds(10))
                return try await prepare(settings, api, time)
            } catch {
                guard isPassing(error), time.monotonic() - begin < patience else {
                    api.client.close()
                    throw .work("cluster: \(error)")
                }
                logger.warning("The cluster's log is not there yet.", metadata: ["reason": "\(error)"])
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }
    private static func isPassing(_ error: any Error) -> Bool {
        switch error {
        case FlowLogError.unavailable, JetStreamError.unavailable, JetStreamError.inProgress: true
        case JetStreamError.nats(let fault): isPassing(fault)
        case NATSError.notConnected, NATSError.disconnected, NATSError.timeout, NATSError.noResponders: true
        default: false
        }
    }
    private static func prepare(
        _ settings: ClusterSettings, _ api: JetStreamAPI, _ time: any TimeSource
    ) async throws -> ClusterLink {
        var logs: [JetStreamFlowLog] = []
        for group in 0..<settings.groups {
            var place = JetStreamFlowLog.Place(group: group, replicas: settings.replicas)
            place.bytesMax = Int64(settings.bytesMaxPerGroup)
            logs.append(try await JetStreamFlowLog(api, at: place, time: time))
        }
        try await JetStreamCheckpoints.prepare(api, replicas: settings.replicas)
        try await FindingStream(api).prepare(
            replicas: settings.replicas, bytesMax: Int64(settings.bytesMaxPerGroup), time: time)
        try await OwnerPins(api).prepare(groups: settings.groups, replicas: settings.replicas)
        let roster = NodeRoster(api, node: settings.node, groups: settings.groups)
        try await roster.prepare(replicas: settings.replicas)
        return ClusterLink(api: api, logs: logs, roster: roster)
    }
}
