import Foundation

// What the operating system wants of a command: status, streams, signals.

func complain(_ message: String) {
    FileHandle.standardError.write(Data((message + "\n").utf8))
}

func end(withStatus status: Int32) -> Never { Foundation.exit(status) }

/// `weirctl flows | head` ends quietly: the write fails with EPIPE instead of a signal, and the process ends there.
func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_DFL)
}

var standardOutputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
var standardErrorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

/// Replaces `path` in one step, readable by its owner only when `isSecret`.
func replaceFile(_ path: String, with data: Data, isSecret: Bool) throws {
    let temporary = path + ".new"
    let made = FileManager.default.createFile(
        atPath: temporary, contents: data, attributes: [.posixPermissions: isSecret ? 0o600 : 0o644])
    guard made, unsafe rename(temporary, path) == 0 else { throw Failure.work("\(path): cannot be written") }
}

/// Sends datagrams to one numeric address.
final class UDPSender {
    private let descriptor: Int32

    /// - Parameter text: `192.0.2.1:2055` or `[2001:db8::1]:2055`.
    init(to text: String) throws {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw Failure.usage("--to: \(text) is not HOST:PORT")
        }
        let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, String(port), &hints, &list) == 0, let found = unsafe list else {
            throw Failure.usage("--to: \(host) is not a numeric address")
        }
        defer { unsafe freeaddrinfo(found) }
        descriptor = unsafe socket(found.pointee.ai_family, found.pointee.ai_socktype, 0)
        guard unsafe connect(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 else {
            throw Failure.work("--to: \(text) cannot be reached")
        }
    }
    deinit { close(descriptor) }

    func send(_ payload: [UInt8]) { _ = unsafe Foundation.send(descriptor, payload, payload.count, 0) }
}
