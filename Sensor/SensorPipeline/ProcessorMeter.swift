internal import Platform

/// How busy this process keeps the cores it may use.
struct ProcessorMeter {
    private let time: any TimeSource
    private let cores: Double
    private var lastWall: Duration, lastProcessor: Duration

    /// Shorter spans than this say nothing.
    private static let spanMin: Duration = .seconds(1)

    init(time: any TimeSource) {
        self.time = time
        cores = Double(max(systemCoreCount(), 1))
        (lastWall, lastProcessor) = (time.monotonic(), systemProcessorTime())
    }

    /// From 0 to 1, over the time since the last answer; nil when that is too short.
    mutating func load() -> Double? {
        let wall = time.monotonic(), span = wall - lastWall
        guard span >= Self.spanMin else { return nil }
        let processor = systemProcessorTime(), spent = processor - lastProcessor
        (lastWall, lastProcessor) = (wall, processor)
        return min(spent / span / cores, 1)
    }
}
