internal import Glibc
internal import Platform
internal import Synchronization

/// Serves `StatusPages` on one TCP address, on its own thread: few connections, small requests, short deadlines, so
/// that no client can cost the sensor more than `connectionsMax` descriptors.
final class SystemStatusServer: Sendable {
    static let connectionsMax = 16
    private static let patience: Duration = .seconds(5)

    private struct Connection {
        let descriptor: Int32
        let deadline: Duration
        var request: [UInt8] = []
        /// Empty until the request is complete.
        var response: [UInt8] = []
        var sent = 0
    }
    private let listener: Int32
    /// The port that is bound: the kernel's choice where 0 was asked for.
    let port: UInt16
    private let answer: @Sendable ([UInt8]) -> [UInt8]?
    private let isStopping = Atomic(false)
    private let thread = Mutex<SystemThread?>(nil)

    /// Binds and listens, but does not answer yet.
    /// - Parameter answer: a response to a request's bytes, nil while they are incomplete.
    init(
        _ address: ListenAddress, answer: @escaping @Sendable ([UInt8]) -> [UInt8]?
    ) throws(SensorError) {
        self.answer = answer
        do throws(SystemCallFailure) {
            (listener, port) = try Self.listen(address)
        } catch {
            throw .cantListen("\(address)/tcp", error.reason)
        }
    }
    func start() throws(SensorError) {
        let started = try SystemThread.start { self.run() }
        thread.withLock { $0 = started }
    }
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        if let thread = thread.withLock({ $0.take() }) { thread.join() }
    }
    deinit { close(listener) }

    private struct SystemCallFailure: Error {
        let reason: String
        init(_ code: Int32) { reason = systemReason(code) }
    }
    private static func listen(_ address: ListenAddress) throws(SystemCallFailure) -> (Int32, UInt16) {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(address.address, "\(address.port)", &hints, &found) == 0, let info = unsafe found
        else {
            throw SystemCallFailure(EINVAL)
        }
        defer { unsafe freeaddrinfo(info) }
        let descriptor = unsafe socket(
            info.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw SystemCallFailure(errno) }
        var one: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard unsafe bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0,
            Glibc.listen(descriptor, 16) == 0
        else {
            let code = errno
            close(descriptor)
            throw SystemCallFailure(code)
        }
        return (descriptor, boundPort(descriptor) ?? address.port)
    }
    private static func boundPort(_ descriptor: Int32) -> UInt16? {
        var storage = sockaddr_in6(), length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &length)
            }
        }
        // The port stands at the same place in both families' addresses.
        return status == 0 ? UInt16(bigEndian: storage.sin6_port) : nil
    }

    private func run() {
        var connections: [Connection] = []
        while !isStopping.load(ordering: .relaxed) {
            var set = connections.map {
                pollfd(fd: $0.descriptor, events: Int16($0.response.isEmpty ? POLLIN : POLLOUT), revents: 0)
            }
            // A full house leaves new connections in the kernel's short queue.
            if connections.count < Self.connectionsMax {
                set.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
            }
            _ = unsafe poll(&set, nfds_t(set.count), 200)
            let now = Self.now()
            for index in connections.indices.reversed() {
                let isDone = set[index].revents != 0 && !serve(&connections[index])
                if isDone || connections[index].deadline < now {
                    close(connections[index].descriptor)
                    connections.remove(at: index)
                }
            }
            if let last = set.last, last.fd == listener, last.revents != 0 { accept(into: &connections, now) }
        }
        for connection in connections { close(connection.descriptor) }
    }
    private func accept(into connections: inout [Connection], _ now: Duration) {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        connections.append(Connection(descriptor: descriptor, deadline: now + Self.patience))
    }
    /// One step: reads, answers or writes. False when the connection is done with.
    private func serve(_ connection: inout Connection) -> Bool {
        if connection.response.isEmpty {
            var chunk = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe recv(connection.descriptor, &chunk, chunk.count, 0)
            if count < 0 { return errno == EAGAIN || errno == EINTR }
            connection.request += chunk[..<count]
            guard let response = answer(connection.request) else { return count > 0 }
            connection.response = response
        }
        let left = connection.response.count - connection.sent
        let count = unsafe connection.response.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return 0 }
            return unsafe send(connection.descriptor, start + connection.sent, left, Int32(MSG_NOSIGNAL))
        }
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        connection.sent += count
        guard connection.sent < connection.response.count else {
            // Tells the client before the close, which would cut off what it has not read yet if it still sends.
            shutdown(connection.descriptor, Int32(SHUT_WR))
            return false
        }
        return true
    }
    private static func now() -> Duration {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
    }
}
