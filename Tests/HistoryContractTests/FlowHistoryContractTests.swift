import BatchFormat
import Delivery
import FilterLanguage
import FlowClickHouse
import FlowModel
import FlowStore
import HistoryKit
import Identity
import Platform
import Query
import QueryEngine
import TestKit
import Testing

@Suite("The contract of histories", .serialized)
struct FlowHistoryContractTests {
    let tenant: TenantID
    init() throws { tenant = try #require(TenantID("acme")) }

    /// One of each kind of condition, and mixtures.
    static let filters = [
        "any", "src net 10.0.0.0/22", "not ip 10.0.1.0", "dst host 2001:db8::1", "src net 2001:db8::/32", "ipv4",
        "ipv6",
        "not ipv6", "next hop 10.0.0.254", "exporter net 192.0.2.0/30", "port 443", "src and dst port 443",
        "not src port 0", "dst port in [22 53 400-500]", "as 64500", "dst as 64501 or src as 4294967295", "src mask 12",
        "in if 2", "out if 4294967295", "if > 3", "tcp", "proto in [1 58]", "tos 184", "dscp 46", "vlan in [10 11]",
        "direction ingress", "not direction egress", "bytes > 1M", "packets < 3", "flows >= 2", "duration > 1h",
        "not duration 0", "bps > 10k", "pps 0", "bpp > 1k", "icmp-type 8", "icmp-code 0", "not icmp-type 129",
        "domain 7",
        "sampling 100", "sampling > 1", "received > 2026-11-22T00:00:00Z", "start < 2026-11-22T06:00:00Z", "flags S/SA",
        "flags 0x1FF", "sampled", "denied", "held", "elsewhere", "not clamped", "site hq", "sensor edge-2", "via ipfix",
        "not via [netflow9 sflow5]", "has userName", "userName anna", "userName ~ \"BRIEN\"", "not userName anna",
        "tcp and (src net 10.0.0.0/8 or dst port 443) and not site lab",
        "not (udp or (bytes > 50k and not has userName)) and exporter 192.0.2.1",
    ]

    private func mixed(_ seed: UInt64, batches: Int = 10, sensors: [String] = ["edge-1", "edge-2"]) throws
        -> MixedHistory
    {
        var generator = SeededGenerator(seed: seed)
        return try MixedHistory(using: &generator, tenant: tenant, batchCount: batches, sensors: sensors)
    }
    private func matching(_ history: MixedHistory, _ filter: FlowFilter) -> [FlowRecord] {
        history.subjects.filter {
            filter.matches(
                FilterSubject($0.columns, row: $0.row, site: $0.sensor.site, sensor: $0.sensor.name))
        }.map(\.record)
    }

    @Test("filters of every kind mean what they mean record by record", arguments: Contestant.all)
    func filters(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), history = try mixed(11)
        try await place.store.store(history.batches)
        for text in Self.filters {
            var filter = FlowFilter(try FilterParser.parse(text))
            for isBounded in [false, true] {
                if isBounded {
                    filter.from = MixedHistory.start + 7 * MixedHistory.hour
                    filter.to = MixedHistory.start + 19 * MixedHistory.hour + 1
                }
                let records = matching(history, filter)
                let sum = records.reduce(into: Tally()) { $0 += $1.tally }
                let answer = try await place.history.top(
                    tenant: tenant, filter: filter, by: [], measure: .octets, limit: 1)
                #expect(answer.total == sum, "\(text) \(isBounded)")
                let counted = records.count { !$0.flags.contains(.observedElsewhere) }
                #expect(Int(answer.groups.first?.rows ?? 0) == counted, "\(text) \(isBounded)")
            }
        }
    }

