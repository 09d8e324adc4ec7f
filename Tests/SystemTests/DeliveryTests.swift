import Foundation
import Platform
import TestKit
import Testing

@Suite("Real processes, real files, real sockets", .serialized)
struct DeliveryTests {
    /// Many batches under way at once, so that a crash meets some in every state.
    private static let smallBatches = ["--set", "batch.rowsMax=1500"]

    /// What the aggregator's log says it was given, over all time.
    private func logged(_ site: Site) throws -> (batches: Int, flows: Int, octets: Int, packets: Int) {
        let row = try site.query(
            "data/log.sqlite",
            "SELECT total(batches), total(flows), total(octets), total(packets) FROM sensor"
        )
        let values = row.first?.compactMap { Double($0).map { Int($0) } } ?? []
        guard values.count == 4 else { throw Unexpected("the sensors' totals: \(row)") }
        return (values[0], values[1], values[2], values[3])
    }

    /// What can be read back of the tenant's flows through the API.
    private func stored(_ site: Site) throws -> (flows: Int, octets: Int, packets: Int) {
        let answer = try site.rows("acme", ["flows", "top", "--by", "protocolIdentifier", "--limit", "1000"])
        func sum(_ key: String) -> Int { answer.reduce(0) { $0 + ($1[key] as? Int ?? 0) } }
        return (sum("deltaFlowCount"), sum("octetDeltaCount"), sum("packetDeltaCount"))
    }

    /// Batches that the sensor has sealed and was not answered for, from its files: a record has the length of its body
    /// at octet 12, and the kind of its mark, 0 until it is answered, at octet 112.
    private func waiting(_ site: Site) throws -> Int {
        let files = try FileManager.default.contentsOfDirectory(atPath: site.path("spool")).filter {
            $0.hasPrefix("segment-") && $0.hasSuffix(".spool")
        }
        return try files.reduce(0) { sum, file in
            let content = [UInt8](try Data(contentsOf: site.folder.file("spool/\(file)")))
            func number(_ place: Int) -> Int { (0..<4).reduce(0) { $0 | Int(content[place + $1]) << (8 * $1) } }
            var place = 64, open = 0
            while place + 128 <= content.count, content[place..<place + 4].elementsEqual("WBAT".utf8) {
                let next = (place + 128 + number(place + 12) + 7) & ~7
                if next <= content.count, number(place + 112) == 0 { open += 1 }
                place = next
            }
            return sum + open
        }
    }

