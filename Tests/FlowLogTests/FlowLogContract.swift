import ClusterLog
import Delivery
import FlowLog
import FlowModel
import Foundation
import Identity
import JetStream
import Logging
import Platform
import TestKit
import Testing

/// What a log is kept in.
enum LogKind: String, CaseIterable, CustomTestStringConvertible {
    case file, stream, threeStreams
    var testDescription: String {
        switch self {
        case .file: "a file"
        case .stream: "a stream of one server"
        case .threeStreams: "a stream of three servers under mutual TLS"
        }
    }
    static let here = NATSServers.isInstalled ? allCases : [.file]
}

/// A log of a kind, with what it stands on. Its window is short where it has one.
final class LogWorld {
    let kind: LogKind, folder: TemporaryFolder, servers: NATSServers?, client: NATSClient?
    static let window = Duration.seconds(2)

    init(_ kind: LogKind) async throws {
        self.kind = kind
        folder = try TemporaryFolder("weir-contract")
        guard kind != .file else {
            (servers, client) = (nil, nil)
            return
        }
        let servers = try NATSServers(kind == .stream ? 1 : 3, isSecure: kind == .threeStreams)
        let client = try Self.client(servers)
        try await client.waitUntilConnected(.seconds(10))
        (self.servers, self.client) = (servers, client)
    }
    deinit { client?.close() }

