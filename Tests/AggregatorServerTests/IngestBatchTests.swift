import Delivery
import FlowLog
import FlowModel
import HTTP2Client
import Identity
import Ingest
import Testing

@Suite("POST /v1/batches") struct IngestBatchTests {
    @Test("a batch is answered with its digest once it is durable with its key and its sensor's name")
    func stored() async throws {
        let world = try IngestWorld(), batch = try SentBatch(sequence: 7)
        let response = try await world.connected { client, _ in try client.send(batch) }
        #expect(response.status == 200)
        #expect(response.field(IngestWire.digestField) == "\(batch.digest)")
        let logged = try await world.flowLog.read(after: 0, limit: 10)
        #expect(logged.map(\.key) == [batch.key])
        #expect(logged.first?.body == batch.body)
        #expect(logged.first?.sensor == SensorIdentity(tenant: world.acme, site: "rome", name: "edge1"))
        #expect(logged.first?.rows == 10)
        #expect(logged.first?.tally == Tally(flows: 10, octets: 10_000, packets: 20))
    }

    @Test("the same key with the same bytes is answered alike and stored once")
    func repeated() async throws {
        let world = try IngestWorld(), batch = try SentBatch()
        let digests = try await world.connected { client, _ in
            try (0..<3).map { _ in try client.send(batch).field(IngestWire.digestField) }
        }
        #expect(digests == Array(repeating: "\(batch.digest)", count: 3))
        let logged = try await world.flowLog.read(after: 0, limit: 10)
        #expect(logged.count == 1)
        let state = try require(world.registry.sensors(of: world.acme).first)
        #expect(state.stored.batches == 1)
        #expect(state.stored.tally.octets == 10_000)
    }

    @Test("the same key with other bytes is refused with 409, kept aside and told; what was stored stays")
    func conflict() async throws {
        let world = try IngestWorld(), first = try SentBatch(), second = try SentBatch(octets: 77)
        let statuses = try await world.connected { client, server in
            let statuses = try [first, second, second, first].map { try client.send($0).status }
            #expect(server.value("weir_ingest_quarantined_total") == 2)
            return statuses
        }
        #expect(statuses == [200, 409, 409, 200])
        let logged = try await world.flowLog.read(after: 0, limit: 10)
        #expect(logged.map(\.digest) == [first.digest])
        #expect(world.quarantined.count == 1)
        #expect(world.quarantined.first?.contains("\(second.digest)") == true)
        #expect(world.lines.contains("\"level\":\"critical\"", "\(second.digest)"))
    }

    @Test("bytes that don't match their digest were damaged on the way: 503, so that the sensor sends them again")
    func digestMismatch() async throws {
        let world = try IngestWorld()
        var batch = try SentBatch()
        batch.body[batch.body.count / 2] ^= 1
        let sent = batch
        let response = try await world.connected { client, _ in try client.send(sent) }
        #expect(response.status == 503)
        #expect(response.field("retry-after") == "1")
        #expect(response.field("content-type") == "application/problem+json")
        #expect(String(decoding: response.body, as: UTF8.self).contains("urn:weir:problem:digest-mismatch"))
        #expect(try await world.flowLog.headOffset() == 0)
    }

