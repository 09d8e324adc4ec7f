import FlowModel
import Foundation
import Intake
import TestKit
import Testing
import WireBytes

/// A server on one port of loopback, driven by hand.
final class StreamRig {
    let listener: StreamListener, server: StreamServer
    let time = ManualTime(wallMilliseconds: Int64(Date().timeIntervalSince1970 * 1_000))  // certificates are of today
    private(set) var events: [StreamEvent] = []
    struct Got: Equatable { let bytes: [UInt8], origin: DatagramOrigin, isTruncated: Bool }
    private(set) var got: [Got] = []

    init(
        _ limits: StreamLimits = StreamLimits(), tls: TLSServerSettings? = nil,
        numbers: SessionNumbers = SessionNumbers(), port: UInt16 = 0
    ) throws {
        listener = try StreamListener(address: "127.0.0.1", port: port, tls: tls)
        server = try StreamServer(listeners: [listener], limits: limits, numbers: numbers, time: time)
    }
    /// Some rounds, as the poller would do them.
    func serve(rounds: Int = 4) {
        for _ in 0..<rounds {
            _ = server.serve(isReady: true) { got.append(Got(bytes: $0.copied(), origin: $1, isTruncated: $2)) }
            events += server.takeEvents()
        }
    }
    /// Rounds until `isDone`, at most 5 s: for what other processes do.
    func serve(until isDone: () -> Bool) {
        let end = ContinuousClock.now + .seconds(5)
        while !isDone(), ContinuousClock.now < end {
            serve(rounds: 1)
            usleep(1_000)
        }
    }
    var ends: [SessionEnd] { events.compactMap { if case .ended(_, let end) = $0 { end } else { nil } } }
    var opened: [StreamPeer] { events.compactMap { if case .opened(let peer, _, _) = $0 { peer } else { nil } } }
    var refusals: [StreamEvent.Refusal] {
        events.compactMap { if case .refused(_, _, let refusal) = $0 { refusal } else { nil } }
    }
}

@Suite("IPFIX comes over TCP")
struct StreamServerTests {
    //= RFC 7011 §10.4
    @Test("messages of two connections come whole, with their own session, which never comes again") func sessions()
        throws
    {
        let rig = try StreamRig()
        let first = try TCPClient(to: rig.listener.port), second = try TCPClient(to: rig.listener.port)
        first.send(message(fill: 1) + message(fill: 2).prefix(9))
        second.send(message(fill: 3))
        rig.serve()
        first.send(Array(message(fill: 2).dropFirst(9)))
        rig.serve()
        #expect(rig.got.map(\.bytes).sorted { $0.count < $1.count } == (1...3).map { message(fill: $0) })
        #expect(rig.got.allSatisfy { !$0.isTruncated && $0.origin.localPort == rig.listener.port })
        #expect(rig.got.allSatisfy { $0.origin.source == IPAddress(v4: 0x7F00_0001) })
        #expect(rig.got.allSatisfy { $0.origin.receiveMilliseconds == rig.time.wallMilliseconds() })
        let byFill = Dictionary(grouping: rig.got) { $0.bytes.count == 19 }.mapValues { Set($0.map(\.origin.session)) }
        #expect(byFill[true]?.count == 1)
        #expect(byFill[false]?.count == 1)
        #expect(byFill[true] != byFill[false])
        first.finish()
        rig.serve()
        #expect(rig.ends == [.closed])
        #expect(rig.server.connectionCount == 1)
        let third = try TCPClient(to: rig.listener.port)
        third.send(message())
        rig.serve()
        #expect(rig.opened.map(\.session) == [1, 2, 3])
        #expect(rig.got.last?.origin.session == 3)
    }

