import FlowModel
import Intelligence
import TestKit
import Testing

@Suite("STIX and TAXII") struct STIXTests {
    private static func indicator(_ number: Int, _ pattern: String, _ more: String = "") -> String {
        let escaped = pattern.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return """
            {"type":"indicator","spec_version":"2.1","id":"indicator--\(number)","pattern_type":"stix",
             "created":"2026-08-01T00:00:00.000Z","modified":"2026-08-02T00:00:00.000Z",
             "valid_from":"2026-08-01T00:00:00Z","pattern":"\(escaped)"\(more.isEmpty ? "" : "," + more)}
            """
    }
    private static func bundle(_ objects: [String]) -> [UInt8] {
        Array("{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[\(objects.joined(separator: ","))]}".utf8)
    }
    private static func read(_ objects: [String]) -> FeedRead { Feeds.read { $0.readSTIX(bundle(objects)) } }

    @Test(
        "patterns that flows can tell are taken",
        arguments: [
            ("[ipv4-addr:value = '198.51.100.1']", ["198.51.100.1"]),
            ("[ipv4-addr:value='198.51.100.0/24']", ["198.51.100.0/24"]),
            ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", ["198.51.100.0/24"]),
            ("[ipv6-addr:value = '2001:db8::1' OR ipv4-addr:value = '198.51.100.1']", ["2001:db8::1", "198.51.100.1"]),
            (
                "[ipv4-addr:value = '198.51.100.1'] OR [ipv4-addr:value = '198.51.100.2']",
                ["198.51.100.1", "198.51.100.2"]
            ),
            ("([ipv4-addr:value = '198.51.100.1'])", ["198.51.100.1"]),
            ("[ipv4-addr:value IN ('198.51.100.1', '198.51.100.2')]", ["198.51.100.1", "198.51.100.2"]),
            ("[(ipv4-addr:value = '198.51.100.1') OR (ipv4-addr:value = '198.51.100.1')]", ["198.51.100.1"]),
            (
                "[network-traffic:dst_ref.value = '198.51.100.1' AND network-traffic:dst_port = 443]",
                ["198.51.100.1:443"]
            ),
            (
                "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '198.51.100.1']",
                ["198.51.100.1"]
            ),
            (
                "[ipv4-addr:value='198.51.100.1' AND (network-traffic:dst_port=80 OR network-traffic:dst_port=81)]",
                ["198.51.100.1:80", "198.51.100.1:81"]
            ),
            ("[autonomous-system:number = 64496]", ["AS64496"]),
        ]) func patterns(pattern: String, expected: [String])
    {
        let read = Self.read([Self.indicator(1, pattern)])
        let found = read.indicators.map { $0.port == 0 ? "\($0.subject)" : "\($0.subject):\($0.port)" }
        #expect(found == expected)
        #expect(read.refusals.isEmpty)
    }

