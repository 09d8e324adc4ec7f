import Detect
import FlowModel
import Identity
import Intelligence
import Platform
import TestKit
import Testing

@Suite("Contacts with listed addresses") struct ThreatIntelligenceTests {
    private static let command = IPAddress(v4: 0xC633_6407)  // 198.51.100.7
    private static let scanners = (0..<400).map { IPAddress(v4: 0xC612_0000 + UInt32($0)) }  // 198.18.0.0…
    private static let host = IPAddress(v4: 0x0A00_0007), server = IPAddress(v4: 0x0A00_0050)

    private static func intelligence(
        confidence: UInt8 = 100, expires: Int64? = nil, allowed: [AllowList] = []
    ) -> Intelligence {
        var feed = FeedSource(name: "c2-list"), scans = FeedSource(name: "scanners")
        (feed.weight, scans.weight) = (0.9, 0.9)
        let known = IndicatorContext(labels: ["c2"], malwareFamily: "Emotet", techniques: ["T1071.001"])
        let seen = Traffic.noon - 1_000
        func indicator(_ address: IPAddress, _ context: IndicatorContext) -> Indicator {
            let network = IPNetwork(address, length: address.isV4 ? 32 : 128)
            return Indicator(
                .network(network), confidence: confidence, lastSeen: seen, expires: expires, context: context)
        }
        let system = Indicator(.autonomousSystem(64_496), confidence: 100, lastSeen: seen, context: known)
        return Intelligence(
            indicators: IndicatorSet([
                (feed, [indicator(command, known), system]),
                (scans, scanners.map { indicator($0, IndicatorContext()) }),
            ]), allowed: AllowTable(allowed), rules: ScoreRules())
    }
    private static func detector(
        _ intelligence: Intelligence = intelligence(), parameters: DetectorParameters = .init()
    ) throws -> ThreatIntelligenceDetector {
        ThreatIntelligenceDetector(tenant: try Traffic.tenant(), parameters: parameters, intelligence: intelligence)
    }
    /// Everything said about `records`, in batches of `batch` rows.
    private static func said(
        _ detector: inout ThreatIntelligenceDetector, _ records: [FlowRecord], batch: Int = 100
    ) -> [Finding] {
        let columns = Traffic.columns(records)
        var said: [Finding] = []
        for start in stride(from: 0, to: records.count, by: batch) {
            let rows = start..<min(start + batch, records.count)
            detector.take(columns, rows: rows)
            said += detector.settle(received: rows.map { columns.receiveMilliseconds[$0] }.max() ?? 0)
        }
        return said
    }
    /// Of each finding the last word.
    private static func detect(
        _ records: [FlowRecord], _ intelligence: Intelligence = intelligence(), batch: Int = 100
    ) throws -> [Finding] {
        var detector = try detector(intelligence), last: [String: Finding] = [:]
        for finding in said(&detector, records, batch: batch) + detector.finish() { last[finding.id] = finding }
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }

    /// A whole connection, both directions.
    private static func session(
        from client: IPAddress, to peer: IPAddress, port: UInt16 = 443, at time: Int64 = Traffic.noon
    ) -> [FlowRecord] {
        [
            Traffic.record(from: client, 50_000, to: peer, port, bits: 0x1B, packets: 9, octets: 900, at: time),
            Traffic.record(from: peer, port, to: client, 50_000, bits: 0x1B, packets: 8, octets: 7_000, at: time),
        ]
    }
    private static func probe(_ source: IPAddress, _ target: IPAddress, at time: Int64 = Traffic.noon) -> FlowRecord {
        Traffic.record(from: source, 40_000, to: target, 23, bits: TCPFlag.syn, at: time)
    }

