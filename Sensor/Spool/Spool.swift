package import Delivery
package import FlowModel
internal import Synchronization

/// Keeps sealed batches on disk from sealing until an aggregator has answered that it keeps them.
///
/// Invariants: a batch whose `append` returned survives a power cut; a key names the same bytes for ever; nothing that
/// waits is dropped to make room; a file that failed a write or a sync is never written again, and its batches are
/// still sent; one process at a time. Damage is found by SHA-256 before a batch is sent.
///
///     <directory>/lock                        held by flock while the spool is open
///     <directory>/spool.sqlite                the file that is written; spool-<n>.sqlite after a fault
///     <directory>/dead-letter/<epoch>-<sequence>.weir, .json      refused batches, each with the reason
///     <directory>/quarantine/<n>-spool.sqlite                     files that could not be opened or read
///
/// Calls block for the disk: an append costs one sync. Not here: what a batch holds (`BatchFormat`), when it is sent
/// (`Ship`), what is done when the spool is full (`SensorPipeline`).
package final class Spool: Sendable {
    private let lock: SpoolLock
    private let state: Mutex<SpoolState>

    /// Opens the spool in `directory`, making it if need be.
    /// - Parameters:
    ///   - bytesMax: of all bodies that wait together; the files take up to a half more.
    ///   - epoch: gives a new random epoch each time it is called: once now, and once for each file after a fault.
    /// - Throws: `.locked`, `.directory`, or `.failed` for a file of a later version. A damaged file is no error: it is
    ///   moved to `quarantine/` and counted.
    package init(
        directory: String, bytesMax: Int, epoch: @escaping @Sendable () -> Epoch
    ) throws(SpoolError) {
        try SystemFiles.makeFolder(directory)
        lock = try SpoolLock(directory + "/lock")
        state = Mutex(try SpoolState(directory: directory, bytesMax: bytesMax, epoch: epoch))
    }

    /// Takes a batch; durable on return.
    /// - Parameter sealedMilliseconds: when it was sealed, in ms since 1970 UTC.
    /// - Throws: `.full`, `.diskFull` or `.failed`; the batch is then not in the spool and never will be.
    package func append(
        _ body: [UInt8], rows: Int, tally: Tally, sealedMilliseconds: Int64
    ) throws(SpoolError) -> BatchKey {
        let digest = BatchDigest(of: body)
        return try state.withLock { state throws(SpoolError) in
            try state.append(body, digest, rows: rows, tally: tally, sealedMilliseconds: sealedMilliseconds)
        }
    }

    /// At most `limit` batches that wait, oldest first, without those in `excluding`.
    package func waiting(limit: Int, excluding: Set<BatchKey> = []) throws(SpoolError) -> [SpooledBatch] {
        try state.withLock { state throws(SpoolError) in try state.waiting(limit: limit, excluding: excluding) }
    }

    /// The bytes of a batch that waits, checked against its digest; nil when there is no such batch (any more). One
    /// that turns out damaged is put aside and counted in `SpoolUsage.damagedBatches`.
    package func body(of key: BatchKey) throws(SpoolError) -> [UInt8]? {
        try state.withLock { state throws(SpoolError) in try state.body(of: key) }
    }

    /// Deletes batches that an aggregator keeps, in one transaction; unknown keys are passed over.
    package func acknowledge(_ keys: [BatchKey]) throws(SpoolError) {
        try state.withLock { state throws(SpoolError) in try state.remove(keys) }
    }

    /// Puts a batch aside that no aggregator will take: body and reason are durable in `dead-letter/` before it leaves
    /// the spool. When that folder is full the body is dropped and counted.
    /// - Returns: what it carried; nil when there is no such batch (any more).
    @discardableResult
    package func deadLetter(_ key: BatchKey, reason: String) throws(SpoolError) -> Tally? {
        try state.withLock { state throws(SpoolError) in try state.deadLetter(key, reason: reason) }
    }

    package var usage: SpoolUsage { state.withLock { $0.usage } }
}

/// A batch that waits, without its bytes.
package struct SpooledBatch: Hashable, Sendable {
    package let key: BatchKey
    package let digest: BatchDigest
    package let byteCount: Int
    /// In ms since 1970 UTC.
    package let sealedMilliseconds: Int64
    package let rows: Int
    package let tally: Tally
}

/// How full a spool is and what has happened to it.
package struct SpoolUsage: Equatable, Sendable {
    /// Waiting.
    package var batches = 0
    /// Of their bodies.
    package var bytes = 0
    package var bytesMax = 0
    /// When the oldest of them was sealed, in ms since 1970 UTC; nil when none waits.
    package var oldestSealedMilliseconds: Int64?
    /// Bodies in `dead-letter/`.
    package var deadLetters = 0
    /// Refused since the start, but dropped because `dead-letter/` was full.
    package var deadLettersDropped = 0
    /// Files in `quarantine/`.
    package var quarantinedFiles = 0
    /// Files that failed a write since the start; each is an alarm.
    package var retiredFiles = 0
    /// Batches since the start whose bytes were no longer those that were appended.
    package var damagedBatches = 0
}
