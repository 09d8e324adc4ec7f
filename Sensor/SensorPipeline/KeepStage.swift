package import Delivery
package import FlowModel

/// What keeping needs of a spool.
package protocol BatchKeeper: Sendable {
    /// Durable on return, or not kept at all.
    func keep(_ batch: SealedBatch) -> KeepOutcome
    /// Likewise for several, which may cost no more than one.
    func keep(_ batches: [SealedBatch]) -> [KeepOutcome]
    /// Used bytes over the limit: 0 empty, 1 full.
    var fillFraction: Double { get }
}

extension BatchKeeper {
    package func keep(_ batches: [SealedBatch]) -> [KeepOutcome] { batches.map { keep($0) } }
}

package enum KeepOutcome: Equatable, Sendable {
    case kept(BatchKey)
    /// No room: what is older stays.
    case full
    case failed(reason: String)
}

/// The sensor's last stage before shipping: sealed batches -> spool, with what became of each in the ledger. Owned by
/// one thread.
package struct KeepStage: ~Copyable {
    /// What some batches came to.
    package struct Report: Equatable, Sendable {
        package var kept = 0
        package var full = 0
        /// Why batches were not kept, other than for want of room.
        package var failures: [String] = []
        package var bytes = 0
        package init() {}
    }
    private var control = FidelityControl()
    /// Bounded by the workers' books, whose names its batches have.
    package private(set) var ledger = LedgerBook(entriesMax: .max)

    package init() {}

    /// Hands batches to `keeper`, in order. What is not kept is counted per exporter.
    package mutating func keep(_ batches: [SealedBatch], in keeper: some BatchKeeper) -> Report {
        var report = Report()
        for (batch, outcome) in zip(batches, keeper.keep(batches)) {
            switch outcome {
            case .kept:
                report.kept += 1
                report.bytes += batch.body.count
            case .full: report.full += 1
            case .failed(let reason): report.failures.append(reason)
            }
            count(batch, outcome)
        }
        return report
    }
    private mutating func count(_ batch: SealedBatch, _ outcome: KeepOutcome) {
        for (key, share) in batch.shares {
            switch outcome {
            case .kept: ledger.sealed(share.tally, rows: share.rows, of: key)
            case .full: ledger.lost(.spoolFull, share.tally, of: key)
            case .failed: ledger.lost(.spoolFailed, share.tally, of: key)
            }
        }
    }
    /// What the next window should be summed to.
    package mutating func fidelity(under pressure: Pressure) -> Fidelity { control.update(pressure) }
}
