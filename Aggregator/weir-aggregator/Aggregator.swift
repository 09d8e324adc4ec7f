import API
import AggregatorPipeline
import Backup
import Console
import DataKeys
import Detect
import FlowLog
import FlowStore
import Foundation
import Hummingbird
import Incidents
import Ingest
import Logging
import ModelRegister
import NotifyChannels
import ObjectStore
import OpenID
import Passwords
import PeopleMail
import Platform
import ProgramDesk
import Query
import ServerChannel
import ServiceLifecycle
import Settings
import Sigma
import SignOnClient
import Telemetry
import Tenancy
internal import UnixSignals

/// All parts of one standalone node, made from settings and run as one group: what is listed first ends last.
///
/// Order: storage is opened, then its upkeep, the pipeline, the certificate files' watchers, the sensors' listener, the
/// API's. At a signal the listeners stop taking requests and finish those in work; then the pipeline writes its
/// checkpoint.
struct Aggregator {
    private let settings: AggregatorSettings, time: any TimeSource, logger: Logger
    private let metrics = MetricRegistry(), registry = SensorRegistry()
    private let listeners: Listeners
    private let flowLog: SQLiteFlowLog, store: SQLiteFlowStore, incidents: IncidentLog, control: ControlLog
    private let sigma: SigmaRegister, sigmaFolder: SigmaFolder?
    private let models: ModelRegister
    private let notify: NotifyService
    private let programs: ProgramDesk
    private let limits: LiveParameters
    /// Nil: no mail is sent to people.
    private let resetMail: ResetMail?
    private let pipeline: AggregatorPipeline, upkeep: StoreUpkeep, keys: DataKeys, surroundings: Surroundings
    /// Nil: the API is alone on its port.
    private let console: ConsoleFiles?

    private static let drainMax: Duration = .seconds(20)

    /// Makes the data folder if need be, and claims it. Before anything that opens a port.
    static func claim(_ settings: AggregatorSettings) throws(Failure) -> FolderLock {
        try checkStorageLibrary()
        try makeFolder(settings.dataDirectory)
        let lock = try FolderLock(settings.dataDirectory),
            restoring = "\(settings.dataDirectory)/\(Backup.restoringName)"
        guard fileStatus(restoring) == nil else {
            throw .work(
                "dataDirectory: a restore did not finish here (\(restoring)): run weir-aggregator restore again")
        }
        return lock
    }

    private static func checkStorageLibrary() throws(Failure) {
        let library: StorageLibrary
        do { library = try StorageLibrary.linked() } catch { throw .work("SQLite does not work: \(error)") }
        switch library.verdict {
        case .sound: break
        case .needsOneWriter:
            Logger(label: "aggregator").info(
                "This SQLite can damage a file that two programs write: let others only read, or install 3.51.3.",
                metadata: ["version": "\(library.version)"])
        case .tooOld: throw .work("SQLite \(library.version) is too old: 3.37.0 is needed, 3.51.3 or later is better")
        }
    }

    /// - Throws: `Failure`: exit 2 for files that settings name, 1 for storage that can't be opened.
    init(_ settings: AggregatorSettings, time: any TimeSource, logger: Logger) throws(Failure) {
        self.settings = settings
        self.time = time
        self.logger = logger
        listeners = try Listeners(settings, metrics: metrics, time: time, logger: logger)
        console = try settings.console.files()
        let folder = settings.dataDirectory
        surroundings = Surroundings(
            settings.knowledge, folder: folder, time: time, metrics: metrics, logger: Logger(label: "knowledge"))
        do {
            keys = try settings.backup.keys.keys(in: folder, random: SystemRandomNumberGenerator(), time: time)
            flowLog = try SQLiteFlowLog(directory: folder, sealing: keys.sealing)
            Self.announce(flowLog.damage, in: metrics, logger)
            Self.askForTheLost(flowLog, registry, at: time.wallMilliseconds())
            let archive = try settings.archive.map { [metrics] archive in
                ObjectArchive(
                    try archive.place.open(time: time, random: SystemRandomNumberGenerator()),
                    cacheBytesMax: archive.cacheBytes, time: time, registry: metrics)
            }
            store = try SQLiteFlowStore(directory: folder + "/flows", sealer: StoreKeys(keys: keys), archive: archive)
            incidents = try IncidentLog(directory: folder, policy: settings.incidents)
            if incidents.wasMended {
                logger.error("Incidents were damaged: the file was set aside, and what could be read is in a new one.")
            }
            notify = try NotifyService(
                settings.notify, incidents: incidents, folder: folder, time: time, registry: metrics,
                logger: Logger(label: "notify"))
            control = try ControlLog(folder: folder)
            resetMail = Self.resetMail(settings, control, time: time, registry: metrics)
            sigma = SigmaRegister(usual: settings.sigmaState, control: control)
            sigmaFolder = settings.sigmaRules.map { [sigma] in
                SigmaFolder(path: $0, register: sigma, logger: Logger(label: "sigma"))
            }
            if let sigmaFolder {
                sigma.load(sigmaFolder.read())
                sigmaFolder.announce()
            }
            models = try ModelRegister(folder: folder, sealing: keys.sealing)
            if models.wasDamaged { logger.error("Models were damaged: the file was set aside.") }
            programs = ProgramDesk(
                settings.programs, time: time, registry: metrics, logger: Logger(label: "programs"))
            try settings.programs.makeTables(folder: AggregatorSettings.programsFolder(in: folder))
            limits = LiveParameters(surroundings.parameters, own: try DetectorDesk.kept(in: control))
            pipeline = try AggregatorPipeline(
                log: flowLog, store: store, incidents: incidents, directory: folder, limits: limits,
                intelligence: surroundings.intelligence, places: surroundings.lookup, sigma: sigma, models: models,
                programs: settings.programs.programs.isEmpty ? nil : programs, time: time, registry: metrics,
                logger: logger, sealing: keys.sealing)
            upkeep = StoreUpkeep(
                store: store, compaction: settings.compaction,
                archive: settings.archive?.policy ?? ArchivePolicy(), retention: settings.retention, time: time,
                registry: metrics, logger: Logger(label: "store"))
        } catch {
            throw .work("dataDirectory: \(error)")
        }
    }

