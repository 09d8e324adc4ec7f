internal import Glibc

/// What is to be listened on.
package struct IntakePlan: Equatable, Sendable {
    /// A UDP port for every protocol.
    package struct Datagrams: Hashable, Sendable {
        /// Numeric.
        package var address: String
        package var port: UInt16
        package init(address: String, port: UInt16) { (self.address, self.port) = (address, port) }
    }
    /// A TCP port for IPFIX; over TLS where `tls` is set.
    package struct Streams: Hashable, Sendable {
        package var address: String
        package var port: UInt16
        package var tls: TLSServerSettings?
        package init(address: String, port: UInt16, tls: TLSServerSettings? = nil) {
            (self.address, self.port, self.tls) = (address, port, tls)
        }
    }
    package var datagrams: [Datagrams]
    package var streams: [Streams]
    /// How many threads receive, 1...256: each gets a socket of every address.
    package var receivers: Int
    /// The kernel's buffer that is asked for, for each socket.
    package var bufferBytes: Int
    /// Datagrams carry the kernel's receive time instead of their batch's.
    package var wantsKernelTimes: Bool

    package init(
        datagrams: [Datagrams], streams: [Streams] = [], receivers: Int = 1, bufferBytes: Int,
        wantsKernelTimes: Bool = false
    ) {
        (self.datagrams, self.streams, self.bufferBytes) = (datagrams, streams, bufferBytes)
        (self.receivers, self.wantsKernelTimes) = (min(max(receivers, 1), 256), wantsKernelTimes)
    }
}

