import Foundation

/// A UDP socket on loopback that sends to one port: what an exporter is to intake.
final class UDPSender {
    private let descriptor: Int32
    let port: UInt16

    /// - Parameter source: the IPv4 address to send from; any of 127.0.0.0/8 will do.
    init(to destination: UInt16, over family: Int32 = AF_INET, from source: String? = nil) throws {
        descriptor = socket(family, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        var failed: Int32 = 0
        if let source { failed = TCPClient.bind(descriptor, to: source) }
        if family == AF_INET6 {
            var to = sockaddr_in6()
            to.sin6_family = sa_family_t(AF_INET6)
            to.sin6_port = destination.bigEndian
            to.sin6_addr = in6addr_loopback
            failed += Self.connect(descriptor, &to)
        } else {
            var to = sockaddr_in()
            to.sin_family = sa_family_t(AF_INET)
            to.sin_port = destination.bigEndian
            to.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            failed += Self.connect(descriptor, &to)
        }
        var own = sockaddr_in6(), length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let descriptor = descriptor
        failed += withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard failed == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        port = UInt16(bigEndian: own.sin6_port)  // the port is at the same offset in both families
    }
    deinit { close(descriptor) }

    private static func connect<Address>(_ descriptor: Int32, _ to: inout Address) -> Int32 {
        withUnsafePointer(to: &to) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    func send(_ bytes: [UInt8]) throws {
        let sent = Foundation.send(descriptor, bytes, bytes.count, 0)
        guard sent == bytes.count else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }
}