    @Test("an own host that calls a listed address and is answered is a finding of the two, with score and reason")
    func outbound() throws {
        let findings = try Self.detect(Self.session(from: Self.host, to: Self.command))
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.rule == "threat-intelligence")
        #expect(finding.severity == .critical)
        #expect(finding.entity(.victim) == ["10.0.0.7"] && finding.entity(.attacker) == ["198.51.100.7"])
        #expect(finding.title == "10.0.0.7 called 198.51.100.7 (Emotet), answered: score 90 by c2-list 90")
        #expect(finding.techniques == ["T1071.001"] && finding.tactics == ["TA0011"])
        #expect(finding.ports == [443])
        #expect(finding.evidence.observed == 90 && finding.evidence.unit == "score")
        #expect(finding.evidence.flows == 2 && finding.evidence.octets == 7_900)
    }

    @Test("calls that nobody answered, or a firewall refused, count less") func refused() throws {
        var denied = Self.probe(Self.host, Self.command)
        denied.flags = .denied
        for record in [denied, Self.probe(Self.host, Self.command)] {
            let finding = try #require(try Self.detect([record]).first)
            #expect(finding.evidence.observed == 54)
            #expect(finding.severity == .medium)
        }
    }

    @Test("scanners that probe everyone are one finding of low severity a day") func massScan() throws {
        var records: [FlowRecord] = []
        for (index, scanner) in Self.scanners.enumerated() {
            for target in 0..<20 {
                let host = IPAddress(v4: 0x0A01_0000 + UInt32(target))
                records.append(Self.probe(scanner, host, at: Traffic.noon + Int64(index) * 60_000))
                records.append(
                    Traffic.record(
                        from: host, 23, to: scanner, 40_000, bits: TCPFlag.rst | TCPFlag.ack,
                        at: Traffic.noon + Int64(index) * 60_000))
            }
        }
        let findings = try Self.detect(records, batch: 1_000)
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.severity == .low)
        #expect(finding.entities.isEmpty, "it must not join any scanner's incident")
        #expect(finding.evidence.observed == 400 && finding.evidence.flows == 16_000)
        #expect(
            finding.title.hasPrefix("400 listed addresses called 20 hosts without an answer: the most notable 198.18."))
    }

    @Test("callers that a public server answers are one finding of the server") func publicServer() throws {
        let records = Self.scanners.flatMap { Self.session(from: $0, to: Self.server) }
        let findings = try Self.detect(records)
        #expect(findings.count == 1)
        #expect(findings.first?.severity == .low, "0.9 × 0.4")
        #expect(findings.first?.entity(.victim) == ["10.0.0.80"])
        #expect(findings.first?.title.contains("was called by 400 listed addresses and answered") == true)
    }

    @Test("a host that meets hundreds of listed peers has eight findings of its own and one for the rest")
    func manyPeers()
        throws
    {
        let records = Self.scanners.flatMap { Self.session(from: Self.host, to: $0) }
        let findings = try Self.detect(records)
        #expect(findings.count == ThreatIntelligenceDetector.namedPeersMax + 1)
        let rest = try #require(findings.first { $0.entity(.attacker).isEmpty })
        #expect(rest.title.hasPrefix("10.0.0.7 called 392 listed addresses besides those named"))
    }

    @Test("an address that only passes the filter is no finding, and is one as soon as it is listed") func strangers()
        throws
    {
        // The filter knows of the listed half of a /24 only that something in the /24 is listed.
        let half = try #require(IPNetwork("198.51.100.128/25")), listed = IPAddress(v4: 0xC633_64C8)
        var feed = FeedSource(name: "half")
        feed.weight = 0.9
        let context = IndicatorContext(labels: ["c2"])
        let first = Intelligence(
            indicators: IndicatorSet([(feed, [Indicator(.network(half), confidence: 100, context: context)])]),
            allowed: AllowTable(), rules: ScoreRules())
        #expect(first.indicators.mayHold(Self.command) && !first.indicators.holds(Self.command))
        #expect(first.indicators.holds(listed))
        var detector = try Self.detector(first)
        let session = Self.session(from: Self.host, to: Self.command)
        #expect(Self.said(&detector, session + session + session, batch: 1).isEmpty)
        let met = Self.said(&detector, Self.session(from: Self.host, to: listed), batch: 1)
        #expect(met.contains { $0.title.contains("198.51.100.200") })
        detector.intelligence = Self.intelligence()
        #expect(Self.said(&detector, session, batch: 1).contains { $0.title.contains("198.51.100.7") })
    }

    @Test("expired, allowed and unlisted addresses are no findings") func nothing() throws {
        let session = Self.session(from: Self.host, to: Self.command)
        let expired = try Self.detect(session, Self.intelligence(expires: Traffic.noon))
        #expect(expired.isEmpty)
        let valid = try Self.detect(session, Self.intelligence(expires: Traffic.noon + 1_000))
        #expect(valid.count == 1)
        let list = AllowList(name: "cloud", networks: [IPNetwork(Self.command, length: 24)])
        let allowed = try Self.detect(session, Self.intelligence(allowed: [list]))
        #expect(allowed.isEmpty)
        let other = try Self.detect(Self.session(from: Self.host, to: Self.server))
        #expect(other.isEmpty)
        let weak = try Self.detect(session, Self.intelligence(confidence: 10))
        #expect(weak.isEmpty, "a score of 9 is below what is reported")
    }

    @Test("a record of another observer counts once, and a listed system counts by the record's own number")
    func systems()
        throws
    {
        var session = Self.session(from: Self.host, to: Self.command)
        session.append(session[0])
        session[2].flags = .observedElsewhere
        let findings = try Self.detect(session)
        #expect(findings.first?.evidence.flows == 2)
        let stranger = IPAddress(v4: 0xCB00_7101)
        var call = Self.session(from: Self.host, to: stranger)
        call[0].bgpDestinationAsNumber = 64_496
        let bySystem = try Self.detect(call)
        #expect(bySystem.first?.evidence.observed == 22.5, "a quarter of 90: systems hold many")
    }

    @Test("a listed system is met by its networks, and where a table knows an address, not by the record's number")
    func places() throws {
        let table = PlaceLookup { address in
            switch address.v4 >> 8 {
            case 0xCB0071: (0, 64_496)  // 203.0.113.0/24, the listed system's
            case 0xCB0072: (0, 64_499)  // 203.0.114.0/24, another's
            default: (0, 0)
            }
        }
        let listed = Indicator(
            .autonomousSystem(64_496), confidence: 100, lastSeen: Traffic.noon - 1_000, context: IndicatorContext())
        let networks = AnnouncedNetworks([
            (network: IPNetwork(IPAddress(v4: 0xCB00_7100), length: 24), system: UInt32(64_496))
        ])
        func count(_ address: UInt32, recorded: UInt32, isPlaced: Bool = true) throws -> Int {
            var feed = FeedSource(name: "systems")
            feed.weight = 1
            let set = IndicatorSet([(feed, [listed])], announced: isPlaced ? networks : .none)
            let intelligence = Intelligence(indicators: set, allowed: AllowTable(), rules: ScoreRules())
            var detectors = DetectorSet(tenant: try Traffic.tenant())
            detectors.use(intelligence)
            detectors.use(isPlaced ? table : .none)
            var session = Self.session(from: Self.host, to: IPAddress(v4: address))
            (session[0].bgpDestinationAsNumber, session[1].bgpSourceAsNumber) = (recorded, recorded)
            let said = detectors.observe(Traffic.columns(session)) + detectors.finish()
            return Set(said.filter { $0.rule == "threat-intelligence" }.map(\.id)).count
        }
        #expect(try count(0xCB00_7101, recorded: 0) == 1, "by its network alone")
        #expect(try count(0xCB00_7101, recorded: 64_499) == 1, "whatever the record says")
        #expect(try count(0xCB00_7201, recorded: 64_496) == 0, "the table says another's")
        #expect(try count(0xCB00_7301, recorded: 64_496) == 1, "the table doesn't know")
        #expect(try count(0xCB00_7301, recorded: 0) == 0)
        #expect(try count(0xCB00_7101, recorded: 0, isPlaced: false) == 0)
        #expect(try count(0xCB00_7201, recorded: 64_496, isPlaced: false) == 1)
    }

    @Test("among all detectors it says the same, and nothing before it is given intelligence") func amongAll() throws {
        let records = Self.session(from: Self.host, to: Self.command), columns = Traffic.columns(records)
        var set = DetectorSet(tenant: try Traffic.tenant())
        let before = set.observe(columns)
        #expect(before.filter { $0.rule == "threat-intelligence" } == [])
        set.use(Self.intelligence())
        let after = set.observe(columns), alone = try Self.detect(records)
        #expect(after.map(\.id) == alone.map(\.id))
        #expect(set.evictions["threat-intelligence"] == 0)
    }

    @Test("an answer that comes later raises what was said, under the same id") func raised() throws {
        var detector = try Self.detector()
        let first = Self.said(&detector, [Self.probe(Self.host, Self.command)])
        let later = Self.said(
            &detector, Self.session(from: Self.host, to: Self.command, port: 23, at: Traffic.noon + 1))
        #expect(first.map(\.severity) == [.medium])
        #expect(later.map(\.severity) == [.critical])
        #expect(first.map(\.id) == later.map(\.id))
        #expect(later.map(\.update) == [1])
    }

    private static func mixture(_ seed: UInt64) -> [FlowRecord] {
        var generator = SeededGenerator(seed: seed)
        var records = scanners.flatMap { scanner -> [FlowRecord] in
            let time = Traffic.noon + Int64.random(in: 0..<90_000_000, using: &generator)
            let host = IPAddress(v4: 0x0A01_0000 + UInt32.random(in: 0..<30, using: &generator))
            switch UInt8.random(in: 0..<3, using: &generator) {
            case 0: return [probe(scanner, host, at: time)]
            case 1: return session(from: scanner, to: host, at: time)
            default: return session(from: host, to: scanner, at: time)
            }
        }
        records += session(from: host, to: command)
        records.shuffle(using: &generator)
        return records
    }

    @Test("a replay gives the same findings, bit for bit") func replay() throws {
        var first = try Self.detector(), second = try Self.detector()
        let records = Self.mixture(3)
        let said = Self.said(&first, records, batch: 37) + first.finish()
        let again = Self.said(&second, records, batch: 37) + second.finish()
        #expect(said == again)
        #expect(said.count > 20)
    }

    @Test("a snapshot taken anywhere goes on as if nothing had happened, and a damaged one is refused") func snapshots()
        throws
    {
        let records = Self.mixture(4)
        var whole = try Self.detector()
        let said = Self.said(&whole, records, batch: 50) + whole.finish()
        try forAll(runs: 10) { generator, seed in
            let cut = Int.random(in: 0...(records.count / 50), using: &generator) * 50
            var before = try Self.detector()
            let early = Self.said(&before, Array(records[..<min(cut, records.count)]), batch: 50)
            let bytes = before.snapshot()
            var after = try Self.detector()
            try after.restore(bytes)
            #expect(after.snapshot() == bytes, "SEED=\(seed)")
            let late = Self.said(&after, Array(records[min(cut, records.count)...]), batch: 50) + after.finish()
            #expect(early + late == said, "SEED=\(seed)")
            var flipped = bytes
            flipped[Int.random(in: 0..<bytes.count, using: &generator)] ^= 0x10
            var other = try Self.detector()
            #expect(throws: SnapshotError.self, "SEED=\(seed)") { try other.restore(flipped) }
        }
    }

    @Test("tables keep their caps under a flood of callers, and count what they drop") func caps() throws {
        var parameters = DetectorParameters()
        (parameters.tableEntriesMax, parameters.itemsMax, parameters.itemsPerEntryMax) = (200, 2_000, 64)
        var detector = try Self.detector(parameters: parameters)
        var generator = SeededGenerator(seed: 9), largest = 0
        for _ in 0..<40 {
            let records = Self.scanners.map { scanner in
                Self.probe(scanner, IPAddress(v4: UInt32.random(in: 0x0A00_0000..<0x0B00_0000, using: &generator)))
            }
            _ = Self.said(&detector, records)
            largest = max(largest, detector.snapshot().count)
        }
        #expect(largest < 60_000)
        #expect(detector.evictions > 10_000)
    }
}
