internal import Glibc
internal import Platform

/// One connected, non-blocking TCP socket; closed with its last reference.
final class Socket {
    let descriptor: Int32

    /// Tries the host's addresses in the resolver's order until one takes the connection.
    init(connectingTo endpoint: HTTP2Endpoint, until deadline: Duration, time: any TimeSource) throws(HTTP2Error) {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let failed = unsafe getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list)
        guard failed == 0 else {
            throw .nameNotFound(host: endpoint.host, reason: unsafe String(cString: gai_strerror(failed)))
        }
        defer { unsafe freeaddrinfo(list) }
        var next = unsafe list, last = HTTP2Error.connectFailed(reason: "the name has no address")
        while let candidate = unsafe next {
            do throws(HTTP2Error) {
                descriptor = try unsafe Self.connect(candidate, until: deadline, time: time)
                return
            } catch {
                last = error
            }
            unsafe next = candidate.pointee.ai_next
        }
        throw last
    }

    deinit { Glibc.close(descriptor) }

    private static func connect(
        _ address: UnsafeMutablePointer<addrinfo>, until deadline: Duration, time: any TimeSource
    ) throws(HTTP2Error) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let fd = unsafe socket(address.pointee.ai_family, kind, 0)
        guard fd >= 0 else { throw .connectFailed(reason: systemReason(errno)) }
        do throws(HTTP2Error) {
            set(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            set(fd, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, HTTPLimit.unsentBytesMax)
            if unsafe Glibc.connect(fd, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 { return fd }
            guard errno == EINPROGRESS else { throw .connectFailed(reason: systemReason(errno)) }
            try awaitConnection(fd, until: deadline, time: time)
            return fd
        } catch {
            Glibc.close(fd)
            throw error
        }
    }

    private static func awaitConnection(
        _ fd: Int32, until deadline: Duration, time: any TimeSource
    ) throws(HTTP2Error) {
        while try !poll(fd, Int16(POLLOUT), nil, at: deadline - time.monotonic()) {  // ends: at the deadline
            if time.monotonic() >= deadline { throw .connectTimedOut }
        }
        var fault: Int32 = 0, length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &length)
        guard fault == 0 else { throw .connectFailed(reason: systemReason(fault)) }
    }

    private static func set(_ fd: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        unsafe setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Waits until the socket is ready for `events`, or `other` is readable, or `timeout` has passed.
    /// - Returns: whether this socket is ready.
    @discardableResult
    func wait(
        for events: Int16, orReadable other: Int32? = nil, at most: Duration
    ) throws(HTTP2Error) -> Bool {
        try Self.poll(descriptor, events, other, at: most)
    }

    private static func poll(
        _ fd: Int32, _ events: Int16, _ other: Int32?, at most: Duration
    ) throws(HTTP2Error) -> Bool {
        // poll(2) passes over negative descriptors.
        var set = [
            pollfd(fd: fd, events: events, revents: 0), pollfd(fd: other ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        let ready = unsafe Glibc.poll(&set, nfds_t(set.count), most.pollMilliseconds)
        if ready < 0, errno != EINTR { throw .socketFailed(reason: systemReason(errno)) }
        return ready > 0 && set[0].revents != 0
    }

    /// Bytes handed to the kernel that the peer's TCP has not acknowledged.
    func unacknowledgedBytes() -> Int {
        var bytes: Int32 = 0
        return unsafe ioctl(descriptor, UInt(TIOCOUTQ), &bytes) == 0 ? Int(bytes) : 0
    }
}