/// All sockets of a sensor: opened, taken over from the service manager, or kept from before a reload.
///
/// Invariants: an address that the plan before named, too, keeps its sockets, and with them all that waits in them;
/// each socket belongs to one receiver. A change of `receivers`, `bufferBytes` or `wantsKernelTimes` needs a restart.
package struct IntakeSockets: Sendable {
    /// Where each group came from: an address of the plan, or nil for a passed socket that no setting names.
    private let datagrams: [(wanted: IntakePlan.Datagrams?, group: UDPListenerGroup)]
    private let streams: [(wanted: IntakePlan.Streams, listeners: [StreamListener])]
    private let receivers: Int
    /// What the operator should know of what is new, for the log.
    package let warnings: [String]

    /// - Parameters:
    ///   - inherited: passed sockets take the place of binding. UDP ones that the plan does not name are listened on as
    ///     well: who wrote them into a socket unit wants them.
    ///   - old: what runs now; whatever its addresses share with the plan stays as it is.
    /// - Throws: the first address that can't be listened on; what `old` holds is unharmed.
    package init(
        _ plan: IntakePlan, inherited: InheritedSockets = InheritedSockets(), keeping old: IntakeSockets? = nil
    ) throws(IntakeError) {
        var inherited = inherited, warnings = inherited.warnings
        var datagrams: [(wanted: IntakePlan.Datagrams?, group: UDPListenerGroup)] = []
        var streams: [(wanted: IntakePlan.Streams, listeners: [StreamListener])] = []
        receivers = old?.receivers ?? plan.receivers
        // Each is kept once: two addresses of a plan are equal where both leave the port to the kernel.
        var oldDatagrams = old?.datagrams ?? [], oldStreams = old?.streams ?? []
        for wanted in plan.datagrams {
            if let known = oldDatagrams.firstIndex(where: { $0.wanted == wanted }) {
                datagrams.append((wanted, oldDatagrams.remove(at: known).group))
            } else {
                datagrams.append((wanted, try Self.open(wanted, plan, receivers, &inherited)))
            }
        }
        for wanted in plan.streams {
            let index = oldStreams.firstIndex { $0.wanted.address == wanted.address && $0.wanted.port == wanted.port }
            let known = index.map { oldStreams.remove(at: $0) }
            streams.append((wanted, try Self.open(wanted, keeping: known, receivers, &inherited)))
        }
        datagrams += old?.datagrams.filter { $0.wanted == nil } ?? []
        for group in try Self.rest(of: &inherited, plan) { datagrams.append((nil, group)) }
        for socket in inherited.takeAll(isStream: true) {
            warnings.append("passed TCP socket \(socket.address) port \(socket.port) is named by no setting: closed")
            close(socket.descriptor)
        }
        let known = Set((old?.groups ?? []).flatMap(\.listeners).map(ObjectIdentifier.init))
        for group in datagrams.map(\.group) where !group.listeners.contains(where: { known.contains(.init($0)) }) {
            warnings += group.warnings
        }
        (self.datagrams, self.streams, self.warnings) = (datagrams, streams, warnings)
    }

    private static func open(
        _ wanted: IntakePlan.Datagrams, _ plan: IntakePlan, _ receivers: Int, _ inherited: inout InheritedSockets
    ) throws(IntakeError) -> UDPListenerGroup {
        let passed = inherited.take(address: wanted.address, port: wanted.port, isStream: false)
        guard passed.isEmpty else { return UDPListenerGroup(adopting: try adopt(passed, plan)) }
        return try UDPListenerGroup(
            address: wanted.address, port: wanted.port, bufferBytes: plan.bufferBytes, count: receivers,
            wantsKernelTimes: plan.wantsKernelTimes)
    }
    private static func open(
        _ wanted: IntakePlan.Streams, keeping known: (wanted: IntakePlan.Streams, listeners: [StreamListener])?,
        _ receivers: Int, _ inherited: inout InheritedSockets
    ) throws(IntakeError) -> [StreamListener] {
        if let known {
            guard known.wanted.tls != wanted.tls else { return known.listeners }
            var again: [StreamListener] = []
            for listener in known.listeners { again.append(try StreamListener(listener, with: wanted.tls)) }
            return again
        }
        let passed = inherited.take(address: wanted.address, port: wanted.port, isStream: true)
        guard !passed.isEmpty else {
            return try StreamListener.group(
                address: wanted.address, port: wanted.port, tls: wanted.tls, count: receivers)
        }
        var listeners: [StreamListener] = []
        for socket in passed { listeners.append(try StreamListener(adopting: socket, tls: wanted.tls)) }
        return listeners
    }
    private static func adopt(
        _ passed: [InheritedSocket], _ plan: IntakePlan
    ) throws(IntakeError) -> [UDPListener] {
        var listeners: [UDPListener] = []
        for socket in passed {
            listeners.append(
                try UDPListener(
                    adopting: socket, bufferBytes: plan.bufferBytes, wantsKernelTimes: plan.wantsKernelTimes))
        }
        return listeners
    }
    /// Passed UDP sockets that no setting names, those of one address together.
    private static func rest(
        of inherited: inout InheritedSockets, _ plan: IntakePlan
    ) throws(IntakeError) -> [UDPListenerGroup] {
        var groups: [UDPListenerGroup] = [], left = inherited.takeAll(isStream: false)
        while let first = left.first {  // ends: each turn takes at least one
            let same = left.filter { $0.ip == first.ip && $0.isV6 == first.isV6 && $0.port == first.port }
            left.removeAll { $0.ip == first.ip && $0.isV6 == first.isV6 && $0.port == first.port }
            groups.append(UDPListenerGroup(adopting: try adopt(same, plan)))
        }
        return groups
    }

    /// What one receiver (0..<`receiverCount`) polls. A passed address may have fewer sockets than there are receivers:
    /// its sockets go to different receivers then, and the others do without.
    package func listeners(of receiver: Int) -> [UDPListener] {
        Self.share(datagrams.map(\.group.listeners), of: receiver, among: receivers)
    }
    package func streams(of receiver: Int) -> [StreamListener] {
        Self.share(streams.map(\.listeners), of: receiver, among: receivers)
    }
    private static func share<Socket>(_ groups: [[Socket]], of receiver: Int, among count: Int) -> [Socket] {
        groups.enumerated().flatMap { index, sockets in
            sockets.enumerated().filter { ($0.offset + index * (sockets.count < count ? 1 : 0)) % count == receiver }
                .map(\.element)
        }
    }
    package var receiverCount: Int { receivers }
    package var groups: [UDPListenerGroup] { datagrams.map(\.group) }
    /// Of UDP, then of TCP, in the order of the plan.
    package var ports: [UInt16] { groups.map(\.port) + streams.compactMap(\.listeners.first?.port) }
}
