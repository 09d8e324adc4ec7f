package import Capture
internal import FlowModel
internal import Platform
internal import Synchronization

/// Captures through the whole sensor, with the captures' own times: the same worker, batches, spool and shipping as
/// live, at the speed of the slowest. Nothing is dropped for want of room: reading waits until there is.
package struct CaptureImport: ~Copyable {
    package struct Progress: Sendable {
        package var datagrams: UInt64 = 0
        package var waitingBatches = 0
        package var isReading = true
    }
    /// How it ended.
    package enum Outcome: Equatable, Sendable {
        /// Every batch is answered for.
        case done(datagrams: UInt64)
        /// `isInterrupted` said so: what was spooled waits there.
        case interrupted(waitingBatches: Int)
        /// This many batches no aggregator would take.
        case deadLetters(Int)
        /// So many flows were lost on the way to the spool: it was full, or could not be written.
        case dropped(flows: UInt64)
    }
    private let sensor: Sensor
    private let isInterrupted: () -> Bool
    private let report: (Progress) -> Void
    private var worker: SensorWorker
    private var sealer: WindowSealer
    private let deadLettersBefore: Int
    private var progress = Progress()

    /// Starts sealing and shipping; no port is opened.
    /// - Parameters:
    ///   - isInterrupted: asked often; true ends the import.
    ///   - report: called now and then.
    package init(
        sensor: Sensor, isInterrupted: @escaping () -> Bool, report: @escaping (Progress) -> Void
    ) throws(SensorError) {
        self.sensor = sensor
        self.isInterrupted = isInterrupted
        self.report = report
        worker = SensorWorker(limits: sensor.limits, seed: sensor.seed, decode: sensor.settings.decode)
        sealer = WindowSealer(rowsMax: sensor.settings.rowsMax, board: sensor.observers)
        deadLettersBefore = sensor.backlog.deadLetters
        try sensor.startShipping()
    }

    /// Feeds one capture. Several are fed one after the other, in the order of their times.
    /// - Throws: `CaptureError` at the first frame that can't be read; what came before it is kept.
    package mutating func feed(_ reader: inout CaptureReader) throws(CaptureError) {
        while !isInterrupted(), let datagram = try reader.nextReference() {
            reader.withPayload(of: datagram) { worker.receive($0, from: datagram.origin) }
            progress.datagrams += 1
            if worker.hasClosedWindows { handOn() }
        }
    }

    /// Closes the last window, and waits until every batch is answered for.
    package mutating func finish() -> Outcome {
        worker.expireHeld(atMilliseconds: .max)
        worker.close()
        handOn()
        progress.isReading = false
        sensor.endOfWindows()
        while !isInterrupted(), sensor.backlog.batches > 0 {
            tellProgress()
            systemSleep(milliseconds: 20)
        }
        let wasInterrupted = sensor.backlog.batches > 0
        sensor.stop()
        let (waiting, deadLetters) = sensor.backlog
        if deadLetters > deadLettersBefore { return .deadLetters(deadLetters - deadLettersBefore) }
        let lost = sensor.ledger.total.records
        let dropped = [Loss.spoolFull, .spoolFailed, .queueFull].reduce(0) { $0 &+ (lost[$1]?.flows ?? 0) }
        if dropped > 0 { return .dropped(flows: dropped) }
        return wasInterrupted ? .interrupted(waitingBatches: waiting) : .done(datagrams: progress.datagrams)
    }

    private mutating func handOn() {
        let batches = sealer.seal(from: &worker)
        sensor.state.publish(worker)
        for batch in batches {
            // From 80 % on the sensor would sum coarser, then drop: a file can wait.
            // What was offered counts once it is kept.
            while !isInterrupted(), sensor.keeper.fillFraction >= 0.79 || !sensor.handOver.isIdle {
                tellProgress()
                systemSleep(milliseconds: 5)
            }
            while !sensor.handOver.offer(batch) {  // ends: spooling goes on
                tellProgress()
                systemSleep(milliseconds: 5)
            }
        }
        tellProgress()
    }
    private mutating func tellProgress() {
        progress.waitingBatches = sensor.backlog.batches
        report(progress)
    }
}
