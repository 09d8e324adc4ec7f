internal import Platform

/// How busy this process keeps the cores it may use.
struct ProcessorMeter {
    private let time: any TimeSource
    private let cores: Double
    private var lastWall: Duration, lastProcessor: Duration
    private var last = 0.0

    /// Shorter spans than this say nothing: the last answer stands.
    private static let spanMin: Duration = .seconds(1)

    init(time: any TimeSource) {
        self.time = time
        cores = Double(max(systemCoreCount(), 1))
        (lastWall, lastProcessor) = (time.monotonic(), systemProcessorTime())
    }

    /// From 0 to 1, over the time since the last answer.
    mutating func load() -> Double {
        let wall = time.monotonic(), span = wall - lastWall
        guard span >= Self.spanMin else { return last }
        let processor = systemProcessorTime()
        last = min((processor - lastProcessor) / span / cores, 1)
        (lastWall, lastProcessor) = (wall, processor)
        return last
    }
}
