import API
import AggregatorPipeline
import Backup
import Console
import DataKeys
import Detect
import Enrolment
import FlowLog
import FlowStore
import Foundation
import Hummingbird
import Identity
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

/// All parts of one node, made from settings and run as one group: what is listed first ends last.
///
/// Order: storage is opened, then its upkeep, the pipeline, the certificate files' watchers, the sensors' listener, the
/// API's. At a signal the listeners stop taking requests and finish those in work; then the pipeline writes its
/// checkpoint.
struct Aggregator {
    private let settings: AggregatorSettings, time: any TimeSource, logger: Logger
    private let metrics = MetricRegistry(), registry = SensorRegistry()
    private let listeners: Listeners, tracer: Tracer
    private let log: NodeLog, history: History, incidents: IncidentLog, control: ControlLog
    private let sigma: SigmaRegister, sigmaFolder: SigmaFolder?
    private let models: ModelRegister
    private let notify: NotifyService
    private let programs: ProgramDesk
    private let limits: LiveParameters
    /// Nil: no mail is sent to people.
    private let resetMail: ResetMail?
    private let gate = SensorGate(), held: HeldBatches, ingest: BatchIngest
    private let keys: DataKeys, surroundings: Surroundings
    /// Nil: the API is alone on its port.
    private let console: ConsoleFiles?, docs: DocsFiles?

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

