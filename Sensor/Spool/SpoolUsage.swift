internal import Delivery
internal import Platform

/// How full a spool is and what has happened to it.
package struct SpoolUsage: Equatable, Sendable {
    /// Waiting, those included that are to be sent again.
    package var batches = 0
    /// Of their bodies.
    package var bytes = 0
    package var bytesMax = 0
    /// When the oldest of them was sealed, in ms since 1970 UTC; nil when none waits.
    package var oldestSealedMilliseconds: Int64?
    /// Answered and kept.
    package var tailBatches = 0
    /// Of their bodies.
    package var tailBytes = 0
    /// Bodies in `dead-letter/`.
    package var deadLetters = 0
    /// Refused since the start, but dropped because `dead-letter/` was full.
    package var deadLettersDropped = 0
    /// Files in `quarantine/`.
    package var quarantinedFiles = 0
    /// Files that had to leave `quarantine/` since the start, to keep it small.
    package var quarantineDropped = 0
    /// Files that failed a write since the start; each is an alarm.
    package var retiredFiles = 0
    /// Files found without an end at the start: a crash cut an append short, or the last records are damaged.
    package var tornFiles = 0
    /// Files that were gone at the start.
    package var missingFiles = 0
    /// Batches whose bytes were no longer those that were appended, or were gone; noticed since the start.
    package var damagedBatches = 0
    /// Since the start: the list of files could not be written, or was damaged.
    package var ledgerFailures = 0
    /// Batches that an aggregator had asked for again, since the start.
    package var reshippedBatches = 0
}

extension SpoolState {
    var usage: SpoolUsage {
        let open = files.reduce(SegmentFile.Sum()) { $0 + $1.waiting + $1.again }
        let tail = files.reduce(SegmentFile.Sum()) { $0 + $1.answered }
        let oldest = files.lazy.compactMap { file in
            file.open(.waiting, limit: 1, excluding: []).first.map { file.entries[$0].sealedMilliseconds }
        }.first
        return SpoolUsage(
            batches: open.batches, bytes: open.bytes, bytesMax: bytesMax, oldestSealedMilliseconds: oldest,
            tailBatches: tail.batches, tailBytes: tail.bytes, deadLetters: deadLetters.count,
            deadLettersDropped: deadLetters.dropped, quarantinedFiles: counts.quarantinedFiles,
            quarantineDropped: counts.quarantineDropped, retiredFiles: counts.retiredFiles,
            tornFiles: counts.tornFiles, missingFiles: counts.missingFiles, damagedBatches: counts.damagedBatches,
            ledgerFailures: counts.ledgerFailures, reshippedBatches: counts.reshipped)
    }

    mutating func takeUpDeadLetters() throws(SpoolError) -> Int {
        var taken = 0
        do throws(SystemError) {
            for letter in try deadLetters.renamed() {
                // After a crash it may be here already.
                if places[letter.batch.key] == nil {
                    do throws(SpoolError) {
                        try write([SegmentFile.Pending(batch: letter.batch, body: letter.body)])
                    } catch {
                        throw SystemError(call: "\(error)", number: 0)
                    }
                    taken += 1
                }
                try deadLetters.remove(letter.path)
            }
        } catch {
            throw SpoolError(error, directory + "/dead-letter")
        }
        return taken
    }
}
