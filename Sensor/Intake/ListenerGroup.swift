internal import CSockets
internal import Glibc
internal import Platform

/// The sockets of one address and port, one for each receiver thread, and how the kernel chooses among them.
///
/// Steering is by source address alone, so everything that one exporter sends reaches one thread, whichever ports it
/// sends from: its templates, its sequence numbers and the repeats of its datagrams stay together (C33). The price is
/// that one exporter can't use more than one thread.
package struct UDPListenerGroup: Sendable {
    package enum Steering: Equatable, Sendable {
        /// One socket: there is nothing to choose.
        case single
        case bySourceAddress
        /// The kernel hashes addresses and ports: an exporter that changes its port may change its thread.
        case byKernelHash(reason: String)
    }
    /// In the order in which the steering counts them.
    package let listeners: [UDPListener]
    package let steering: Steering

    /// - Parameters:
    ///   - count: how many sockets, 1...256.
    ///   - port: 0 lets the kernel choose one, the same for all.
    /// - Throws: `IntakeError.cannotBind`; nothing stays open then.
    package init(
        address: String, port: UInt16, bufferBytes: Int, count: Int, wantsKernelTimes: Bool = false
    ) throws(IntakeError) {
        let count = min(max(count, 1), 256)
        if count > 1 && port != 0 {
            // A shared port would be shared with a second sensor of the same user, too, and each would get half of the
            // exporters. Whoever can't have the port alone is refused.
            _ = try UDPListener(address: address, port: port, bufferBytes: 0)
        }
        let first = try UDPListener(
            address: address, port: port, bufferBytes: bufferBytes, sharesPort: count > 1,
            wantsKernelTimes: wantsKernelTimes)
        // Before the others are bound: what arrives meanwhile already goes by the source address where it can.
        let steering = Self.steer(first.descriptor, among: count)
        var listeners = [first]
        while listeners.count < count {
            listeners.append(
                try UDPListener(
                    address: address, port: first.port, bufferBytes: bufferBytes, sharesPort: true,
                    wantsKernelTimes: wantsKernelTimes))
        }
        (self.listeners, self.steering) = (listeners, steering)
    }

    /// Sockets that are already chosen among in this way.
    package init(_ listeners: [UDPListener], steering: Steering) {
        (self.listeners, self.steering) = (listeners, steering)
    }

    /// Sockets that the service manager bound to one address; several where its unit says `ReusePort=yes` and names the
    /// address as often.
    init(adopting listeners: [UDPListener]) {
        self.listeners = listeners
        steering = listeners.first.map { Self.steer($0.descriptor, among: listeners.count) } ?? .single
    }

    static func steer(_ descriptor: Int32, among count: Int) -> Steering {
        guard count > 1 else { return .single }
        let failed = weir_steer_by_source(descriptor, UInt32(count))
        return failed == 0 ? .bySourceAddress : .byKernelHash(reason: systemReason(-failed))
    }

    package var address: String { listeners.first?.address ?? "" }
    package var port: UInt16 { listeners.first?.port ?? 0 }

    /// What the operator should know of these sockets, for the log.
    package var warnings: [String] {
        var all: [String] = []
        if let warning = listeners.first(where: { $0.bufferWarning != nil })?.bufferWarning { all.append(warning) }
        let dropsBefore = listeners.reduce(UInt64(0)) { $0 + UInt64($1.dropsBefore) }
        if dropsBefore > 0 {
            all.append("on port \(port) the kernel had dropped \(dropsBefore) datagrams before this process started")
        }
        if case .byKernelHash(let reason) = steering {
            all.append(
                "port \(port) can't be steered by source address (\(reason)): an exporter that changes its source port "
                    + "may change its receiver thread and be without templates for a while; receivers: 1 avoids it")
        }
        return all
    }
}