    /// - Parameter cluster: whose log this node's batches go to; nil: a node alone, with a log of its own.
    /// - Throws: `Failure`: exit 2 for files that settings name, 1 for storage that can't be opened.
    init(
        _ settings: AggregatorSettings, cluster: ClusterLink?, time: any TimeSource, logger: Logger
    ) throws(Failure) {
        self.settings = settings
        self.time = time
        self.logger = logger
        listeners = try Listeners(settings, metrics: metrics, time: time, logger: logger)
        tracer = Tracer(service: "weir-aggregator", settings.traces, time: time, metrics: metrics)
        (console, docs) = (try settings.console.files(), try settings.docs.files())
        let folder = settings.dataDirectory
        surroundings = Surroundings(
            settings.knowledge, folder: folder, time: time, metrics: metrics, logger: Logger(label: "knowledge"))
        do {
            keys = try settings.backup.keys.keys(in: folder, random: SystemRandomNumberGenerator(), time: time)
            incidents = try IncidentLog(
                directory: folder, policy: settings.incidents, isFollower: cluster != nil)
            if incidents.wasMended {
                logger.error("Incidents were damaged: the file was set aside, and what could be read is in a new one.")
            }
            notify = try NotifyService(
                settings.notify, incidents: incidents, folder: folder, time: time, registry: metrics,
                logger: Logger(label: "notify"))
            control = try ControlLog(folder: folder)
            history = try History(
                settings, folder: folder, keys: keys, own: Self.retention(settings.retention, control), time: time,
                registry: metrics)
            held = HeldBatches(
                folder: folder + "/held", bytesMax: settings.quarantineBytesMax, sealing: keys.sealing)
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
            log = try Self.log(
                settings, cluster, keys, incidents, registry, metrics, time,
                Self.pipelines(
                    settings, (history.store, limits, surroundings, sigma, models, programs), keys, metrics, time,
                    logger, tracer))
            ingest = Self.ingest(settings, log, registry, gate, held, control, metrics, time, tracer)
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
    /// Runs until SIGTERM or SIGINT, or until a part fails.
    func run(under manager: ServiceManager, reload: SettingsReload, reports: ErrorReports?) async throws {
        reports?.show(in: metrics)
        let notices = ManagerNotices(manager, listeners: 2, unready: log.unready)
        tracer.start()
        defer { tracer.stop() }
        try offerSetUp()
        // A head that is elsewhere than the log: what was before it can't be changed unseen.
        let head = try control.auditHead()
        logger.notice("The audit log.", metadata: ["head": "\(head)"])
        let sensorUpkeep = SensorUpkeep(
            control: control, gate: gate, ingest: ingest, logger: Logger(label: "sensors"))
        try sensorUpkeep.refresh()
        await surroundings.load()
        let knowledge = surroundings.upkeep(
            history: history.hunts, incidents: incidents, control: control, limits: limits, time: time)
        var services: [any Service] = [
            KeyUpkeep(keys: keys, incidents: incidents, notify: notify, logger: Logger(label: "keys")), notify,
        ]
        services += history.upkeep
        services += [
            knowledge, ProgramService(programs, folder: AggregatorSettings.programsFolder(in: settings.dataDirectory)),
            sensorUpkeep,
            RetentionService(control: control, incidents: incidents, time: time, logger: Logger(label: "retention")),
        ]
        services += log.workers
        services += [
            listeners.sensors, listeners.api, reload, sensorServer(notices), try apiServer(notices), notices,
        ]
        if let sigmaFolder { services.insert(sigmaFolder, at: 0) }
        if let resetMail { services.insert(resetMail, at: 0) }
        var configuration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.drainMax
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            logger.critical("The aggregator stops: a part of it failed.", metadata: ["error": "\(error)"])
            throw Failure.work("\(error)")
        }
        log.close()
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

    private func sensorServer(_ notices: ManagerNotices) -> some Service {
        var options = ServerOptions.sensors
        options.connectionAgeMax = settings.connectionAgeMax
        options.connectionsMax = settings.sensors.connectionsMax
        let listener = Listener(
            options: options, policy: .sensors(trustDomain: settings.trustDomain), tls: listeners.sensors,
            metrics: ConnectionMetrics(listener: "sensors", in: metrics), observer: registry, time: time,
            isRevoked: { [gate] in gate.isRevoked($0) })
        let answers = ingest.router().buildResponder()
        return server(answers, listener, at: settings.sensors.listen, named: "sensors", notices)
    }

    private func apiServer(_ notices: ManagerNotices) throws -> some Service {
        var options = ServerOptions.people
        options.connectionsMax = settings.api.connectionsMax
        let listener = Listener(
            options: options, policy: .anyone, tls: listeners.api,
            metrics: ConnectionMetrics(listener: "api", in: metrics), time: time)
        var sources = APISources(
            query: history.query, incidents: incidents, control: control, sensors: registry,
            log: log.totals, metrics: metrics, time: time, knowledge: surroundings.sources, sigma: sigma,
            pseudonymSecret: pseudonymSecret,
            unready: log.unready)
        let health = NodeHealth(
            unready: log.unready, store: history.store, incidents: incidents, control: control, listeners: listeners,
            folder: settings.dataDirectory)
        sources.checks = { await health.checks() }
        sources.tracer = tracer
        sources.logs = log.logs
        sources.notify = notify.desk
        sources.models = ModelDesk(models) { [limits] in limits[$0] }
        sources.sensorControl = sensorControl
        sources.facts = facts
        sources.issuer = settings.enrolment.map { CertificateIssuer($0, trustDomain: settings.trustDomain) }
        sources.detectors = DetectorDesk(limits)
        sources.programs = programs
        sources.signIn.factors = factorSealer
        sources.signIn.breaches = settings.people.breaches
        if let resetMail { sources.signIn.forgot = { email in resetMail.ask(email) } }
        sources.signOn = signOn
        sources.requests = settings.requests.limits
        let answers = ConsoleResponder(console, before: try apiRouter(sources).buildResponder())
        return server(DocsResponder(docs, before: answers), listener, at: settings.api.listen, named: "api", notices)
    }

    /// Tenants have things kept for a shorter time, never for a longer one.
    private static func retention(
        _ node: RetentionPolicy, _ control: ControlLog
    ) -> @Sendable () -> [TenantID: RetentionPolicy] {
        { [node] in
            // What can't be read is kept as the node keeps it.
            ((try? control.retentions()) ?? [:]).mapValues { own in
                var policy = node
                policy.days = min(own[.records] ?? node.days, node.days)
                policy.rollupDays = max(min(own[.sums] ?? node.rollupDays, node.rollupDays), policy.days)
                return policy
            }
        }
    }
    private var facts: NodeFacts {
        var facts = NodeFacts()
        (facts.recordDays, facts.sumDays) = (settings.retention.days, settings.retention.rollupDays)
        facts.backupTarget = settings.backup.target.map { if case .folder = $0 { "a folder" } else { "S3" } }
        facts.dataKeys = { [keys] tenant in (try? keys.file.rows(of: .tenant(tenant)))?.count }
        return facts
    }
    static func renewal(
        _ settings: AggregatorSettings, _ control: ControlLog, _ time: any TimeSource
    ) -> CertificateRenewal? {
        guard let enrolment = settings.enrolment else { return nil }
        let issuer = CertificateIssuer(enrolment, trustDomain: settings.trustDomain)
        return CertificateRenewal { peer, sensor, octets throws(RenewalRefusal) in
            do {
                var chance = SystemRandomNumberGenerator()
                let now = time.wallMilliseconds(), request = try CertificateRequest(der: octets)
                let issued = try issuer.issue(request, to: sensor, at: now, using: &chance)
                let certificate = IssuedCertificate(
                    sensor: sensor, serial: issued.serial, issuedMilliseconds: now,
                    expiresMilliseconds: issued.expiresMilliseconds, key: request.keyDigest)
                guard try control.renew(certificate, after: peer.serial, at: now) else { throw RenewalRefusal.notThis }
                return issued.pem
            } catch EnrolmentError.badRequest(let problem) {
                throw .badRequest(problem)
            } catch let refusal as RenewalRefusal {
                throw refusal
            } catch {
                throw .authority("\(error)")
            }
        }
    }
    private var sensorControl: SensorControl {
        SensorControl(
            changed: { [control, gate, logger] in
                do { gate.replace(try control.sensorStandings()) } catch {
                    logger.error("Which sensors are revoked can't be read.", metadata: ["error": "\(error)"])
                }
            }, held: { [held] in held.held(of: $0) }, discard: { [ingest] in ingest.discardHeld(of: $0) })
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
        _ responder: Responder, _ listener: Listener, at address: AggregatorSettings.Address, named name: String,
        _ notices: ManagerNotices
    ) -> some Service where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
        let logger = Logger(label: name)
        return Application(
            responder: responder, server: listener.builder,
            configuration: .init(address: .hostname(address.host, port: address.port), serverName: nil),
            onServerRunning: { channel in
                logger.notice(
                    "Listening.",
                    metadata: ["listener": "\(name)", "address": "\(channel.localAddress?.description ?? "unknown")"])
                notices.opened()
            }, logger: logger)
    }
}
