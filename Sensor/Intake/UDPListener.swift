internal import CSockets
internal import FlowModel
internal import Glibc
internal import Platform

/// Takes what exporters send from the kernel: datagrams in batches, IPFIX messages out of TCP and TLS connections, the
/// count of what the kernel dropped; and the sockets themselves, opened or inherited.
///
/// Invariants: a socket is bound before anything is received and closed with its last reference; each datagram or
/// message is handed out once, as borrowed bytes, in its stream's order; nothing waits but `Poller.poll`. Not here:
/// what a datagram means (`Decode`), threads (`SensorPipeline`), copies for other collectors (`Forward`).

/// One bound UDP socket. The kernel queues datagrams on it from `init` on.
package final class UDPListener: Sendable {
    package let descriptor: Int32
    /// As it was asked for, or for an inherited socket as the kernel says it.
    package let address: String
    /// The port that is bound: the kernel's choice where 0 was asked for.
    package let port: UInt16
    /// The receive buffer that was asked for, in bytes of kernel memory; a datagram of 1,400 bytes takes about 2,300.
    package let bufferBytesAsked: Int
    /// The receive buffer that the kernel gave.
    package let bufferBytes: Int
    /// What the kernel had dropped on an inherited socket before this process took it; nobody counts it now.
    package let dropsBefore: UInt32

    /// - Parameters:
    ///   - address: numeric; `::` takes IPv4 too.
    ///   - port: 0 lets the kernel choose.
    ///   - sharesPort: whether this process will bind the same address and port again (SO_REUSEPORT).
    ///   - wantsKernelTimes: datagrams carry the time at which the kernel took them; costs some 0.1 µs each.
    /// - Throws: `IntakeError.cannotBind`.
    package init(
        address: String, port: UInt16, bufferBytes: Int, sharesPort: Bool = false, wantsKernelTimes: Bool = false
    ) throws(IntakeError) {
        let asked = Self.sane(bufferBytes)
        var granted: Int32 = 0
        let bound = Sockets.bind(
            address, port, sharesPort: sharesPort, wantsTimes: wantsKernelTimes, bufferBytes: asked, &granted)
        guard bound >= 0 else { throw .cannotBind(address: address, port: port, reason: systemReason(-bound)) }
        let actual = weir_socket_port(bound)
        guard actual > 0, let actualPort = UInt16(exactly: actual) else {
            close(bound)
            throw .cannotBind(address: address, port: port, reason: systemReason(-actual))
        }
        descriptor = bound
        self.address = address
        self.port = actualPort
        bufferBytesAsked = Int(asked)
        // The kernel doubles what it is asked for, for its own bookkeeping (socket(7), SO_RCVBUF).
        self.bufferBytes = Int(granted) / 2
        dropsBefore = 0
    }

    /// Takes over a bound UDP socket of the service manager.
    /// - Throws: `IntakeError.cannotBind`; the descriptor is closed then.
    init(adopting socket: InheritedSocket, bufferBytes: Int, wantsKernelTimes: Bool) throws(IntakeError) {
        let asked = Self.sane(bufferBytes)
        var granted: Int32 = 0
        let failed = unsafe weir_socket_adopt(socket.descriptor, asked, wantsKernelTimes ? 1 : 0, &granted)
        guard failed == 0 else {
            close(socket.descriptor)
            throw .cannotBind(address: socket.address, port: socket.port, reason: systemReason(-failed))
        }
        descriptor = socket.descriptor
        address = socket.address
        port = socket.port
        bufferBytesAsked = Int(asked)
        self.bufferBytes = Int(granted) / 2
        dropsBefore = Self.memory(of: socket.descriptor)?.drops ?? 0
    }

    deinit { close(descriptor) }

    private static func sane(_ bufferBytes: Int) -> Int32 {
        Int32(clamping: min(max(bufferBytes, 4_096), Int(Int32.max) / 2))
    }

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
        guard let memory = Self.memory(of: descriptor) else { throw .receive(port: port, reason: systemReason(errno)) }
        return memory.drops
    }
    /// What waits in the buffer takes so much of it, 0...1, and so many datagrams were dropped as in `kernelDrops`; nil
    /// when the socket does not say.
    var memory: (fill: Double, drops: UInt32)? {
        Self.memory(of: descriptor).map { (Double($0.bytes) / Double(2 * max(bufferBytes, 1)), $0.drops) }
    }
    private static func memory(of descriptor: Int32) -> (bytes: UInt32, drops: UInt32)? {
        var bytes: UInt32 = 0, drops: UInt32 = 0
        return unsafe weir_udp_memory(descriptor, &bytes, &drops) == 0 ? (bytes, drops) : nil
    }
}

/// Why datagrams can't be taken: the machine's doing, so the sensor says so and stops, or goes on without this socket.
package enum IntakeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Before anything was received: the address is wrong, the port taken, or the right missing.
    case cannotBind(address: String, port: UInt16, reason: String)
    /// The same of a TCP port.
    case cannotListen(address: String, port: UInt16, reason: String)
    case receive(port: UInt16, reason: String)
    /// No connection can be accepted now: descriptors or memory are short.
    case accept(port: UInt16, reason: String)
    /// The certificate, key or authorities of a TLS port can't be used.
    case identity(reason: String)
    /// Waiting itself fails.
    case system(reason: String)
    case outOfMemory

    package var description: String {
        switch self {
        case .cannotBind(let address, let port, let reason): "cannot listen on \(address) port \(port)/udp: \(reason)"
        case .cannotListen(let address, let port, let reason): "cannot listen on \(address) port \(port)/tcp: \(reason)"
        case .receive(let port, let reason): "port \(port)/udp: \(reason)"
        case .accept(let port, let reason): "port \(port)/tcp: \(reason)"
        case .identity(let reason): reason
        case .system(let reason): reason
        case .outOfMemory: "out of memory"
        }
    }
}

/// The C library's calls with Swift's types.
enum Sockets {
    static func bind(
        _ address: String, _ port: UInt16, isStream: Bool = false, sharesPort: Bool, wantsTimes: Bool = false,
        bufferBytes: Int32 = 0, _ granted: inout Int32
    ) -> Int32 {
        unsafe address.withCString { text in
            var binding = unsafe weir_binding(
                address: text, port: port, is_stream: isStream ? 1 : 0, shares_port: sharesPort ? 1 : 0,
                wants_times: wantsTimes ? 1 : 0, receive_bytes: bufferBytes)
            return unsafe weir_bind(&binding, &granted)
        }
    }
    /// From 16 octets in network order.
    static func address(of octets: UnsafeRawBufferPointer) -> IPAddress {
        let high = unsafe octets.loadUnaligned(as: UInt64.self)
        let low = unsafe octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return IPAddress(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
    }
}
