internal import CSockets
internal import Glibc

/// What a service manager is told (sd_notify(3)): state as lines of text in a datagram to the socket that NOTIFY_SOCKET
/// names. Without that variable everything here does nothing.
package struct ServiceManager: Sendable {
    private let path: String?
    /// How often `alive` must be said, at the least; nil when nobody watches. Say it twice as often.
    package let watchdog: Duration?

    /// - Parameters:
    ///   - environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID where present.
    ///   - processID: this process's.
    package init(environment: [String: String], processID: Int32) {
        path = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isMeant = environment["WATCHDOG_PID"].map { $0 == "\(processID)" } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap(Int64.init) ?? 0
        watchdog = isMeant && microseconds > 0 && path != nil ? .microseconds(microseconds) : nil
    }
    /// Of this process's environment. Removes the variables: call before threads are started.
    package static func ofThisProcess() -> ServiceManager {
        var environment: [String: String] = [:]
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            guard let value = unsafe getenv(name) else { continue }
            environment[name] = unsafe String(cString: value)
            unsafe unsetenv(name)
        }
        return ServiceManager(environment: environment, processID: getpid())
    }

    package var isPresent: Bool { path != nil }

    /// Started, or done with a reload.
    /// - Parameter status: one line for people.
    @discardableResult
    package func ready(status: String) -> Bool { tell("READY=1\nSTATUS=\(Self.line(status))") }
    /// - Parameter monotonic: CLOCK_MONOTONIC now; the manager waits for a `ready` that is later.
    @discardableResult
    package func reloading(monotonic: Duration) -> Bool {
        let (seconds, attoseconds) = monotonic.components
        return tell("RELOADING=1\nMONOTONIC_USEC=\(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)")
    }
    @discardableResult
    package func stopping(status: String) -> Bool { tell("STOPPING=1\nSTATUS=\(Self.line(status))") }
    @discardableResult
    package func status(_ text: String) -> Bool { tell("STATUS=\(Self.line(text))") }
    @discardableResult
    package func alive() -> Bool { tell("WATCHDOG=1") }

    /// A status must not smuggle in a second assignment.
    private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }
    /// - Returns: whether there is a manager and its socket took the text.
    private func tell(_ text: String) -> Bool {
        guard let path else { return false }
        return unsafe weir_notify(path, text) == 0
    }
}