    @Test("a batch of a later version is not refused for good: 415, so that the sensor keeps it for an upgrade")
    func laterVersion() async throws {
        let world = try IngestWorld(), good = try SentBatch()
        var later = good.body
        later[4] += 1  // the version's lower octet
        let body = later
        let response = try await world.connected { client, _ in try client.send(good.with(body: body)) }
        #expect(response.status == 415 && response.field("retry-after") == "60")
        #expect(String(decoding: response.body, as: UTF8.self).contains("urn:weir:problem:later-version"))
        #expect(
            IngestAnswer(status: 415, digest: nil, retryAfter: "60", reason: "")
                == .busy(status: 415, after: .seconds(60)))
        #expect(try await world.flowLog.headOffset() == 0)
    }

    @Test("bytes that are no sound batch are refused for good with 422, whatever is wrong with them")
    func garbage() async throws {
        let world = try IngestWorld(), good = try SentBatch()
        var flipped = good.body
        flipped[flipped.count - 3] ^= 0x40
        let bodies = [[], [0x57], Array("not a batch".utf8), Array(good.body.dropLast()), good.body + [0], flipped]
        let statuses = try await world.connected { client, _ in
            try bodies.map { try client.send(good.with(body: $0)).status }
        }
        #expect(statuses == Array(repeating: 422, count: bodies.count))
        #expect(try await world.flowLog.headOffset() == 0)
    }

    @Test("a body above 4 MiB is refused with 413")
    func tooLarge() async throws {
        let world = try IngestWorld()
        let large = try SentBatch().with(body: [UInt8](repeating: 7, count: IngestWire.bodyBytesMax + 1))
        let response = try await world.connected { client, _ in try client.send(large) }
        #expect(response.status == 413)
    }

    @Test(
        "a header field that is missing, doubled or not in its one form is refused with 400",
        arguments: [
            [:], ["weir-sequence": "+1"], ["weir-sequence": "01"], ["weir-sequence": "-1"], ["weir-sequence": ""],
            ["weir-sequence": "18446744073709551616"], ["weir-epoch": "ABCDEF00000000000000000000000000"],
            ["weir-epoch": "00"], ["weir-sha256": "00"],
        ] as [[String: String]])
    func badFields(_ change: [String: String]) async throws {
        let world = try IngestWorld(), batch = try SentBatch()
        let fields: [HTTPField] =
            change.isEmpty
            ? batch.fields + [HTTPField("weir-sequence", "0")]
            : batch.fields.map { HTTPField($0.name, change[$0.name] ?? $0.value) }
        let status = try await world.connected { client, _ in
            try client.post(IngestWire.path, fields, batch.body).status
        }
        #expect(status == 400)
    }

    @Test("a header that claims another tenant changes nothing: the certificate names the tenant")
    func tenantFromCertificate() async throws {
        let world = try IngestWorld(), batch = try SentBatch()
        let status = try await world.connected { client, _ in
            try client.post(IngestWire.path, batch.fields + [HTTPField("weir-tenant", "globex")], batch.body).status
        }
        #expect(status == 200)
        #expect(try await world.flowLog.read(after: 0, limit: 1).first?.sensor.tenant == world.acme)
        #expect(world.registry.sensors(of: try require(TenantID("globex"))).isEmpty)
    }

    @Test(
        "a log that can't keep a batch is answered with 503 and a time, never with 200",
        arguments: [FlowLogError.busy, .full, .failed("disk"), .storage("disk"), .unavailable("election"), .cancelled])
    func brokenLog(_ error: FlowLogError) async throws {
        let world = try IngestWorld(log: BrokenLog(error: error)), batch = try SentBatch()
        let response = try await world.connected { client, _ in try client.send(batch) }
        #expect(response.status == 503)
        #expect(response.field("retry-after").flatMap { Int($0) } ?? 0 > 0)
        #expect(response.field(IngestWire.digestField) == nil)
    }

    @Test("more than the bound in work is said with 429 and a time, and counted")
    func overloaded() async throws {
        let world = try IngestWorld(admission: Admission(requestsMax: 0, bytesMax: 1 << 20)), batch = try SentBatch()
        let (response, counted) = try await world.connected { client, server in
            (
                try client.send(batch),
                server.value("weir_ingest_batches_refused_total{reason=\"overloaded\"}")
            )
        }
        #expect(response.status == 429)
        #expect(response.field("retry-after") == "2")
        #expect(counted == 1)
    }

    @Test("the room that a request takes is given back, whatever became of it")
    func admissionIsReturned() async throws {
        let bytes = IngestWire.bodyBytesMax, good = try SentBatch()
        let world = try IngestWorld(admission: Admission(requestsMax: 1, bytesMax: bytes))
        let statuses = try await world.connected { client, _ in
            try [good.with(body: [1]), good, good, try SentBatch(octets: 5)].map { try client.send($0).status }
        }
        #expect(statuses == [422, 200, 200, 409])
        #expect(world.admission.requests == 0)
    }
}
