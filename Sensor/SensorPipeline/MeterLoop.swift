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
    let shared: SharedParts

    private static let countEvery: Duration = .seconds(1)

    func run() {
        do throws(MeterError) {
            try meter()
        } catch {
            shared.logger.critical("An interface can't be metered.", metadata: ["error": "\(error)"])
            shared.state.intakeFailure.withLock { $0 = "\(error)" }
        }
    }
    /// That the interface is there and may be metered.
    static func check(_ interface: String) throws(MeterError) {
        _ = try PacketRing(interface: interface, bytes: 2 << 20)
    }

    private func meter() throws(MeterError) {
        let time = shared.time, state = shared.state
        var ring = try PacketRing(interface: interface)
        let exporter = ExporterKey(
            address: IPAddress(v4: 0x7F00_0001), observationDomain: ring.index, exportProtocol: .packets)
        var meter = FlowMeter(exporter: exporter, interface: ring.index), nextCount = Duration.zero
        var worker = shared.worker(), outlet = shared.outlet(number)
        while !state.isStopping.load(ordering: .relaxed) {
            worker.fidelity = state.fidelity
            worker.meter(exporter, atMilliseconds: time.wallMilliseconds()) { columns in
                _ = Self.pass(&ring, &meter, into: &columns, waitingAtMost: 100)
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
            while time.monotonic() < deadline, Self.pass(&ring, &meter, into: &columns, waitingAtMost: 60) > 0 {}
            meter.sweep(atMilliseconds: .max, into: &columns)
        }
        worker.kernelDropped(ring.takeDrops())
        worker.close()
        outlet.pass(&worker, isLast: true)
    }
    /// Packets that wait -> flows. Returns how many packets there were.
    private static func pass(
        _ ring: inout PacketRing, _ meter: inout FlowMeter, into columns: inout FlowColumns,
        waitingAtMost milliseconds: Int32
    ) -> Int {
        ring.take(waitingAtMost: milliseconds) { frame, facts in
            meter.take(
                frame, length: facts.length, vlan: facts.vlan, isOutgoing: facts.isOutgoing,
                atMilliseconds: facts.milliseconds, into: &columns)
        }
    }
}
