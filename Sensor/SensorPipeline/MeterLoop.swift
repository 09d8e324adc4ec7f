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
    let rowsMax: Int
    let observers: ObserverBoard
    let state: SensorState
    let handOver: HandOver
    let time: any TimeSource
    let logger: Logger

    private static let countEvery: Duration = .seconds(1)

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
        var meter = FlowMeter(exporter: exporter, interface: ring.index), nextCount = Duration.zero
        var worker = SensorWorker(limits: limits, seed: seed)
        var outlet = Outlet(
            number: number, sealer: WindowSealer(rowsMax: rowsMax, board: observers), state: state, handOver: handOver,
            time: time, logger: logger)
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
            outlet.pass(&worker)
            let now = time.monotonic()
            guard now >= nextCount else { continue }
            worker.kernelDropped(ring.takeDrops())
            nextCount = now + Self.countEvery
        }
        let deadline = time.monotonic() + .seconds(1)
        worker.meter(exporter, atMilliseconds: time.wallMilliseconds()) { columns in
            // The kernel hands over its open block within 50 ms.
            while time.monotonic() < deadline {
                let taken = ring.take(waitingAtMost: 60) { frame, facts in
                    meter.take(
                        frame, length: facts.length, vlan: facts.vlan, isOutgoing: facts.isOutgoing,
                        atMilliseconds: facts.milliseconds, into: &columns)
                }
                if taken == 0 { break }
            }
            meter.sweep(atMilliseconds: .max, into: &columns)
        }
        worker.kernelDropped(ring.takeDrops())
        worker.close()
        outlet.pass(&worker, isLast: true)
    }
}
