import Backup
import Cluster
import DataKeys
import Enrolment
import FlowClickHouse
import FlowStore
import Incidents
import Knowledge
import KnowledgeUpkeep
import Logging
import NotifyChannels
import ObjectStore
import ProgramDesk
import SecretServer
import ServerChannel
import Settings
import Sigma
import SignOnClient
import Telemetry

/// The aggregator's settings, all checked.
///
/// - `trustDomain` (text, required): the SPIFFE trust domain of sensors and aggregators, such as `weir.example`.
/// - `dataDirectory` (path, required): made if it is not there; one process at a time.
/// - `sensors.listen` (address, `0.0.0.0:8443`), `sensors.certificate`, `.key`, `.trust` (paths, required).
/// - `sensors.connectionAgeMax` (duration, `10m`, 10s…24h): when a sensor is asked to connect afresh.
/// - `sensors.connectionsMax` (number, 4096, 1…65536).
/// - `enrolment`: the authority that sensors enrol at, see `EnrolmentSettings`. Nobody enrols without.
/// - `api.listen` (address, `0.0.0.0:8444`), `api.certificate`, `.key` (paths, required).
/// - `api.connectionsMax` (number, 1024, 1…65536).
/// - `api.requestsPerMinute` (number, 30000, 60…10000000): of one key, one person, or one address that shows neither.
/// - `api.origins` (list, none): `https://host[:port]` of sites whose pages may call the API with a key.
/// - `api.docs` (path): Swagger UI, see `DocsSettings`.
/// - `ingest.requestsMax` (number, 256, 1…4096), `ingest.bytesMax` (size, `256MiB`, 4MiB…16GiB): batches in work.
/// - `ingest.quarantineBytesMax` (size, `256MiB`, 0…1TiB): of evidence, and as much of what is held of sensors.
/// - `history.days` (number, 30, 1…36500): how long records are kept; today counts.
/// - `history.rollupDays` (number, 400, 1…36500, not less than `days`): how long sums by time are kept.
/// - `history.bytesMaxPerTenant` (size, `100GiB`, 64MiB…1PiB): a tenant that has more loses its oldest days.
/// - `history.compactAfter` (duration, `1h`, 1m…24h): after a day's end, when what is left of it is compacted.
/// - `store.clickhouse`: servers that keep history instead of this node, see `ClickHouseSettings`.
/// - `store.waitingBytesMax` (size, `20GiB`, 64MiB…1PiB): of batches that wait here while those are away.
/// - `archive`: where old segments go, see `ObjectStoreSettings`. Nowhere without `archive.to`.
/// - `archive.afterDays` (number, 7, 1…36500): days whose segments stay on the node; today counts.
/// - `archive.bytesMaxPerTenant` (size, `1TiB`, 64MiB…1PiB): a tenant with more there loses its oldest days.
/// - `archive.cacheBytes` (size, `256MiB`, 0…64GiB): of memory, for what is read from there.
/// - `keys`: how data keys are wrapped, see `KeySettings`.
/// - `backup`: where backups go, see `ObjectStoreSettings`. Nowhere without `backup.to`.
/// - `incidents`: criticality, clocks and playbooks, see `IncidentPolicy`.
/// - `notify`: channels, routes and what may be proposed, see `NotifySettings`.
/// - `intelligence`, `enrichment`, `tenants`: feeds, places and names, what belongs to each tenant; see
///   `KnowledgeSettings`.
/// - `secrets`: the server that `bao:` references lead to, see `SecretServerSettings`.
/// - `people`: breached passwords, mail for who lost theirs; see `PeopleSettings`.
/// - `console`: where its pages are, see `ConsoleSettings`.
/// - `signOn`: tenants' own providers (OpenID Connect), see `SignOnSettings`.
/// - `programs`: own detectors, enrichers and providers of intelligence, see `ProgramSettings`.
/// - `sigma.rules` (path): a folder of Sigma rules, see `SigmaFolder`.
/// - `sigma.state` (`draft`, `test`, `enabled` or `disabled`, `enabled`): of its rules, unless a tenant says otherwise.
/// - `cluster`: the servers that several nodes share their log by, see `ClusterSettings`. Alone without.
/// - `log.level` (`trace` to `critical`, `info`).
/// - `metrics.byTenant` (`true` or `false`, `false`): numbers of each tenant on the metrics' page, which needs no key.
/// - `errors`: where errors are told, see `ErrorReportSettings`.
/// - `traces`: where spans of batches and requests go, see `TraceSettings`.
struct AggregatorSettings: Equatable, Sendable {
    struct Address: Equatable, Sendable {
        let host: String, port: Int
    }
    struct Port: Equatable, Sendable {
        let listen: Address, files: ServerTLSFiles, connectionsMax: Int
    }
    struct Archive: Equatable, Sendable {
        let place: ObjectStoreSettings, policy: ArchivePolicy, cacheBytes: Int
    }
    let trustDomain: String
    let dataDirectory: String
    let sensors: Port
    let connectionAgeMax: Duration
    /// Nil: sensors bring their own certificates.
    let enrolment: EnrolmentSettings?
    let api: Port
    let requests: APIRequestSettings, docs: DocsSettings
    let ingestRequestsMax: Int, ingestBytesMax: Int, quarantineBytesMax: Int
    let retention: RetentionPolicy, compaction: CompactionPolicy
    let archive: Archive?
    /// Nil: history is kept here.
    let clickHouse: ClickHouseSettings?
    let waitingBytesMax: Int
    /// Keys and the backups' place.
    let backup: BackupSettings
    let incidents: IncidentPolicy, notify: NotifySettings
    let knowledge: KnowledgeSettings
    let programs: ProgramSettings
    let people: PeopleSettings
    let console: ConsoleSettings
    let signOn: SignOnSettings
    /// Nil: no secret is in a server.
    let secrets: SecretServerSettings?
    let sigmaRules: String?, sigmaState: SigmaState
    let traces: TraceSettings, errors: ErrorReportSettings, metersTenants: Bool
    /// Changes at SIGHUP.
    var logLevel: Logger.Level
    /// Nil: a node alone.
    let cluster: ClusterSettings?

