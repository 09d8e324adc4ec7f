internal import FlowModel
internal import Logging
internal import Platform

/// The end of a receiver's thread: closed windows -> sealed batches -> hand-over, the ledger always first, so that
/// nothing is seen sealed that has not been seen decoded.
///
/// Publishing copies the ledger. Where that has many exporters it is done a few times a second only, and batches wait
/// for it.
struct Outlet: ~Copyable {
    private var sealer: WindowSealer
    private var waiting: [SealedBatch] = []
    private var nextPublish = Duration.zero
    private let number: Int, state: SensorState, handOver: HandOver, time: any TimeSource, logger: Logger

    private static let publishEvery: Duration = .milliseconds(250)
    private static let exportersFew = 256

    init(
        number: Int, sealer: consuming WindowSealer, state: SensorState, handOver: HandOver, time: any TimeSource,
        logger: Logger
    ) {
        self.sealer = sealer
        (self.number, self.state, self.handOver) = (number, state, handOver)
        (self.time, self.logger) = (time, logger)
    }

    /// To be called after each datagram: a window that is sealed while its rows are in the processor's cache costs
    /// less, and gives its memory to the next while that is there still.
    @inline(__always)
    mutating func seal(_ worker: inout SensorWorker) {
        if worker.hasClosedWindows { waiting += sealer.seal(from: &worker) }
    }
    /// To be called after each round. `isLast` holds nothing back.
    mutating func pass(_ worker: inout SensorWorker, isLast: Bool = false) {
        seal(&worker)
        let now = time.monotonic(), hasFew = worker.ledger.entries.count <= Self.exportersFew
        guard isLast || now >= nextPublish || (hasFew && !waiting.isEmpty) else { return }
        nextPublish = now + Self.publishEvery
        state.publish(worker, number: number)
        for batch in waiting where !handOver.offer(batch) {
            worker.dropped(batch, as: .queueFull)
            logger.error("A batch was dropped: the spool does not keep up.", metadata: ["reason": "queue_full"])
        }
        waiting.removeAll(keepingCapacity: true)
        if isLast { state.publish(worker, number: number) }
    }
}
