internal import FlowModel
internal import Intake
internal import Logging
internal import Platform
internal import PreAggregate
internal import Synchronization
internal import Telemetry

/// The intake's thread: sockets -> worker -> windows on their way to the spool. Everything that it owns, it makes, so
/// that nothing is shared but `SensorState` and `HandOver`.
struct IntakeLoop: Sendable {
    /// Which of the intake's threads this is, from 0.
    let number: Int
    let listeners: [UDPListener]
    let limits: SensorWorker.Limits
    let seed: UInt64
    let state: SensorState
    let handOver: HandOver
    let time: any TimeSource
    let logger: Logger

    private static let publishEvery: Duration = .seconds(1)

    /// Returns when `state.isStopping` is set and everything received is handed on.
    func run() {
        var worker = SensorWorker(limits: limits, seed: seed)
        do throws(IntakeError) {
            try receive(into: &worker)
        } catch {
            logger.critical("No datagrams can be received.", metadata: ["error": "\(error)"])
        }
        worker.close()
        handOn(&worker)
        state.publish(received: worker.ledger, worker: number)
    }

    private func receive(into worker: inout SensorWorker) throws(IntakeError) {
        var poller = Poller(listeners: listeners, receiver: try DatagramReceiver(), time: time)
        var drops = [UInt32](repeating: 0, count: listeners.count), nextPublish = Duration.zero
        var limiter = RateLimiter()
        while !state.isStopping.load(ordering: .relaxed) {
            worker.fidelity = state.fidelity
            do throws(IntakeError) {
                _ = try poller.poll(timeout: .milliseconds(200)) { datagram, origin, isTruncated in
                    if isTruncated { worker.receiveTruncated() } else { worker.receive(datagram, from: origin) }
                }
            } catch {
                report(error, &limiter)
                systemSleep(milliseconds: 100)
            }
            worker.tick(atMilliseconds: time.wallMilliseconds())
            if worker.hasClosedWindows { handOn(&worker) }
            let now = time.monotonic()
            if now >= nextPublish {
                noteDrops(&drops, &worker)
                publish(worker)
                nextPublish = now + Self.publishEvery
            }
        }
        drainSockets(&poller, &worker)
        noteDrops(&drops, &worker)
    }
    /// What the kernel holds at the stop was received as far as exporters can tell.
    private func drainSockets(_ poller: inout Poller, _ worker: inout SensorWorker) {
        let deadline = time.monotonic() + .seconds(2)
        while time.monotonic() < deadline {
            let taken = try? poller.poll(timeout: .zero) { datagram, origin, isTruncated in
                if isTruncated { worker.receiveTruncated() } else { worker.receive(datagram, from: origin) }
            }
            guard let taken, taken > 0 else { return }
        }
    }
    private func handOn(_ worker: inout SensorWorker) {
        var windows = worker.takeClosed()
        publish(worker)
        windows.reverse()
        while let window = windows.popLast() {  // taken out, so that nothing else holds its memory
            guard !handOver.offer(window, from: number) else { continue }
            worker.dropped(window, as: .queueFull)
            worker.recycle(window)
            logger.error("A window was dropped: the spool does not keep up.", metadata: ["reason": "queue_full"])
        }
        while let rows = handOver.takeBack(worker: number) { worker.recycle(rows) }
    }
    private func publish(_ worker: borrowing SensorWorker) {
        state.publish(received: worker.ledger, worker: number)
        state.templatesLearned.store(worker.templatesLearned, ordering: .relaxed)
    }
    private func noteDrops(_ known: inout [UInt32], _ worker: inout SensorWorker) {
        for (index, listener) in listeners.enumerated() {
            guard let drops = try? listener.kernelDrops() else { continue }
            worker.kernelDropped(UInt64(drops &- known[index]))
            known[index] = drops
        }
    }
    private func report(_ error: IntakeError, _ limiter: inout RateLimiter) {
        guard case .write(let suppressed) = limiter.verdict(on: "receive", at: time.monotonic()) else { return }
        logger.error(
            "Receiving failed.", metadata: ["error": "\(error)", "suppressed": .stringConvertible(suppressed)])
    }
}
