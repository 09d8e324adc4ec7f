package import Dedupe
package import Delivery
package import FlowModel
package import PreAggregate

/// What sealing needs of a spool.
package protocol BatchKeeper: Sendable {
    /// Durable on return, or not kept at all.
    func keep(_ batch: SealedBatch) -> KeepOutcome
    /// Used bytes over the limit: 0 empty, 1 full.
    var fillFraction: Double { get }
}

package enum KeepOutcome: Equatable, Sendable {
    case kept(BatchKey)
    /// No room: what is older stays.
    case full
    case failed(reason: String)
}

/// The sensor's second half: window -> batches -> spool, with what became of each in the ledger. Owned by one thread.
package struct SealStage: ~Copyable {
    /// What one window came to.
    package struct Report: Equatable, Sendable {
        package var kept = 0
        package var full = 0
        /// Why batches were not kept, other than for want of room.
        package var failures: [String] = []
        package var bytes = 0
        package init() {}
    }
    private var dedupe: ObserverDedupe
    private var sealer: BatchSealer
    private var control = FidelityControl()
    package private(set) var ledger = LedgerBook()
    package private(set) var deduped = DedupeTotals()

    /// - Parameter seed: of the windows' conversation hashes.
    package init(rowsMax: Int, dedupe: ObserverDedupeSettings, seed: UInt64) {
        sealer = BatchSealer(rowsMax: rowsMax)
        self.dedupe = ObserverDedupe(settings: dedupe, seed: seed)
    }

    /// Removes from a window what other observers saw as well, seals it and hands its batches to `keeper`, in order.
    /// What is not kept is counted per exporter.
    package mutating func take(_ window: inout SummedRows, to keeper: some BatchKeeper) -> Report {
        var report = Report()
        let hashes = window.hashed == window.columns.count ? window.conversations : nil
        let found = dedupe.apply(&window.columns, hashes: hashes)
        deduped.add(found)
        for (exporter, tally) in found.elsewhere { ledger.lost(.observedElsewhere, tally, of: exporter) }
        for batch in sealer.seal(window) {
            let outcome = keeper.keep(batch)
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
    /// How far exporters' clocks are ahead, in ms, where that is more than dedupe bears by itself.
    package var clockSkews: [ExporterKey: Int64] {
        get { dedupe.clockSkews }
        set { dedupe.clockSkews = newValue }
    }
    /// What the next window should be summed to.
    package mutating func fidelity(under pressure: Pressure) -> Fidelity { control.update(pressure) }
}
