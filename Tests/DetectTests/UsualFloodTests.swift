import Detect
import FlowModel
import Platform
import TestKit
import Testing

/// Traffic of days, for what is usual.
private enum Days {
    static let day: Int64 = 86_400_000, bot = IPAddress(v4: 0xC612_0000)

    /// Noon of the day that is so many after `Traffic.noon`'s.
    static func noon(_ day: Int) -> Int64 { Traffic.noon + Int64(day) * Self.day }

    /// UDP from `sources` strangers together, `rate` packets/s of 100 octets for `seconds`.
    static func datagrams(
        _ rate: UInt64, to host: IPAddress = Traffic.host, sources: UInt32 = 1, at start: Int64, seconds: Int64 = 20
    ) -> [FlowRecord] {
        (0..<sources).map { source in
            let packets = rate * UInt64(seconds) / UInt64(sources)
            return Traffic.record(
                from: IPAddress(v4: 0xC612_0000 + source), 4_000, to: host, 9_999, transport: IPProtocol.udp,
                packets: packets, octets: packets * 100, at: start, lasting: seconds * 1_000 - 1)
        }
    }
    /// SYNs from `sources` strangers together.
    static func syns(_ rate: UInt64, sources: UInt32, at start: Int64, seconds: Int64 = 20) -> [FlowRecord] {
        (0..<sources).map { source in
            let packets = rate * UInt64(seconds) / UInt64(sources)
            return Traffic.record(
                from: IPAddress(v4: 0xC612_0000 + source), 40_000, to: Traffic.host, 80, bits: TCPFlag.syn,
                packets: packets, octets: packets * 40, at: start, lasting: seconds * 1_000 - 1)
        }
    }
    /// A few seconds of 50 packets/s every ten minutes of so many days.
    static func quiet(_ days: Range<Int>, host: IPAddress = Traffic.host) -> [FlowRecord] {
        days.flatMap { day in
            (0..<144).flatMap { datagrams(50, to: host, at: noon(day) - 43_200_000 + $0 * 600_000, seconds: 5) }
        }
    }
    /// Datagrams at 50 hosts of a /24 together, two sources for each.
    static func carpet(_ rate: UInt64, at start: Int64, seconds: Int64 = 20) -> [FlowRecord] {
        (0..<50).flatMap { host in
            datagrams(rate / 50, to: IPAddress(v4: 0xC633_6480 + UInt32(host)), sources: 2, at: start, seconds: seconds)
        }
    }

    /// What `rule` says in the end, in the order of time.
    static func found(
        _ records: [FlowRecord], rule: String = "flood", parameters: DetectorParameters = .init()
    ) throws -> [Finding] {
        var set = DetectorSet(tenant: try Traffic.tenant(), parameters: parameters, only: [rule])
        var last: [String: Finding] = [:]
        for finding in Traffic.run(&set, records, batch: 100) + set.finish() { last[finding.id] = finding }
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
}

@Suite("Floods against what is usual for a host") struct UsualFloodTests {
    @Test(
        "a host that takes 30,000 datagrams a second daily is told on three days, then neither at 25,000 nor at those")
    func busy() throws {
        let habit = (0..<3).flatMap { Days.datagrams(30_000, at: Days.noon($0)) }
        let told = try Days.found(habit)
        #expect(told.map(\.start) == (0..<3).map(Days.noon) && told.allSatisfy { $0.severity == .high })
        let later = Days.datagrams(25_000, at: Days.noon(3)) + Days.datagrams(30_000, at: Days.noon(3) + 3_600_000)
        #expect(try Days.found(habit + later) == told)
        // Another host has everybody's limit.
        let other = IPAddress(v4: 0xC000_0206)
        #expect(try Days.found(habit + Days.datagrams(25_000, to: other, at: Days.noon(3))).count == 4)
        let flood = try #require(try Days.found(habit + Days.datagrams(100_000, at: Days.noon(3))).last)
        #expect(flood.start == Days.noon(3) && flood.severity == .high)
        #expect(flood.evidence.threshold == 36_864 && flood.title.hasSuffix("; 18,432 packets/s are usual for it"))
    }

    @Test("a quiet host is told at 6,000 datagrams a second, low; an unknown one isn't, nor one of two days")
    func quiet()
        throws
    {
        let flood = Days.datagrams(6_000, at: Days.noon(4))
        let finding = try #require(try Days.found(Days.quiet(0..<4) + flood).first)
        #expect(finding.severity == .low && finding.evidence.threshold == 5_000)
        #expect(abs(finding.evidence.observed - 6_000) < 5)
        #expect(finding.title.hasSuffix("from 198.18.0.0; its last days had at most 313 packets/s"), "\(finding.title)")
        #expect(try Days.found(flood).isEmpty)
        #expect(try Days.found(Days.quiet(2..<4) + flood).isEmpty)
        // Eight days later nothing is known of it any more.
        #expect(try Days.found(Days.quiet(0..<4) + Days.datagrams(6_000, at: Days.noon(12))).isEmpty)
    }

