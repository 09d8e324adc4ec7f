internal import Dedupe
internal import FlowModel
internal import Logging
internal import Platform
internal import Synchronization
internal import Telemetry

/// The spool's thread: windows -> sealed batches -> spool. Ends when the hand-over has ended and is empty.
struct SealLoop: Sendable {
    let rowsMax: Int
    let dedupe: ObserverDedupeSettings
    let seed: UInt64
    let keeper: SpoolKeeper
    let state: SensorState
    let handOver: HandOver
    let time: any TimeSource
    let logger: Logger
    /// There is something new to ship.
    let onKept: @Sendable () -> Void

    func run() {
        var stage = SealStage(rowsMax: rowsMax, dedupe: dedupe, seed: seed), limiter = RateLimiter()
        var meter = ProcessorMeter(time: time)
        while var window = handOver.next() {
            // Export times are often whole seconds: a smaller skew can't be told from none.
            if dedupe.mode != .off { stage.clockSkews = state.clockSkews(ofAtLeast: 2_000) }
            let report = stage.take(&window.rows, to: keeper)
            state.deduped.withLock { $0 = stage.deduped }
            handOver.giveBack(window)
            state.publish(sealed: stage.ledger)
            state.keptBatches.wrappingAdd(UInt64(report.kept), ordering: .relaxed)
            state.keptBytes.wrappingAdd(UInt64(report.bytes), ordering: .relaxed)
            if report.kept > 0 { onKept() }
            log(report, &limiter)
            let pressure = Pressure(
                spool: keeper.fillFraction, queue: handOver.fillFraction, processor: meter.load())
            let fidelity = stage.fidelity(under: pressure)
            if fidelity != state.fidelity {
                state.fidelity = fidelity
                logger.warning(
                    "How near the limits are changes how coarse flows are summed.",
                    metadata: ["fidelity": "\(fidelity)", "pressure": "\(pressure)"])
            }
        }
    }
    private func log(_ report: SealStage.Report, _ limiter: inout RateLimiter) {
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
