package import Logging
internal import Synchronization

/// From which level on lines are written, for all loggers that share it; changed while the process runs, from any
/// thread. A logger that has been given a level of its own keeps that.
package final class LogLevel: Sendable {
    private let rank: Atomic<Int>

    package init(_ level: Logger.Level) { rank = Atomic(Self.rank(of: level)) }

    package var value: Logger.Level {
        get { Logger.Level.allCases[rank.load(ordering: .relaxed)] }
        set { rank.store(Self.rank(of: newValue), ordering: .relaxed) }
    }
    private static func rank(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}
