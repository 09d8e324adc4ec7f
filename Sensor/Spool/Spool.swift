package import Delivery
package import FlowModel
package import Platform
internal import Synchronization

/// Keeps sealed batches on disk from sealing until an aggregator has answered that it keeps them, and for a while
/// after.
///
/// Invariants: a batch whose `append` returned survives a power cut; a key names the same bytes for ever; nothing that
/// waits is dropped to make room; a file that failed a write or a sync is never written again, and its batches are
/// still sent; one process at a time. Damage is found by SHA-256 before a batch is sent.
///
///     <directory>/lock                        held by flock while the spool is open
///     <directory>/segment-<n>.spool           batches one after the other, synced with each group (`SegmentLayout`)
///     <directory>/ledger                      which segments there are (`SpoolLedger`)
///     <directory>/dead-letter/<epoch>-<sequence>.weir, .json      refused batches, each with the reason
///     <directory>/quarantine/<n>-segment-<m>.spool                files that could not be read
///
/// A run never appends to a file of an earlier one, so what that run knew of its disk needs no remembering. A file goes
/// when all of its batches are answered and it is no longer of the tail.
/// Calls block for the disk: an append costs one sync, however many batches it takes. Not here: what a batch holds
/// (`BatchFormat`), when it is sent (`Ship`), what is done when the spool is full (`SensorPipeline`).
package final class Spool: Sendable {
    private let lock: any SpoolDiskLock
    private let state: Mutex<SpoolState>

    /// Opens the spool in `directory`, making it if need be.
    /// - Parameters:
    ///   - bytesMax: of all bodies that wait together; the files take up to half as much again, and the tail.
    ///   - tail: what is kept of batches that were answered.
    ///   - time: for the tail, and the times of answers.
    ///   - epoch: gives a new random epoch each time it is called: once for each file.
    /// - Throws: `.locked`, `.directory`, or `.failed` for a file of a later version. A damaged file is no error: it is
    ///   moved to `quarantine/` and counted.
    package init(
        directory: String, bytesMax: Int, tail: SpoolTail = .none, time: (any TimeSource)? = nil,
        disk: any SpoolDisk = SystemDisk(), epoch: @escaping @Sendable () -> Epoch
    ) throws(SpoolError) {
        do throws(SystemError) {
            try disk.makeFolder(directory)
            lock = try disk.lock(directory + "/lock")
            state = Mutex(
                try SpoolState(
                    directory: directory, bytesMax: bytesMax, tail: tail, disk: disk, time: time, epoch: epoch))
        } catch {
            throw error.isHeld ? .locked(directory + "/lock") : .directory("\(directory): \(error)")
        }
        try state.withLock { state throws(SpoolError) in try state.bringOver() }
    }

    /// Notes whose batches these are, durably, if nobody did before.
    ///
    /// A disk that takes no note is asked again by the next call: a full one must be drained first.
    /// - Parameter name: a line of text, without spaces.
    /// - Returns: whose they are: `name`, or what was noted before.
    package func claim(for name: String) -> String { state.withLock { $0.claim(for: name) } }

    /// Takes batches, in order, with one sync. Each one is durable on return, or is not in the spool and never will be:
    /// `.full`, `.diskFull` or `.failed`.
    package func append(_ batches: [SpoolAppend]) -> [Result<BatchKey, SpoolError>] {
        let digests = batches.map { BatchDigest(of: $0.body) }
        return state.withLock { $0.append(batches, digests) }
    }
    /// Takes one batch; durable on return.
    package func append(
        _ body: [UInt8], rows: Int, tally: Tally, sealedMilliseconds: Int64
    ) throws(SpoolError) -> BatchKey {
        let batch = SpoolAppend(body: body, rows: rows, tally: tally, sealedMilliseconds: sealedMilliseconds)
        guard let result = append([batch]).first else { throw .failed("no answer") }
        return try result.get()
    }

    /// At most `limit` batches that wait, oldest first, without those in `excluding`; those that are to be sent again
    /// after the others.
    package func waiting(limit: Int, excluding: Set<BatchKey> = []) throws(SpoolError) -> [SpooledBatch] {
        try state.withLock { state throws(SpoolError) in try state.waiting(limit: limit, excluding: excluding) }
    }

    /// The bytes of a batch that waits, checked against its digest; nil when there is no such batch (any more). One
    /// that turns out damaged is put aside and counted in `SpoolUsage.damagedBatches`.
    package func body(of key: BatchKey) throws(SpoolError) -> [UInt8]? {
        try state.withLock { state throws(SpoolError) in try state.body(of: key) }
    }

    /// An aggregator keeps these; unknown keys are passed over. Needs no room on the disk. A power cut soon after may
    /// undo it, which costs a repeat.
    package func acknowledge(_ keys: [BatchKey]) { state.withLock { $0.acknowledge(keys) } }

    /// Has the batches of the tail sent again that were answered at or after `since`, ms since 1970 UTC by this
    /// sensor's clock, because an aggregator has lost them.
    /// - Returns: how many.
    package func reship(sinceMilliseconds since: Int64) -> Int {
        state.withLock { $0.reship(sinceMilliseconds: since) }
    }

    /// Puts a batch aside that no aggregator will take: body and reason are durable in `dead-letter/` before it leaves
    /// the spool. When that folder is full the body is dropped and counted.
    /// - Returns: what it carried; nil when there is no such batch (any more).
    @discardableResult
    package func deadLetter(_ key: BatchKey, reason: String) throws(SpoolError) -> Tally? {
        try state.withLock { state throws(SpoolError) in try state.deadLetter(key, reason: reason) }
    }
    /// Takes up what an operator has renamed to `.again` in `dead-letter/`: it waits from then on, under its old key if
    /// that was not the trouble.
    /// - Parameter interval: the folder is not looked at again before this time is over.
    /// - Returns: how many.
    @discardableResult
    package func takeUpDeadLetters(atMostEvery interval: Duration = .zero) throws(SpoolError) -> Int {
        try state.withLock { state throws(SpoolError) in
            guard interval == .zero || state.now >= state.nextDeadLetterLook else { return 0 }
            state.nextDeadLetterLook = state.now + interval
            return try state.takeUpDeadLetters()
        }
    }

    package var usage: SpoolUsage { state.withLock { $0.usage } }
}

/// What is kept of batches that were answered, so that an aggregator that lost its disk can have them again. The oldest
/// files go first when either limit is reached.
package struct SpoolTail: Equatable, Sendable {
    /// From the last answer for a batch of a file.
    package var age: Duration
    /// Of bodies; the files that hold them may be larger by one.
    package var bytesMax: Int
    package init(age: Duration, bytesMax: Int) {
        (self.age, self.bytesMax) = (age, bytesMax)
    }
    package static let none = SpoolTail(age: .zero, bytesMax: 0)
}

/// A sealed batch on its way into the spool.
package struct SpoolAppend: Sendable {
    package let body: [UInt8]
    package let rows: Int
    package let tally: Tally
    /// In ms since 1970 UTC.
    package let sealedMilliseconds: Int64
    package init(body: [UInt8], rows: Int, tally: Tally, sealedMilliseconds: Int64) {
        (self.body, self.rows, self.tally, self.sealedMilliseconds) = (body, rows, tally, sealedMilliseconds)
    }
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
