import Detect
import FlowModel
import Identity
import Platform
import TestKit
import Testing

@Suite("Detection is a fold") struct FoldTests {
    @Test("the mixture's attacks are found, and nothing else") func mixture() throws {
        let findings = try Traffic.detect(Traffic.mixture(seed: 1)), found = Set(findings.map(\.rule))
        #expect(findings.count == found.count)
        let quick = ["port-scan-vertical", "port-scan-horizontal", "password-guessing", "flood", "reflection-flood"]
        let lasting = ["beacon", "dns-tunnel", "long-connection", "exfiltration", "lateral-movement", "carpet-bombing"]
        #expect(found == Set(quick + lasting))
    }

    @Test("each detector has a name and rules of its own; without some, the others say the same") func registry() throws
    {
        let names = DetectorSet.names, rules = DetectorSet.rules.map(\.id)
        #expect(Set(names).count == names.count && Set(rules).count == rules.count)
        let records = Traffic.mixture(seed: 2), whole = try Traffic.detect(records)
        var said: Set<String> = []
        for name in names {
            var set = DetectorSet(tenant: try Traffic.tenant(), only: [name])
            let findings = Traffic.run(&set, records, batch: 1_000) + set.finish()
            #expect(findings.allSatisfy { finding in whole.contains { $0.id == finding.id } }, "\(name)")
            said.formUnion(findings.map(\.id))
        }
        #expect(said == Set(whole.map(\.id)))
    }

    @Test("a replay gives the same findings, bit for bit, and the same state") func replay() throws {
        let records = Traffic.mixture(seed: 3)
        var first = DetectorSet(tenant: try Traffic.tenant()), second = DetectorSet(tenant: try Traffic.tenant())
        let said = Traffic.run(&first, records, batch: 97), again = Traffic.run(&second, records, batch: 97)
        #expect(said == again)
        #expect(!said.isEmpty)
        #expect(first.snapshot() == second.snapshot())
    }

    @Test("a snapshot taken anywhere goes on as if nothing had happened") func snapshots() throws {
        let records = Traffic.mixture(seed: 4)
        var whole = DetectorSet(tenant: try Traffic.tenant())
        let said = Traffic.run(&whole, records, batch: 50) + whole.finish()
        try forAll(runs: 12) { generator, seed in
            let cut = Int.random(in: 0...(records.count / 50), using: &generator) * 50
            var before = DetectorSet(tenant: try Traffic.tenant())
            let early = Traffic.run(&before, Array(records[..<min(cut, records.count)]), batch: 50)
            let bytes = before.snapshot()
            var after = try DetectorSet(restoring: bytes, tenant: try Traffic.tenant())
            #expect(after.snapshot() == bytes, "SEED=\(seed)")
            let late = Traffic.run(&after, Array(records[min(cut, records.count)...]), batch: 50) + after.finish()
            #expect(early + late == said, "SEED=\(seed)")
        }
    }

