/// Questions about flow records, answered from columns: which rows a filter means, sums by group, series over time,
/// conversations, distinct values, percentiles, meetings with indicators.
///
/// Invariants: everything here is a value that is fed blocks of rows and asked for its answer at the end; answers are
/// exact, or their type says how exact; memory is bounded by `QueryMemory` and what does not fit goes to a scratch
/// file; the order in which blocks come, and how rows are cut into blocks, changes no answer. Rows of
/// `RecordFlags.secondary` are never seen, rows of `.observedElsewhere` are shown and never summed.
/// Not here: where blocks come from and what a question may cost in time (`Query`), the language of filters
/// (`FilterLanguage`).
package import FlowModel
package import Identity

/// Rows that lie together in history: a sealed batch, or a block of a compacted segment. Only the columns that a
/// question named are filled; others may have no room.
package struct RowBlock: Sendable {
    package var columns: FlowColumns
    package var sensors: RowSensors
    /// Rows.
    package var count: Int
    /// Whoever knows them sets them for `Condition.keep`, and takes them away before the next block.
    package var ends: RowEnds?

    package init(columns: FlowColumns, sensors: RowSensors) {
        self.columns = columns
        self.sensors = sensors
        count = columns.count
    }
}

/// Whose each row of a block is.
package enum RowSensors: Sendable {
    case one(SensorIdentity)
    /// A number a row, and what the numbers mean. Numbers without a meaning don't occur.
    case each([UInt32], [SensorIdentity])

    package func sensor(ofRow row: Int) -> SensorIdentity {
        switch self {
        case .one(let sensor): sensor
        case .each(let numbers, let sensors): sensors[Int(numbers[row])]
        }
    }
    var all: [SensorIdentity] {
        switch self {
        case .one(let sensor): [sensor]
        case .each(_, let sensors): sensors
        }
    }
    @inline(__always)
    func number(ofRow row: Int) -> Int {
        switch self {
        case .one: 0
        case .each(let numbers, _): Int(numbers[row])
        }
    }
}

/// What a question may hold, in octets.
package struct QueryMemory: Sendable {
    /// In memory; what is beyond goes to a scratch file.
    package var residentBytes = 512 << 20
    /// In the scratch file; beyond, the question ends with `EngineError.tooManyGroups`.
    package var scratchBytes = 16 << 30
    /// Where scratch files lie. They have no name there, so nothing is left of them whatever happens.
    package var scratchFolder = "/tmp"
    package init() {}
}

/// Why there is no answer.
package enum EngineError: Error, Equatable, Sendable {
    /// More groups than `QueryMemory` has room for.
    case tooManyGroups
    case scratch(String)
    case cancelled
}
