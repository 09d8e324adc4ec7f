internal import Glibc

/// Bugs that are compiled in when `WEIR_PLANTED=1` is in the environment of the build, and not otherwise; one of them
/// is active in a process, by the number in `WEIR_PLANTED_BUG`. They prove that the tests of delivery notice such bugs
/// (Handbook, "Reliability").
package enum Planted: Int, CaseIterable, Sendable {
    /// The spool says that it keeps a batch before it is synced.
    case spoolAnswersBeforeSync = 1
    /// A new file of the spool is used before its name is durable.
    case folderNotSynced
    /// A sensor counts from 0 again after a restart, within the same epoch.
    case epochReused
    /// The aggregator tells batches apart by their sequence alone.
    case dedupeWithoutEpoch
    /// A sync that failed is tried again on the same file.
    case syncTriedAgain
    /// A drained file goes before the ledger knows.
    case unlinkBeforeLedger
    /// Any digest in an answer will do.
    case digestNotCompared
    /// The checkpoint is ahead of what is stored.
    case checkpointBeforeStore
    /// The log gives up bodies that no checkpoint covers.
    case trimBeforeCheckpoint
    /// With a damaged batch its whole file is given up.
    case damageTakesAll
    /// A batch counts as kept although the disk was full.
    case fullDiskAnswered
    /// The aggregator answers before its log is synced.
    case logAnswersBeforeSync
    /// Of what is to be sent again the last batch is left out.
    case reshipDropsLast

    private static let chosen = unsafe getenv("WEIR_PLANTED_BUG").flatMap { unsafe Int(String(cString: $0)) }
    package var isActive: Bool { Self.chosen == rawValue }
}