    @Test("the more a quiet host gets the surer it is: medium at twice its limit, high from everybody's on")
    func severities() throws {
        func severity(_ rate: UInt64) throws -> Severity? {
            try Days.found(Days.quiet(0..<4) + Days.datagrams(rate, at: Days.noon(4))).first?.severity
        }
        #expect(try severity(4_900) == nil)
        #expect(try severity(9_900) == .low)
        #expect(try severity(10_100) == .medium)
        #expect(try severity(21_000) == .high)
        #expect(try severity(99_000) == .high)
        #expect(try severity(101_000) == .critical)
    }

    @Test("a host that had 1,000 a second is told at ten times that; strangers' hosts are held to everybody's limit")
    func tenfold() throws {
        let habit = Days.quiet(0..<4) + Days.datagrams(1_000, at: Days.noon(2) + 60_000)
        #expect(try Days.found(habit + Days.datagrams(9_900, at: Days.noon(4))).isEmpty)
        let finding = try #require(try Days.found(habit + Days.datagrams(11_000, at: Days.noon(4))).first)
        #expect(finding.severity == .low && finding.evidence.threshold == 10_240)
        var parameters = DetectorParameters()
        parameters.ownNetworks = [IPNetwork(IPAddress(v4: 0x0A00_0000), length: 8)]
        #expect(try Days.found(habit + Days.datagrams(11_000, at: Days.noon(4)), parameters: parameters).isEmpty)
    }

    @Test("SYNs of a crowd are told at a quarter of the limit; one scanner's, and a download, are not") func crowds()
        throws
    {
        let habit = Days.quiet(0..<4)
        #expect(try Days.found(habit + Days.syns(800, sources: 200, at: Days.noon(4))).map(\.severity) == [.low])
        #expect(try Days.found(habit + Days.syns(800, sources: 1, at: Days.noon(4))).isEmpty)
        let download = Traffic.record(
            from: Days.bot, 443, to: Traffic.host, 50_000, bits: 0x1B, packets: 1_250_000, octets: 1_875_000_000,
            at: Days.noon(4), lasting: 30_000)
        #expect(try Days.found(habit + [download]).isEmpty)
    }

    @Test("a handful of sampled packets is no flood, whatever they stand for") func sampled() throws {
        func sampled(_ packets: UInt64) -> [FlowRecord] {
            Days.datagrams(packets, at: Days.noon(4), seconds: 1).map { record in
                var record = record
                record.samplingInterval = 5_000
                return record
            }
        }
        // 15 that stand for 5,000 each are 15,000 a second for the five of a bucket.
        #expect(try Days.found(Days.quiet(0..<4) + sampled(15)).isEmpty)
        #expect(try Days.found(Days.quiet(0..<4) + sampled(17)).map(\.severity) == [.medium])
    }

    @Test("a flood that lasts a day does not become usual") func poisoned() throws {
        // 24 hours from noon on are a part of two days.
        let flood = (0..<144).flatMap { Days.datagrams(60_000, at: Days.noon(4) + $0 * 600_000, seconds: 600) }
        let again = Days.datagrams(25_000, at: Days.noon(6))
        let findings = try Days.found(Days.quiet(0..<4) + flood + Days.quiet(4..<6) + again)
        #expect(findings.count == 145 && findings.allSatisfy { $0.severity >= .high })
        #expect(findings.last?.start == Days.noon(6) && findings.last?.evidence.threshold == 20_000)
    }