    @Test("a connection that ends within a message hands out the part as truncated, so that its loss is counted")
    func withinMessage() throws {
        let rig = try StreamRig(), client = try TCPClient(to: rig.listener.port)
        client.send(message(fill: 5) + message(fill: 100).prefix(50))
        client.finish()
        rig.serve()
        #expect(rig.got.map(\.isTruncated) == [false, true])
        #expect(rig.got.map(\.bytes.count) == [21, 50])
        #expect(rig.ends == [.closedWithinMessage])
    }

    //= RFC 7011 §9.1
    @Test("what is not IPFIX resets its connection and leaves the others alone") func notIPFIX() throws {
        let rig = try StreamRig(), good = try TCPClient(to: rig.listener.port)
        let bad = try TCPClient(to: rig.listener.port)
        bad.send([0, 9] + [UInt8](repeating: 0, count: 500))
        good.send(message(fill: 4))
        rig.serve()
        #expect(rig.ends == [.noIPFIX(.version(9))])
        #expect(bad.fate == .reset)
        #expect(good.fate == .isOpen)
        #expect(rig.got.map(\.bytes) == [message(fill: 4)])
    }

    @Test("hostile bytes on many connections cost each its own connection and nothing else") func hostile() throws {
        try forAll(runs: 20) { random, seed in
            let rig = try StreamRig(), good = try TCPClient(to: rig.listener.port, from: "127.0.0.2")
            var bad: [TCPClient] = []
            for _ in 0..<8 {
                let client = try TCPClient(to: rig.listener.port)
                client.send(
                    (0..<Int.random(in: 2...5_000, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random)
                    })
                bad.append(client)
            }
            good.send(message(fill: 9))
            rig.serve()
            #expect(rig.ends.count == 8, "SEED=\(seed)")
            #expect(rig.got.map(\.bytes) == [message(fill: 9)], "SEED=\(seed)")
        }
    }

    @Test("one byte at a time does not hold a connection longer than a message may take") func slow() throws {
        let rig = try StreamRig(StreamLimits(message: .seconds(10)))
        let client = try TCPClient(to: rig.listener.port)
        for byte in message(fill: 50).prefix(12) {
            client.send([byte])
            rig.serve()
            rig.time.advance(by: .seconds(1))
        }
        rig.serve()
        #expect(rig.ends == [.messageTimedOut])
        #expect(rig.got.map(\.isTruncated) == [true])
        #expect(client.fate == .reset)
    }

    @Test("messages in time keep a connection open past the idle limit; silence ends it") func idle() throws {
        let rig = try StreamRig(StreamLimits(idle: .seconds(60)))
        let client = try TCPClient(to: rig.listener.port)
        for _ in 0..<5 {
            client.send(message())
            rig.serve()
            rig.time.advance(by: .seconds(40))
            rig.serve()
        }
        #expect(rig.ends == [])
        rig.time.advance(by: .seconds(21))
        rig.serve()
        #expect(rig.ends == [.idle])
        #expect(client.fate == .ended)
    }

    @Test("connections of one address are capped; others come in; a place is free again after an end") func perAddress()
        throws
    {
        let rig = try StreamRig(StreamLimits(connectionsPerAddressMax: 2))
        var clients: [TCPClient] = []
        for _ in 0..<3 { clients.append(try TCPClient(to: rig.listener.port)) }
        clients.append(try TCPClient(to: rig.listener.port, from: "127.0.0.2"))
        rig.serve()
        #expect(rig.refusals == [.ofOneAddress(max: 2)])
        #expect(rig.server.connectionCount == 3)
        clients[0].finish()
        rig.serve()
        clients.append(try TCPClient(to: rig.listener.port))
        rig.serve()
        #expect(rig.refusals.count == 1)
        #expect(rig.server.connectionCount == 3)
    }

