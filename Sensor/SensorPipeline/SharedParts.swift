internal import Decode
internal import Logging
internal import Platform

/// What all threads that make records have in common, whether they receive or meter: the windows' limits, and where
/// windows go.
struct SharedParts: Sendable {
    let limits: SensorWorker.Limits
    /// Of the windows' hashes: the same for all threads.
    let seed: UInt64
    let rowsMax: Int
    let observers: ObserverBoard
    let state: SensorState
    let handOver: HandOver
    let time: any TimeSource
    let logger: Logger

    func worker(_ decode: DecodeSettings = DecodeSettings()) -> SensorWorker {
        SensorWorker(limits: limits, seed: seed, decode: decode)
    }
    /// The way out for the thread of that number.
    func outlet(_ number: Int) -> Outlet {
        Outlet(
            number: number, sealer: WindowSealer(rowsMax: rowsMax, board: observers), state: state, handOver: handOver,
            time: time, logger: logger)
    }
}