    @Test("a flood of three days doubles the limit at most; of months, the limit is at most ten times everybody's")
    func bounded() throws {
        let daily = (0..<60).map { Days.datagrams(2_000_000, at: Days.noon($0)) }
        let findings = try Days.found(daily.flatMap(\.self)), limits = findings.map(\.evidence.threshold)
        #expect(findings.count == 60 && limits[0..<3] == [20_000, 20_000, 20_000])
        for day in 3..<60 { #expect(limits[day] <= 2 * limits[day - 3], "\(limits)") }
        #expect(limits.max() == 200_000)
    }

    @Test("records ahead of the sensor's clock teach nothing; late ones teach the day that they are of") func clocks()
        throws
    {
        let habit = (0..<3).flatMap { Days.datagrams(30_000, at: Days.noon($0)) }
        let ahead = Days.datagrams(1_000, at: Days.noon(400)).map { record in
            var record = record
            record.receiveMilliseconds = Days.noon(2) + 60_000
            return record
        }
        let later = Days.datagrams(30_000, at: Days.noon(3))
        #expect(try Days.found(habit + ahead + later).count == 3)
        let late = Days.datagrams(30_000, at: Days.noon(3), seconds: 5) + habit
        #expect(try Days.found(late + Days.datagrams(30_000, at: Days.noon(4))).count == 4)
    }

    @Test("a snapshot taken anywhere goes on with what was learned") func restart() throws {
        let busy = (0..<3).flatMap { Days.datagrams(30_000, to: IPAddress(v4: 0xC000_0206), at: Days.noon($0)) }
        let attacks =
            Days.datagrams(6_000, sources: 100, at: Days.noon(4))
            + Days.datagrams(35_000, to: IPAddress(v4: 0xC000_0206), at: Days.noon(4))
            + Days.datagrams(90_000, to: IPAddress(v4: 0xC000_0206), at: Days.noon(4) + 20_000)
        let records =
            (busy + Days.quiet(0..<4)).sorted { $0.flowStartMilliseconds < $1.flowStartMilliseconds } + attacks
        var whole = DetectorSet(tenant: try Traffic.tenant(), only: ["flood"])
        let said = Traffic.run(&whole, records, batch: 20) + whole.finish()
        #expect(said.contains { $0.severity == .low } && said.contains { $0.evidence.threshold == 36_864 })
        try forAll(runs: 12) { generator, seed in
            let cut = Int.random(in: 0...(records.count / 20), using: &generator) * 20
            var before = DetectorSet(tenant: try Traffic.tenant(), only: ["flood"])
            let early = Traffic.run(&before, Array(records[..<cut]), batch: 20), bytes = before.snapshot()
            var after = try DetectorSet(restoring: bytes, tenant: try Traffic.tenant(), only: ["flood"])
            #expect(after.snapshot() == bytes, "SEED=\(seed)")
            let late = Traffic.run(&after, Array(records[cut...]), batch: 20) + after.finish()
            #expect(early + late == said && after.snapshot() == whole.snapshot(), "SEED=\(seed)")
        }
    }

    @Test("of more hosts than there is room for some are forgotten, and counted by a name of their own") func full()
        throws
    {
        var parameters = DetectorParameters()
        parameters.tableEntriesMax = 400
        var set = DetectorSet(tenant: try Traffic.tenant(), parameters: parameters, only: ["flood"]), largest = 0
        for round in 0..<20 as Range<UInt32> {
            let records = (0..<100).flatMap { index in
                Days.datagrams(
                    2_000, to: IPAddress(v4: 0x0A00_0000 + round * 100 + index), at: Days.noon(0), seconds: 5)
            }
            _ = set.observe(Traffic.columns(records))
            largest = max(largest, set.snapshot().count)
        }
        // 2,000 hosts, and a table of 128.
        let dropped = set.evictions["flood-usual"] ?? 0
        #expect(dropped >= 1_872 && dropped < 4_000, "\(set.evictions)")
        #expect(largest < 200_000)
    }
}

@Suite("Carpets against what is usual for a network") struct UsualCarpetTests {
    @Test("a network that takes 30,000 datagrams a second daily is told on three days, then no longer") func busy()
        throws
    {
        let habit = (0..<3).flatMap { Days.carpet(30_000, at: Days.noon($0)) }
        let told = try Days.found(habit, rule: "carpet-bombing")
        #expect(told.map(\.start) == (0..<3).map(Days.noon) && told.allSatisfy { $0.severity == .high })
        #expect(try Days.found(habit + Days.carpet(30_000, at: Days.noon(3)), rule: "carpet-bombing") == told)
        let flood = try Days.found(habit + Days.carpet(90_000, at: Days.noon(3)), rule: "carpet-bombing")
        #expect(flood.count == 4 && flood.last?.title.hasSuffix("; 18,432 packets/s are usual for it") == true)
    }

    @Test("a quiet network is told at 8,000 datagrams a second, low; an unknown one isn't; restarts change nothing")
    func quiet() throws {
        let habit = Days.quiet(0..<4, host: IPAddress(v4: 0xC633_6480)), flood = Days.carpet(8_000, at: Days.noon(4))
        let finding = try #require(try Days.found(habit + flood, rule: "carpet-bombing").first)
        #expect(finding.severity == .low && finding.title.contains("; its last days had at most "), "\(finding.title)")
        #expect(try Days.found(flood, rule: "carpet-bombing").isEmpty)
        var set = DetectorSet(tenant: try Traffic.tenant(), only: ["carpet-bombing"])
        _ = Traffic.run(&set, habit + flood.prefix(60), batch: 20)
        let bytes = set.snapshot()
        set = try DetectorSet(restoring: bytes, tenant: try Traffic.tenant(), only: ["carpet-bombing"])
        #expect(set.snapshot() == bytes)
        var last: Finding?
        for found in Traffic.run(&set, Array(flood.dropFirst(60)), batch: 20) + set.finish() { last = found }
        #expect(last?.id == finding.id && last?.severity == .low)
    }
}