    init(_ reader: SettingsReader) throws(SettingError) {
        trustDomain = try Self.trustDomain(reader)
        cluster = try ClusterSettings(reader.scoped(to: "cluster"))
        dataDirectory = try reader.path(of: "dataDirectory")
        let sensors = reader.scoped(to: "sensors"), api = reader.scoped(to: "api")
        self.sensors = try Self.port(sensors, "0.0.0.0:8443", connections: 4_096, hasTrust: true)
        connectionAgeMax = try sensors.duration(
            "connectionAgeMax", default: .seconds(600), in: .seconds(10) ... .seconds(86_400))
        enrolment = try EnrolmentSettings(reader.scoped(to: "enrolment"), trust: self.sensors.files.trust ?? "")
        self.api = try Self.port(api, "0.0.0.0:8444", connections: 1_024, hasTrust: false)
        (requests, docs) = (try APIRequestSettings(api), try DocsSettings(api))
        let ingest = reader.scoped(to: "ingest")
        ingestRequestsMax = try ingest.int("requestsMax", default: 256, in: 1...4_096)
        ingestBytesMax = try ingest.bytes("bytesMax", default: 256 << 20, in: (4 << 20)...(16 << 30))
        quarantineBytesMax = try ingest.bytes("quarantineBytesMax", default: 256 << 20, in: 0...(1 << 40))
        let (kept, compaction) = try Self.history(reader.scoped(to: "history"))
        (retention, archive) = try Self.archive(reader.scoped(to: "archive"), kept)
        self.compaction = compaction
        let store = reader.scoped(to: "store")
        clickHouse = try ClickHouseSettings(store.scoped(to: "clickhouse"))
        waitingBytesMax = try store.bytes("waitingBytesMax", default: 20 << 30, in: (64 << 20)...(1 << 50))
        guard clickHouse == nil || archive == nil else {
            throw reader.error("archive.to", "is for history on this node, and there is store.clickhouse.url")
        }
        backup = try BackupSettings(reader)
        incidents = try IncidentPolicy(reader.scoped(to: "incidents"))
        notify = try NotifySettings(reader.scoped(to: "notify"))
        try Self.check(incidents.playbooks, notify.channels, reader)
        programs = try ProgramSettings(reader)
        people = try PeopleSettings(reader.scoped(to: "people"))
        secrets = try SecretServerSettings(reader.scoped(to: "secrets"))
        console = try ConsoleSettings(reader.scoped(to: "console"))
        signOn = try SignOnSettings(reader.scoped(to: "signOn"))
        var knowledge = try KnowledgeSettings(reader, urlProblem: HTTPFeedTransport.problem)
        programs.addFeeds(to: &knowledge, folder: Self.programsFolder(in: dataDirectory))
        self.knowledge = knowledge
        let sigma = reader.scoped(to: "sigma")
        sigmaRules = try sigma.optionalPath(of: "rules")
        sigmaState =
            SigmaState(
                rawValue: try sigma.choice("state", default: "enabled", of: SigmaState.allCases.map(\.rawValue)))
            ?? .enabled
        let level = try reader.scoped(to: "log").choice(
            "level", default: "info", of: Logger.Level.allCases.map(\.rawValue))
        logLevel = Logger.Level(rawValue: level) ?? .info
        metersTenants = try reader.scoped(to: "metrics").bool("byTenant", default: false)
        traces = try TraceSettings(reader.scoped(to: "traces"))
        errors = try ErrorReportSettings(reader.scoped(to: "errors"))
        try reader.checkAllUsed()
    }

