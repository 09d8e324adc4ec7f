import Delivery
import Foundation
import HTTP2Client
import Logging
import Platform
import Ship
import TestKit
import Testing

/// A spool in memory. All batches may have the same bytes, so that a server that always answers with one digest is an
/// aggregator.
private final class MemorySource: BatchSource {
    struct Content {
        var batches: [(batch: WaitingBatch, body: [UInt8])] = []
        var acknowledged: [BatchKey] = [], deadLetters: [BatchKey: String] = [:], isFailing = false
        var reshippedSince: [Int64] = [], body: [UInt8] = []
        /// URI names of certificates that must not ship these; all that were asked about.
        var foreign: Set<String> = [], names: [String] = []
    }
    struct Failure: Error {}
    let content = Locked(Content())

    func add(_ count: Int, body: [UInt8], digest: BatchDigest? = nil) {
        content.with { content in
            content.body = body
            for _ in 0..<count {
                let sequence = UInt64(content.batches.count + content.acknowledged.count + content.deadLetters.count)
                let key = BatchKey(epoch: Epoch(high: 1, low: 1), sequence: sequence)
                let batch = WaitingBatch(key: key, digest: digest ?? BatchDigest(of: body), byteCount: body.count)
                content.batches.append((batch, body))
            }
        }
    }
    func waiting(limit: Int, excluding: Set<BatchKey>) throws -> [WaitingBatch] {
        try content.with { content in
            if content.isFailing { throw Failure() }
            return Array(content.batches.lazy.map(\.batch).filter { !excluding.contains($0.key) }.prefix(limit))
        }
    }
    func body(of key: BatchKey) throws -> [UInt8]? {
        content.with { $0.batches.first { $0.batch.key == key }?.body }
    }
    func acknowledge(_ keys: [BatchKey]) throws {
        content.with { content in
            content.acknowledged += keys
            content.batches.removeAll { keys.contains($0.batch.key) }
        }
    }
    func reship(sinceMilliseconds since: Int64) throws -> Int {
        content.with { content in
            content.reshippedSince.append(since)
            for key in content.acknowledged { content.batches.append(Self.again(key, content.body)) }
            defer { content.acknowledged = [] }
            return content.acknowledged.count
        }
    }
    private static func again(_ key: BatchKey, _ body: [UInt8]) -> (batch: WaitingBatch, body: [UInt8]) {
        (WaitingBatch(key: key, digest: BatchDigest(of: body), byteCount: body.count), body)
    }
    func refusal(of uriName: String?) -> String? {
        content.with { content in
            content.names.append(uriName ?? "")
            return content.foreign.contains(uriName ?? "") ? "another's" : nil
        }
    }
    func deadLetter(_ key: BatchKey, reason: String) throws {
        content.with { content in
            content.deadLetters[key] = reason
            content.batches.removeAll { $0.batch.key == key }
        }
    }
    var acknowledged: [BatchKey] { content.with { $0.acknowledged } }
}

@Suite("The shipper against a real server", .enabled(if: TestIdentities.isPossible, "\(TestIdentities.why)"))
struct ShipperTests {
    private let identities: TestIdentities, source = MemorySource(), body = [UInt8](repeating: 5, count: 60_000)
    init() throws { identities = try TestIdentities() }

