import FlowModel
import Forward
import Foundation
import Testing
import WireBytes

@Suite("Forward sends copies to other collectors")
struct ForwardTests {
    private func origin(
        _ source: IPAddress = IPAddress(v4: 0x7F00_0109), port: UInt16 = 40_000, to localPort: UInt16 = 2_055,
        session: UInt32 = 0
    ) -> DatagramOrigin {
        DatagramOrigin(
            source: source, sourcePort: port, localPort: localPort, receiveMilliseconds: 0, session: session)
    }
    private let v9: [UInt8] = [0, 9, 0, 1] + [UInt8](repeating: 1, count: 1_396)

    @Test("copies are the datagrams byte by byte, in order, and counted") func copies() throws {
        let collector = try Collector()
        let forwarder = try Forwarder(
            to: [ForwardTarget(address: "127.0.0.1", port: collector.port, keepsSource: false)])
        #expect(forwarder.warnings == [])
        let sent = (0..<300).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $0 % 50 + 1) }
        for datagram in sent { datagram.withBytes { forwarder.forward($0, from: origin()) } }
        forwarder.flush()
        let got = collector.drain()
        #expect(got.map(\.bytes) == sent)
        #expect(got.allSatisfy { $0.source == IPAddress(v4: 0x7F00_0001) })
        let counts = forwarder.counts[0].counts
        #expect(counts.sent == 300)
        #expect(counts.octets == UInt64(sent.reduce(0) { $0 + $1.count }))
        #expect(counts.lost == 0)
        #expect(counts.queued == 0)
    }

    @Test("with CAP_NET_RAW copies over IPv4 carry the exporter's address and port; without it the log says so")
    func keepsSource() throws {
        let collector = try Collector()
        let forwarder = try Forwarder(to: [ForwardTarget(address: "127.0.0.1", port: collector.port)])
        for length in [0, 1, 2, 3, 4, 5, 1_400] {
            [UInt8](repeating: 0xA5, count: length).withBytes { forwarder.forward($0, from: origin(port: 777)) }
        }
        forwarder.flush()
        let got = collector.drain()
        #expect(got.map(\.bytes.count) == [0, 1, 2, 3, 4, 5, 1_400])
        let isRaw = forwarder.warnings.isEmpty
        #expect(isRaw || forwarder.warnings[0].contains("CAP_NET_RAW"))
        #expect(got.allSatisfy { $0.source == IPAddress(v4: isRaw ? 0x7F00_0109 : 0x7F00_0001) })
        #expect(got.allSatisfy { !isRaw || $0.port == 777 })
    }

    @Test("with CAP_NET_RAW copies over IPv6 carry the exporter's address and port") func keepsSourceV6() throws {
        let collector = try Collector(over: AF_INET6)
        let forwarder = try Forwarder(to: [ForwardTarget(address: "::1", port: collector.port)])
        let exporter = IPAddress(high: 0, low: 1)
        for length in [1, 2, 3, 1_400] {
            [UInt8](repeating: 0x5A, count: length).withBytes {
                forwarder.forward($0, from: origin(exporter, port: 777))
            }
        }
        forwarder.flush()
        let got = collector.drain()
        #expect(got.map(\.bytes.count) == [1, 2, 3, 1_400])
        #expect(got.allSatisfy { $0.source == exporter })
        #expect(got.allSatisfy { !forwarder.warnings.isEmpty || $0.port == 777 })
    }

    @Test("an exporter of the other family is forwarded from the sensor's own address") func otherFamily() throws {
        let collector = try Collector()
        let forwarder = try Forwarder(to: [ForwardTarget(address: "127.0.0.1", port: collector.port)])
        let far = IPAddress(high: 0x2001_0DB8_0000_0000, low: 7)
        v9.withBytes { forwarder.forward($0, from: origin(far)) }
        forwarder.flush()
        #expect(collector.drain().map(\.source) == [IPAddress(v4: 0x7F00_0001)])
    }

    @Test("a target gets only the ports and protocols that it wants, and never a session's messages") func filters()
        throws
    {
        let byPort = try Collector(), byProtocol = try Collector()
        let forwarder = try Forwarder(to: [
            ForwardTarget(address: "127.0.0.1", port: byPort.port, keepsSource: false, localPorts: [6_343]),
            ForwardTarget(
                address: "127.0.0.1", port: byProtocol.port, keepsSource: false, protocols: [.netflow9, .sflow5]),
        ])
        let starts: [[UInt8]] = [
            [0, 9, 0, 0], [0, 10, 0, 0], [0, 0, 0, 5], [0, 0, 0, 4], [0, 5, 0, 0], [9], [0, 0, 0, 9],
        ]
        for (index, start) in starts.enumerated() {
            start.withBytes { forwarder.forward($0, from: origin(to: index % 2 == 0 ? 2_055 : 6_343)) }
        }
        v9.withBytes { forwarder.forward($0, from: origin(to: 6_343, session: 3)) }
        forwarder.flush()
        #expect(byPort.drain().map(\.bytes) == [starts[1], starts[3], starts[5]])
        #expect(byProtocol.drain().map(\.bytes) == [starts[0], starts[2]])
    }

    @Test("a full queue drops what is new, by name, and sent plus lost plus queued is all") func full() throws {
        // Nobody reads, and the target's address has no route: each copy is refused or waits.
        let forwarder = try Forwarder(to: [
            ForwardTarget(address: "127.0.0.1", port: 9, keepsSource: false, queueBytesMax: 128 << 10)
        ])
        let large = [UInt8](repeating: 1, count: 65_000)
        for _ in 0..<50 { large.withBytes { forwarder.forward($0, from: origin()) } }
        let before = forwarder.counts[0].counts
        #expect(before.losses[.queueFull] == 48)
        #expect(before.queued == 2)
        forwarder.flush()
        let after = forwarder.counts[0].counts
        #expect(after.sent + after.lost + after.queued == 50)
    }

    @Test("what is too long to go out in one packet is counted as that, and the next goes out") func tooLong() throws {
        let collector = try Collector()
        let forwarder = try Forwarder(
            to: [ForwardTarget(address: "127.0.0.1", port: collector.port, keepsSource: false)])
        for length in [65_530, 5] {
            [UInt8](repeating: 1, count: length).withBytes { forwarder.forward($0, from: origin()) }
        }
        forwarder.flush()
        #expect(collector.drain().map(\.bytes.count) == [5])
        #expect(forwarder.counts[0].counts.losses[.tooLong] == 1)
    }

    @Test("a target that is this sensor is refused; what came from a target does not go back to it") func loops() throws
    {
        #expect(throws: ForwardError(description: "127.0.0.1 port 2055 is this sensor itself")) {
            _ = try Forwarder(to: [ForwardTarget(address: "127.0.0.1", port: 2_055)], ownPorts: [2_055])
        }
        #expect(throws: ForwardError.self) { _ = try Forwarder(to: [ForwardTarget(address: "collector", port: 1)]) }
        let collector = try Collector()
        let forwarder = try Forwarder(
            to: [ForwardTarget(address: "127.0.0.1", port: collector.port, keepsSource: false)], ownPorts: [2_055])
        v9.withBytes { forwarder.forward($0, from: origin(IPAddress(v4: 0x7F00_0001))) }
        forwarder.flush()
        #expect(collector.drain().count == 1)  // on this machine an exporter and a collector may well live together
        if let far = try? Forwarder(to: [ForwardTarget(address: "192.0.2.7", port: 2_055, keepsSource: false)]) {
            v9.withBytes { far.forward($0, from: origin(IPAddress(v4: 0xC000_0207))) }
            #expect(far.counts[0].counts.losses[.loop] == 1)
            #expect(far.counts[0].counts.queued == 0)
        }
    }
}

