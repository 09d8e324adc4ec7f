import Platform
import ServiceLifecycle
internal import Synchronization

/// Tells the service manager how the aggregator is: ready once it listens everywhere, alive while its threads and its
/// log answer, stopping when it does. Last in the group of services, so that it is the first to hear of the end.
final class ManagerNotices: Service {
    private let manager: ServiceManager, unready: @Sendable () async -> [String]
    private let listening: Mutex<Int>

    /// - Parameters:
    ///   - listeners: so many have to listen before it is ready.
    ///   - unready: asks the log.
    init(_ manager: ServiceManager, listeners: Int, unready: @escaping @Sendable () async -> [String]) {
        (self.manager, self.unready) = (manager, unready)
        listening = Mutex(listeners)
    }

    /// One more of the listeners is open.
    func opened() {
        let isReady = listening.withLock { missing in
            missing -= 1
            return missing == 0
        }
        if isReady { manager.ready(status: "listening") }
    }

    func run() async throws {
        let pause = (manager.watchdog ?? .seconds(3_600)) / 3
        while !Task.isShuttingDownGracefully {
            do { try await cancelWhenGracefulShutdown { try await Task.sleep(for: pause) } } catch { break }
            // A process whose threads or whose log hang says nothing; one whose disk is full is alive.
            _ = await unready()
            manager.alive()
        }
        manager.stopping(status: "answering what is in work")
    }
}
