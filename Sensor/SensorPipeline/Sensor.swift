internal import Delivery
internal import FlowModel
internal import HTTP2Client
internal import Intake
package import Logging
package import Platform
internal import Ship
internal import Spool
internal import Synchronization
package import Telemetry

/// A whole sensor: intake -> worker -> windows -> batches -> spool -> aggregator, on four threads with one way through.
///
///     intake   sockets, decoding, repeats, the table          (IntakeLoop; in an import: the caller's thread)
///     seal     batches and the spool's synced writes          (SealLoop)
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
    let keeper: SpoolKeeper
    let time: any TimeSource
    let logger: Logger
    private let shipper: Shipper
    private struct Running {
        var intake: SystemThread?
        var seal: SystemThread?
        var status: SystemStatusServer?
        var listenPorts: [UInt16] = []
    }
    private let running = Mutex(Running())

    /// Windows between intake and spool: more means that the disk is seconds behind.
    static let windowsMax = 8

    /// Reads the certificates and opens the spool; opens no port.
    package init(
        settings: SensorSettings, version: String, time: any TimeSource, logger: Logger
    ) throws(SensorError) {
        (self.settings, self.time, self.logger) = (settings, time, logger)
        try Self.checkIdentity(settings, time: time)
        var random = SystemRandomNumberGenerator()
        let state = self.state, started = time.wallMilliseconds()
        let keeper = try Self.openSpool(settings, time: time, state: state)
        self.keeper = keeper
        handOver = try HandOver(capacity: Self.windowsMax)
        let shipping = ShipSettings(
            endpoints: settings.aggregators, trustDomain: settings.trustDomain, files: settings.tls)
        do throws(ShipError) {
            shipper = try Shipper(
                settings: shipping, source: keeper, time: time, seed: random.next(), logger: logger
            ) {
                let usage = keeper.spool.usage
                return Heartbeat(
                    version: version, startedMilliseconds: started, fidelity: state.fidelity.name,
                    spoolBatches: usage.batches, spoolBytes: usage.bytes, spoolBytesMax: usage.bytesMax,
                    deadLetters: usage.deadLetters, ledger: state.ledger
                ).jsonBytes
            }
        } catch {
            throw .ship(reason: "\(error)")
        }
        SensorMetrics(metrics, version: version).keepUpToDate(state: state, keeper: keeper, shipper: shipper)
    }

    /// Reads the certificate files as shipping will.
    /// - Throws: `SensorError.identity`, naming the file.
    package static func checkIdentity(_ settings: SensorSettings, time: any TimeSource) throws(SensorError) {
        do throws(TLSFileError) {
            _ = try TLSContext(settings.tls, time: time)
        } catch {
            throw .identity(reason: "\(error)")
        }
    }
    private static func openSpool(
        _ settings: SensorSettings, time: any TimeSource, state: SensorState
    ) throws(SensorError) -> SpoolKeeper {
        do throws(SpoolError) {
            let spool = try Spool(directory: settings.spoolDirectory, bytesMax: settings.spoolBytesMax) {
                var random = SystemRandomNumberGenerator()
                return Epoch(using: &random)
            }
            return SpoolKeeper(spool: spool, time: time, state: state)
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
    package func start() throws(SensorError) {
        let listeners = try listen()
        try startStatus()
        try startShipping()
        let loop = IntakeLoop(
            number: 0, listeners: listeners, limits: limits, seed: .random(in: 0 ... .max), state: state, handOver: handOver,
            time: time, logger: logger)
        let thread = try SystemThread.start { loop.run() }
        let ports = listeners.map(\.port)
        running.withLock {
            $0.intake = thread
            $0.listenPorts = ports
        }
        logger.notice("The sensor is running.", metadata: ["ports": "\(ports)", "spool": "\(settings.spoolDirectory)"])
    }
    /// Starts sealing and shipping alone: an import brings its own datagrams.
    func startShipping() throws(SensorError) {
        let shipper = self.shipper
        let loop = SealLoop(
            rowsMax: settings.rowsMax, keeper: keeper, state: state, handOver: handOver, time: time, logger: logger
        ) { shipper.wake() }
        let thread = try SystemThread.start { loop.run() }
        running.withLock { $0.seal = thread }
        do throws(ShipError) {
            try shipper.start()
        } catch {
            throw .ship(reason: "\(error)")
        }
    }
    private func listen() throws(SensorError) -> [UDPListener] {
        var listeners: [UDPListener] = []
        for address in settings.listenAddresses {
            do throws(IntakeError) {
                let listener = try UDPListener(
                    address: address.address, port: address.port, bufferBytes: settings.receiveBytes)
                if let warning = listener.bufferWarning {
                    logger.warning("A receive buffer is small.", metadata: ["advice": "\(warning)"])
                }
                listeners.append(listener)
            } catch {
                guard case .cannotBind(_, _, let reason) = error else {
                    throw .cantListen("\(address)/udp", "\(error)")
                }
                throw .cantListen("\(address)/udp", reason)
            }
        }
        return listeners
    }
    private func startStatus() throws(SensorError) {
        guard let address = settings.metricsListen else { return }
        let server = try SystemStatusServer(address) { [metrics, state] bytes in
            let request = StatusPages.parse(bytes)
            if request == .incomplete { return nil }
            return StatusPages.answer(
                to: request, metricsType: MetricRegistry.contentType, metrics: { metrics.prometheusText() },
                notReady: { state.isStopping.load(ordering: .relaxed) ? "stopping" : nil })
        }
        try server.start()
        running.withLock { $0.status = server }
    }
    /// The ports that datagrams are taken on, in the order of `settings.listenAddresses`; none before `start`.
    package var listenPorts: [UInt16] { running.withLock { $0.listenPorts } }
    /// Where the metrics are served; nil when they are not.
    package var statusPort: UInt16? { running.withLock { $0.status?.port } }

    /// Stops the intake, spools what is in the table, tries to ship what is spooled for `settings.drain`, and ends the
    /// threads. What is left waits in the spool for the next start.
    package func stop() {
        state.isStopping.store(true, ordering: .relaxed)
        running.withLock { $0.intake.take() }?.join()
        endOfWindows()
        ship(atMost: settings.drain)
        shipper.stop(drainingAtMost: .seconds(2))
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
