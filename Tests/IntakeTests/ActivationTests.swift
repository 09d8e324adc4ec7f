import Foundation
import Intake
import Platform
import TestKit
import Testing
import WireBytes

@Suite("Sockets come from the service manager, stay over a reload, and the manager is told")
struct ActivationTests {
    /// A socket as a service manager would pass it: bound, its descriptor this test's to give away.
    private func passed(_ kind: Int32, port: UInt16 = 0, sharesPort: Bool = false) throws -> (Int32, UInt16) {
        let descriptor = socket(AF_INET, kind, 0)
        var one: Int32 = 1
        if sharesPort { setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, 4) }
        var address = TCPClient.address("127.0.0.1", port), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.bind(descriptor, $0, length) + getsockname(descriptor, $0, &length)
            }
        }
        guard failed == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
    /// Puts descriptors where they follow each other, as `LISTEN_FDS` counts them.
    private func inherited(_ descriptors: [Int32], at first: Int32, names: String = "") -> InheritedSockets {
        for (offset, descriptor) in descriptors.enumerated() {
            dup2(descriptor, first + Int32(offset))
            close(descriptor)
        }
        return InheritedSockets(
            environment: ["LISTEN_PID": "77", "LISTEN_FDS": "\(descriptors.count)", "LISTEN_FDNAMES": names],
            processID: 77, first: first)
    }
    private func plan(_ ports: [UInt16], streams: [UInt16] = [], receivers: Int = 1) -> IntakePlan {
        IntakePlan(
            datagrams: ports.map { .init(address: "127.0.0.1", port: $0) },
            streams: streams.map { .init(address: "127.0.0.1", port: $0) }, receivers: receivers, bufferBytes: 1 << 20)
    }
    private func drain(_ listeners: [UDPListener]) throws -> [[UInt8]] {
        var receiver = try DatagramReceiver(batchMax: 64), all: [[UInt8]] = []
        for listener in listeners {
            _ = try receiver.take(from: listener, at: 0) { bytes, _, _ in all.append(bytes.copied()) }
        }
        return all
    }

    @Test("passed sockets are used instead of binding, with what already waits in them") func adopts() throws {
        let udp = try passed(Int32(SOCK_DGRAM.rawValue)), tcp = try passed(Int32(SOCK_STREAM.rawValue))
        listen(tcp.0, 8)
        try UDPSender(to: udp.1).send([1, 2, 3])
        let sockets = try IntakeSockets(
            plan([udp.1], streams: [tcp.1]), inherited: inherited([udp.0, tcp.0], at: 960, names: "udp:tcp"))
        #expect(sockets.ports == [udp.1, tcp.1])
        #expect(sockets.listeners(of: 0).map(\.descriptor) == [960])
        #expect(sockets.streams(of: 0).map(\.descriptor) == [961])
        #expect(fcntl(960, F_GETFL) & Int32(O_NONBLOCK) != 0)
        #expect(fcntl(960, F_GETFD) & FD_CLOEXEC != 0)
        #expect(try drain(sockets.listeners(of: 0)) == [[1, 2, 3]])
    }

    @Test("a passed UDP socket that no setting names is listened on, too; a TCP one is closed with a warning")
    func unnamed() throws {
        let udp = try passed(Int32(SOCK_DGRAM.rawValue)), tcp = try passed(Int32(SOCK_STREAM.rawValue))
        listen(tcp.0, 8)
        let sockets = try IntakeSockets(plan([]), inherited: inherited([udp.0, tcp.0], at: 966))
        #expect(sockets.ports == [udp.1])
        #expect(sockets.warnings == ["passed TCP socket 127.0.0.1 port \(tcp.1) is named by no setting: closed"])
        #expect(fcntl(967, F_GETFD) == -1)
        let again = try IntakeSockets(plan([]), keeping: sockets)
        #expect(again.ports == [udp.1])
    }

    @Test("what the kernel dropped before the sensor took a passed socket is said once and not counted as new")
    func droppedBefore() throws {
        let udp = try passed(Int32(SOCK_DGRAM.rawValue))
        var small: Int32 = 4_096
        setsockopt(udp.0, SOL_SOCKET, SO_RCVBUF, &small, 4)
        let sender = try UDPSender(to: udp.1)
        for _ in 0..<100 { try sender.send([UInt8](repeating: 1, count: 1_000)) }
        let sockets = try IntakeSockets(plan([udp.1]), inherited: inherited([udp.0], at: 985))
        let listener = try #require(sockets.listeners(of: 0).first)
        #expect(listener.dropsBefore > 0)
        #expect(
            sockets.warnings.last
                == "on port \(udp.1) the kernel had dropped \(listener.dropsBefore) datagrams"
                + " before this process started"
        )
        var poller = Poller(listeners: [listener], receiver: try DatagramReceiver(), time: ManualTime())
        let waited = try poller.poll(timeout: .zero) { _, _, _ in }
        #expect(waited + Int(listener.dropsBefore) == 100)
        #expect(poller.takeKernelDrops(exact: true) == 0)
        #expect(try IntakeSockets(plan([udp.1]), keeping: sockets).warnings == [])
    }

    @Test("what is no bound IP socket is not touched, and said") func strange() throws {
        let pair = try passed(Int32(SOCK_STREAM.rawValue))
        let file = open("/dev/null", O_RDONLY)
        let unbound = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        let all = inherited([pair.0, file, unbound], at: 970, names: "web")
        #expect(all.isEmpty)
        #expect(all.warnings.count == 3)
        #expect(all.warnings[0] == "passed descriptor 970 (web) is a TCP connection, not a listening socket")
        for descriptor: Int32 in 970...972 { #expect(close(descriptor) == 0) }
    }

    @Test("descriptors meant for another process are not looked at") func otherProcess() {
        let environment = ["LISTEN_PID": "76", "LISTEN_FDS": "3"]
        #expect(InheritedSockets(environment: environment, processID: 77).isEmpty)
        #expect(InheritedSockets(environment: environment, processID: 77).warnings == [])
        for count in ["0", "-1", "x", ""] {
            let odd = InheritedSockets(environment: ["LISTEN_PID": "77", "LISTEN_FDS": count], processID: 77)
            #expect(odd.isEmpty)
        }
    }

    @Test("several passed sockets of one address are steered by source and go to different receivers") func several()
        throws
    {
        let first = try passed(Int32(SOCK_DGRAM.rawValue), sharesPort: true)
        let second = try passed(Int32(SOCK_DGRAM.rawValue), port: first.1, sharesPort: true)
        let sockets = try IntakeSockets(
            plan([first.1], receivers: 2), inherited: inherited([first.0, second.0], at: 976))
        #expect(sockets.groups.map(\.steering) == [.bySourceAddress])
        #expect((0..<2).map { sockets.listeners(of: $0).count } == [1, 1])
        #expect(sockets.listeners(of: 0)[0].descriptor != sockets.listeners(of: 1)[0].descriptor)
    }

    @Test("single passed sockets spread over the receivers, each to one") func single() throws {
        let all = try (0..<3).map { _ in try passed(Int32(SOCK_DGRAM.rawValue)) }
        let sockets = try IntakeSockets(
            plan(all.map(\.1), receivers: 2), inherited: inherited(all.map(\.0), at: 980))
        let shares = (0..<2).map { Set(sockets.listeners(of: $0).map(\.descriptor)) }
        #expect(shares[0].union(shares[1]) == [980, 981, 982])
        #expect(shares.map(\.count).sorted() == [1, 2])
    }

    @Test("a reload keeps the sockets of addresses that stay, and no datagram that waits in them is lost") func reload()
        throws
    {
        let old = try IntakeSockets(plan([0, 0], receivers: 2))
        // Settings name ports; these tests had the kernel choose, so the plan after names 0 as well.
        let stays = old.groups[0]
        let sender = try UDPSender(to: stays.port)
        var received: [[UInt8]] = []
        let time = ManualTime()
        var poller = Poller(listeners: old.listeners(of: 0), receiver: try DatagramReceiver(), time: time)
        var other = Poller(listeners: old.listeners(of: 1), receiver: try DatagramReceiver(), time: time)
        for round in 0..<20 {
            for _ in 0..<10 { try sender.send([UInt8(round)]) }
            if round == 10 {
                let new = try IntakeSockets(plan([0], receivers: 2), keeping: old)
                #expect(new.groups.map(\.port) == [stays.port])
                #expect(new.listeners(of: 0)[0] === stays.listeners[0])
                poller.replace(listeners: new.listeners(of: 0))
                other.replace(listeners: new.listeners(of: 1))
            }
            _ = try poller.poll(timeout: .zero) { bytes, _, _ in received.append(bytes.copied()) }
            _ = try other.poll(timeout: .zero) { bytes, _, _ in received.append(bytes.copied()) }
        }
        #expect(received == (0..<20).flatMap { [[UInt8]](repeating: [UInt8($0)], count: 10) })
    }

    @Test("an address that can't be had leaves what runs as it is") func failedReload() throws {
        let taken = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8_192)
        let old = try IntakeSockets(plan([0]))
        #expect(throws: IntakeError.self) { try IntakeSockets(plan([0, taken.port]), keeping: old) }
        try UDPSender(to: old.ports[0]).send([9])
        #expect(try drain(old.listeners(of: 0)) == [[9]])
    }

    @Test("a TCP port with changed TLS settings keeps its socket, and connections that wait in it") func streamReload()
        throws
    {
        let old = try IntakeSockets(plan([], streams: [0]))
        let client = try TCPClient(to: old.ports[0])
        client.send(message(fill: 3))
        var changed = plan([], streams: [0])
        changed.streams[0].tls = TLSServerSettings(certificate: "a", key: "b", trust: "c")
        let secured = try IntakeSockets(changed, keeping: old)
        #expect(secured.ports == old.ports)
        let plain = try IntakeSockets(plan([], streams: [0]), keeping: secured)
        let server = try StreamServer(listeners: plain.streams(of: 0), numbers: SessionNumbers(), time: ManualTime())
        var got = 0
        for _ in 0..<4 { got += server.serve(isReady: true) { _, _, _ in } }
        #expect(got == 1)
    }

    @Test(
        "the manager hears of start, reload, status and end, on a path and on an abstract name",
        arguments: [false, true])
    func notify(_ isAbstract: Bool) throws {
        let folder = try TemporaryFolder("weir-notify")
        let path = isAbstract ? "@\(folder.path)" : folder.file("notify").path
        let manager = try NotifySocket(path)
        let service = ServiceManager(
            environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "5"], processID: 5)
        #expect(service.watchdog == .seconds(3))
        #expect(service.ready(status: "2 ports\nMAINPID=1"))
        #expect(service.reloading(monotonic: .milliseconds(1_500)))
        #expect(service.alive())
        #expect(service.stopping(status: "draining"))
        #expect(
            manager.drain() == [
                "READY=1\nSTATUS=2 ports MAINPID=1", "RELOADING=1\nMONOTONIC_USEC=1500000", "WATCHDOG=1",
                "STOPPING=1\nSTATUS=draining",
            ])
    }

    @Test("without a manager nothing is told, and another process's watchdog is not ours") func noManager() {
        let none = ServiceManager(environment: [:], processID: 5)
        #expect(!none.isPresent && !none.ready(status: "x") && none.watchdog == nil)
        let other = ServiceManager(
            environment: ["NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "6"], processID: 5)
        #expect(other.watchdog == nil)
        #expect(!other.ready(status: "x"))
    }
}

/// The service manager's end of sd_notify.
private final class NotifySocket {
    private let descriptor: Int32
    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        if path.hasPrefix("@") { address.sun_path.0 = 0 }
        let length = socklen_t(2 + path.utf8.count), descriptor = descriptor
        let failed = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard failed == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }
    deinit { close(descriptor) }
    func drain() -> [String] {
        var all: [String] = [], buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)), count > 0 {
            all.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
        return all
    }
}
