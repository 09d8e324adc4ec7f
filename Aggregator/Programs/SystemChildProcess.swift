/// A process in a session and process group of its own, and the three pipes to it; none of them blocks us.
///
/// Invariants: used by the thread that made it alone, which stays while the process does (bubblewrap's
/// `--die-with-parent` is about that thread); it has no descriptors but its three; it is reaped before this is gone.
internal import CProcesses
internal import Glibc
package import Platform

@safe package final class ChildProcess {
    package enum Ending: Equatable, Sendable {
        case exited(status: Int32)
        case signalled(Int32)
    }
    package enum Piece: Equatable {
        case octets([UInt8])
        case nothing
        case end
    }
    /// -1 once closed.
    package private(set) var input: Int32
    package let output: Int32, errors: Int32
    private let identifier: pid_t
    private var ending: Ending?

    /// - Parameter environment: such as `PATH=/usr/bin`; nothing else is in it.
    /// - Throws: what the system said. That a tool could start and then not run the program shows in its ending.
    package init(command: [String], environment: [String], folder: String? = nil) throws(SystemError) {
        Self.blockBrokenPipeSignal()
        var pipes: [Int32] = []
        do throws(SystemError) {
            for _ in 0..<3 { pipes += try Self.makePipe() }
            identifier = try Self.spawn(command, environment, folder, (pipes[0], pipes[3], pipes[5]))
        } catch {
            for end in pipes { close(end) }
            throw error
        }
        for end in [pipes[0], pipes[3], pipes[5]] { close(end) }
        (input, output, errors) = (pipes[1], pipes[2], pipes[4])
        for end in [input, output, errors] { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }
    }
    deinit {
        closeInput()
        if ending == nil { kill(after: .zero, time: SystemTime()) }
        close(output)
        close(errors)
    }

    // MARK: Pipes

    package func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }
    /// - Returns: how many octets it took; nil when nobody reads there any more.
    package func write(_ octets: ArraySlice<UInt8>) -> Int? {
        guard input >= 0, !octets.isEmpty else { return input >= 0 ? 0 : nil }
        let count = unsafe octets.withUnsafeBytes { unsafe Glibc.write(input, $0.baseAddress, $0.count) }
        if count < 0 { return errno == EAGAIN || errno == EINTR ? 0 : nil }
        return count
    }
    /// What there is, at most 64 KiB.
    package func read(_ descriptor: Int32) -> Piece {
        var octets = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe Glibc.read(descriptor, &octets, octets.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR ? .nothing : .end }
        guard count > 0 else { return .end }
        octets.removeLast(octets.count - count)
        return .octets(octets)
    }
    /// Waits until one of them is ready; negative ones are passed over.
    /// - Returns: of each, whether there is something to do about it.
    package static func wait(
        reading: [Int32], writing: Int32, atMost limit: Duration
    ) -> (readable: [Bool], isWritable: Bool) {
        var sets = reading.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        sets.append(pollfd(fd: writing, events: Int16(POLLOUT), revents: 0))
        guard unsafe poll(&sets, nfds_t(sets.count), limit.pollMilliseconds) > 0 else {
            return (reading.map { _ in false }, false)
        }
        return (sets.dropLast().map { $0.revents != 0 }, sets[sets.count - 1].revents != 0)
    }

    // MARK: Its end

    /// How it ended; nil while it runs.
    package func endingIfAny() -> Ending? {
        if let ending { return ending }
        return weir_has_ended(identifier) == 0 ? nil : reap()
    }

    /// Asks its group to end, waits at most `grace`, and kills all of it.
    @discardableResult
    package func kill(after grace: Duration, time: any TimeSource) -> Ending {
        if let ending { return ending }
        if grace > .zero { _ = Glibc.kill(-identifier, SIGTERM) }
        return wait(atMost: grace, time: time) ?? reap()
    }
    package func wait(atMost limit: Duration, time: any TimeSource) -> Ending? {
        let deadline = time.monotonic() + limit
        while true {  // ends: at the deadline
            if let ending = endingIfAny() { return ending }
            guard time.monotonic() < deadline else { return nil }
            usleep(5_000)
        }
    }
    /// Kills what is left of its group first: until it is reaped, no other group can have its number.
    private func reap() -> Ending {
        _ = Glibc.kill(-identifier, SIGKILL)
        var status: Int32 = 0, found: pid_t = 0
        repeat { found = unsafe waitpid(identifier, &status, 0) } while found < 0 && errno == EINTR
        // The kernel's encoding: the signal in the lower seven bits, or the status in the next octet.
        let signal = status & 0x7F
        let known: Ending = found < 0 || signal != 0 ? .signalled(signal) : .exited(status: status >> 8 & 0xFF)
        ending = known
        return known
    }

    // MARK: Its beginning

    /// A program that has gone must not take the thread that writes to it along.
    private static func blockBrokenPipeSignal() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }
    private static func makePipe() throws(SystemError) -> [Int32] {
        var ends: [Int32] = [-1, -1]
        guard unsafe weir_pipe(&ends) == 0 else { throw SystemError(call: "pipe", number: errno) }
        return ends
    }

    private static func spawn(
        _ command: [String], _ environment: [String], _ folder: String?, _ ends: (Int32, Int32, Int32)
    ) throws(SystemError) -> pid_t {
        guard !command.isEmpty else { throw SystemError(call: "posix_spawn", number: ENOENT) }
        let arguments = unsafe copies(command), variables = unsafe copies(environment)
        let place = unsafe folder.map { unsafe strdup($0) } ?? nil
        defer {
            unsafe release(arguments, command.count)
            unsafe release(variables, environment.count)
            unsafe free(place)
        }
        var identifier: pid_t = 0
        let failed = unsafe weir_spawn(&identifier, arguments, variables, place, ends.0, ends.1, ends.2)
        guard failed == 0 else { throw SystemError(call: "posix_spawn", number: failed) }
        return identifier
    }

    private typealias Strings = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private static func copies(_ texts: [String]) -> Strings {
        let out = Strings.allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { unsafe (out + index).initialize(to: strdup(text)) }
        unsafe (out + texts.count).initialize(to: nil)
        return unsafe out
    }
    private static func release(_ texts: Strings, _ count: Int) {
        for index in 0..<count { unsafe free(texts[index]) }
        unsafe texts.deallocate()
    }
}
