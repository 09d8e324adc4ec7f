internal import FlowModel
internal import Logging
internal import Platform
internal import Synchronization
internal import Telemetry

/// The spool's thread: sealed batches -> spool. Ends when the hand-over has ended and is empty.
struct KeepLoop: Sendable {
    let observers: ObserverBoard
    let keeper: SpoolKeeper
    let state: SensorState
    let handOver: HandOver
    let time: any TimeSource
    let logger: Logger
    /// There is something new to ship.
    let onKept: @Sendable () -> Void

    /// Clocks drift slowly.
    private static let skewsEvery: Duration = .seconds(5)

    func run() {
        var stage = KeepStage(), limiter = RateLimiter(), meter = ProcessorMeter(time: time)
        var nextSkews = Duration.zero
        while let batches = handOver.next() {
            let report = stage.keep(batches, in: keeper)
            state.publish(sealed: stage.ledger)
            state.keptBatches.wrappingAdd(UInt64(report.kept), ordering: .relaxed)
            state.keptBytes.wrappingAdd(UInt64(report.bytes), ordering: .relaxed)
            if report.kept > 0 { onKept() }
            log(report, &limiter)
            let pressure = Pressure(
                spool: keeper.fillFraction, queue: handOver.fillFraction, processor: meter.load())
            follow(stage.fidelity(under: pressure), pressure)
            guard !observers.isOff, time.monotonic() >= nextSkews else { continue }
            // Export times are often whole seconds: a smaller skew can't be told from none.
            observers.follow(clockSkews: state.clockSkews(ofAtLeast: 2_000))
            nextSkews = time.monotonic() + Self.skewsEvery
        }
    }
    private func follow(_ fidelity: Fidelity, _ pressure: Pressure) {
        guard fidelity != state.fidelity else { return }
        state.fidelity = fidelity
        logger.warning(
            "How near the limits are changes how coarse flows are summed.",
            metadata: ["fidelity": "\(fidelity)", "pressure": "\(pressure)"])
    }
    private func log(_ report: KeepStage.Report, _ limiter: inout RateLimiter) {
        let now = time.monotonic()
        if report.full > 0, case .write(let suppressed) = limiter.verdict(on: "full", at: now) {
            logger.error(
                "Batches were dropped: the spool is full.",
                metadata: [
                    "reason": "spool_full", "batches": .stringConvertible(report.full),
                    "suppressed": .stringConvertible(suppressed),
                ])
        }
        if let reason = report.failures.first, case .write(let suppressed) = limiter.verdict(on: "failed", at: now) {
            logger.error(
                "Batches were dropped: the spool failed.",
                metadata: [
                    "reason": "spool_failed", "error": "\(reason)", "suppressed": .stringConvertible(suppressed),
                ])
        }
    }
}