/// A UDP socket on loopback that notes what it gets: another collector.
final class Collector {
    struct Got: Equatable { let bytes: [UInt8], source: IPAddress, port: UInt16 }
    private let descriptor: Int32
    let port: UInt16

    init(over family: Int32 = AF_INET) throws {
        descriptor = socket(family, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in6(), length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        address.sin6_family = sa_family_t(family)
        if family == AF_INET6 { address.sin6_addr = in6addr_loopback }
        let descriptor = descriptor
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) + getsockname(descriptor, $0, &length)
            }
        }
        var size: Int32 = 4 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
        guard failed == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        port = UInt16(bigEndian: address.sin6_port)  // at the same offset in both families
    }
    deinit { close(descriptor) }

    /// What waits now: over loopback a datagram is there when its sender returns.
    func drain() -> [Got] {
        var all: [Got] = [], buffer = [UInt8](repeating: 0, count: 65_536)
        while true {  // ends: when none waits
            var from = sockaddr_in6(), length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            let descriptor = descriptor
            let count = withUnsafeMutablePointer(to: &from) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
                }
            }
            guard count >= 0 else { return all }
            let isV4 = from.sin6_family == sa_family_t(AF_INET)
            let octets = withUnsafeBytes(of: from) { [UInt8]($0) }
            let text = isV4 ? octets[4..<8] : octets[8..<24]
            let low = text.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let high = text.dropLast(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let source = isV4 ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : IPAddress(high: high, low: low)
            all.append(Got(bytes: Array(buffer[..<count]), source: source, port: UInt16(bigEndian: from.sin6_port)))
        }
    }
}
