import Capture
import FlowModel
import Foundation
import Simulator

/// How a run ended.
struct SimulationOutcome {
    /// The last line of output.
    struct Summary: Encodable {
        var sent: SimulationSummary?
        /// Of `--protocol packets`.
        var packets: UInt64?
        /// From the first to the last datagram, and how far behind its time the slowest was.
        var elapsedSeconds: Double?, behindMillisecondsMax: Double?
        /// Datagrams that the system refused to send; they are counted in `sent`, too.
        var sendFailures: Int?
    }
    var summary = Summary()
    var truth: SimulationTruth
}

/// Writes runs to a capture.
struct SimulationFile {
    private let file: PieceFile
    /// Written at a time.
    private static let pieceBytes = 4 << 20

    init(_ path: String) throws { file = try PieceFile(path) }

    func writeExport(of plan: SimulationPlan, _ report: (SimulationOutcome) throws -> Void) throws {
        var simulation = Simulation(plan), batch = DatagramBatch(), writer = CaptureWriter()
        var progress = Progress(plan.seconds)
        let collector = IPAddress(v4: 0xC000_02BE)  // 192.0.2.190
        let port: UInt16 = [.ipfix: 4_739, .sflow5: 6_343, .sflow4: 6_343][plan.exportProtocol] ?? 2_055
        while simulation.step(into: &batch) {
            for item in batch.items {
                let exporter = simulation.exporters[item.exporter]
                // A new source port is 1,000 higher, whatever exporter it is.
                let origin = DatagramOrigin(
                    source: exporter.address, sourcePort: exporter.sourcePort + UInt16(1_000 * item.portGeneration),
                    localPort: port, receiveMilliseconds: batch.dueMilliseconds)
                writer.append(Array(batch.bytes[item.range]), from: origin, to: collector)
            }
            if writer.bytes.count >= Self.pieceBytes { try file.write(writer.takeBytes()) }
            progress.tell(simulation)
        }
        try file.write(writer.takeBytes())
        try file.finish()
        var outcome = SimulationOutcome(truth: simulation.truth)
        outcome.summary.sent = simulation.summary
        try report(outcome)
    }

    func writePackets(of plan: SimulationPlan, _ report: (SimulationOutcome) throws -> Void) throws {
        var simulation = PacketSimulation(plan), bytes = PacketSimulation.fileHeader
        while simulation.step(into: &bytes) {
            guard bytes.count >= Self.pieceBytes else { continue }
            try file.write(bytes)
            bytes.removeAll(keepingCapacity: true)
        }
        try file.write(bytes)
        try file.finish()
        var outcome = SimulationOutcome(truth: simulation.truth)
        outcome.summary.packets = simulation.packets
        try report(outcome)
    }
}

/// Sends runs to a collector, each datagram at its time.
struct SimulationSender {
    let target: Target
    let firstSource: IPAddress?
    let isPaced: Bool
    private var sockets: [Int: ExportSocket] = [:]
    private var failures = 0

    init(target: Target, firstSource: IPAddress?, isPaced: Bool) {
        (self.target, self.firstSource, self.isPaced) = (target, firstSource, isPaced)
    }

    mutating func run(_ plan: SimulationPlan, _ report: (SimulationOutcome) throws -> Void) throws {
        var simulation = Simulation(plan), batch = DatagramBatch(), progress = Progress(plan.seconds)
        let clock = ContinuousClock(), began = clock.now
        var behindMax = Duration.zero
        for index in simulation.exporters.indices { _ = try socket(index, 0) }
        while simulation.step(into: &batch) {
            if isPaced {
                let due = began + .milliseconds(batch.dueMilliseconds - plan.startMilliseconds - 1_000)
                let wait = due - clock.now
                if wait > .zero { sleep(for: wait) }
                behindMax = max(behindMax, clock.now - due)
            }
            for item in batch.items {
                try socket(item.exporter, item.portGeneration).send(batch.bytes, item.range)
            }
            progress.tell(simulation)
        }
        var outcome = SimulationOutcome(truth: simulation.truth)
        outcome.summary.sent = simulation.summary
        outcome.summary.elapsedSeconds = (clock.now - began).seconds
        if isPaced { outcome.summary.behindMillisecondsMax = behindMax.seconds * 1_000 }
        outcome.summary.sendFailures = failures + sockets.values.reduce(0) { $0 + $1.failures }
        try report(outcome)
    }

    /// The socket of an exporter; a new one, with another port, for each generation.
    private mutating func socket(_ exporter: Int, _ generation: Int) throws -> ExportSocket {
        let key = generation * 64 + exporter
        if let known = sockets[key] { return known }
        var source = firstSource
        source?.low += UInt64(exporter)
        let made = try ExportSocket(to: target, from: source)
        if generation > 0, let old = sockets.removeValue(forKey: key - 64) { failures += old.failures }
        sockets[key] = made
        return made
    }
    private func sleep(for duration: Duration) { Thread.sleep(forTimeInterval: duration.seconds) }
}

extension Duration {
    fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// How far a run is, on a terminal, once it takes longer than two seconds.
private struct Progress {
    private let seconds: Int
    private let clock = ContinuousClock()
    private var next: ContinuousClock.Instant, steps = 0

    init(_ seconds: Int) {
        self.seconds = seconds
        next = clock.now + .seconds(2)
    }
    mutating func tell(_ simulation: borrowing Simulation) {
        steps += 1
        guard steps % 64 == 0, clock.now >= next else { return }
        next = clock.now + .seconds(2)
        guard standardErrorIsTerminal else { return }
        complain("\(min(simulation.progressSeconds, seconds)) of \(seconds) s, \(simulation.recordsSeen) records")
    }
}