    @Test("when all places are taken the longest silent gives way; those that sent messages stay") func total() throws {
        let rig = try StreamRig(StreamLimits(connectionsMax: 3))
        let speaker = try TCPClient(to: rig.listener.port, from: "127.0.0.1")
        speaker.send(message())
        rig.serve()
        var silent: [TCPClient] = []
        for exporter in 2...6 {
            silent.append(try TCPClient(to: rig.listener.port, from: "127.0.0.\(exporter)"))
            rig.serve()
            rig.time.advance(by: .seconds(1))
        }
        #expect(rig.ends == [.gaveWay, .gaveWay, .gaveWay])
        #expect(silent.map(\.fate) == [.reset, .reset, .reset, .isOpen, .isOpen])
        for client in silent.suffix(2) { client.send(message()) }
        rig.serve()
        let late = try TCPClient(to: rig.listener.port, from: "127.0.0.9")
        rig.serve()
        #expect(rig.refusals == [.connections(max: 3)])
        #expect(late.fate == .reset)
        #expect(speaker.fate == .isOpen)
    }

    @Test("connections beyond so many a second wait their turn in the kernel") func rate() throws {
        let rig = try StreamRig(StreamLimits(connectionsPerAddressMax: 100, connectionsPerSecondMax: 50))
        var clients: [TCPClient] = []
        for _ in 0..<20 { clients.append(try TCPClient(to: rig.listener.port)) }
        rig.serve(rounds: 20)
        let first = rig.server.connectionCount
        #expect(first < 20)
        for _ in 0..<10 {
            rig.time.advance(by: .milliseconds(100))
            rig.serve(rounds: 3)
        }
        #expect(rig.server.connectionCount == 20)
        #expect(clients.count == 20)
    }

    @Test("a sender at full speed is served in shares, so that others get their turn; nothing is lost") func shares()
        throws
    {
        let rig = try StreamRig(), client = try TCPClient(to: rig.listener.port)
        let one = message(fill: 60_000), count = 64
        let sending = Thread { for _ in 0..<count { client.send(one) } }
        sending.start()
        rig.serve { rig.got.count == count }
        #expect(rig.got.count == count)
        #expect(rig.got.allSatisfy { $0.bytes == one })
    }

    @Test("used-up session numbers refuse connections instead of giving one twice") func numbers() throws {
        let rig = try StreamRig(numbers: SessionNumbers(last: .max - 1))
        let clients = try (0..<2).map { _ in try TCPClient(to: rig.listener.port) }
        rig.serve()
        #expect(rig.opened.map(\.session) == [.max])
        #expect(rig.refusals == [.numbersUsedUp])
        #expect(clients.count == 2)
    }

    @Test("a session that the caller ends is reset and reported once; ports that go take their connections along")
    func asked() throws {
        let rig = try StreamRig(), client = try TCPClient(to: rig.listener.port)
        let other = try TCPClient(to: rig.listener.port)
        rig.serve()
        rig.server.end(session: 1)
        rig.server.end(session: 1)
        rig.serve()
        #expect(rig.ends == [.asked])
        #expect([client.fate, other.fate] == [.reset, .isOpen])
        try rig.server.replace(listeners: [])
        rig.serve()
        #expect(rig.ends == [.asked, .asked])
        #expect(rig.server.connectionCount == 0)
    }

    @Test("a port that can't accept is left alone for a while instead of spinning, and goes on when it can")
    func cannotAccept() throws {
        // Chosen before, so that the port stays bound when the socket stops listening.
        let port = try StreamListener(address: "127.0.0.1", port: 0).port
        let rig = try StreamRig(port: port)
        shutdown(rig.listener.descriptor, Int32(SHUT_RDWR))
        rig.serve(rounds: 50)
        let fault = StreamEvent.fault(.accept(port: port, reason: "Invalid argument"))
        #expect(rig.events == [fault])
        rig.time.advance(by: .milliseconds(100))
        rig.serve(rounds: 50)
        #expect(rig.events == [fault, fault])
        listen(rig.listener.descriptor, 8)
        rig.time.advance(by: .milliseconds(100))
        rig.serve()
        let client = try TCPClient(to: port)
        rig.serve()
        #expect(rig.opened.count == 1)
        #expect(client.fate == .isOpen)
    }
}
