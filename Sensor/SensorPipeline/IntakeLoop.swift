internal import Decode
internal import FlowModel
internal import Forward
internal import Intake
internal import Logging
internal import Platform
internal import Synchronization
internal import Telemetry

/// One receiver's thread: sockets -> worker -> windows -> sealed batches on their way to the spool. Everything that it
/// owns, it makes, so that nothing is shared but `SensorState`, `IntakeBoard`, `ObserverBoard` and `HandOver`.
struct IntakeLoop: Sendable {
    /// Which of the receivers this is, from 0.
    let number: Int
    let board: IntakeBoard
    let decode: DecodeSettings
    let forward: [ForwardTarget]
    let templates: TemplateKeeper
    let shared: SharedParts

    private static let countEvery: Duration = .seconds(1)
    private static let saveEvery: Duration = .seconds(2)
    private var state: SensorState { shared.state }
    private var time: any TimeSource { shared.time }
    private var logger: Logger { shared.logger }

    /// Returns when `state.isStopping` is set and everything received is handed on.
    func run() {
        var worker = shared.worker(decode), outlet = shared.outlet(number)
        restoreTemplates(&worker)
        do {
            try receive(into: &worker, &outlet)
        } catch {
            logger.critical("No datagrams can be received.", metadata: ["error": "\(error)"])
            state.intakeFailure.withLock { $0 = "receiver \(number): \(error)" }
        }
        worker.expireHeld(atMilliseconds: .max)
        worker.close()
        outlet.pass(&worker, isLast: true)
        templates.save(worker.templateSnapshot(), of: number)
    }

    private func restoreTemplates(_ worker: inout SensorWorker) {
        for snapshot in templates.saved() {
            guard let count = worker.restoreTemplates(snapshot, atMilliseconds: time.wallMilliseconds()) else {
                logger.warning("Saved templates are damaged and not used.", metadata: ["receiver": "\(number)"])
                continue
            }
            logger.info(
                "Saved templates are on probation.", metadata: ["templates": "\(count)", "receiver": "\(number)"])
        }
    }