    private static func resetMail(
        _ settings: AggregatorSettings, _ control: ControlLog, time: any TimeSource, registry: MetricRegistry
    ) -> ResetMail? {
        settings.people.sender(settings.notify).map { sender in
            ResetMail(
                control: control, link: settings.people.resetLink, time: time, registry: registry,
                logger: Logger(label: "people")
            ) { letter, address, now in await sender.send(letter, to: address, at: now) }
        }
    }
    private static func announce(_ damage: LogDamage?, in metrics: MetricRegistry, _ logger: Logger) {
        let files = metrics.counter("weir_log_damaged_files_total", help: "Damaged log files set aside at the start.")
        let batches = metrics.counter(
            "weir_log_damaged_batches_total", help: "Batches lost with them, which sensors are asked for again.")
        guard let damage else { return }
        files.add()
        batches.add(damage.batches ?? 0)
        logger.critical(
            "The log was damaged: it was set aside, and what could be read is in a new one.",
            metadata: ["file": "\(damage.file)", "lost batches": "\(damage.batches.map { "\($0)" } ?? "unknown")"])
    }

    /// A log that is younger than what sensors keep may stand in the place of one that is lost: they are asked for all
    /// they have. What is here already is recognised by its keys.
    private static func askForTheLost(_ log: SQLiteFlowLog, _ registry: SensorRegistry, at now: Int64) {
        guard let born = log.bornMilliseconds, born == 0 || (0..<86_400_000).contains(now - born) else { return }
        registry.askForAll(sinceMilliseconds: 0, id: String(UInt64(max(born == 0 ? now : born, 0)), radix: 16))
    }

