internal import CSockets
internal import Glibc

/// Takes exporters' datagrams from the kernel: sockets, batches of datagrams, and the count of what the kernel dropped.
///
/// Invariants: a socket is bound before anything is received and closed with its listener; each datagram is handed out
/// once, as borrowed bytes. Not here: what a datagram means (`Decode`), threads (`SensorPipeline`).

/// One bound UDP socket. The kernel queues datagrams on it from `init` on.
package final class UDPListener: Sendable {
    package let descriptor: Int32
    /// The port that is bound: the kernel's choice where 0 was asked for.
    package let port: UInt16
    /// The receive buffer that was asked for, in bytes of kernel memory; a datagram of 1,400 bytes takes about 2,300.
    package let bufferBytesAsked: Int
    /// The receive buffer that the kernel gave.
    package let bufferBytes: Int

    /// - Parameters:
    ///   - address: numeric; `::` takes IPv4 too.
    ///   - port: 0 lets the kernel choose.
    /// - Throws: `IntakeError.cannotBind`.
    package init(address: String, port: UInt16, bufferBytes: Int) throws(IntakeError) {
        let asked = min(max(bufferBytes, 4_096), Int(Int32.max) / 2)
        var granted: Int32 = 0
        let bound = unsafe weir_udp_bind(address, port, Int32(asked), &granted)
        guard bound >= 0 else { throw .cannotBind(address: address, port: port, reason: systemReason(-bound)) }
        let actual = weir_socket_port(bound)
        guard actual > 0, let actualPort = UInt16(exactly: actual) else {
            close(bound)
            throw .cannotBind(address: address, port: port, reason: systemReason(-actual))
        }
        descriptor = bound
        self.port = actualPort
        bufferBytesAsked = asked
        // The kernel doubles what it is asked for, for its own bookkeeping (socket(7), SO_RCVBUF).
        self.bufferBytes = Int(granted) / 2
    }

    deinit { close(descriptor) }

    /// What to tell the operator when the kernel gave less than was asked; nil when it gave all.
    package var bufferWarning: String? {
        guard bufferBytes < bufferBytesAsked else { return nil }
        return "the receive buffer of port \(port) is \(bufferBytes) bytes, \(bufferBytesAsked) were asked for: raise "
            + "net.core.rmem_max (sysctl -w net.core.rmem_max=\(bufferBytesAsked)) or give the process CAP_NET_ADMIN"
    }

    /// Datagrams that the kernel dropped on this socket since it was opened, because the buffer was full: exact at any
    /// time (SO_MEMINFO). Wraps at 2^32.
    /// - Throws: `IntakeError.receive`.
    package func kernelDrops() throws(IntakeError) -> UInt32 {
        let drops = weir_udp_drops(descriptor)
        guard drops >= 0 else { throw .receive(port: port, reason: systemReason(Int32(-drops))) }
        return UInt32(truncatingIfNeeded: drops)
    }
}

/// Why datagrams can't be taken: the machine's doing, so the sensor says so and stops, or goes on without this socket.
package enum IntakeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Before anything was received: the address is wrong, the port taken, or the right missing.
    case cannotBind(address: String, port: UInt16, reason: String)
    case receive(port: UInt16, reason: String)
    case outOfMemory

    package var description: String {
        switch self {
        case .cannotBind(let address, let port, let reason): "cannot listen on \(address) port \(port)/udp: \(reason)"
        case .receive(let port, let reason): "port \(port)/udp: \(reason)"
        case .outOfMemory: "out of memory"
        }
    }
}

func systemReason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
