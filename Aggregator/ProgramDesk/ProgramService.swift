internal import ServiceLifecycle

/// Runs the programs for as long as the node: before the pipeline in the order of services, so that it ends after it.
package struct ProgramService: Service {
    private let desk: ProgramDesk, folder: String, interval: Duration

    /// - Parameters:
    ///   - folder: of what providers of intelligence say.
    ///   - interval: between two looks at them.
    package init(_ desk: ProgramDesk, folder: String, interval: Duration = .seconds(1)) {
        (self.desk, self.folder, self.interval) = (desk, folder, interval)
    }

    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { () async throws -> Void in
                while true {
                    desk.refreshIndicators(folder: folder)
                    try await Task.sleep(for: interval)
                }
            }
        } catch is CancellationError {
        }
        await desk.end()
    }
}
