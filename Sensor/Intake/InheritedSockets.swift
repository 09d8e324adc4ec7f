internal import CSockets
internal import FlowModel
internal import Glibc
internal import Platform

/// Sockets that the service manager opened before it started this process (systemd socket activation,
/// sd_listen_fds(3)): descriptors from 3 on, announced by LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. They outlive the
/// process, so what exporters send while a sensor restarts waits in them.
package struct InheritedSockets: Sendable {
    private var sockets: [InheritedSocket]
    /// What was passed and can't be used, with the reason, for the log.
    package private(set) var warnings: [String] = []

    /// None.
    package init() { sockets = [] }

    /// Looks at what was passed; opens, closes and changes nothing.
    /// - Parameters:
    ///   - environment: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES where present.
    ///   - processID: this process's; descriptors meant for another are not touched.
    ///   - first: the first passed descriptor.
    package init(environment: [String: String], processID: Int32, first: Int32 = 3) {
        sockets = []
        guard let pid = environment["LISTEN_PID"].flatMap(Int32.init), pid == processID,
            let count = environment["LISTEN_FDS"].flatMap(Int32.init), count > 0
        else { return }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        for offset in 0..<min(count, Self.countMax) {
            let name = Int(offset) < names.count ? String(names[Int(offset)]) : ""
            adopt(first + offset, name)
        }
        if count > Self.countMax {
            warnings.append("\(count) sockets were passed, only \(Self.countMax) are looked at")
        }
    }

    /// More than any sensible unit passes.
    package static let countMax: Int32 = 256

    /// Those of this process's environment. Removes the variables, so that no child takes the sockets for its own: call
    /// before threads are started.
    package static func ofThisProcess() -> InheritedSockets {
        var environment: [String: String] = [:]
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            guard let value = unsafe getenv(name) else { continue }
            environment[name] = unsafe String(cString: value)
            unsafe unsetenv(name)
        }
        return InheritedSockets(environment: environment, processID: getpid())
    }

    private mutating func adopt(_ descriptor: Int32, _ name: String) {
        var about = weir_socket()
        let failed = unsafe weir_socket_describe(descriptor, &about)
        let called = name.isEmpty ? "descriptor \(descriptor)" : "descriptor \(descriptor) (\(name))"
        guard failed == 0 else {
            warnings.append("passed \(called) is not a UDP or TCP socket: \(systemReason(-failed))")
            return
        }
        guard about.is_stream == 0 || about.is_listening != 0 else {
            warnings.append("passed \(called) is a TCP connection, not a listening socket")
            return
        }
        guard about.port != 0 else {
            warnings.append("passed \(called) is not bound to a port")
            return
        }
        let address = unsafe withUnsafeBytes(of: about.address) { unsafe Sockets.address(of: $0) }
        let socket = InheritedSocket(
            descriptor: descriptor, name: name, ip: address,
            isV6: about.is_v6 != 0, port: about.port, isStream: about.is_stream != 0)
        sockets.append(socket)
    }

    package var isEmpty: Bool { sockets.isEmpty }

    /// Removes and returns the sockets that are bound to `address` (numeric) and `port`.
    mutating func take(address: String, port: UInt16, isStream: Bool) -> [InheritedSocket] {
        guard let ip = IPAddress(address) else { return [] }
        let isV6 = address.contains(":")
        return take { $0.isStream == isStream && $0.port == port && $0.ip == ip && $0.isV6 == isV6 }
    }
    /// Removes and returns all that are left of one kind.
    mutating func takeAll(isStream: Bool) -> [InheritedSocket] { take { $0.isStream == isStream } }

    private mutating func take(where wanted: (InheritedSocket) -> Bool) -> [InheritedSocket] {
        let taken = sockets.filter(wanted)
        sockets.removeAll(where: wanted)
        return taken
    }
}

/// One bound socket that was passed to this process and is nobody's yet.
struct InheritedSocket: Equatable, Sendable {
    let descriptor: Int32
    /// FileDescriptorName= of the socket unit.
    let name: String
    let ip: IPAddress
    let isV6: Bool
    let port: UInt16
    let isStream: Bool

    /// As a setting would say it.
    var address: String { "\(ip)" }
}