    @Test(
        "records come back as they were, page by page, each once, by a cursor that any of them reads",
        arguments: Contestant.all)
    func paging(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), history = try mixed(12)
        // The same once more under other keys: every record has a twin.
        try await place.store.store(history.batches + Self.copies(of: history.batches))
        for text in ["any", "tcp or icmp", "not userName anna"] {
            let filter = FlowFilter(try FilterParser.parse(text))
            let expected = matching(history, filter).flatMap { [Self.plain($0), Self.plain($0)] }
            var found: [FlowRecord] = [], ends: [Int64] = [], after: RecordPosition?, pages = 0
            repeat {
                let page = try await place.history.records(tenant: tenant, filter: filter, limit: 37, after: after)
                found += page.columns.rows.map { Self.plain(page.columns[$0]) }
                ends += page.columns.flowEndMilliseconds.prefix(page.columns.count)
                after = try page.next.map { try #require(RecordPosition($0.description)) }
                pages += 1
            } while after != nil && pages < 200
            #expect(found.count == expected.count && Self.counts(found) == Self.counts(expected), "\(text)")
            #expect(ends == ends.sorted(by: >), "\(text)")
        }
    }
    /// Without the numbers that mean something in their columns only.
    private static func plain(_ record: FlowRecord) -> FlowRecord {
        var record = record
        (record.exporter, record.extra, record.observers, record.sketch) = (0, 0, 0, 0)
        return record
    }
    private static func counts(_ records: [FlowRecord]) -> [FlowRecord: Int] {
        records.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
    private static func copies(of batches: [StoredBatch]) -> [StoredBatch] {
        batches.map { batch in
            var batch = batch
            batch.key = BatchKey(epoch: batch.key.epoch, sequence: batch.key.sequence + 1_000)
            batch.logOffset += 1_000
            return batch
        }
    }

    // MARK: One against the other

    /// Generated questions, the same for both.
    private struct Asked {
        let filter: FlowFilter, keys: [FlowKey], others: [FlowKey], measure: FlowMeasure, limit: Int, period: Int64

        init(using generator: inout SeededGenerator) throws {
            func pick<Value>(_ values: [Value], _ generator: inout SeededGenerator) -> Value {
                values[Int.random(in: 0..<values.count, using: &generator)]
            }
            var texts = [pick(FlowHistoryContractTests.filters, &generator)]
            if Bool.random(using: &generator) { texts.append(pick(FlowHistoryContractTests.filters, &generator)) }
            let all = texts.map { "(\($0 == "any" ? "any" : $0))" }.joined(
                separator: pick([" and ", " or "], &generator))
            let from = MixedHistory.start + 60_001 * Int64.random(in: -60..<600, using: &generator)
            filter = FlowFilter(
                try FilterParser.parse(all), from: from,
                to: from + 1 + MixedHistory.hour * Int64.random(in: 0..<40, using: &generator))
            var keys = FlowKey.allCases.filter { !$0.needsPlaces }
            keys += [.sourceNetwork(v4: 22, v6: 64), .destinationNetwork(v4: 0, v6: 127), .time(period: 7_000)]
            self.keys = (0..<Int.random(in: 0...3, using: &generator)).map { _ in pick(keys, &generator) }
            others = (0..<Int.random(in: 1...2, using: &generator)).map { _ in pick(keys, &generator) }
            measure = pick(FlowMeasure.allCases, &generator)
            limit = pick([1, 3, 10, 1_000], &generator)
            period = pick([60_000, 300_000, 3_600_000, 77_777], &generator)
        }
        var text: String { "\(filter.expression) by \(keys.map(\.rawValue)) \(measure) \(limit) \(period)" }
    }

    @Test("generated questions have the same answers as on a node alone", arguments: Contestant.clickHouses)
    func generated(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), plain = try await Place(.segments), history = try mixed(13)
        for place in [place, plain] { try await place.store.store(history.batches) }
        try await plain.settle()
        for seed in UInt64(0)..<40 {
            var generator = SeededGenerator(seed: seed)
            let asked = try Asked(using: &generator), note: Comment = "SEED=\(seed) \(asked.text)"
            let a = try await Answers(asked.filter, asked, plain.history, tenant)
            let b = try await Answers(asked.filter, asked, place.history, tenant)
            #expect(b.top.groups == a.top.groups, note)
            #expect(b.top.total == a.top.total && b.top.groupCount == a.top.groupCount, note)
            #expect(b.series == a.series, note)
            #expect(b.percentiles == a.percentiles, note)
            #expect(b.distinct.count == a.distinct.count && b.distinct.groups == a.distinct.groups, note)
            #expect(b.conversations.conversations == a.conversations.conversations, note)
            #expect(b.conversations.count == a.conversations.count, note)
        }
    }
    private struct Answers {
        let top: TopAnswer, series: StackedSeries, percentiles: [PercentileAnswer.Line]
        let distinct: DistinctAnswer, conversations: ConversationsAnswer

        init(_ filter: FlowFilter, _ asked: Asked, _ history: any FlowHistory, _ tenant: TenantID) async throws {
            top = try await history.top(
                tenant: tenant, filter: filter, by: asked.keys, measure: asked.measure, limit: asked.limit)
            series = try await history.series(
                tenant: tenant, filter: filter, by: asked.keys, measure: asked.measure, limit: asked.limit,
                period: asked.period
            ).series
            percentiles = try await history.percentiles(
                tenant: tenant, filter: filter, by: asked.keys, percent: 90, limit: asked.limit, period: asked.period
            ).lines
            distinct = try await history.distinct(
                tenant: tenant, filter: filter, of: asked.others, groupedBy: asked.keys, limit: asked.limit)
            conversations = try await history.conversations(
                tenant: tenant, filter: filter, measure: asked.measure, limit: asked.limit)
        }
    }

