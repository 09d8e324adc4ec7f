internal import Delivery
internal import FlowModel
internal import HTTP2Client
package import Intake
package import Logging
internal import Meter
package import Platform
internal import Ship
internal import Spool
internal import Synchronization
package import Telemetry

/// A whole sensor: intake -> worker -> windows -> batches -> spool -> aggregator, on a few threads with one way
/// through.
///
///     intake   sockets, decoding, repeats, the window         (IntakeLoop, one or more; in an import: the caller's)
///     seal     dedupe, batches, the spool's synced writes          (SealLoop)
///     ship     TLS, HTTP/2, answers, heartbeats               (Shipper)
///     status   the metrics page                               (SystemStatusServer)
///
/// Order of starting: `init` reads certificates and opens the spool, and only then are ports opened; of stopping: first
/// the intake, then each stage once the one before has handed over everything.
/// Not here: what any stage does (their modules), signals and settings (`weir-sensor`).
package final class Sensor: Sendable {
    package let settings: SensorSettings
    package let metrics = MetricRegistry()
    let state = SensorState()
    let handOver: HandOver
    let observers: ObserverBoard
    let keeper: SpoolKeeper
    let time: any TimeSource
    let logger: Logger
    private let tracer: Tracer
    /// For hashes of flows: one for all threads, unknown to exporters.
    let seed = UInt64.random(in: 0 ... .max)
    private let shipper: Shipper
    private struct Running {
        var intake: [SystemThread] = []
        var seal: SystemThread?
        var status: SystemStatusServer?
        var board: IntakeBoard?
        var saving: (keeper: TemplateKeeper, thread: SystemThread)?
    }
    private let running = Mutex(Running())

    /// Sealed batches between receivers and spool: more means that the disk is seconds behind.
    static let handOverBytesMax = 64 << 20

    /// Reads the certificates and opens the spool; opens no port.
    package init(
        settings: SensorSettings, version: String, time: any TimeSource, logger: Logger
    ) throws(SensorError) {
        (self.settings, self.time, self.logger) = (settings, time, logger)
        tracer = Tracer(service: "weir-sensor", settings.traces, time: time, metrics: metrics)
        let uriName = try Self.checkIdentityAtStart(settings, time: time, logger)
        var random = SystemRandomNumberGenerator()
        let state = self.state, started = time.wallMilliseconds()
        let keeper = try Self.openSpool(settings, time: time, state: state, tracer: tracer)
        if let reason = keeper.refusal(of: uriName) { throw .identity(reason: reason) }
        self.keeper = keeper
        handOver = try HandOver(bytesMax: Self.handOverBytesMax)
        observers = ObserverBoard(settings.dedupe, seed: seed)
        var shipping = ShipSettings(
            endpoints: settings.aggregators, trustDomain: settings.trustDomain, files: settings.tls)
        shipping.renewsCertificate = settings.renewsCertificate
        do throws(ShipError) {
            shipper = try Shipper(
                settings: shipping, source: keeper, time: time, seed: random.next(), logger: logger
            ) {
                let usage = keeper.spool.usage
                var heartbeat = Heartbeat(
                    version: version, startedMilliseconds: started, fidelity: state.fidelity.name,
                    spoolBatches: usage.batches, spoolBytes: usage.bytes, spoolBytesMax: usage.bytesMax,
                    deadLetters: usage.deadLetters, ledger: state.ledger,
                    nowMilliseconds: time.wallMilliseconds())
                for each in state.interfaces { heartbeat.interfaces.merge(each.growth) { first, _ in first } }
                return heartbeat.jsonBytes
            }
        } catch {
            throw .ship(reason: "\(error)")
        }
        SensorMetrics(metrics, version: version)
            .keepUpToDate(state: state, observers: observers, keeper: keeper, shipper: shipper, time: time)
    }

    /// A certificate that is not valid at the present time may be the clock's fault, or a rotation's that is late: what
    /// comes is spooled meanwhile, and shipping looks at the files again and again. Other faults are settings'.
    /// - Returns: the certificate's URI name, if it is valid and has one.
    private static func checkIdentityAtStart(
        _ settings: SensorSettings, time: any TimeSource, _ logger: Logger
    ) throws(SensorError) -> String? {
        var uriName: String?
        do throws(TLSFileError) {
            uriName = try TLSContext(settings.tls, time: time).uriName
        } catch {
            switch error {
            case .expired, .notYetValid:
                logger.error(
                    "The certificate is not valid now: flows are spooled, and shipped once it is. Check the clock.",
                    metadata: ["error": "\(error)"])
            case .unreadable, .keyMismatch, .library: throw .identity(reason: "\(error)")
            }
        }
        try checkStreams(settings, time: time)
        return uriName
    }
    /// Reads the certificate files as shipping will.
    /// - Throws: `SensorError.identity`, naming the file.
    package static func checkIdentity(_ settings: SensorSettings, time: any TimeSource) throws(SensorError) {
        do throws(TLSFileError) { _ = try TLSContext(settings.tls, time: time) } catch {
            throw .identity(reason: "\(error)")
        }
        try checkStreams(settings, time: time)
    }
    private static func checkStreams(_ settings: SensorSettings, time: any TimeSource) throws(SensorError) {
        do throws(IntakeError) {
            for tls in Set(settings.streams.compactMap(\.tls)) {
                try tls.check(atMilliseconds: time.wallMilliseconds())
            }
        } catch {
            throw .identity(reason: "listen.tls: \(error)")
        }
    }
    private static func openSpool(
        _ settings: SensorSettings, time: any TimeSource, state: SensorState, tracer: Tracer
    ) throws(SensorError) -> SpoolKeeper {
        do throws(SpoolError) {
            let tail = SpoolTail(age: settings.keepAcked, bytesMax: settings.keepAckedBytes)
            let spool = try Spool(
                directory: settings.spoolDirectory, bytesMax: settings.spoolBytesMax, tail: tail, time: time
            ) {
                var random = SystemRandomNumberGenerator()
                return Epoch(using: &random)
            }
            return SpoolKeeper(spool: spool, time: time, state: state, tracer: tracer)
        } catch {
            throw .spool(reason: "\(settings.spoolDirectory): \(error)")
        }
    }

    var limits: SensorWorker.Limits {
        let (seconds, attoseconds) = settings.window.components
        return SensorWorker.Limits(
            windowMilliseconds: seconds * 1_000 + attoseconds / 1_000_000_000_000_000, rowsMax: settings.entriesMax)
    }

    /// Opens the ports and starts all threads.
    /// - Parameter inherited: sockets that the service manager holds; they are taken instead of binding.
    package func start(inherited: InheritedSockets = InheritedSockets()) throws(SensorError) {
        let board = try Self.open(settings.intakePlan, inherited: inherited, keeping: nil, logger)
        try startStatus()
        try startShipping()
        for interface in settings.captureInterfaces {
            do throws(MeterError) { try MeterLoop.check(interface) } catch {
                throw .cantListen("interface \(interface)", error.reason)
            }
        }
        let templates = try TemplateKeeper(folder: settings.spoolDirectory, logger: logger)
        let saving = try SystemThread.start { templates.run() }
        let shared = SharedParts(
            limits: limits, seed: seed, rowsMax: settings.rowsMax, observers: observers, state: state,
            handOver: handOver, time: time, logger: logger)
        var threads: [SystemThread] = []
        for number in 0..<board.sockets.receiverCount {
            let loop = IntakeLoop(
                number: number, board: board, decode: settings.decode, forward: settings.forward, templates: templates,
                shared: shared)
            threads.append(try SystemThread.start { loop.run() })
        }
        for (index, interface) in settings.captureInterfaces.enumerated() {
            let loop = MeterLoop(
                number: board.sockets.receiverCount + index, interface: interface, shared: shared)
            threads.append(try SystemThread.start { loop.run() })
        }
        let started = threads
        running.withLock {
            $0.intake = started
            $0.board = board
            $0.saving = (templates, saving)
        }
        logger.notice(
            "The sensor is running.",
            metadata: [
                "ports": "\(board.sockets.ports)", "receivers": "\(threads.count)",
                "spool": "\(settings.spoolDirectory)",
            ])
    }
    /// Listens on other addresses from now on; those that stay keep their sockets and what waits in them.
    /// - Returns: whether other settings have changed as well, which need a restart.
    /// - Throws: `cantListen`; all stays as it was then.
    package func reload(_ new: SensorSettings) throws(SensorError) -> Bool {
        guard let board = running.withLock({ $0.board }) else { return true }
        let sockets = try Self.sockets(
            new.intakePlan, inherited: InheritedSockets(), keeping: board.sockets, logger)
        board.replace(sockets)
        return !new.differsOnlyInAddresses(from: settings)
    }
    private static func open(
        _ plan: IntakePlan, inherited: InheritedSockets, keeping old: IntakeSockets?, _ logger: Logger
    ) throws(SensorError) -> IntakeBoard {
        try IntakeBoard(try sockets(plan, inherited: inherited, keeping: old, logger))
    }
    private static func sockets(
        _ plan: IntakePlan, inherited: InheritedSockets, keeping old: IntakeSockets?, _ logger: Logger
    ) throws(SensorError) -> IntakeSockets {
        do throws(IntakeError) {
            let sockets = try IntakeSockets(plan, inherited: inherited, keeping: old)
            for warning in sockets.warnings { logger.warning("\(warning)") }
            return sockets
        } catch {
            guard case .cannotBind(let address, let port, let reason) = error else {
                throw .cantListen("its ports", "\(error)")
            }
            throw .cantListen("\(address):\(port)", reason)
        }
    }
    /// Starts sealing and shipping alone: an import brings its own datagrams.
    func startShipping() throws(SensorError) {
        tracer.start()
        let shipper = self.shipper
        let loop = KeepLoop(
            observers: observers, keeper: keeper, state: state, handOver: handOver, time: time, logger: logger
        ) { shipper.wake() }
        let thread = try SystemThread.start { loop.run() }
        running.withLock { $0.seal = thread }
        do throws(ShipError) {
            try shipper.start()
        } catch {
            throw .ship(reason: "\(error)")
        }
    }
    private func startStatus() throws(SensorError) {
        guard let address = settings.metricsListen else { return }
        let server = try SystemStatusServer(address) { [metrics, state, shipper, keeper, time] bytes in
            let request = StatusPages.parse(bytes)
            if request == .incomplete { return nil }
            return StatusPages.answer(
                to: request, metricsType: MetricRegistry.contentType, metrics: { metrics.prometheusText() },
                notReady: {
                    state.isStopping.load(ordering: .relaxed) ? "stopping" : state.intakeFailure.withLock { $0 }
                },
                checks: {
                    healthChecks(
                        intakeFailure: state.intakeFailure.withLock { $0 }, shipping: shipper.status,
                        spool: keeper.spool.usage, nowMilliseconds: time.wallMilliseconds())
                })
        }
        try server.start()
        running.withLock { $0.status = server }
    }
    /// The ports that are listened on: UDP's in the order of `settings.listenAddresses`, then TCP's; none before
    /// `start`.
    package var listenPorts: [UInt16] { running.withLock { $0.board }?.sockets.ports ?? [] }
    /// Where the metrics are served; nil when they are not.
    package var statusPort: UInt16? { running.withLock { $0.status?.port } }

    /// Stops the intake, spools what is in the table, tries to ship what is spooled for `settings.drain`, and ends the
    /// threads. What is left waits in the spool for the next start.
    package func stop() {
        state.isStopping.store(true, ordering: .relaxed)
        let (threads, board) = running.withLock { running in
            defer { running.intake = [] }
            return (running.intake, running.board)
        }
        board?.wakeAll()
        for thread in threads { thread.join() }
        if let saving = running.withLock({ $0.saving.take() }) {
            saving.keeper.end()
            saving.thread.join()
        }
        endOfWindows()
        ship(atMost: settings.drain)
        shipper.stop(drainingAtMost: .seconds(2))
        tracer.stop()
        running.withLock { $0.status.take() }?.stop()
        let usage = keeper.spool.usage
        logger.notice(
            "The sensor has stopped.",
            metadata: ["waitingBatches": .stringConvertible(usage.batches), "bytes": .stringConvertible(usage.bytes)])
    }
    /// No more windows will come: returns when all are sealed and spooled.
    func endOfWindows() {
        handOver.end()
        running.withLock { $0.seal.take() }?.join()
    }
    private func ship(atMost limit: Duration) {
        let deadline = time.monotonic() + limit
        shipper.wake()
        while keeper.spool.usage.batches > 0, time.monotonic() < deadline { systemSleep(milliseconds: 20) }
    }

    /// Whether every receiver goes on.
    package var isHealthy: Bool { state.intakeFailure.withLock { $0 == nil } }
    /// The loss ledger of all exporters since the start.
    package var ledger: LedgerBook { state.ledger }
    /// How many batches wait to be answered for, and how many were set aside.
    package var backlog: (batches: Int, deadLetters: Int) {
        let usage = keeper.spool.usage
        return (usage.batches, usage.deadLetters)
    }
    /// The last trouble of shipping, and whether an aggregator is connected.
    package var shipping: (isConnected: Bool, lastError: String?) {
        let status = shipper.status
        return (status.connectedEndpoint != nil, status.lastError)
    }
}