    /// Runs until SIGTERM or SIGINT, or until a part fails.
    func run() async throws {
        try offerSetUp()
        // A head that is elsewhere than the log: what was before it can't be changed unseen.
        let head = try control.auditHead()
        logger.notice("The audit log.", metadata: ["head": "\(head)"])
        await surroundings.load()
        let knowledge = surroundings.upkeep(
            store: store, incidents: incidents, control: control, limits: limits, time: time)
        var services: [any Service] = [
            KeyUpkeep(keys: keys, incidents: incidents, notify: notify, logger: Logger(label: "keys")), notify, upkeep,
            knowledge, ProgramService(programs, folder: AggregatorSettings.programsFolder(in: settings.dataDirectory)),
            pipeline,
            listeners.sensors, listeners.api, sensorServer(), try apiServer(),
        ]
        if let sigmaFolder { services.append(sigmaFolder) }
        if let resetMail { services.append(resetMail) }
        var configuration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.drainMax
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            logger.critical("The aggregator stops: a part of it failed.", metadata: ["error": "\(error)"])
            throw Failure.work("\(error)")
        }
        try? flowLog.close()
        try? incidents.close()
        logger.notice("The aggregator has stopped.")
    }

    /// While there is no operator, each start makes a token for the first one: in a file of this process's user, and
    /// shown where somebody watches. Never in the log.
    private func offerSetUp() throws {
        let path = settings.dataDirectory + "/set-up.token"
        try? FileManager.default.removeItem(atPath: path)
        var chance = SystemRandomNumberGenerator()
        guard let token = try control.makeSetUpToken(at: time.wallMilliseconds(), using: &chance) else { return }
        try makeSecretFile(path, token.secret + "\n")
        logger.notice(
            "There is no operator. Within a day: POST /v1/setup with the token, email, name and password.",
            metadata: ["token": "in \(path)"])
        guard standardOutputIsTerminal else { return }
        let here = "https://\(settings.api.listen.host):\(settings.api.listen.port)"
        print("Set up the first operator: \(here)\(console == nil ? "/v1/setup" : "\(ConsoleFiles.root)#/setup")")
        print("with this token, which works once: \(token.secret)")
    }

    // MARK: Listeners

    private func sensorServer() -> some Service {
        var options = ServerOptions.sensors
        options.connectionAgeMax = settings.connectionAgeMax
        options.connectionsMax = settings.sensors.connectionsMax
        let ingest = BatchIngest(
            log: flowLog, registry: registry,
            quarantine: Quarantine(
                folder: settings.dataDirectory + "/quarantine", bytesMax: settings.quarantineBytesMax),
            admission: Admission(requestsMax: settings.ingestRequestsMax, bytesMax: settings.ingestBytesMax),
            metrics: metrics, time: time, logger: Logger(label: "ingest"))
        let listener = Listener(
            options: options, policy: .sensors(trustDomain: settings.trustDomain), tls: listeners.sensors,
            metrics: ConnectionMetrics(listener: "sensors", in: metrics), observer: registry, time: time)
        return server(ingest.router().buildResponder(), listener, at: settings.sensors.listen, named: "sensors")
    }

    private func apiServer() throws -> some Service {
        var options = ServerOptions.people
        options.connectionsMax = settings.api.connectionsMax
        let listener = Listener(
            options: options, policy: .anyone, tls: listeners.api,
            metrics: ConnectionMetrics(listener: "api", in: metrics), time: time)
        var sources = APISources(
            query: FlowQuery(store: store, time: time), incidents: incidents, control: control, sensors: registry,
            log: flowLog, metrics: metrics, time: time, knowledge: surroundings.sources, sigma: sigma,
            pseudonymSecret: pseudonymSecret,
            unready: { [flowLog] in
                do { _ = try await flowLog.headOffset() } catch { return ["the log: \(error)"] }
                return []
            })
        sources.notify = notify.desk
        sources.models = ModelDesk(models) { [limits] in limits[$0] }
        sources.detectors = DetectorDesk(limits)
        sources.programs = programs
        sources.signIn.factors = factorSealer
        sources.signIn.breaches = settings.people.breaches
        if let resetMail { sources.signIn.forgot = { email in resetMail.ask(email) } }
        sources.signOn = signOn
        let answers = ConsoleResponder(console, before: try apiRouter(sources).buildResponder())
        return server(answers, listener, at: settings.api.listen, named: "api")
    }

    /// The secret that exports' pseudonyms are made of: made at first use, and kept, so that exports of different days
    /// go together. Without it, there are no pseudonyms.
    private var pseudonymSecret: [UInt8]? {
        keptSecret("pseudonyms.key", without: "There are no pseudonyms.")
    }
    /// What authenticators' secrets are sealed with. No backup holds it.
    private var factorSealer: FactorSealer? {
        keptSecret("factors.key", without: "There are no second factors.").flatMap { FactorSealer(Secret($0)) }
    }
    /// Tenants' own providers, if there are any.
    private var signOn: SignOnDesk? {
        guard !settings.signOn.providers.isEmpty,
            let sealer = keptSecret("signon.key", without: "Nobody signs on at a provider.")
                .flatMap({ AttemptSealer(Secret($0)) })
        else { return nil }
        return SignOnDesk(
            settings.signOn.providers, transport: HTTPSignOnTransport(settings.signOn.egress), sealer: sealer,
            ownURL: settings.signOn.url, time: time)
    }
    /// 32 octets by chance, made at first use.
    private func keptSecret(_ name: String, without: Logger.Message) -> [UInt8]? {
        let path = settings.dataDirectory + "/\(name)"
        do {
            if fileStatus(path) == nil {
                var chance = SystemRandomNumberGenerator()
                try makeFile(path, with: (0..<32).map { _ in chance.next() })
            }
            let secret = try readFile(path, bytesMax: 4_096)
            guard secret.count >= 32 else { throw Failure.work("it has fewer than 32 octets") }
            return secret
        } catch {
            logger.warning(without, metadata: ["file": "\(path)", "error": "\(error)"])
            return nil
        }
    }

    private func server<Responder: HTTPResponder>(
        _ responder: Responder, _ listener: Listener, at address: AggregatorSettings.Address, named name: String
    ) -> some Service where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
        let logger = Logger(label: name)
        return Application(
            responder: responder, server: listener.builder,
            configuration: .init(address: .hostname(address.host, port: address.port), serverName: nil),
            onServerRunning: { channel in
                logger.notice(
                    "Listening.",
                    metadata: ["listener": "\(name)", "address": "\(channel.localAddress?.description ?? "unknown")"])
            }, logger: logger)
    }
}