    /// What providers of intelligence say is kept there.
    static func programsFolder(in dataDirectory: String) -> String { dataDirectory + "/programs" }

    /// An action tells a channel that there is.
    private static func check(
        _ playbooks: [Playbook], _ channels: [NotifySettings.Channel], _ reader: SettingsReader
    ) throws(SettingError) {
        let known = Set(channels.map(\.name))
        for step in playbooks.flatMap(\.steps) {
            guard let channel = step.channel, !known.contains(channel) else { continue }
            throw reader.error("incidents.playbooks", "there is no channel \"\(channel)\" in notify.channels")
        }
    }

    private static func trustDomain(_ reader: SettingsReader) throws(SettingError) -> String {
        let domain = try reader.string("trustDomain")
        let allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789-._")
        guard domain.count <= 255, domain.allSatisfy(allowed.contains) else {
            throw reader.error("trustDomain", "\"\(domain)\" is not 1 to 255 of a-z 0-9 - . _")
        }
        return domain
    }

    private static func history(
        _ reader: SettingsReader
    ) throws(SettingError) -> (RetentionPolicy, CompactionPolicy) {
        var retention = RetentionPolicy(), compaction = CompactionPolicy()
        retention.days = try reader.int("days", default: retention.days, in: 1...36_500)
        let rollupDays = max(retention.rollupDays, retention.days)
        retention.rollupDays = try reader.int("rollupDays", default: rollupDays, in: 1...36_500)
        guard retention.rollupDays >= retention.days else {
            throw reader.error("rollupDays", "\(retention.rollupDays) is less than history.days, \(retention.days)")
        }
        retention.bytesMax = try reader.bytes("bytesMaxPerTenant", default: 100 << 30, in: (64 << 20)...(1 << 50))
        compaction.lateAfter = try reader.duration(
            "compactAfter", default: compaction.lateAfter, in: .seconds(60) ... .seconds(86_400))
        return (retention, compaction)
    }

    private static func archive(
        _ reader: SettingsReader, _ kept: RetentionPolicy
    ) throws(SettingError) -> (RetentionPolicy, Archive?) {
        var retention = kept, policy = ArchivePolicy()
        policy.afterDays = try reader.int("afterDays", default: policy.afterDays, in: 1...36_500)
        // What comes near the node's own quota goes early, rather than be given up.
        policy.localBytesMax = retention.bytesMax / 10 * 9
        retention.archivedBytesMax = try reader.bytes(
            "bytesMaxPerTenant", default: 1 << 40, in: (64 << 20)...(1 << 50))
        let cacheBytes = try reader.bytes("cacheBytes", default: 256 << 20, in: 0...(64 << 30))
        guard let place = try ObjectStoreSettings(reader) else { return (kept, nil) }
        return (retention, Archive(place: place, policy: policy, cacheBytes: cacheBytes))
    }

    private static func port(
        _ reader: SettingsReader, _ address: String, connections: Int, hasTrust: Bool
    ) throws(SettingError) -> Port {
        Port(
            listen: try listen(reader, default: address),
            files: ServerTLSFiles(
                certificate: try reader.path(of: "certificate"), key: try reader.path(of: "key"),
                trust: hasTrust ? try reader.path(of: "trust") : nil),
            connectionsMax: try reader.int("connectionsMax", default: connections, in: 1...65_536))
    }

    /// `192.0.2.1:8443`, `[2001:db8::1]:8443`, `localhost:0`.
    private static func listen(_ reader: SettingsReader, default fallback: String) throws(SettingError) -> Address {
        let text = try reader.string("listen", default: fallback)
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port), colon > text.startIndex
        else {
            throw reader.error("listen", "\"\(text)\" is not HOST:PORT such as 0.0.0.0:8443 or [::]:8443")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw reader.error("listen", "\"\(text)\": an IPv6 address goes in brackets, such as [::]:8443")
        }
        return Address(host: host, port: port)
    }
}
