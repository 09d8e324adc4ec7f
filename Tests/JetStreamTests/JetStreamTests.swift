import Foundation
import JetStream
import Logging
import TestKit
import Testing

@Suite("JetStream, on a real server", .enabled(if: NATSServers.isInstalled, "nats-server is not installed"))
struct JetStreamTests {
    private func connect(_ servers: NATSServers, tls: Bool? = nil) throws -> NATSClient {
        var random = SystemRandomNumberGenerator()
        let addresses = try servers.addresses.map { try #require(NATSOptions.Server($0)) }
        let files = NATSOptions.TLSFiles(
            certificate: servers.certificate, key: servers.key, trust: servers.trust)
        let options = NATSOptions(servers: addresses, tls: tls ?? servers.isSecure ? files : nil, name: "test")
        return NATSClient(options, random: &random, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test("a stream is made once, as it was asked for; another's settings are refused by name") func streams()
        async throws
    {
        let servers = try NATSServers(1, isSecure: false), client = try connect(servers), api = JetStreamAPI(client)
        defer { client.close() }
        try await client.waitUntilConnected(.seconds(5))
        var settings = StreamSettings(name: "S", subjects: ["s.>"], replicas: 1, firstSequence: 700)
        let made = try await api.ensure(settings)
        #expect(made.bornSequence == 700 && made.messages == 0)
        settings.firstSequence = 9_000
        #expect(try await api.ensure(settings).bornSequence == 700, "the one that is there")
        settings.discard = .old
        await #expect(throws: JetStreamError.differs(stream: "S", setting: "discard")) {
            try await api.ensure(settings)
        }
        let first = try await api.publish("s.a", id: "1", payload: [1])
        #expect(first.sequence == 700 && !first.isDuplicate)
        let again = try await api.publish("s.a", id: "1", payload: [2])
        #expect(again.sequence == 700 && again.isDuplicate)
        await #expect(throws: JetStreamError.wrongLastSequence) {
            try await api.publish("s.a", expecting: 0, payload: [3])
        }
        #expect(try await api.publish("s.a", expecting: 700, payload: [4]).sequence == 701)
        let last = try #require(try await api.last("S", subject: "s.a"))
        #expect(last.payload == [4] && last.sequence == 701)
        #expect(try await api.last("S", subject: "s.b") == nil)
        #expect(try await api.message("S", 700)?.payload == [1])
        #expect(try await api.message("S", 702) == nil)
        let page = try await api.read("S", from: 1, count: 10, bytesMax: 1 << 20)
        #expect(page.map(\.payload) == [[1], [4]])
        #expect(try await api.subjects("S", matching: "s.*") == ["s.a": 2])
        try await api.purge("S", before: 701)
        #expect(try await api.read("S", from: 1, count: 10, bytesMax: 1 << 20).map(\.sequence) == [701])
        await #expect(throws: JetStreamError.nats(.noResponders)) { try await api.publish("nobody.there") }
        await #expect(throws: JetStreamError.notFound) { try await api.state(of: "T") }
    }

    @Test("a server that goes away is told at once, and comes back by itself") func comesBack() async throws {
        let servers = try NATSServers(1, isSecure: false), client = try connect(servers), api = JetStreamAPI(client)
        defer { client.close() }
        try await client.waitUntilConnected(.seconds(5))
        _ = try await api.ensure(StreamSettings(name: "S", subjects: ["s.>"], replicas: 1))
        servers.signal(0, SIGSTOP)
        await #expect(throws: JetStreamError.nats(.timeout)) {
            try await JetStreamAPI(client, timeout: .milliseconds(500)).publish("s.a")
        }
        let waiting = Task { try await api.publish("s.b") }
        try await Task.sleep(for: .milliseconds(100))
        servers.kill(0)
        await #expect(throws: JetStreamError.nats(.disconnected)) { try await waiting.value }
        await #expect(throws: JetStreamError.self, "nothing is sent without a connection") {
            try await api.publish("s.a")
        }
        try servers.start(0)
        try await client.waitUntilConnected(.seconds(10))
        #expect(try await api.publish("s.c").sequence > 0)
        #expect(client.connections == 2)
    }

    @Test("of three under mutual TLS, one that dies is replaced by the next; without a certificate there is no entry")
    func mutualTLS() async throws {
        let servers = try NATSServers(3, isSecure: true), client = try connect(servers), api = JetStreamAPI(client)
        defer { client.close() }
        try await client.waitUntilConnected(.seconds(10))
        _ = try await api.ensure(StreamSettings(name: "S", subjects: ["s.>"], replicas: 3))
        #expect(try await api.publish("s.a", payload: [1]).sequence == 1)
        let stranger = try connect(servers, tls: false)
        defer { stranger.close() }
        await #expect(throws: NATSError.self) { try await stranger.waitUntilConnected(.seconds(1)) }
        for number in 0..<3 {
            servers.kill(number)
            var kept = false
            for _ in 0..<200 where !kept {
                kept = (try? await api.publish("s.a", id: "\(number)")) != nil
                if !kept { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(kept, "a majority is left")
            try servers.start(number)
        }
        let held = try await api.state(of: "S").messages
        #expect(held == 4)
    }
}
