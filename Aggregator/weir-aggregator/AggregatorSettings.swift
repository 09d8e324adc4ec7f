import Backup
import DataKeys
import FlowStore
import Incidents
import Knowledge
import KnowledgeUpkeep
import Logging
import NotifyChannels
import ObjectStore
import ProgramDesk
import ServerChannel
import Settings
import Sigma
import SignOnClient

/// The aggregator's settings, all checked.
///
/// - `trustDomain` (text, required): the SPIFFE trust domain of sensors and aggregators, such as `weir.example`.
/// - `dataDirectory` (path, required): made if it is not there; one process at a time.
/// - `sensors.listen` (address, `0.0.0.0:8443`), `sensors.certificate`, `.key`, `.trust` (paths, required).
/// - `sensors.connectionAgeMax` (duration, `10m`, 10s…24h): when a sensor is asked to connect afresh.
/// - `sensors.connectionsMax` (number, 4096, 1…65536).
/// - `api.listen` (address, `0.0.0.0:8444`), `api.certificate`, `.key` (paths, required).
/// - `api.connectionsMax` (number, 1024, 1…65536).
/// - `ingest.requestsMax` (number, 256, 1…4096), `ingest.bytesMax` (size, `256MiB`, 4MiB…16GiB): batches in work.
/// - `ingest.quarantineBytesMax` (size, `256MiB`, 0…1TiB).
/// - `history.days` (number, 30, 1…36500): how long records are kept; today counts.
/// - `history.rollupDays` (number, 400, 1…36500, not less than `days`): how long sums by time are kept.
/// - `history.bytesMaxPerTenant` (size, `100GiB`, 64MiB…1PiB): a tenant that has more loses its oldest days.
/// - `history.compactAfter` (duration, `1h`, 1m…24h): after a day's end, when what is left of it is compacted.
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
/// - `people`: breached passwords, mail for who lost theirs; see `PeopleSettings`.
/// - `console`: where its pages are, see `ConsoleSettings`.
/// - `signOn`: tenants' own providers (OpenID Connect), see `SignOnSettings`.
/// - `programs`: own detectors, enrichers and providers of intelligence, see `ProgramSettings`.
/// - `sigma.rules` (path): a folder of Sigma rules, see `SigmaFolder`.
/// - `sigma.state` (`draft`, `test`, `enabled` or `disabled`, `enabled`): of its rules, unless a tenant says otherwise.
/// - `log.level` (`trace` to `critical`, `info`).
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
    let api: Port
    let ingestRequestsMax: Int, ingestBytesMax: Int, quarantineBytesMax: Int
    let retention: RetentionPolicy, compaction: CompactionPolicy
    let archive: Archive?
    /// Keys and the backups' place.
    let backup: BackupSettings
    let incidents: IncidentPolicy, notify: NotifySettings
    let knowledge: KnowledgeSettings
    let programs: ProgramSettings
    let people: PeopleSettings
    let console: ConsoleSettings
    let signOn: SignOnSettings
    let sigmaRules: String?, sigmaState: SigmaState
    let logLevel: Logger.Level

    init(_ reader: SettingsReader) throws(SettingError) {
        trustDomain = try Self.trustDomain(reader)
        dataDirectory = try reader.path(of: "dataDirectory")
        let sensors = reader.scoped(to: "sensors"), api = reader.scoped(to: "api")
        self.sensors = try Self.port(sensors, "0.0.0.0:8443", connections: 4_096, hasTrust: true)
        connectionAgeMax = try sensors.duration(
            "connectionAgeMax", default: .seconds(600), in: .seconds(10) ... .seconds(86_400))
        self.api = try Self.port(api, "0.0.0.0:8444", connections: 1_024, hasTrust: false)
        let ingest = reader.scoped(to: "ingest")
        ingestRequestsMax = try ingest.int("requestsMax", default: 256, in: 1...4_096)
        ingestBytesMax = try ingest.bytes("bytesMax", default: 256 << 20, in: (4 << 20)...(16 << 30))
        quarantineBytesMax = try ingest.bytes("quarantineBytesMax", default: 256 << 20, in: 0...(1 << 40))
        let (kept, compaction) = try Self.history(reader.scoped(to: "history"))
        (retention, archive) = try Self.archive(reader.scoped(to: "archive"), kept)
        self.compaction = compaction
        backup = try BackupSettings(reader)
        incidents = try IncidentPolicy(reader.scoped(to: "incidents"))
        notify = try NotifySettings(reader.scoped(to: "notify"))
        try Self.check(incidents.playbooks, notify.channels, reader)
        programs = try ProgramSettings(reader)
        people = try PeopleSettings(reader.scoped(to: "people"))
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