    @Test("hunts, streams, looks and trends see the same records as on a node alone", arguments: Contestant.clickHouses)
    func rows(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), plain = try await Place(.segments), history = try mixed(14)
        for place in [place, plain] { try await place.store.store(history.batches) }
        try await plain.settle()
        let indicators = [
            IPNetwork(IPAddress(v4: 0x0A00_0100), length: 24),
            IPNetwork(IPAddress(high: 0x2001_0DB8_0000_0001, low: 0), length: 64),
        ]
        func key(_ sighting: Sighting) -> [String] { ["\(sighting.host)", "\(sighting.met)"] }
        let mine = try await place.history.hunt(tenant: tenant, indicators: indicators, sightingsMax: 1_000)
        let theirs = try await plain.history.hunt(tenant: tenant, indicators: indicators, sightingsMax: 1_000)
        #expect(
            mine.sightings.sorted { key($0).lexicographicallyPrecedes(key($1)) }
                == theirs.sightings.sorted { key($0).lexicographicallyPrecedes(key($1)) })
        #expect(!mine.sightings.isEmpty && mine.leftOut == 0)
        let filter = FlowFilter(try FilterParser.parse("not userName anna"), from: MixedHistory.start)
        var streamed: [[FlowRecord: Int]] = []
        for history in [place.history, plain.history] {
            var records: [FlowRecord] = []
            _ = try await history.stream(tenant: tenant, filter: filter) { columns, sensors in
                records += columns.rows.map { Self.plain(columns[$0]) }
            }
            streamed.append(Self.counts(records))
        }
        #expect(streamed[0] == streamed[1] && streamed[0].count > 100)
        let end = MixedHistory.start + 40 * MixedHistory.hour
        for subject in [
            TrendSubject.tenant, .service(FlowService(protocolIdentifier: 6, port: 443)), .host(indicators[0]),
        ] {
            let a = try await plain.history.history(
                tenant: tenant, of: subject, from: MixedHistory.start, to: end, step: .hour,
                lateAfterMilliseconds: 60_000)
            let b = try await place.history.history(
                tenant: tenant, of: subject, from: MixedHistory.start, to: end, step: .hour,
                lateAfterMilliseconds: 60_000)
            #expect(b.steps.map(\.tally) == a.steps.map(\.tally), "\(subject)")
            #expect(b.steps == a.steps && b.isComplete, "\(subject)")
        }
    }

    @Test("sums by minute that were made on the way in are those of the records", arguments: Contestant.clickHouses)
    func rollups(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), history = try mixed(15)
        try await place.store.store(history.batches)
        let filter = FlowFilter(from: MixedHistory.start, to: MixedHistory.start + 36 * MixedHistory.hour)
        for keys: [FlowKey] in [
            [.service], [.sourceAS], [.destinationAS], [.exporter, .ingressInterface], [.egressInterface, .exporter],
        ] {
            func answer(_ mayUseRollups: Bool) async throws -> SeriesAnswer {
                try await place.history.series(
                    tenant: tenant, filter: filter, by: keys, measure: .octets, limit: 4, period: 300_000,
                    mayUseRollups: mayUseRollups)
            }
            let fast = try await answer(true), slow = try await answer(false)
            #expect(fast.isFromRollups && !slow.isFromRollups && fast.series == slow.series, "\(keys)")
            #expect(fast.series.series.count == min(4, fast.series.groupCount) && fast.series.groupCount > 1)
        }
    }

    @Test("a text that is made to end its quotes is a text", arguments: Contestant.clickHouses)
    func hostileTexts(_ contestant: Contestant) async throws {
        let names = [
            "x' OR 1=1 --", "\\", "\\'", "'", "''", "a\u{0}b", "tab\tnew\nline\r", "{t0:String}", "%27 OR 1",
            "ü'; DROP TABLE",
            "`flows1`", "\\x27 OR 1", "?param_t0=1", String(repeating: "'\\", count: 500),
        ]
        let place = try await Place(contestant)
        var generator = SeededGenerator(seed: 16)
        let history = try MixedHistory(using: &generator, tenant: tenant, batchCount: names.count, sensors: names)
        try await place.store.store(history.batches)
        for name in names + ["nobody' OR 'a'='a"] {
            let filter = FlowFilter(.test(.label(.sensor, [name])))
            let answer = try await place.history.top(
                tenant: tenant, filter: filter, by: [.sensor], measure: .flows, limit: 100)
            #expect(answer.groups.compactMap(\.key.sensor?.name).filter { $0 != name } == [], "\(name)")
            #expect(answer.total == matching(history, filter).reduce(into: Tally()) { $0 += $1.tally }, "\(name)")
            // As keys of lines, too.
            let series = try await place.history.series(
                tenant: tenant,
                filter: FlowFilter(
                    filter.expression, from: MixedHistory.start, to: MixedHistory.start + 40 * MixedHistory.hour),
                by: [.sensor], measure: .flows, limit: 3, period: MixedHistory.hour)
            #expect(series.series.series.count == series.series.groupCount, "\(name)")
        }
    }
}
