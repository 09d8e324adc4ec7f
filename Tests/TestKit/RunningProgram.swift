internal import CProcesses
internal import Foundation
internal import Glibc
internal import Synchronization

/// A program that a test has started. It is gone with the last reference to this, at the latest.
///
/// Its end is what the kernel says of it. Foundation's `Process` waits for the end of a socket instead, which every
/// other child that is started in that moment inherits: whoever waits for one then waits for all of those, and with
/// servers among them for ever.
///
/// Invariants: it has a session of its own, no descriptors but its three, and no signal blocked, whatever the thread
/// has that starts it; what is left of its group when it ends is killed; it is reaped once, so that until then no
/// other process can have its number, and nothing is sent to that number afterwards.
package final class RunningProgram: Sendable {
    private let identifier: pid_t
    /// Its exit status, or the number of the signal that ended it; nil while it isn't reaped.
    private let ending = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - command: the path of an executable, and its arguments.
    ///   - output: files that exist; it adds to them.
    init(command: [String], environment: [String: String], output: URL, errors: URL) throws {
        var ends: [Int32] = []
        defer { for end in ends { close(end) } }
        for (path, flags) in [("/dev/null", O_RDONLY), (output.path, O_WRONLY), (errors.path, O_WRONLY)] {
            let end = open(path, flags | O_APPEND | O_CLOEXEC)
            guard end >= 0 else { throw Program.Missing(description: "\(path) does not open: \(errno)") }
            ends.append(end)
        }
        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var identifier: pid_t = 0
        let failed = weir_spawn(&identifier, &arguments, &variables, nil, ends[0], ends[1], ends[2])
        guard failed == 0 else { throw Program.Missing(description: "\(command) does not start: \(failed)") }
        self.identifier = identifier
    }
    deinit { kill() }

    package var isRunning: Bool { status == nil }

    /// Its exit status, or the number of the signal that ended it; nil while it runs.
    package var status: Int32? {
        ending.withLock { ending in
            if ending == nil, weir_has_ended(identifier) != 0 { ending = reap() }
            return ending
        }
    }
    private func reap() -> Int32 {
        Glibc.kill(-identifier, SIGKILL)
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
        // The kernel's encoding: the signal in the lower seven bits, or the status in the next octet.
        return status & 0x7F == 0 ? status >> 8 & 0xFF : status & 0x7F
    }

    /// Sent to itself, not to what it has started.
    package func signal(_ number: Int32) {
        ending.withLock { if $0 == nil { _ = Glibc.kill(identifier, number) } }
    }
    package func terminate() { signal(SIGTERM) }
    /// By the signal that nobody can put off; until it is gone.
    package func kill() {
        signal(SIGKILL)
        waitUntilExit()
    }

    /// Blocks its thread, a few milliseconds longer than the program runs.
    @discardableResult
    package func waitUntilExit() -> Int32 {
        while true {  // ends: with the program
            if let status { return status }
            usleep(2_000)
        }
    }
}
