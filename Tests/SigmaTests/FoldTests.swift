import Detect
import FlowModel
import Platform
import Sigma
import TestKit
import Testing

@Suite("Sigma as a fold") struct FoldTests {
    private static let text = """
        title: web
        name: web
        logsource: {category: firewall}
        detection:
            s: {dst_port: [80, 8080]}
            condition: s
        level: low
        tags: [attack.command-and-control, attack.t1071.001]
        ---
        title: quiet
        name: quiet
        logsource: {category: firewall}
        detection:
            s: {dst_port: 25}
            condition: s
        level: informational
        ---
        title: spread
        name: spread
        correlation:
            type: value_count
            rules: [quiet]
            group-by: [src_ip]
            timespan: 2m
            condition: {field: dst_ip, gt: 3}
        level: critical
        ---
        title: mean
        name: mean
        correlation:
            type: value_avg
            rules: [web]
            generate: true
            group-by: [dst_ip]
            timespan: 1m
            condition: {field: bytes, gt: 700}

        """

    private static func traffic(_ count: Int, _ generator: inout SeededGenerator) throws -> [FlowRecord] {
        var records: [FlowRecord] = []
        for index in 0..<count {
            let numbers = (0..<5).map { _ in Int(UInt64.random(in: 0..<5_000, using: &generator)) }
            records.append(
                try Sample.record(
                    "10.0.0.\(numbers[0] % 6)", 50_000, to: "192.0.2.\(numbers[1] % 9)",
                    [25, 80, 8_080, 443][numbers[2] % 4], bits: TCPFlag.syn, octets: UInt64(500 + numbers[3] % 500),
                    at: Sample.noon + Int64(index * 700 + numbers[4])))
        }
        return records
    }

    @Test("a rule by itself raises one finding an originator and hour, and says it again when it has doubled")
    func updates() throws {
        var fold = try Sample.fold(Self.text)
        let first = try fold.observe(Sample.columns([Sample.record(50_000, 80)]))
        #expect(first.map(\.rule) == ["web"] && first.first?.update == 0 && first.first?.severity == .low)
        #expect(first.first?.tactics == ["TA0011"] && first.first?.techniques == ["T1071.001"])
        #expect(first.first?.evidence.observed == 1 && first.first?.windowStart == Sample.noon)
        let second = try fold.observe(Sample.columns([Sample.record(50_001, 8_080, at: Sample.noon + 10)]))
        #expect(second.map(\.update) == [1] && second.first?.id == first.first?.id)
        #expect(try fold.observe(Sample.columns([Sample.record(50_002, 80, at: Sample.noon + 20)])).isEmpty)
        let last = fold.finish()
        #expect(last.contains { $0.id == first.first?.id && $0.evidence.flows == 3 && $0.ports == [80, 8_080] })
        #expect(fold.matches == [3, 0] && fold.records == 3)
    }

    @Test("rules of level informational are counted and feed others, and raise nothing") func informational() throws {
        var fold = try Sample.fold(Self.text)
        #expect(try fold.observe(Sample.columns([Sample.record(50_000, 25)])).isEmpty && fold.finish().isEmpty)
        #expect(fold.matches == [0, 1])
        #expect(!SigmaRuleSet(SigmaParse(Self.text).documents).infos.contains { $0.id == "quiet" })
    }

    @Test("a snapshot at any point changes nothing, and equal states are equal bytes") func snapshots() throws {
        try forAll(runs: 12) { generator, seed in
            let records = try Self.traffic(600, &generator)
            var straight = try Sample.fold(Self.text), broken = try Sample.fold(Self.text)
            var said: [Finding] = [], saidBroken: [Finding] = []
            for start in stride(from: 0, to: records.count, by: 50) {
                let columns = Sample.columns(Array(records[start..<(start + 50)]))
                said += straight.observe(columns)
                saidBroken += broken.observe(columns)
                if UInt64.random(in: 0..<3, using: &generator) == 0 {
                    let bytes = broken.snapshot()
                    #expect(bytes == straight.snapshot(), "SEED=\(seed)")
                    broken = try SigmaFold(restoring: bytes, tenant: broken.tenant, rules: broken.rules)
                }
            }
            said += straight.finish()
            saidBroken += broken.finish()
            #expect(said == saidBroken && !said.isEmpty, "SEED=\(seed)")
            #expect(Set(said.map(\.rule)).isSuperset(of: ["web", "mean"]), "SEED=\(seed)")
        }
    }

