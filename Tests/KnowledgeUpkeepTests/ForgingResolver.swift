import Foundation
import Glibc
import TestKit

/// A resolver that answers each question with the datagrams it is told to, from its own port or another.
final class ForgingResolver: @unchecked Sendable {
    struct Datagram {
        var octets: [UInt8]
        /// From a port that was not asked.
        var isFromElsewhere = false
    }
    struct Fault: Error { let code: Int32 }
    let port: Int
    /// Ports that questions came from, and the questions.
    var asked: [(port: UInt16, question: [UInt8])] { state.with { $0 } }
    private let state = Locked<[(port: UInt16, question: [UInt8])]>([])
    private let socket: Int32, other: Int32
    private var thread: Thread?

    init(_ answers: @escaping @Sendable ([UInt8]) -> [Datagram]) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        other = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var own = sockaddr_in(), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        own.sin_family = sa_family_t(AF_INET)
        own.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let descriptor = socket
        let failed = withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) != 0 || getsockname(descriptor, $0, &length) != 0
            }
        }
        guard !failed else { throw Fault(code: errno) }
        port = Int(UInt16(bigEndian: own.sin_port))
        let (state, elsewhere) = (state, other)
        let thread = Thread {
            while true {
                var buffer = [UInt8](repeating: 0, count: 2_048)
                var from = sockaddr_in(), length = socklen_t(MemoryLayout<sockaddr_in>.size)
                let count = withUnsafeMutablePointer(to: &from) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
                    }
                }
                guard count > 0 else { return }
                let question = Array(buffer[..<count])
                state.with { $0.append((UInt16(bigEndian: from.sin_port), question)) }
                for answer in answers(question) {
                    withUnsafePointer(to: &from) { pointer in
                        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                            _ = sendto(
                                answer.isFromElsewhere ? elsewhere : descriptor, answer.octets, answer.octets.count, 0,
                                $0, length)
                        }
                    }
                }
            }
        }
        self.thread = thread
        thread.start()
    }
    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
        close(other)
    }
}