    static func client(_ servers: NATSServers) throws -> NATSClient {
        var random = SystemRandomNumberGenerator()
        let addresses = try servers.addresses.map { try #require(NATSOptions.Server($0)) }
        let files = NATSOptions.TLSFiles(
            certificate: servers.certificate, key: servers.key, trust: servers.trust)
        return NATSClient(
            NATSOptions(servers: addresses, tls: servers.isSecure ? files : nil, name: "contract"), random: &random,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// - Parameter group: of streams; another one is another log.
    func open(group: Int = 0, bytesMax: Int64 = -1, window: Duration = window) async throws -> any FlowLog {
        guard let client, let servers else { return try SQLiteFlowLog(directory: folder.path) }
        var place = JetStreamFlowLog.Place(group: group, replicas: servers.addresses.count)
        (place.bytesMax, place.window) = (bytesMax, window)
        return try await JetStreamFlowLog(JetStreamAPI(client), at: place, time: SystemTime())
    }
}

/// What both implementations of `FlowLog` promise. Without a NATS server only the file's are run.
@Suite("Any flow log", .serialized)
struct FlowLogContract {
    @Test("a batch comes back as it went in", arguments: LogKind.here) func roundTrip(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind), log = try await world.open()
        let empty = try await log.headOffset()
        #expect(empty == 0)
        let sent = batch(.max - 3, from: try sensor(), body: [1, 2, 3])
        let offset = try #require(try await log.append(sent).offset)
        let back = try #require(try await log.read(after: 0, limit: 10).first)
        #expect(back.offset == offset && back.sensor == sent.sensor && back.key == sent.key)
        #expect(back.digest == sent.digest && back.receivedMilliseconds == sent.receivedMilliseconds)
        #expect(back.rows == sent.rows && back.tally == sent.tally && back.body == [1, 2, 3])
        let head = try await log.headOffset(), isOlder = try await log.isOlder(than: offset)
        #expect(head == offset && !isOlder)
    }

    @Test("many at once are each kept once, with repeats and conflicts told apart", arguments: LogKind.here)
    func manyAtOnce(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind), log = try await world.open(), identity = try sensor()
        let results = try await withThrowingTaskGroup(of: (UInt64, Int, LogAppendResult).self) { group in
            for sequence in UInt64(0)..<60 {
                for copy in 0..<2 {
                    group.addTask { (sequence, copy, try await log.append(batch(sequence, from: identity))) }
                }
                if sequence % 10 == 0 {
                    group.addTask {
                        (sequence, 2, try await log.append(batch(sequence, from: identity, body: [0xEE])))
                    }
                }
            }
            var all: [(UInt64, Int, LogAppendResult)] = []
            for try await result in group { all.append(result) }
            return all
        }
        let stored = try await log.read(after: 0, limit: 1_000)
        #expect(results.count == 126)
        #expect(stored.map(\.key.sequence).sorted() == Array(0..<60))
        #expect(stored.map(\.offset) == stored.map(\.offset).sorted() && Set(stored.map(\.offset)).count == 60)
        for (sequence, copy, result) in results {
            let kept = try #require(stored.first { $0.key.sequence == sequence })
            let mine = copy == 2 ? BatchDigest(of: [0xEE]) : batch(sequence, from: identity).digest
            switch result {
            case .appended(let offset): #expect(offset == kept.offset && mine == kept.digest)
            case .repeated(let offset, let digest):
                #expect(offset == kept.offset && digest == kept.digest && mine == kept.digest)
            case .conflict(let digest): #expect(digest == kept.digest && mine != kept.digest)
            }
        }
        #expect(results.filter { $0.2.offset != nil }.count == 60)
    }

    @Test("the same sequence of another sensor, tenant or epoch is another batch", arguments: LogKind.here)
    func keysAreWhole(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind), log = try await world.open()
        let senders = [try sensor(), try sensor("edge-2"), try sensor(tenant: "globex")]
        for identity in senders { #expect(try await log.append(batch(1, from: identity)).offset != nil) }
        let rolled = try await log.append(batch(1, from: senders[0], epoch: Epoch(high: 7, low: 10)))
        #expect(rolled.offset != nil)
        let held = try await log.read(after: 0, limit: 9)
        #expect(held.map(\.sensor) == senders + [senders[0]])
    }

    @Test("a trim hides what is before it, and a repeat of it is told all the same", arguments: LogKind.here)
    func trimming(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind), log = try await world.open()
        let sent = try (UInt64(0)..<10).map { batch($0, from: try sensor()) }
        var offsets: [Int64] = []
        for batch in sent { offsets.append(try #require(try await log.append(batch).offset)) }
        try await log.trim(through: offsets[3])
        let rest = try await log.read(after: 0, limit: 100)
        #expect(rest.map(\.key.sequence) == Array(4..<10))
        let page = try await log.read(after: offsets[6], limit: 2)
        #expect(page.map(\.key.sequence) == [7, 8])
        let again = try await log.append(sent[0])
        #expect(again == .repeated(offset: offsets[0], digest: sent[0].digest))
        let other = try await log.append(batch(1, from: try sensor(), body: [9]))
        #expect(other == .conflict(stored: sent[1].digest))
    }

    @Test("reading stops before the body that is too much, but never gives nothing", arguments: LogKind.here)
    func readingIsBounded(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind), log = try await world.open()
        for sequence in UInt64(0)..<4 {
            _ = try await log.append(
                batch(sequence, from: try sensor(), body: [UInt8](repeating: UInt8(sequence), count: 1_000)))
        }
        let some = try await log.read(after: 0, limit: 100, bytesMax: 2_500)
        #expect((1...2).contains(some.count))
        let one = try await log.read(after: 0, limit: 100, bytesMax: 10)
        #expect(one.count == 1)
        let three = try await log.read(after: 0, limit: 3, bytesMax: 1 << 20)
        #expect(three.count == 3)
    }

    @Test(
        "whoever waits is woken by the batch, also another node's, and by the end of his task", arguments: LogKind.here)
    func waiting(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind), log = try await world.open()
        // A file has one process.
        let other = kind == .file ? log : try await world.open()
        for (place, writer) in [log, other].enumerated() {
            let head = try await log.headOffset()
            async let woken: Void = log.waitForBatch(after: head)
            try await Task.sleep(for: .milliseconds(50))
            let offset = try #require(try await writer.append(batch(UInt64(place), from: try sensor())).offset)
            try await woken
            let found = try await log.read(after: head, limit: 1)
            #expect(found.map(\.offset) == [offset])
        }
        let waiter = Task { try await log.waitForBatch(after: .max) }
        try await Task.sleep(for: .milliseconds(20))
        waiter.cancel()
        await #expect(throws: FlowLogError.cancelled) { try await waiter.value }
    }

    @Test("a log opened anew goes on where it was", arguments: LogKind.here)
    func reopening(_ kind: LogKind) async throws {
        let world = try await LogWorld(kind)
        var log = try await world.open()
        let first = try #require(try await log.append(batch(1, from: try sensor())).offset)
        if let file = log as? SQLiteFlowLog { try file.close() }
        log = try await world.open()
        let head = try await log.headOffset()
        #expect(head == first)
        let again = try await log.append(batch(1, from: try sensor()))
        #expect(again == .repeated(offset: first, digest: batch(1, from: try sensor()).digest))
        let next = try #require(try await log.append(batch(2, from: try sensor())).offset)
        #expect(next > first)
    }
}