    @Test(
        "patterns that flows can't tell are refused with the reason",
        arguments: [
            ("[domain-name:value = 'example.com']", "domain-name:value = 'example.com'"),
            ("[file:hashes.'SHA-256' = 'abc']", "file:hashes.'SHA-256' = 'abc'"),
            ("[ipv4-addr:value = '198.51.100.1' AND domain-name:value = 'x.org']", "domain-name:value = 'x.org'"),
            (
                "[ipv4-addr:value = '198.51.100.1' AND ipv4-addr:value = '198.51.100.2']",
                "several addresses joined by AND"
            ),
            ("[ipv4-addr:value NOT = '198.51.100.1']", "NOT"),
            ("[ipv4-addr:value != '198.51.100.1']", "ipv4-addr:value != '198.51.100.1'"),
            ("[ipv4-addr:value LIKE '198.51.%']", "ipv4-addr:value LIKE '198.51.%'"),
            ("[ipv4-addr:value MATCHES '^198']", "ipv4-addr:value MATCHES '^198'"),
            ("[network-traffic:dst_port = 443]", "no address"),
            (
                "[network-traffic:src_ref.value = '198.51.100.1' AND network-traffic:dst_port = 443]",
                "both ends joined by AND"
            ),
            (
                "[ipv4-addr:value = '198.51.100.1'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.2']",
                "several observations, or a qualifier: FOLLOWEDBY"
            ),
            (
                "[ipv4-addr:value = '198.51.100.1'] REPEATS 5 TIMES WITHIN 60 SECONDS",
                "several observations, or a qualifier: REPEATS"
            ),
            ("[ipv4-addr:value = '198.51.100.1'", "']' is expected"),
            ("[ipv4-addr:value = '198.51.100.1", "a quote is not closed"),
            ("[ipv4-addr:value]", "a comparison is expected"), ("", "'[' is expected"), ("]", "'[' is expected"),
            ("[ipv4-addr:value = 'not an address']", "ipv4-addr:value = 'not an address'"),
            (String(repeating: "(", count: 100), "too deep"),
            (String(repeating: "[ipv4-addr:value = '198.51.100.1'] OR ", count: 3_000), "longer than 65536 octets"),
        ]) func refusedPatterns(pattern: String, reason: String)
    {
        let read = Self.read([Self.indicator(1, pattern)])
        #expect(read.indicators.isEmpty)
        #expect(read.refusals == [.pattern: 1])
        #expect(read.examples.first?.detail == reason)
        #expect(read.examples.first?.place == "indicator--1")
    }

    @Test("of branches joined by OR those that flows can tell are taken and the others named") func branches() {
        let pattern = "[domain-name:value = 'x.org' OR ipv4-addr:value = '198.51.100.1'] OR [url:value = 'http://x']"
        let read = Self.read([Self.indicator(1, pattern)])
        #expect(read.indicators.map(\.subject.description) == ["198.51.100.1"])
        #expect(read.refusals == [.pattern: 2])
    }

    @Test("conditions that multiply are bounded") func bounded() {
        let pair = "(ipv4-addr:value = '198.51.100.1' OR ipv4-addr:value = '198.51.100.2')"
        let read = Self.read([
            Self.indicator(1, "[" + [String](repeating: pair, count: 20).joined(separator: " AND ") + "]")
        ])
        #expect(read.examples.first?.detail == "too long")
    }

    @Test("validity, revocation, confidence, markings and relationships count") func objects() throws {
        let objects = [
            Self.indicator(
                1, "[ipv4-addr:value = '198.51.100.1']",
                """
                "valid_until":"2026-09-01T00:00:00Z","confidence":90,"labels":["c2"],
                "indicator_types":["malicious-activity"],
                "object_marking_refs":["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"]
                """),
            Self.indicator(2, "[ipv4-addr:value = '198.51.100.2']", "\"revoked\":true"),
            Self.indicator(3, "[ipv4-addr:value = '198.51.100.3']", "\"valid_until\":\"2026-08-21T00:00:00Z\""),
            Self.indicator(4, "[ipv4-addr:value = '198.51.100.4']", "\"valid_until\":\"soon\""),
            Self.indicator(5, "[ipv4-addr:value = '198.51.100.5']", "\"confidence\":101"),
            "{\"type\":\"indicator\",\"id\":\"indicator--6\",\"pattern_type\":\"snort\",\"pattern\":\"alert\"}",
            "{\"type\":\"indicator\",\"id\":7}", "17",
            "{\"type\":\"malware\",\"id\":\"malware--1\",\"name\":\"Emotet\",\"is_family\":true}",
            """
            {"type":"attack-pattern","id":"attack-pattern--1","name":"Web Protocols",
             "external_references":[{"source_name":"mitre-attack","external_id":"T1071.001"}]}
            """,
            """
            {"type":"relationship","id":"relationship--1","relationship_type":"indicates",
             "source_ref":"indicator--1","target_ref":"malware--1"}
            """,
            """
            {"type":"relationship","id":"relationship--2","relationship_type":"indicates",
             "source_ref":"indicator--1","target_ref":"attack-pattern--1"}
            """,
        ]
        let read = Self.read(objects)
        #expect(read.refusals == [.revoked: 1, .expired: 1, .badValue: 2, .pattern: 1, .malformed: 2])
        let indicator = try #require(read.indicators.first)
        #expect(read.indicators.count == 1)
        #expect(indicator.confidence == 90)
        #expect(indicator.expires == Feeds.now + 10 * Feeds.day)
        #expect(indicator.firstSeen == Feeds.now - 21 * Feeds.day)
        #expect(indicator.lastSeen == Feeds.now - 20 * Feeds.day)
        #expect(indicator.context.labels == ["c2", "malicious-activity"])
        #expect(indicator.context.malwareFamily == "Emotet")
        #expect(indicator.context.techniques == ["T1071.001"])
        #expect(indicator.context.trafficLight == .amber)
    }

