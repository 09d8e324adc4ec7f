import FlowModel
import Foundation

/// A numeric address and port, with the transport: `192.0.2.1:2055`, `[2001:db8::1]:4739/tcp`.
struct Target: Equatable {
    var host: String, port: UInt16, isStream: Bool

    init(_ text: String) throws {
        var rest = Substring(text)
        isStream = rest.hasSuffix("/tcp")
        if isStream { rest = rest.dropLast(4) } else if rest.hasSuffix("/udp") { rest = rest.dropLast(4) }
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port > 0 else {
            throw Failure.usage("--to: \(text) is not HOST:PORT, HOST:PORT/udp or HOST:PORT/tcp")
        }
        host = rest[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        self.port = port
        guard IPAddress(host) != nil else { throw Failure.usage("--to: \(host) is not a numeric address") }
    }
}

/// One exporter's socket: sends datagrams, or messages over a connection.
final class ExportSocket {
    private let descriptor: Int32
    private let isStream: Bool
    /// Sends that the system refused, whatever was tried.
    private(set) var failures = 0

    /// - Parameter source: the address to send from; nil leaves it to the system.
    init(to target: Target, from source: IPAddress?) throws {
        isStream = target.isStream
        let kind = isStream ? SOCK_STREAM : SOCK_DGRAM
        let far = unsafe try Self.lookUp(target.host, target.port, kind)
        defer { unsafe freeaddrinfo(far) }
        descriptor = unsafe socket(far.pointee.ai_family, Int32(kind.rawValue), 0)
        guard descriptor >= 0 else { throw Failure.work("--to: no socket: \(Self.reason)") }
        if let source {
            let near = unsafe try Self.lookUp(source.description, 0, kind)
            defer { unsafe freeaddrinfo(near) }
            guard unsafe bind(descriptor, near.pointee.ai_addr, near.pointee.ai_addrlen) == 0 else {
                throw Failure.work("--bind: cannot send from \(source): \(Self.reason)")
            }
        }
        guard unsafe connect(descriptor, far.pointee.ai_addr, far.pointee.ai_addrlen) == 0 else {
            throw Failure.work("--to: \(target.host):\(target.port) cannot be reached: \(Self.reason)")
        }
    }
    deinit { close(descriptor) }

    private static var reason: String { unsafe String(cString: strerror(errno)) }
    private static func lookUp(
        _ host: String, _ port: UInt16, _ kind: __socket_type
    ) throws -> UnsafeMutablePointer<addrinfo> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST
        unsafe hints.ai_socktype = Int32(kind.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, String(port), &hints, &list) == 0, let found = unsafe list else {
            throw Failure.usage("\(host) is not a numeric address")
        }
        return unsafe found
    }

    /// Sends `bytes[range]`. A datagram goes whole or counts as a failure; of a stream all is sent, or it throws.
    func send(_ bytes: [UInt8], _ range: Range<Int>) throws {
        var from = range.lowerBound, attempts = 0
        while from < range.upperBound {  // ends: each turn sends something or uses up an attempt
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Foundation.send(
                    descriptor, buffer.baseAddress.map { unsafe $0 + from }, range.upperBound - from,
                    Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                from += sent
                continue
            }
            if errno == EINTR { continue }
            if isStream { throw Failure.work("--to: the connection broke: \(Self.reason)") }
            attempts += 1
            // ECONNREFUSED tells of an earlier datagram; ENOBUFS and EAGAIN pass.
            guard attempts < 5 else {
                failures += 1
                return
            }
            if errno != ECONNREFUSED { usleep(200) }
        }
    }
}

/// A file that is written piece by piece under another name, and takes its own when it is whole.
final class PieceFile {
    private let path: String
    private var handle: FileHandle?

    init(_ path: String) throws {
        self.path = path
        guard FileManager.default.createFile(atPath: path + ".new", contents: nil),
            let handle = FileHandle(forWritingAtPath: path + ".new")
        else { throw Failure.work("\(path): cannot be written") }
        self.handle = handle
    }
    func write(_ bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { return }
        do { try handle?.write(contentsOf: bytes) } catch { throw Failure.work("\(path): cannot be written: \(error)") }
    }
    func finish() throws {
        try handle?.close()
        handle = nil
        guard unsafe rename(path + ".new", path) == 0 else { throw Failure.work("\(path): cannot be written") }
    }
}