    @Test("under other rules what counts the same goes on, and the rest begins anew") func carried() throws {
        var fold = try Sample.fold(Self.text)
        let first = try fold.observe(Sample.columns([Sample.record(50_000, 80)]))
        let more = Self.text + "\n---\n" + Sample.text("s:\n    dst_port: 81\ncondition: s", title: "late")
        let set = SigmaRuleSet(SigmaParse(more).documents)
        var next = try SigmaFold(restoring: fold.snapshot(), tenant: fold.tenant, rules: set)
        let second = try next.observe(
            Sample.columns([Sample.record(50_001, 80, at: Sample.noon + 10), Sample.record(50_002, 81)]))
        #expect(second.first { $0.rule == "web" }?.id == first.first?.id)
        #expect(second.first { $0.rule == "web" }?.evidence.flows == 2 && second.contains { $0.rule == "late" })
        let back = try SigmaFold(restoring: next.snapshot(), tenant: fold.tenant, rules: fold.rules)
        #expect(back.matches == [2, 0])
        #expect(back.groups == next.groups - 1)
        let changed = SigmaRuleSet(SigmaParse(Self.text.replacing("8080", with: "8081")).documents)
        var other = try SigmaFold(restoring: next.snapshot(), tenant: fold.tenant, rules: changed)
        #expect(other.matches == [0, 0])
        #expect(other.finish().isEmpty)
    }

    @Test("a rule on trial is counted as it would have raised, and raises nothing") func onTrial() throws {
        let documents = SigmaParse(Self.text).documents
        var trial = SigmaFold(tenant: try Sample.tenant(), rules: SigmaRuleSet(documents, tested: ["web"]))
        var real = SigmaFold(tenant: try Sample.tenant(), rules: SigmaRuleSet(documents))
        let columns = try Sample.columns([Sample.record(50_000, 80), Sample.record(50_001, 80, at: Sample.noon + 10)])
        #expect(real.observe(columns).map(\.rule) == ["web"] && trial.observe(columns).isEmpty)
        let place = try #require(trial.rules.watched.firstIndex(of: "web"))
        #expect(trial.raised[place] == 1 && trial.raised == real.raised && trial.matches == real.matches)
        #expect(trial.finish().isEmpty)
    }

    @Test("a snapshot of other limits or tenants is refused, and so is a damaged one") func refused() throws {
        var fold = try Sample.fold(Self.text)
        _ = try fold.observe(Sample.columns([Sample.record(50_000, 80)]))
        let bytes = fold.snapshot(), tenant = try Sample.tenant(), other = try Sample.tenant("other")
        let rules = fold.rules
        var small = SigmaParameters()
        small.groupsMax = 10
        #expect(throws: SnapshotError.otherParameters) {
            try SigmaFold(restoring: bytes, tenant: tenant, rules: rules, parameters: small)
        }
        #expect(throws: SnapshotError.otherTenant) { try SigmaFold(restoring: bytes, tenant: other, rules: rules) }
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 0x40
            #expect(throws: SnapshotError.self) { try SigmaFold(restoring: damaged, tenant: tenant, rules: rules) }
        }
    }

    @Test("memory is bounded, and what is dropped is counted") func bounded() throws {
        var parameters = SigmaParameters()
        (parameters.groupsMax, parameters.itemsMax) = (64, 500)
        var fold = try Sample.fold(Self.text, parameters)
        for number in 0..<2_000 {
            let source = "10.1.\(number >> 8).\(number & 255)"
            _ = try fold.observe(
                Sample.columns([Sample.record(source, 50_000, to: "192.0.2.5", 80, at: Sample.noon + Int64(number))]))
        }
        #expect(fold.groups <= 64 && fold.losses.evicted > 1_000)
        let broad = try Sample.fold(Self.text)
        var one = broad
        let many = try (0..<5_000).map {
            try Sample.record("10.0.0.1", 50_000, to: "192.0.\($0 >> 8).\($0 & 255)", 25, at: Sample.noon + Int64($0))
        }
        let said = one.observe(Sample.columns(many)) + one.finish()
        #expect(one.losses.forgotten == 5_000 - 4_096)
        #expect(said.contains { $0.rule == "spread" && $0.title.contains("at least 4096") && $0.severity == .critical })
    }

    @Test("records with any numbers whatever are taken without a trap") func hostile() throws {
        var fold = try Sample.fold(Self.text), columns = Sample.columns([])
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 1, exportProtocol: .ipfix)
        let exporter = columns.intern(key) ?? 0
        for time in [Int64.min, -1, 0, 1, .max / 2, .max] {
            for count in [UInt64(0), 1, .max] {
                var record = try Sample.record(50_000, [25, 80][Int(count % 2)])
                (record.flowStartMilliseconds, record.flowEndMilliseconds) = (time, 0 &- time)
                record.receiveMilliseconds = time
                (record.octetDeltaCount, record.packetDeltaCount) = (count, count)
                record.deltaFlowCount = UInt32(truncatingIfNeeded: count)
                record.samplingInterval = Float.infinity
                record.exporter = exporter
                columns.append(record)
            }
        }
        let said = fold.observe(columns) + fold.finish()
        #expect(said.contains { $0.rule == "web" } && said.allSatisfy { $0.start <= $0.end })
        let bytes = fold.snapshot()
        #expect(throws: Never.self) { try SigmaFold(restoring: bytes, tenant: fold.tenant, rules: fold.rules) }
    }
}
