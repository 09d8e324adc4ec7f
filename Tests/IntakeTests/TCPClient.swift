import Foundation

/// A TCP connection to a port of loopback that says what a test wants: an exporter over TCP.
final class TCPClient: Sendable {
    private let descriptor: Int32

    /// - Parameter source: the IPv4 address to come from.
    init(to destination: UInt16, from source: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        var failed = Self.bind(descriptor, to: source)
        var to = Self.address("127.0.0.1", destination)
        let descriptor = descriptor
        failed += withUnsafePointer(to: &to) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard failed == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }
    deinit { close(descriptor) }

    static func address(_ text: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr(text)
        return address
    }
    /// To any free port of `source`.
    static func bind(_ descriptor: Int32, to source: String) -> Int32 {
        var from = address(source, 0)
        return withUnsafePointer(to: &from) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {  // ends: with the bytes, or the connection
            let count = rest.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
    /// No more will be sent.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    enum Fate: Equatable { case isOpen, ended, reset }
    /// What the other side has done to the connection so far.
    var fate: Fate {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
        if count == 0 { return .ended }
        return count < 0 && errno == EAGAIN ? .isOpen : .reset
    }
}

/// An IPFIX message: a header that says its length, and then `fill` bytes of `value`.
func message(fill: Int = 0, value: UInt8 = 7) -> [UInt8] {
    var bytes: [UInt8] = [0, 10]
    let length = UInt16(16 + fill)
    bytes += [UInt8(length >> 8), UInt8(length & 0xFF)] + [UInt8](repeating: 0, count: 12)
    return bytes + [UInt8](repeating: value, count: fill)
}