    /// A server that answers each upload with the digest of `body`.
    private func aggregator(port: UInt16? = nil, as name: String = "a1") throws -> LocalServer {
        try LocalServer.nghttpd(
            identities, as: name, port: port,
            options: ["--echo-upload", "--trailer=\(IngestWire.digestField): \(BatchDigest(of: body))"])
    }
    private func shipper(to endpoints: [HTTP2Endpoint]) throws -> Shipper {
        var settings = ShipSettings(endpoints: endpoints, trustDomain: "weir.test", files: identities.files())
        settings.backOffMin = .milliseconds(50)
        settings.backOffMax = .milliseconds(200)
        settings.filesCheckedEvery = .milliseconds(50)
        settings.patience = HTTP2Connection.Patience(silence: .milliseconds(200), ping: .milliseconds(300))
        let shipper = try Shipper(
            settings: settings, source: source, time: SystemTime(), seed: 1,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { Array(#"{"backlog":0}"#.utf8) }
        try shipper.start()
        return shipper
    }
    private func eventually(within seconds: Double = 15, _ condition: () -> Bool) -> Bool {
        let deadline = Date().addingTimeInterval(seconds)
        while Date() < deadline {
            if condition() { return true }
            usleep(5_000)
        }
        return condition()
    }

    @Test("all that waits is sent, acknowledged once each, and counted; heartbeats are answered") func ships() throws {
        let server = try aggregator()
        source.add(50, body: body)
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { source.acknowledged.count == 50 })
        #expect(Set(source.acknowledged).count == 50)
        #expect(eventually { shipper.status.acknowledgedBatches == 50 && shipper.status.heartbeatsAnswered == 1 })
        let status = shipper.status
        #expect(status.acknowledgedBytes == UInt64(50 * body.count))
        #expect(status.sentBatches == 50)
        #expect(status.connectedEndpoint == server.endpoint)
        #expect(status.peerName == "spiffe://weir.test/aggregator/a1")
        #expect(status.failures == [:])
        shipper.stop(drainingAtMost: .seconds(5))
        #expect(shipper.status.connectedEndpoint == nil)
    }

    @Test("a batch that is spooled while the shipper idles goes out when it is woken, not a second later")
    func woken() throws {
        let server = try aggregator()
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { shipper.status.heartbeatsAnswered == 1 })
        var fastest = Double.infinity
        for count in 1...5 {
            usleep(100_000)
            let start = Date()
            source.add(1, body: body)
            shipper.wake()
            #expect(eventually { source.acknowledged.count == count })
            fastest = min(fastest, Date().timeIntervalSince(start))
        }
        #expect(fastest < 0.1)
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("a new certificate of another's is not used: shipping goes on with the old one") func foreign() throws {
        let server = try aggregator(), own = "spiffe://weir.test/tenant/acme/site/berlin/sensor/s1"
        try identities.run("sensor", identities.folder.path, "globex", "berlin", "g1")
        source.content.with { $0.foreign = ["spiffe://weir.test/tenant/globex/site/berlin/sensor/g1"] }
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { shipper.status.heartbeatsAnswered == 1 })
        #expect(source.content.with { $0.names } == [own])
        for kind in ["pem", "key"] {
            let file = URL(fileURLWithPath: identities.path("s1.\(kind)"))
            try Data(contentsOf: URL(fileURLWithPath: identities.path("g1.\(kind)"))).write(to: file, options: .atomic)
        }
        #expect(
            eventually {
                shipper.status.failures["identity", default: 0] > 0 && source.content.with { $0.names.count > 1 }
            })
        source.add(20, body: body)
        shipper.wake()
        #expect(eventually { source.acknowledged.count == 20 })
        #expect(eventually { shipper.status.lastError == "another's" })
        #expect(shipper.status.certificateReloads == 0)
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("a server that is killed or stopped in the middle costs no batch; another takes over") func failover() throws
    {
        let first = try aggregator(), second = try aggregator()
        source.add(200, body: body)
        let shipper = try shipper(to: [first.endpoint, second.endpoint])
        #expect(eventually { source.acknowledged.count > 20 })
        first.stop()
        #expect(eventually { shipper.status.connectedEndpoint == second.endpoint })
        #expect(eventually { source.acknowledged.count == 200 })
        second.signal(SIGSTOP)
        let third = try aggregator(port: first.port)
        source.add(10, body: body)
        shipper.wake()
        #expect(eventually { source.acknowledged.count == 210 })
        #expect(Set(source.acknowledged).count == 210)
        #expect(shipper.status.connectedEndpoint == third.endpoint)
        #expect(shipper.status.failures["peer_silent"] == 1)
        second.signal(SIGCONT)
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("bytes that changed in the spool, or that the server stores otherwise, are set aside, never acknowledged")
    func damaged() throws {
        let server = try aggregator()
        source.add(1, body: body, digest: BatchDigest(of: [1]))  // not what the digest says
        source.add(1, body: [6, 6])  // the server answers with another digest
        source.add(1, body: body)
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { source.content.with { $0.deadLetters.count == 2 && $0.acknowledged.count == 1 } })
        let reasons = source.content.with { content in
            content.deadLetters.sorted { $0.key.sequence < $1.key.sequence }.map(\.value)
        }
        #expect(reasons.first?.contains("have changed") == true)
        #expect(reasons.last?.contains("5 times") == true)
        #expect(shipper.status.deadLetters == 2)
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("an aggregator that hangs costs seconds: the other gets what was open, and each batch is answered for once")
    func hangs() throws {
        let first = try aggregator(), second = try aggregator(as: "a1")
        source.add(20, body: body)
        let shipper = try shipper(to: [first.endpoint, second.endpoint])
        #expect(eventually { source.acknowledged.count == 20 })
        first.signal(SIGSTOP)
        let start = Date()
        source.add(20, body: body)
        shipper.wake()
        #expect(eventually { source.acknowledged.count == 40 })
        #expect(Date().timeIntervalSince(start) < 4)
        #expect(Set(source.acknowledged).count == 40 && shipper.status.connectedEndpoint == second.endpoint)
        first.signal(SIGCONT)
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("an aggregator that asks for batches again gets them, once for each time it asks") func reship() throws {
        let server = try LocalServer.nghttpd(
            identities,
            options: [
                "--echo-upload", "--trailer=\(IngestWire.digestField): \(BatchDigest(of: body))",
                "--trailer=\(ReshipRequest.idField): ab12", "--trailer=\(ReshipRequest.sinceField): 900000",
                "--trailer=\(ReshipRequest.nowField): 1000000",
            ])
        source.add(5, body: body)
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { source.content.with { !$0.reshippedSince.isEmpty } })
        #expect(eventually { source.acknowledged.count == 5 })
        // The second heartbeat says that it is done; the server asks on, under the same name.
        #expect(eventually { shipper.status.heartbeatsAnswered >= 2 })
        let since = source.content.with { $0.reshippedSince }
        #expect(since.count == 1)
        let now = SystemTime().wallMilliseconds()
        #expect(abs((since.first ?? 0) - (now - 100_000 - 60_000)) < 20_000, "by the sensor's own clock")
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("a server that isn't an aggregator gets no batch") func wrongServer() throws {
        let server = try LocalServer.nghttpd(identities, as: "s1", options: ["--echo-upload"])
        source.add(1, body: body)
        let shipper = try shipper(to: [HTTP2Endpoint(host: "127.0.0.1", port: server.port)])
        #expect(eventually { shipper.status.failures.values.reduce(0, +) >= 2 })
        #expect(shipper.status.sentBatches == 0)
        #expect(source.acknowledged == [])
        shipper.stop(drainingAtMost: .seconds(1))
    }

    @Test("new certificate files are taken without losing a batch; a half-written pair is refused and the old one kept")
    func reload() throws {
        let server = try aggregator()
        let shipper = try shipper(to: [server.endpoint])
        source.add(50, body: body)
        shipper.wake()
        #expect(eventually { source.acknowledged.count > 0 })
        let before = try #require(shipper.status.certificateExpiryMilliseconds)
        try identities.run(
            "sensor", identities.folder.path, "acme", "berlin", "s1", identities.path("next"),
            environment: ["DAYS": "60"])
        try Data(contentsOf: identities.folder.file("next.key")).write(to: identities.folder.file("s1.key"))
        #expect(eventually { shipper.status.certificateReloadFailures > 0 })
        #expect(shipper.status.lastError?.contains("is not the key of") == true)
        source.add(50, body: body)
        shipper.wake()
        #expect(eventually { source.acknowledged.count == 100 })
        #expect(shipper.status.certificateReloads == 0)
        try Data(contentsOf: identities.folder.file("next.pem")).write(to: identities.folder.file("s1.pem"))
        source.add(50, body: body)
        #expect(eventually { shipper.status.certificateReloads == 1 && shipper.status.connections == 2 })
        #expect(eventually { source.acknowledged.count == 150 })
        #expect(try #require(shipper.status.certificateExpiryMilliseconds) - before > 29 * 86_400_000)
        #expect(Set(source.acknowledged).count == 150)
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("a spool that fails is asked again, and shipping goes on when it works") func failingSource() throws {
        let server = try aggregator()
        source.content.with { $0.isFailing = true }
        source.add(3, body: body)
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { shipper.status.failures["source", default: 0] > 0 })
        source.content.with { $0.isFailing = false }
        #expect(eventually { source.acknowledged.count == 3 })
        shipper.stop(drainingAtMost: .seconds(5))
    }

    @Test("stopping ends within its limit although the server says nothing") func stops() throws {
        let server = try aggregator()
        let shipper = try shipper(to: [server.endpoint])
        #expect(eventually { shipper.status.connectedEndpoint != nil })
        server.signal(SIGSTOP)
        source.add(4, body: body)
        shipper.wake()
        #expect(eventually { shipper.status.inFlight > 0 })
        let start = Date()
        shipper.stop(drainingAtMost: .milliseconds(100))
        #expect(Date().timeIntervalSince(start) < 5)
        #expect(source.acknowledged == [])
        server.signal(SIGCONT)
    }
}