    @Test("a document that is no bundle is refused as a whole") func documents() {
        for text in ["", "[]", "{\"objects\":7}", "{\"objects\":[", String(repeating: "[", count: 100_000)] {
            let read = Feeds.read { $0.readSTIX(Array(text.utf8)) }
            #expect(read.refusals == [.malformed: 1], "\(text.prefix(20))")
        }
        let read = Feeds.read { $0.readSTIX(Array("{}".utf8)) }
        #expect(read.refusals.isEmpty)
    }

    // TAXII

    private static func page(_ objects: [String], more: Bool, next: String? = nil) -> [UInt8] {
        let next = next.map { ",\"next\":\"\($0)\"" } ?? ""
        return Array("{\"more\":\(more)\(next),\"objects\":[\(objects.joined(separator: ","))]}".utf8)
    }
    private static func request(_ poll: TAXIIPoll) throws -> TAXIIRequest {
        guard case .ask(let request) = poll.step else { throw NotARequest(step: "\(poll.step)") }
        return request
    }
    private struct NotARequest: Error { let step: String }

    @Test("pages are asked for until there are no more, and the next poll begins where this one ended") func pages()
        throws
    {
        var poll = TAXIIPoll(collection: "91a7b528-80eb-42ed-a74d-c6fbd5a26116", addedAfter: nil, pageObjects: 2)
        var read = Feeds.read { _ in }, feed = StandingFeed()
        let first = try Self.request(poll)
        #expect(first.path == "collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/objects/")
        #expect(first.accept == "application/taxii+json;version=2.1")
        #expect(first.query.map(\.name) == ["limit", "match[type]"])
        feed.take(
            poll.received(
                status: 200, headers: ["x-taxii-date-added-last": "2026-08-20T00:00:00.000Z"],
                body: Self.page([Self.indicator(1, "[ipv4-addr:value = '198.51.100.1']")], more: true, next: "p2"),
                into: &read))
        let second = try Self.request(poll)
        #expect(second.query.last == .init(name: "next", value: "p2"))
        feed.take(
            poll.received(
                status: 200, headers: ["x-taxii-date-added-last": "2026-08-21T00:00:00.000Z"],
                body: Self.page([Self.indicator(2, "[ipv4-addr:value = '198.51.100.2']")], more: false), into: &read))
        #expect(poll.step == .done(addedAfter: "2026-08-21T00:00:00.000Z"))
        #expect(feed.indicators.map(\.subject.description) == ["198.51.100.1", "198.51.100.2"])

        var next = TAXIIPoll(collection: "91a7b528-80eb-42ed-a74d-c6fbd5a26116", addedAfter: "2026-08-21T00:00:00.000Z")
        let third = try Self.request(next)
        #expect(third.query.first == .init(name: "added_after", value: "2026-08-21T00:00:00.000Z"))
        let revoked = Self.indicator(1, "[ipv4-addr:value = '198.51.100.1']", "\"revoked\":true")
        feed.take(next.received(status: 200, headers: [:], body: Self.page([revoked], more: false), into: &read))
        #expect(feed.indicators.map(\.subject.description) == ["198.51.100.2"], "revoked ones go")
        #expect(next.step == .done(addedAfter: "2026-08-21T00:00:00.000Z"))
    }

