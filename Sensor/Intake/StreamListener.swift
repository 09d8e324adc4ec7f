internal import CSockets
internal import Glibc
internal import Platform

/// One listening TCP socket: IPFIX over TCP, or over TLS where `tls` is set (RFC 7011 §10.4).
package final class StreamListener: Sendable {
    package let descriptor: Int32
    package let address: String
    /// The kernel's choice where 0 was asked for.
    package let port: UInt16
    /// Nil: plain TCP.
    package let tls: TLSServerSettings?

    /// - Parameter sharesPort: whether this process will bind the same address and port again (SO_REUSEPORT).
    /// - Throws: `IntakeError.cannotListen`.
    package init(
        address: String, port: UInt16, tls: TLSServerSettings? = nil, sharesPort: Bool = false
    ) throws(IntakeError) {
        var unused: Int32 = 0
        let bound = Sockets.bind(address, port, isStream: true, sharesPort: sharesPort, &unused)
        guard bound >= 0 else { throw .cannotListen(address: address, port: port, reason: systemReason(-bound)) }
        let actual = weir_socket_port(bound)
        guard actual > 0, let actualPort = UInt16(exactly: actual) else {
            close(bound)
            throw .cannotListen(address: address, port: port, reason: systemReason(-actual))
        }
        descriptor = bound
        self.address = address
        self.port = actualPort
        self.tls = tls
    }

    /// Takes over a listening socket of the service manager.
    /// - Throws: `IntakeError.cannotListen`; the descriptor is closed then.
    init(adopting socket: InheritedSocket, tls: TLSServerSettings?) throws(IntakeError) {
        var unused: Int32 = 0
        let failed = unsafe weir_socket_adopt(socket.descriptor, 0, 0, &unused)
        guard failed == 0 else {
            close(socket.descriptor)
            throw .cannotListen(address: socket.address, port: socket.port, reason: systemReason(-failed))
        }
        descriptor = socket.descriptor
        address = socket.address
        port = socket.port
        self.tls = tls
    }

    /// The same socket with other settings: connections that wait in it stay.
    /// - Throws: `IntakeError.cannotListen` when descriptors are short.
    init(_ other: StreamListener, with tls: TLSServerSettings?) throws(IntakeError) {
        let again = fcntl(other.descriptor, F_DUPFD_CLOEXEC, 0)
        guard again >= 0 else {
            throw .cannotListen(address: other.address, port: other.port, reason: systemReason(errno))
        }
        descriptor = again
        (address, port, self.tls) = (other.address, other.port, tls)
    }

    deinit { close(descriptor) }

    /// The sockets of one address and port, one for each receiver thread; an exporter's connections all reach one of
    /// them, so that a limit by address holds.
    /// - Throws: `IntakeError.cannotListen`; nothing stays open then.
    package static func group(
        address: String, port: UInt16, tls: TLSServerSettings?, count: Int
    ) throws(IntakeError) -> [StreamListener] {
        let count = min(max(count, 1), 256)
        if count > 1 && port != 0 { _ = try StreamListener(address: address, port: port) }  // as for UDP: ours alone
        let first = try StreamListener(address: address, port: port, tls: tls, sharesPort: count > 1)
        var all = [first]
        _ = UDPListenerGroup.steer(first.descriptor, among: count)
        while all.count < count {
            all.append(try StreamListener(address: address, port: first.port, tls: tls, sharesPort: true))
        }
        return all
    }
}
