internal import CSockets
package import FlowModel
internal import Glibc
package import Platform

/// Serves the TCP and TLS ports of one receiver thread: accepts, shakes hands, cuts streams into IPFIX messages, closes
/// what is idle, slow or not IPFIX. Everything happens in `serve`, which never waits: nothing here can hold up
/// datagrams.
///
/// Invariants: each connection has a number that no other ever had, and ends with exactly one `.ended`; no more
/// connections than `StreamLimits`, so no more than 64 KiB each of unfinished messages; reading a connection stops
/// after 1 MiB a round. Of one thread: not `Sendable`.
package final class StreamServer {
    /// Readable (poll) when something waits to be served.
    package let descriptor: Int32
    private var ports: [Port] = []
    private var connections: [UInt32: StreamConnection] = [:]
    private var countByAddress: [IPAddress: Int] = [:]
    private var events: [StreamEvent] = []
    private var buffer = [UInt8](repeating: 0, count: StreamConnection.readBytes)
    private var tokens = [UInt64](repeating: 0, count: 64)
    private var nextSweep: Duration, nextIdentityCheck: Duration
    /// A connection had more than its share in the last round.
    private(set) var isBusy = false
    private let limits: StreamLimits
    private let numbers: SessionNumbers
    private let time: any TimeSource

    private struct Port {
        let listener: StreamListener
        var identity: TLSServerContext?
        var stamp: FileStamp?
        /// How many more connections are taken until the next sweep.
        var budget: Int
        var isArmed = true
    }
    private static let sweepEvery: Duration = .milliseconds(100), identityCheckEvery: Duration = .seconds(5)
    private static let eventsMax = 1_024, acceptsPerRoundMax = 16
    /// Tokens of connections lie above those of ports.
    private static let connectionToken: UInt64 = 1 << 32

    /// - Parameters:
    ///   - numbers: one for all servers of the process.
    /// - Throws: `IntakeError.identity` when a port's certificate can't be used, `.system` when descriptors are short.
    package init(
        listeners: [StreamListener], limits: StreamLimits = StreamLimits(), numbers: SessionNumbers,
        time: any TimeSource
    ) throws(IntakeError) {
        let opened = weir_epoll_new()
        guard opened >= 0 else { throw .system(reason: systemReason(-opened)) }
        descriptor = opened
        (self.limits, self.numbers, self.time) = (limits, numbers, time)
        let now = time.monotonic()
        (nextSweep, nextIdentityCheck) = (now + Self.sweepEvery, now + Self.identityCheckEvery)
        try replace(listeners: listeners)
    }
    deinit {
        for connection in connections.values { connection.close(resets: false) }
        close(descriptor)
    }

    package var connectionCount: Int { connections.count }

    /// Goes on with other ports, as after a reload; connections of a port that is no longer there end.
    /// - Throws: `IntakeError.identity`, `.system`; the ports before stay then.
    package func replace(listeners new: [StreamListener]) throws(IntakeError) {
        var made: [Port] = []
        for listener in new {
            if let known = ports.first(where: { $0.listener === listener }) {
                made.append(known)
                continue
            }
            var port = Port(listener: listener, budget: accepts)
            if let settings = listener.tls {
                port.stamp = settings.stamp()
                port.identity = try TLSServerContext(settings, atMilliseconds: time.wallMilliseconds())
            }
            made.append(port)
        }
        for port in ports { _ = weir_epoll_remove(descriptor, port.listener.descriptor) }
        ports = made
        for index in ports.indices { try arm(index) }
        let left = Set(ports.map(\.listener.port))
        for connection in connections.values where !left.contains(connection.peer.localPort) {
            end(connection, .asked)
        }
    }
    private var accepts: Int { max(limits.connectionsPerSecondMax / 10, 1) }  // ten sweeps a second

    private func arm(_ index: Int) throws(IntakeError) {
        ports[index].isArmed = true
        let failed = weir_epoll_set(descriptor, ports[index].listener.descriptor, UInt64(index), 1, 0)
        guard failed == 0 else { throw .system(reason: systemReason(-failed)) }
    }
    private func disarm(_ index: Int) {
        ports[index].isArmed = false
        _ = weir_epoll_remove(descriptor, ports[index].listener.descriptor)
    }

    // MARK: Rounds

    /// How long the caller may wait before the next `serve`.
    func wait(atMost timeout: Duration, now: Duration) -> Duration {
        if isBusy { return .zero }
        guard !connections.isEmpty || ports.contains(where: { !$0.isArmed }) else { return timeout }
        return min(timeout, max(nextSweep - now, .zero))
    }

    /// One round.
    /// - Parameters:
    ///   - isReady: whether `descriptor` is readable; without it only what time brings is done.
    ///   - body: gets a whole message of a connection; or, marked truncated, the beginning of one that will not end.
    /// - Returns: how many messages there were.
    package func serve(
        isReady: Bool, _ body: (_ message: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) -> Int {
        let now = time.monotonic()
        var messages = 0
        if isReady || isBusy {
            isBusy = false
            let ready = unsafe weir_epoll_ready(descriptor, &tokens, Int32(tokens.count))
            for index in 0..<Int(max(ready, 0)) {
                let token = tokens[index]
                if token < Self.connectionToken {
                    accept(on: Int(token), at: now)
                } else if let connection = connections[UInt32(truncatingIfNeeded: token)] {
                    messages += serve(connection, at: now, body)
                }
            }
        }
        if now >= nextSweep { sweep(at: now, body) }
        return messages
    }

    private func serve(
        _ connection: StreamConnection, at now: Duration,
        _ body: (_ message: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) -> Int {
        if !connection.isOpen {
            react(to: connection.shakeHands(), of: connection)
            guard connection.isOpen, connections[connection.peer.session] != nil else { return 0 }
        }
        var messages = 0
        let origin = self.origin(of: connection)
        let progress = connection.read(with: &buffer, at: now) { message, isTruncated in
            messages += 1
            body(message, origin, isTruncated)
        }
        react(to: progress, of: connection)
        return messages
    }
    private func origin(of connection: StreamConnection) -> DatagramOrigin {
        let peer = connection.peer
        return DatagramOrigin(
            source: peer.source, sourcePort: peer.sourcePort, localPort: peer.localPort,
            receiveMilliseconds: time.wallMilliseconds(), session: peer.session)
    }
    private func react(to progress: StreamConnection.Progress, of connection: StreamConnection) {
        switch progress {
        case .waiting: if !connection.isOpen { watch(connection, wantsWrite: false) }
        case .more: isBusy = true
        case .wantsWrite: watch(connection, wantsWrite: true)
        case .opened(let clientName):
            watch(connection, wantsWrite: false)
            note(.opened(connection.peer, isEncrypted: true, clientName: clientName))
        case .ended(let end): self.end(connection, end)
        }
    }
    private func watch(_ connection: StreamConnection, wantsWrite: Bool) {
        let token = Self.connectionToken + UInt64(connection.peer.session)
        let failed = weir_epoll_set(descriptor, connection.descriptor, token, wantsWrite ? 0 : 1, wantsWrite ? 1 : 0)
        if failed != 0 { end(connection, .failed(systemReason(-failed))) }
    }

    // MARK: Beginning

    private func accept(on index: Int, at now: Duration) {
        for _ in 0..<Self.acceptsPerRoundMax {
            guard ports.indices.contains(index), ports[index].isArmed else { return }
            guard ports[index].budget > 0 else { return disarm(index) }
            var peer = weir_peer()
            let accepted = unsafe weir_accept(ports[index].listener.descriptor, &peer)
            guard accepted >= 0 else { return refused(index, code: -accepted) }
            ports[index].budget -= 1
            let source = unsafe withUnsafeBytes(of: peer.address) { unsafe Sockets.address(of: $0) }
            open(accepted, ports[index], source, peer.port, at: now)
        }
    }
    private func refused(_ index: Int, code: Int32) {
        // None waits, or one that did is gone: accept(2) reports the network's errors of connections not yet taken.
        let passing = [EAGAIN, EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH]
        guard !passing.contains(code) else { return }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM: the connection still waits, so asking again at once would spin.
        disarm(index)
        note(.fault(.accept(port: ports[index].listener.port, reason: systemReason(code))))
    }
    private func open(_ accepted: Int32, _ port: Port, _ source: IPAddress, _ sourcePort: UInt16, at now: Duration) {
        if let refusal = refusal(of: source, at: now) {
            weir_close(accepted, 1)
            return note(.refused(source: source, localPort: port.listener.port, refusal))
        }
        guard let session = numbers.next() else {
            weir_close(accepted, 1)
            return note(.refused(source: source, localPort: port.listener.port, .numbersUsedUp))
        }
        let peer = StreamPeer(
            session: session, source: source, sourcePort: sourcePort, localPort: port.listener.port)
        var tls: TLSServerSession?
        if let identity = port.identity {
            tls = TLSServerSession(over: accepted, identity)
            guard tls != nil else {
                weir_close(accepted, 1)
                return note(.refused(source: source, localPort: port.listener.port, .noMemory))
            }
        }
        let connection = StreamConnection(accepted, peer, tls, at: now)
        connections[session] = connection
        countByAddress[source, default: 0] += 1
        if connection.isOpen { note(.opened(peer, isEncrypted: false, clientName: nil)) }
        watch(connection, wantsWrite: false)
    }
    private func refusal(of source: IPAddress, at now: Duration) -> StreamEvent.Refusal? {
        if countByAddress[source, default: 0] >= limits.connectionsPerAddressMax {
            return .ofOneAddress(max: limits.connectionsPerAddressMax)
        }
        guard connections.count >= limits.connectionsMax else { return nil }
        // Whoever holds connections open in silence must not keep exporters out.
        let silent = connections.values.compactMap { connection in
            connection.silence(at: now).map { (connection, $0) }
        }
        guard let (oldest, _) = silent.max(by: { $0.1 < $1.1 }) else {
            return .connections(max: limits.connectionsMax)
        }
        end(oldest, .gaveWay)
        return nil
    }

    // MARK: Ending

    //= RFC 7011 §9.1
    //# … the Collecting Process SHOULD stop processing IPFIX Messages from clearly malfunctioning Exporting Processes …
    /// Ends a connection whose messages the caller does not want any more. Nothing when it has ended already.
    package func end(session: UInt32, as reason: SessionEnd = .asked) {
        if let connection = connections[session] { end(connection, reason) }
    }
    private func end(_ connection: StreamConnection, _ reason: SessionEnd) {
        let source = connection.peer.source
        connections[connection.peer.session] = nil
        let others = countByAddress[source, default: 1] - 1
        countByAddress[source] = others > 0 ? others : nil
        _ = weir_epoll_remove(descriptor, connection.descriptor)
        connection.close(resets: reason != .closed && reason != .idle)
        events.append(.ended(connection.peer, reason))
    }
    private func note(_ event: StreamEvent) {
        if events.count < Self.eventsMax { events.append(event) }
    }
    /// What happened since the last call; of beginnings and refusals the first 1,024, of ends all.
    package func takeEvents() -> [StreamEvent] {
        guard !events.isEmpty else { return [] }
        defer { events = [] }
        return events
    }

    // MARK: What time brings

    private func sweep(
        at now: Duration, _ body: (_ message: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) {
        nextSweep = now + Self.sweepEvery
        for connection in connections.values {
            let origin = self.origin(of: connection)
            let overdue = connection.overdue(at: now, limits) { body($0, origin, $1) }
            if let overdue { end(connection, overdue) }
        }
        for index in ports.indices {
            ports[index].budget = accepts
            if !ports[index].isArmed { try? arm(index) }
        }
        if now >= nextIdentityCheck { checkIdentities(at: now) }
    }
    /// Ops tooling replaces certificate files at any time, and one file after the other: a pair that does not fit is
    /// left, and looked at again when it changes again.
    private func checkIdentities(at now: Duration) {
        nextIdentityCheck = now + Self.identityCheckEvery
        for index in ports.indices {
            guard let settings = ports[index].listener.tls, case let stamp = settings.stamp(),
                stamp != ports[index].stamp
            else { continue }
            ports[index].stamp = stamp
            do throws(IntakeError) {
                ports[index].identity = try TLSServerContext(settings, atMilliseconds: time.wallMilliseconds())
                note(.identityReloaded(certificate: settings.certificate))
            } catch {
                note(.identityKept(reason: "\(error)"))
            }
        }
    }
}