    @Test("without a next page's name the last date leads on; a page that leads to itself ends the poll") func dates()
        throws
    {
        var poll = TAXIIPoll(collection: "c1", addedAfter: nil), read = Feeds.read { _ in }
        let headers = ["x-taxii-date-added-last": "2026-08-20T00:00:00.000Z"]
        _ = poll.received(status: 200, headers: headers, body: Self.page([], more: true), into: &read)
        let second = try Self.request(poll)
        #expect(second.query.first == .init(name: "added_after", value: "2026-08-20T00:00:00.000Z"))
        _ = poll.received(status: 200, headers: headers, body: Self.page([], more: true), into: &read)
        #expect(poll.step == .failed(.endless))
    }

    @Test("a busy server is asked again later, and not for ever") func busy() throws {
        var poll = TAXIIPoll(collection: "c1", addedAfter: nil), read = Feeds.read { _ in }
        _ = poll.received(status: 503, headers: ["retry-after": "7"], body: [], into: &read)
        #expect(poll.step == .wait(seconds: 7))
        poll.waited()
        _ = try Self.request(poll)
        for _ in 0..<TAXIIPoll.waitsMax { _ = poll.received(status: 429, headers: [:], body: [], into: &read) }
        #expect(poll.step == .failed(.busy))
        _ = poll.received(status: 200, headers: [:], body: Self.page([], more: false), into: &read)
        #expect(poll.step == .failed(.busy), "an end is an end")
    }

    @Test(
        "other answers end the poll with their reason",
        arguments: [
            (401, TAXIIPoll.Fault.notAllowed), (403, .notAllowed), (404, .notFound), (406, .otherVersion),
            (415, .otherVersion), (500, .status(500)), (302, .status(302)),
        ]) func faults(status: Int, fault: TAXIIPoll.Fault)
    {
        var poll = TAXIIPoll(collection: "c1", addedAfter: nil), read = Feeds.read { _ in }
        _ = poll.received(status: status, headers: [:], body: [], into: &read)
        #expect(poll.step == .failed(fault))
    }

    @Test("a body that is no envelope ends the poll; a collection's id can't lead elsewhere") func hostile() {
        var poll = TAXIIPoll(collection: "c1", addedAfter: nil), read = Feeds.read { _ in }
        _ = poll.received(status: 200, headers: [:], body: Array("<html>".utf8), into: &read)
        #expect(poll.step == .failed(.malformed))
        #expect(read.refusals == [.malformed: 1])
        for id in ["", "../../admin", "a/b", "a?b", String(repeating: "a", count: 65)] {
            #expect(TAXIIPoll(collection: id, addedAfter: nil).step == .failed(.notFound), "\(id)")
        }
    }

    @Test("a standing feed keeps the latest of each object, whatever the order, and has a bound") func standing() throws
    {
        func version(_ number: Int, _ modified: Int64, _ address: String?) throws -> STIXVersion {
            STIXVersion(
                id: "indicator--\(number)", modified: modified,
                indicators: try address.map { [try Feeds.indicator($0, expires: Feeds.now)] } ?? [])
        }
        var feed = StandingFeed(objectsMax: 2)
        feed.take([try version(1, 20, "198.51.100.2"), try version(1, 10, "198.51.100.1")])
        #expect(feed.indicators.map(\.subject.description) == ["198.51.100.2"])
        feed.take([try version(2, 30, nil), try version(3, 40, "198.51.100.3")])
        #expect(feed.evictions == 1)
        #expect(feed.indicators.map(\.subject.description) == ["198.51.100.3"])
        feed.prune(before: Feeds.now)
        #expect(feed.indicators.isEmpty)
        #expect(feed.objects == 1, "what was revoked stays known")
    }
}