    @Test("what the exporter sent is in the store, to the octet, and the other tenant sees none of it")
    func conservation() throws {
        let site = try Site("conservation")
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.startSensor()
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 11), repeated = 0
        for index in 0..<300 {
            let datagram = source.datagram(records: index % 30 + 1)
            exporter.send(datagram)
            if index % 10 == 0 {
                exporter.send(datagram)
                repeated += index % 30 + 1
            }
            if index % 25 == 0 { exporter.send([0, 9, 1, 2, 3]) }
            usleep(2_000)
        }
        try site.wait("all flows in the store") { try stored(site).flows >= source.flows }
        let got = try stored(site)
        #expect(got.flows == source.flows)
        #expect(got.octets == source.octets)
        #expect(got.packets == source.packets)
        #expect(site.stop(site.sensor) == 0)
        try checkLedger(site, source: source, repeated: repeated)
        #expect(try site.rows("globex", ["flows"]).isEmpty)
        #expect(try site.rows("globex", ["sensors"]).isEmpty)
        #expect(site.stop(site.aggregator) == 0)
    }

    /// The sensor's own account: decoded = sealed + duplicates, each to the octet, and every bad datagram by its name.
    private func checkLedger(_ site: Site, source: FlowSource, repeated: Int) throws {
        let sensor = try #require(try site.rows("acme", ["sensors"]).first)
        let ledger = try #require(sensor["ledger"] as? [[String: Any]])
        let exporter = try #require(ledger.first { ($0["exportProtocol"] as? String) == "netflow5" })
        func tally(_ value: Any?) -> [String: Int] { value as? [String: Int] ?? [:] }
        let duplicates = tally((exporter["records"] as? [String: Any])?["duplicate"])
        #expect(duplicates["flows"] == repeated)
        #expect(tally(exporter["sealed"])["flows"] == source.flows)
        #expect(tally(exporter["sealed"])["octets"] == source.octets)
        #expect(tally(exporter["decoded"])["flows"] == source.flows + repeated)
        let refused = ledger.reduce(0) { $0 + ($1["counts"] as? [String: Int] ?? [:]).values.reduce(0, +) }
        #expect(refused == 12)
    }

    @Test("an aggregator that was away finds everything in its log when it is back") func aggregatorAway() throws {
        let site = try Site("away")
        try site.startSensor()
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 12)
        try site.wait("the sensor's start") {
            exporter.send([0, 0])
            return FileManager.default.fileExists(atPath: site.path("spool"))
        }
        sleep(1)
        for _ in 0..<100 {
            exporter.send(source.datagram())
            usleep(2_000)
        }
        try site.wait("sealed batches") { try waiting(site) > 0 }
        try site.startAggregator()
        try site.wait("catching up") { site.isReady() ? try stored(site).flows >= source.flows : false }
        #expect(try stored(site).octets == source.octets)
        try site.wait("an empty spool") { try waiting(site) == 0 }
    }

    @Test("kill -9 twenty times at random moments under load: every sealed batch is kept exactly once")
    func kills() throws {
        let seed =
            ProcessInfo.processInfo.environment["SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000)
        print("SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        let site = try Site("kills")
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.startSensor(Self.smallBatches)
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: seed)
        for round in 0..<20 {
            let end = Date(timeIntervalSinceNow: Double.random(in: 0.4...2.2, using: &generator))
            while Date() < end {
                for _ in 0..<8 { exporter.send(source.datagram()) }
                usleep(4_000)
            }
            if Bool.random(using: &generator) {
                site.crash(site.aggregator)
                try site.startAggregator()
            } else {
                site.crash(site.sensor)
                try site.startSensor(Self.smallBatches)
            }
            #expect(
                site.aggregator?.isRunning == true && site.sensor?.isRunning == true, "round \(round), SEED=\(seed)")
        }
        try site.wait("both are up again, SEED=\(seed)") { site.isReady() }
        sleep(3)
        #expect(site.stop(site.sensor) == 0, "the sensor drains and ends, SEED=\(seed)")
        try checkKeys(site, seed: seed, sent: source)
    }

    /// Every epoch's sequences are there without a gap and once, what is stored adds up to them, and nothing waits.
    private func checkKeys(_ site: Site, seed: UInt64, sent: FlowSource) throws {
        #expect(try waiting(site) == 0, "SEED=\(seed)")
        let epochs = try site.query(
            "data/log.sqlite",
            """
            SELECT hex(epoch), count(*), min(sequence), max(sequence), count(DISTINCT sequence)
            FROM batch_key GROUP BY epoch
            """
        )
        #expect(epochs.count > 1, "the sensor was killed at least once, SEED=\(seed)")
        for row in epochs {
            let numbers = row.dropFirst().compactMap { Int($0) }
            #expect(numbers[1] == 0 && numbers[0] == numbers[2] + 1 && numbers[3] == numbers[0], "\(row) SEED=\(seed)")
        }
        let log = try logged(site)
        #expect(log.batches == epochs.reduce(0) { $0 + (Int($1[1]) ?? 0) }, "SEED=\(seed)")
        try site.wait("the store to hold what the log holds, SEED=\(seed)") { try stored(site).flows >= log.flows }
        let store = try stored(site)
        #expect(store.flows == log.flows && store.octets == log.octets && store.packets == log.packets, "SEED=\(seed)")
        #expect(store.flows > 0 && store.flows <= sent.flows, "SEED=\(seed)")
        print("kills=20 batches=\(log.batches) flows=\(store.flows) sent=\(sent.flows) lost=0 duplicated=0")
    }
}