    private func receive(into worker: inout SensorWorker, _ outlet: inout Outlet) throws {
        let sockets = board.sockets
        let streams = try StreamServer(listeners: sockets.streams(of: number), numbers: board.numbers, time: time)
        let forwarder = try Forwarder(to: forward, ownPorts: Set(sockets.ports))
        for warning in forwarder.warnings where number == 0 { logger.warning("\(warning)") }
        var poller = Poller(
            listeners: sockets.listeners(of: number), receiver: try DatagramReceiver(), streams: streams,
            waker: board.waker(of: number), time: time)
        var nextCount = Duration.zero, limiter = RateLimiter(), generation = 1, conduct = SessionConduct()
        var nextSave = time.monotonic() + Self.saveEvery, savedVersion = worker.templatesVersion
        while !state.isStopping.load(ordering: .relaxed) {
            worker.fidelity = state.fidelity
            round(&poller, &worker, &outlet, forwarder, timeout: .milliseconds(200), &limiter, &conduct)
            worker.tick(atMilliseconds: time.wallMilliseconds())
            outlet.pass(&worker)
            if let news = board.news(since: generation) {
                generation = news.generation
                // A socket that goes takes with it what waits in it.
                drainSockets(&poller, &worker, &outlet, forwarder, &limiter, &conduct)
                poller.replace(listeners: news.sockets.listeners(of: number))
                do throws(IntakeError) {
                    try streams.replace(listeners: news.sockets.streams(of: number))
                } catch {
                    report(error, &limiter)
                }
            }
            let now = time.monotonic()
            guard now >= nextCount else { continue }
            worker.kernelDropped(poller.takeKernelDrops(exact: true))
            publish(forwarder)
            nextCount = now + Self.countEvery
            guard now >= nextSave, worker.templatesVersion != savedVersion else { continue }
            savedVersion = worker.templatesVersion
            templates.save(worker.templateSnapshot(), of: number)
            nextSave = now + Self.saveEvery
        }
        drainSockets(&poller, &worker, &outlet, forwarder, &limiter, &conduct)
        worker.kernelDropped(poller.takeKernelDrops(exact: true))
        publish(forwarder)
    }
    /// Returns how many datagrams there were.
    @discardableResult
    private func round(
        _ poller: inout Poller, _ worker: inout SensorWorker, _ outlet: inout Outlet,
        _ forwarder: borrowing Forwarder, timeout: Duration, _ limiter: inout RateLimiter,
        _ conduct: inout SessionConduct
    ) -> Int {
        var taken = 0
        do throws(IntakeError) {
            taken = try poller.poll(timeout: timeout) { datagram, origin, isTruncated in
                if isTruncated {
                    worker.receiveTruncated()
                } else {
                    worker.receive(datagram, from: origin)
                    outlet.seal(&worker)
                    if origin.session != 0 { conduct.note(origin.session, isWellFormed: !worker.wasMalformed) }
                    if !forwarder.isEmpty { forwarder.forward(datagram, from: origin) }
                }
            }
        } catch {
            report(error, &limiter)
            systemSleep(milliseconds: 100)
        }
        if !forwarder.isEmpty { forwarder.flush() }
        worker.kernelDropped(poller.takeKernelDrops(exact: false))
        for fault in poller.takeFaults() { report(fault, &limiter) }
        for session in conduct.takeHopeless() {
            state.sessionsClosedAsMalformed.wrappingAdd(1, ordering: .relaxed)
            poller.end(session: session, as: .malformed(messages: SessionConduct.malformedMax))
        }
        for event in poller.takeStreamEvents() {
            if case .ended(let peer, _) = event { conduct.forget(peer.session) }
            follow(event, &worker)
        }
        return taken
    }
    /// What the kernel holds at the stop was received as far as exporters can tell.
    private func drainSockets(
        _ poller: inout Poller, _ worker: inout SensorWorker, _ outlet: inout Outlet,
        _ forwarder: borrowing Forwarder, _ limiter: inout RateLimiter, _ conduct: inout SessionConduct
    ) {
        let deadline = time.monotonic() + .seconds(2)
        while time.monotonic() < deadline {
            guard round(&poller, &worker, &outlet, forwarder, timeout: .zero, &limiter, &conduct) > 0 else { return }
        }
    }

    private func follow(_ event: StreamEvent, _ worker: inout SensorWorker) {
        switch event {
        case .opened(let peer, let isEncrypted, let name):
            logger.info(
                "An exporter has connected.",
                metadata: ["peer": "\(peer)", "tls": "\(isEncrypted)", "name": "\(name ?? "")"])
        case .ended(let peer, let reason):
            worker.endSession(peer.session)
            logger.info("An exporter's connection is over.", metadata: ["peer": "\(peer)", "reason": "\(reason)"])
        case .refused(let source, let port, let reason):
            logger.warning(
                "A connection was refused.",
                metadata: ["source": "\(source)", "port": "\(port)", "reason": "\(reason)"])
        case .identityReloaded(let certificate):
            logger.notice("New certificate files are in use.", metadata: ["certificate": "\(certificate)"])
        case .identityKept(let reason):
            logger.error("New certificate files can't be used; the old ones stay.", metadata: ["reason": "\(reason)"])
        case .fault(let error): logger.error("A port accepts nothing.", metadata: ["error": "\(error)"])
        }
    }

    private func publish(_ forwarder: borrowing Forwarder) {
        guard !forwarder.isEmpty else { return }
        let counts = forwarder.counts
        state.forwarded.withLock { $0[number] = counts.map { ("\($0.target.address):\($0.target.port)", $0.counts) } }
    }
    private func report(_ error: IntakeError, _ limiter: inout RateLimiter) {
        guard case .write(let suppressed) = limiter.verdict(on: "receive", at: time.monotonic()) else { return }
        logger.error(
            "Receiving failed.", metadata: ["error": "\(error)", "suppressed": .stringConvertible(suppressed)])
    }
}