    @Test("a damaged, foreign or other snapshot is refused, never trapped on") func badSnapshots() throws {
        var set = DetectorSet(tenant: try Traffic.tenant())
        _ = Traffic.run(&set, Traffic.verticalScan(ports: 1..<40), batch: 10)
        let bytes = set.snapshot(), tenant = try Traffic.tenant()
        for cut in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: SnapshotError.self) { try DetectorSet(restoring: Array(bytes[..<cut]), tenant: tenant) }
            var flipped = bytes
            flipped[cut] ^= 0x10
            #expect(throws: SnapshotError.self) { try DetectorSet(restoring: flipped, tenant: tenant) }
        }
        #expect(throws: SnapshotError.otherTenant) {
            try DetectorSet(restoring: bytes, tenant: try Traffic.tenant("globex"))
        }
        #expect(throws: SnapshotError.otherDetectors) {
            try DetectorSet(restoring: bytes, tenant: tenant, only: ["flood"])
        }
        var others = DetectorParameters()
        others.scanWindowMilliseconds = 3_600_000
        #expect(throws: SnapshotError.otherParameters) {
            try DetectorSet(restoring: bytes, tenant: tenant, parameters: others)
        }
    }

    @Test("records shuffled within five minutes give the same findings") func shuffled() throws {
        let base = Traffic.mixture(seed: 7).sorted { $0.flowStartMilliseconds < $1.flowStartMilliseconds }
        let expected = try Traffic.detect(base, batch: 500)
        try forAll(runs: 10) { generator, seed in
            let jittered = base.map { ($0, $0.flowEndMilliseconds + Int64.random(in: 0..<300_000, using: &generator)) }
            let order = jittered.sorted { $0.1 < $1.1 }.map(\.0)
            let found = try Traffic.detect(order, batch: 500)
            #expect(found.map(\.id) == expected.map(\.id), "SEED=\(seed)")
            #expect(found.map(\.evidence.observed) == expected.map(\.evidence.observed), "SEED=\(seed)")
        }
    }

    @Test("ids differ by tenant, and are the ones of every machine") func ids() throws {
        let records = Traffic.verticalScan(ports: 20..<30), columns = Traffic.columns(records)
        var acme = DetectorSet(tenant: try Traffic.tenant("acme"))
        var globex = DetectorSet(tenant: try Traffic.tenant("globex"))
        let one = try #require(acme.observe(columns).first), other = try #require(globex.observe(columns).first)
        #expect(one.id != other.id)
        #expect(one.id.utf8.count == 32)
        // FNV-1a-128 of "acme", "port-scan-vertical", the entity and the window, each closed by 0xFF.
        #expect(one.id == "5a4792c2f23bcd9cc5fc72724dc92d9d")
    }

    @Test("tables keep their caps under a flood of random addresses, and count what they drop") func caps() throws {
        var parameters = DetectorParameters()
        (parameters.tableEntriesMax, parameters.itemsMax, parameters.itemsPerEntryMax) = (400, 1_000, 64)
        var set = DetectorSet(tenant: try Traffic.tenant(), parameters: parameters)
        var generator = SeededGenerator(seed: 11), largest = 0
        for round in 0..<40 {
            let records = (0..<500).map { index in
                Traffic.record(
                    from: IPAddress(v4: UInt32.random(in: 1..<0xDF00_0000, using: &generator)), 40_000,
                    to: IPAddress(v4: UInt32.random(in: 1..<0xDF00_0000, using: &generator)),
                    UInt16.random(in: 1...1_000, using: &generator), bits: TCPFlag.syn,
                    at: Traffic.noon + Int64(round * 500 + index))
            }
            _ = set.observe(Traffic.columns(records))
            largest = max(largest, set.snapshot().count)
        }
        #expect(largest < 800_000, "tables of 400 entries")
        #expect((set.evictions["port-scan"] ?? 0) > 30_000)
        #expect((set.evictions["flood"] ?? 0) > 15_000)
    }

    @Test("what makes room is what is stalest: a fresh scan is still seen among floods of strangers") func stalest()
        throws
    {
        var parameters = DetectorParameters()
        parameters.tableEntriesMax = 200
        let strangers = (0..<2_000).map { index in
            Traffic.record(
                from: IPAddress(v4: 0x0B00_0000 + UInt32(index)), 40_000, to: Traffic.client, 80, bits: TCPFlag.syn,
                at: Traffic.noon + Int64(index))
        }
        let scan = Traffic.verticalScan(ports: 20..<40, at: Traffic.noon + 1_000)
        let order = (strangers + scan).sorted { $0.flowStartMilliseconds < $1.flowStartMilliseconds }
        let findings = try Traffic.detect(order, batch: 10, parameters: parameters)
        #expect(findings.contains { $0.rule == "port-scan-vertical" && $0.entity(.attacker) == ["203.0.113.9"] })
    }

    @Test("an exporter whose clock runs ahead does not keep its entries for ever") func clockAhead() throws {
        var parameters = DetectorParameters()
        parameters.tableEntriesMax = 64
        let ahead = (0..<200).map { index in
            var record = Traffic.record(
                from: IPAddress(v4: 0x0C00_0000 + UInt32(index)), 40_000, to: Traffic.client, 80, bits: TCPFlag.syn,
                at: Traffic.noon + 400_000_000_000)
            record.receiveMilliseconds = Traffic.noon - 60_000
            return record
        }
        let findings = try Traffic.detect(ahead + Traffic.verticalScan(ports: 20..<60), parameters: parameters)
        #expect(findings.contains { $0.rule == "port-scan-vertical" })
    }
}

@Suite("Times as text") struct EventTimeTests {
    @Test(
        "known moments are written and read",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_366_400_250, "2026-03-01T12:00:00.250Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func known(milliseconds: Int64, text: String) {
        #expect(EventTime(milliseconds).description == text)
        #expect(EventTime(text)?.milliseconds == milliseconds)
    }

    @Test("any moment survives the way there and back") func roundTrip() {
        forAll(runs: 2_000) { generator, seed in
            let time = Int64.random(in: EventTime.range, using: &generator)
            #expect(EventTime(EventTime(time).description)?.milliseconds == time, "SEED=\(seed)")
        }
    }

    @Test(
        "what is no such time is refused",
        arguments: [
            "", "2026-02-29T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:00:00+01:00", "2026-03-01 12:00:00Z",
            "2026-03-01T12:00:00.Z", "2026-13-01T00:00:00Z", "2026-03-01T1x:00:00Z",
        ])
    func refused(text: String) { #expect(EventTime(text) == nil) }
}
