package import FlowModel
package import Identity
package import QueryEngine

/// An answer to `FlowQuery.top`.
package struct TopAnswer: Equatable, Sendable {
    /// Largest first; equal ones by their keys.
    package var groups: [FlowGroup]
    /// All matching records together.
    package var total: Tally
    /// Groups there are.
    package var groupCount: Int
    /// What belongs to no group of this answer because there are more groups than the budget allows; zero otherwise.
    package var other: Tally
    package var effort: QueryEffort

    package init(groups: [FlowGroup], total: Tally, groupCount: Int, other: Tally = Tally(), effort: QueryEffort) {
        (self.groups, self.total, self.groupCount) = (groups, total, groupCount)
        (self.other, self.effort) = (other, effort)
    }
}

/// An answer to `FlowQuery.records`.
package struct RecordsAnswer: Equatable, Sendable {
    /// Newest first: by flow end, then by receive time, both falling.
    package var columns: FlowColumns
    /// The sensor of each row.
    package var sensors: [SensorIdentity]
    /// Where to go on; nil at the end.
    package var next: RecordPosition?
    package var effort: QueryEffort

    package init(columns: FlowColumns, sensors: [SensorIdentity], next: RecordPosition?, effort: QueryEffort) {
        (self.columns, self.sensors, self.next, self.effort) = (columns, sensors, next, effort)
    }
}

/// An answer to `FlowQuery.series`.
package struct SeriesAnswer: Equatable, Sendable {
    package var series: StackedSeries
    /// Whether it was made of rollups alone, in which small groups are in `other`.
    package var isFromRollups = false
    package var effort: QueryEffort

    package init(series: StackedSeries, isFromRollups: Bool = false, effort: QueryEffort) {
        (self.series, self.isFromRollups, self.effort) = (series, isFromRollups, effort)
    }
}

/// An answer to `FlowQuery.percentiles`.
package struct PercentileAnswer: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package let key: FlowGroupKey
        /// Bits per second, and the largest and the mean of all periods.
        package let percentile: UInt64
        package let most: UInt64
        package let mean: UInt64
        package let total: Tally
    }
    /// Largest octets first.
    package var lines: [Line]
    package var percent: Double
    package var effort: QueryEffort
}

/// An answer to `FlowQuery.distinct` or `.topDistinct`.
package struct DistinctAnswer: Equatable, Sendable {
    package var count: DistinctCount
    /// Most different values first: `rows` is how many. Empty when there was nothing to group by.
    package var groups: [FlowGroup] = []
    package var effort: QueryEffort

    package init(count: DistinctCount, groups: [FlowGroup] = [], effort: QueryEffort) {
        (self.count, self.groups, self.effort) = (count, groups, effort)
    }
}

/// An answer to `FlowQuery.conversations`.
package struct ConversationsAnswer: Equatable, Sendable {
    /// Largest first.
    package var conversations: [Conversation]
    /// Conversations there are.
    package var count: Int
    package var effort: QueryEffort

    package init(conversations: [Conversation], count: Int, effort: QueryEffort) {
        (self.conversations, self.count, self.effort) = (conversations, count, effort)
    }
}

/// An answer to `FlowQuery.hunt`.
package struct HuntAnswer: Equatable, Sendable {
    /// By the time of the first record.
    package var sightings: [Sighting]
    /// Records of sightings that found no room: ask for less time or fewer indicators.
    package var leftOut: UInt64
    package var effort: QueryEffort

    package init(sightings: [Sighting], leftOut: UInt64, effort: QueryEffort) {
        (self.sightings, self.leftOut, self.effort) = (sightings, leftOut, effort)
    }
}

/// How a question went through history, what that cost, and whether the answer is whole.
package struct QueryEffort: Equatable, Sendable {
    /// Segments and batches that overlap the period.
    package var segments = 0
    /// Of those: all newer records were found before; bounds of columns tell that nothing matches; the Bloom filter
    /// does.
    package var skippedByTime = 0
    package var skippedByBounds = 0
    package var skippedByBloom = 0
    /// Blocks of the segments that were left (a batch is one), and those of them that bounds ruled out.
    package var blocks = 0
    package var blocksSkipped = 0
    /// Rows of the blocks that were looked at, and those that matched.
    package var rows = 0
    package var matched = 0
    /// Blocks of segments' lists of endpoints that were opened, each of their parts counted.
    package var listBlocks = 0
    /// Octets read from the store, and written to scratch files.
    package var bytesRead = 0
    package var scratchBytes = 0
    /// Segments that could not be decoded, or went away meanwhile: their records are missing from the answer.
    package var unreadable = 0
    /// The budget ended before the history did: older records were not looked at.
    package var isCutShort = false
    package init() {}
}

/// How much work one question may be.
package struct QueryBudget: Sendable {
    /// Looked at, matching or not; checked between segments.
    package var rowsMax = 2_000_000_000
    /// Read from the store; checked between segments.
    package var bytesMax = 64 << 30
    package var duration = Duration.seconds(30)
    /// Groups that a top list tells apart.
    package var groupsMax = 100_000_000
    package var memory = QueryMemory()
    package init() {}
}

/// Why there is no answer.
package enum QueryError: Error, Equatable, Sendable {
    /// Too many questions at once. Later.
    case busy
    /// The budget ended before the first record was certain to be the newest: ask for less time.
    case tooMuch(rows: Int)
    /// More groups than there is room for: ask for less time or fewer keys.
    case tooManyGroups
    /// A series without bounds, with too many periods, or with periods below a second.
    case badPeriod
    case storage(String)
    /// The tenant's data key was destroyed: its history can't be read again.
    case keyDestroyed
    case cancelled

    package init(_ error: EngineError) {
        switch error {
        case .tooManyGroups: self = .tooManyGroups
        case .scratch(let reason): self = .storage(reason)
        case .cancelled: self = .cancelled
        }
    }
}
