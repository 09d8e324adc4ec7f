internal import Foundation
internal import Glibc

/// nfdump's collector, fed over a socket: what it stored, its readers then show.
package struct Nfcapd {
    package static let isInstalled = Program.isInstalled("nfcapd") && Program.isInstalled("nfdump")
    package static let why = "nfdump is not installed"
    package struct Fault: Error { package let problem: String }

    package let folder: TemporaryFolder
    package let file: String

    /// Runs nfcapd, sends it `messages`, ends it. Slow enough that its socket never overflows.
    package init(receiving messages: [[UInt8]]) throws {
        folder = try TemporaryFolder("weir-nfcapd")
        let flows = folder.file("flows")
        try FileManager.default.createDirectory(at: flows, withIntermediateDirectories: false)
        let sender = try Sender(), port = try Sender.freePort()
        let log = folder.file("log")
        let process = try Program.start(
            "nfcapd", ["-w", flows.path, "-p", String(port), "-b", "127.0.0.1", "-t", "3600", "-B", "8000000"],
            output: log, errors: log)
        try Self.wait { (try? String(contentsOf: log, encoding: .utf8).contains("Startup")) ?? false }
        for (index, message) in messages.enumerated() {
            try sender.send(message, to: port)
            if index % 20 == 19 { usleep(5_000) }
        }
        usleep(300_000)
        process.terminate()
        process.waitUntilExit()
        guard
            let name = try FileManager.default.contentsOfDirectory(atPath: flows.path).first(where: {
                $0.hasPrefix("nfcapd.2")
            })
        else { throw Fault(problem: try String(contentsOf: log, encoding: .utf8)) }
        file = flows.appendingPathComponent(name).path
    }

    private static func wait(until isDone: () -> Bool) throws {
        for _ in 0..<200 {
            if isDone() { return }
            usleep(50_000)
        }
        throw Fault(problem: "nfcapd did not start")
    }

    /// What nfdump counts in all: flows, octets, packets.
    package func sums() throws -> [UInt64] {
        let summary = try dump(["-s", "proto/bytes", "-n", "0", "-o", "csv"])
        return summary.split(separator: "\n").last?.split(separator: ",").prefix(3).compactMap { UInt64($0) } ?? []
    }
    /// What nfdump prints for `filter`.
    package func dump(_ arguments: [String], file other: String? = nil) throws -> String {
        let outcome = try Program.run("nfdump", ["-r", other ?? file] + arguments, environment: ["TZ": "UTC"])
        guard outcome.status == 0 else { throw Fault(problem: outcome.errors + outcome.text) }
        return outcome.text
    }
    package func lines(_ filter: String = "any", file other: String? = nil) throws -> [String] {
        try dump(["-o", "csv", "-q", filter], file: other).split(separator: "\n").map(String.init)
            .filter { $0.first?.isNumber == true }
    }
}

/// An IPFIX file cut at its messages' lengths.
package func messages(of file: [UInt8]) -> [[UInt8]] {
    var messages: [[UInt8]] = [], rest = file[...]
    while rest.count >= 4 {
        let length = Int(rest[rest.startIndex + 2]) << 8 | Int(rest[rest.startIndex + 3])
        guard (16...rest.count).contains(length) else { return messages }
        messages.append(Array(rest.prefix(length)))
        rest = rest.dropFirst(length)
    }
    return messages
}

/// Datagrams to loopback.
private final class Sender {
    private let descriptor: Int32
    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw Nfcapd.Fault(problem: "no socket: \(errno)") }
    }
    deinit { close(descriptor) }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
    func send(_ datagram: [UInt8], to port: UInt16) throws {
        var address = Self.address(port)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, datagram, datagram.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard sent == datagram.count else { throw Nfcapd.Fault(problem: "not sent: \(errno)") }
    }
    /// A port that was free a moment ago.
    static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = Self.address(0), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let done = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard done else { throw Nfcapd.Fault(problem: "no free port: \(errno)") }
        return UInt16(bigEndian: address.sin_port)
    }
}
