import Foundation
import Intake
import TestKit
import Testing
import WireBytes

import struct FlowModel.DatagramOrigin
import struct FlowModel.IPAddress

/// What one datagram looked like when it was handed out.
private struct Seen: Equatable {
    let bytes: [UInt8], origin: DatagramOrigin, isTruncated: Bool
}

@Suite("Intake takes datagrams from the kernel")
struct IntakeTests {
    private func take(
        _ receiver: inout DatagramReceiver, from listener: UDPListener, at time: Int64 = 0
    ) throws -> [Seen] {
        var seen: [Seen] = []
        _ = try receiver.take(from: listener, at: time) { bytes, origin, isTruncated in
            seen.append(Seen(bytes: bytes.copied(), origin: origin, isTruncated: isTruncated))
        }
        return seen
    }

    @Test("datagrams come in order, whole, with their sender, port and receive time") func order() throws {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 20)
        let sender = try UDPSender(to: listener.port)
        let sent = (0..<100).map { [UInt8](repeating: UInt8($0), count: $0 + 1) }
        for datagram in sent { try sender.send(datagram) }
        var receiver = try DatagramReceiver(batchMax: 64)
        let first = try take(&receiver, from: listener, at: 5)
        let second = try take(&receiver, from: listener, at: 6)
        #expect(first.count == 64)
        #expect((first + second).map(\.bytes) == sent)
        let origin = DatagramOrigin(
            source: IPAddress(v4: 0x7F00_0001), sourcePort: sender.port, localPort: listener.port,
            receiveMilliseconds: 5)
        #expect(first.allSatisfy { $0.origin == origin && !$0.isTruncated })
        #expect(second.allSatisfy { $0.origin.receiveMilliseconds == 6 })
        let drained = try take(&receiver, from: listener)
        #expect(drained == [])
    }

    @Test("one dual-stack socket takes both families; IPv4 senders appear as IPv4") func dualStack() throws {
        let listener = try UDPListener(address: "::", port: 0, bufferBytes: 1 << 20)
        try UDPSender(to: listener.port).send([4])
        try UDPSender(to: listener.port, over: AF_INET6).send([6])
        var receiver = try DatagramReceiver()
        let seen = try take(&receiver, from: listener)
        #expect(seen.map(\.bytes) == [[4], [6]])
        #expect(seen.map(\.origin.source) == [IPAddress(v4: 0x7F00_0001), IPAddress(high: 0, low: 1)])
    }

    @Test("a datagram longer than the slot is cut and says so; the next one is whole") func truncated() throws {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 20)
        let sender = try UDPSender(to: listener.port)
        for length in [101, 100, 0] { try sender.send([UInt8](repeating: 7, count: length)) }
        var receiver = try DatagramReceiver(batchMax: 8, slotBytes: 100)
        let seen = try take(&receiver, from: listener)
        #expect(seen.map(\.bytes.count) == [100, 100, 0])
        #expect(seen.map(\.isTruncated) == [true, false, false])
    }

    @Test("the largest datagram that UDP carries arrives whole") func largest() throws {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 20)
        let bytes = (0..<DatagramReceiver.datagramBytesMax).map { UInt8(truncatingIfNeeded: $0 * 7) }
        try UDPSender(to: listener.port).send(bytes)
        var receiver = try DatagramReceiver()
        let seen = try take(&receiver, from: listener)
        #expect(seen.map(\.bytes) == [bytes])
        #expect(seen.map(\.isTruncated) == [false])
    }

    @Test("C34 received plus dropped by the kernel is sent, exactly") func drops() throws {
        let listener = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8_192)
        let sender = try UDPSender(to: listener.port)
        let sent = 2_000
        for _ in 0..<sent { try sender.send([UInt8](repeating: 1, count: 1_000)) }
        var receiver = try DatagramReceiver(), received = 0
        while case let batch = try take(&receiver, from: listener), !batch.isEmpty { received += batch.count }
        let dropped = try listener.kernelDrops()
        #expect(received > 0)
        #expect(dropped > 0)
        #expect(received + Int(dropped) == sent)
    }

    @Test("C34 a buffer that the kernel caps is named with the setting that caps it") func bufferWarning() throws {
        let small = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8_192)
        #expect(small.bufferWarning == nil)
        #expect(small.bufferBytes >= 8_192)
        // With CAP_NET_ADMIN the kernel grants it; then there is rightly no warning.
        let huge = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 1 << 30)
        #expect((huge.bufferWarning == nil) == (huge.bufferBytes >= huge.bufferBytesAsked))
        if let warning = huge.bufferWarning { #expect(warning.contains("net.core.rmem_max=\(huge.bufferBytesAsked)")) }
    }

    @Test("what can't be bound is refused with address, port and reason") func cannotBind() throws {
        let taken = try UDPListener(address: "127.0.0.1", port: 0, bufferBytes: 8_192)
        #expect(
            throws: IntakeError.cannotBind(
                address: "127.0.0.1", port: taken.port, reason: "Address already in use")
        ) { try UDPListener(address: "127.0.0.1", port: taken.port, bufferBytes: 8_192) }
        #expect(throws: IntakeError.cannotBind(address: "localhost", port: 1, reason: "Invalid argument")) {
            try UDPListener(address: "localhost", port: 1, bufferBytes: 8_192)
        }
    }
}
