internal import FlowModel
internal import Logging
internal import Meter
internal import Platform
internal import Synchronization

/// One metered interface's thread: packets -> flows -> the same windows as everything else.
struct MeterLoop: Sendable {
    /// Counted on from the receivers'.
    let number: Int
    let interface: String
    let limits: SensorWorker.Limits
    let seed: UInt64
    let state: SensorState
    let handOver: HandOver
    let time: any TimeSource
    let logger: Logger

    private static let publishEvery: Duration = .seconds(1)

    func run() {
        do throws(MeterError) {
            try meter()
        } catch {
            logger.critical("An interface can't be metered.", metadata: ["error": "\(error)"])
            state.intakeFailure.withLock { $0 = "\(error)" }
        }
    }
    /// That the interface is there and may be metered.
    static func check(_ interface: String) throws(MeterError) {
        _ = try PacketRing(interface: interface, bytes: 2 << 20)
    }

    private func meter() throws(MeterError) {
        var ring = try PacketRing(interface: interface)
        let exporter = ExporterKey(
            address: IPAddress(v4: 0x7F00_0001), observationDomain: ring.index, exportProtocol: .packets)
        var meter = FlowMeter(exporter: exporter, interface: ring.index), nextPublish = Duration.zero
        var worker = SensorWorker(limits: limits, seed: seed)
        while !state.isStopping.load(ordering: .relaxed) {
            worker.fidelity = state.fidelity
            worker.meter(exporter, atMilliseconds: time.wallMilliseconds()) { columns in
                _ = ring.take(waitingAtMost: 100) { frame, facts in
                    meter.take(
                        frame, length: facts.length, vlan: facts.vlan, isOutgoing: facts.isOutgoing,
                        atMilliseconds: facts.milliseconds, into: &columns)
                }
                meter.sweep(atMilliseconds: time.wallMilliseconds(), into: &columns)
            }
            if worker.hasClosedWindows { handOver.take(from: &worker, number, state, logger) }
            let now = time.monotonic()
            guard now >= nextPublish else { continue }
            worker.kernelDropped(ring.takeDrops())
            state.publish(worker, number: number)
            nextPublish = now + Self.publishEvery
        }
        worker.meter(exporter, atMilliseconds: time.wallMilliseconds()) { meter.sweep(atMilliseconds: .max, into: &$0) }
        worker.kernelDropped(ring.takeDrops())
        worker.close()
        handOver.take(from: &worker, number, state, logger)
        state.publish(worker, number: number)
    }
}

extension HandOver {
    /// Hands the worker's closed windows on, and gives it back the memory of those that are sealed. A window that finds
    /// no room is lost by name.
    func take(from worker: inout SensorWorker, _ number: Int, _ state: SensorState, _ logger: Logger) {
        var windows = worker.takeClosed()
        // First what was decoded, so that nothing is seen sealed before.
        state.publish(worker, number: number)
        windows.reverse()
        while let window = windows.popLast() {  // taken out, so that nothing else holds its memory
            guard !offer(window, from: number) else { continue }
            worker.dropped(window, as: .queueFull)
            worker.recycle(window)
            logger.error("A window was dropped: the spool does not keep up.", metadata: ["reason": "queue_full"])
        }
        while let rows = takeBack(worker: number) { worker.recycle(rows) }
    }
}
