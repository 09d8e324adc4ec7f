import Detect
import FlowModel
import Sigma
import Testing

/// A base rule `base` (port 22) and a correlation of it.
private func correlated(_ correlation: String, more: String = "", level: String = "high") -> String {
    let base = Sample.text("s:\n    dst_port: 22\ncondition: s", title: "base", more: "name: base\n")
    let lines = correlation.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    let tags = "tags: [attack.t1110.001, attack.credential-access]"
    return "\(base)---\n\(more)title: many\nname: many\nlevel: \(level)\n\(tags)\ncorrelation:\n\(lines)\n"
}

private func login(
    _ source: String = "203.0.113.9", to destination: String = "192.0.2.5", port: UInt16 = 22, at seconds: Int64,
    octets: UInt64 = 600, lasting: Int64 = 0
) throws -> FlowRecord {
    try Sample.record(
        source, 50_000, to: destination, port, bits: TCPFlag.syn, octets: octets, at: Sample.noon + seconds * 1_000,
        lasting: lasting)
}

/// Everything found in `records`, one batch; of each id the last word.
private func found(_ text: String, _ records: [FlowRecord], batch: Int = 1_000) throws -> [Finding] {
    var fold = try Sample.fold(text), last: [String: Finding] = [:]
    for start in stride(from: 0, to: records.count, by: batch) {
        let part = Array(records[start..<min(start + batch, records.count)])
        for finding in fold.observe(Sample.columns(part)) { last[finding.id] = finding }
    }
    for finding in fold.finish() { last[finding.id] = finding }
    return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
}

@Suite("Correlations of Sigma rules") struct CorrelationTests {
    private static let count = correlated(
        "type: event_count\nrules: [base]\ngroup-by: [src_ip]\ntimespan: 5m\ncondition: {gte: 5}")

    @Test("events are counted by group, within the timespan wherever it begins") func eventCount() throws {
        let near = try (0..<5).map { try login(at: 200 + $0 * 60) }  // over the border of a five-minute window
        let finding = try #require(try found(Self.count, near).first)
        #expect(finding.rule == "many" && finding.severity == .high && finding.evidence.observed == 5)
        #expect(finding.evidence.threshold == 5 && finding.evidence.unit == "flows")
        #expect(finding.tactics == ["TA0006"] && finding.techniques == ["T1110.001"])
        #expect(finding.entities.map(\.value) == ["203.0.113.9", "192.0.2.5"])
        #expect(finding.entities.map(\.role) == [.attacker, .victim] && finding.ports == [22])
        #expect(finding.start == Sample.noon + 200_000 && finding.end == Sample.noon + 440_000)
        #expect(finding.title == "many: 5 flows from 203.0.113.9 to 192.0.2.5")
        let far = try (0..<5).map { try login(at: 200 + $0 * 76) }
        #expect(try found(Self.count, far).isEmpty, "304 s from the first to the fifth")
        let split = try (0..<8).map { try login("203.0.113.\($0 % 2)", at: 200 + $0) }
        #expect(try found(Self.count, split).isEmpty, "four each")
        let elsewhere = try (0..<9).map { try login(port: 23, at: $0) }
        #expect(try found(Self.count, elsewhere).isEmpty)
    }

    @Test("answers are not counted beside their requests, sums of flows are counted as many") func weights() throws {
        let both = try (0..<4).flatMap { index -> [FlowRecord] in
            let answer = try Sample.record(
                "192.0.2.5", 22, to: "203.0.113.9", 50_000, bits: TCPFlag.syn | TCPFlag.ack, packets: 1,
                at: Sample.noon + Int64(index) * 1_000)
            return [try login(at: Int64(index)), answer]
        }
        #expect(try found(Self.count, both).isEmpty)
        var sum = try login(at: 1)
        sum.deltaFlowCount = 7
        #expect(try found(Self.count, [sum]).first?.evidence.observed == 7)
    }

    @Test("the order of arrival and the cut into batches change nothing but updates") func order() throws {
        let records = try (0..<40).map { try login(at: 100 + $0 * 17) }
        let ids = try Set(found(Self.count, records).map(\.id))
        #expect(!ids.isEmpty)
        for batch in [1, 7, 16] {
            #expect(try Set(found(Self.count, records, batch: batch).map(\.id)) == ids)
        }
        let late = Array(records[20...]) + Array(records[..<20])
        #expect(try Set(found(Self.count, late, batch: 10).map(\.id)) == ids)
    }

    @Test("a base rule raises nothing of its own unless generate asks for it") func generate() throws {
        let records = try (0..<6).map { try login(at: $0) }
        #expect(try found(Self.count, records).map(\.rule) == ["many"])
        let generating = Self.count.replacing("type: event_count", with: "type: event_count\n    generate: true")
        #expect(try Set(found(generating, records).map(\.rule)) == ["many", "base"])
    }

    @Test("different values are counted, each once") func valueCount() throws {
        let text = correlated(
            "type: value_count\nrules: [base]\ngroup-by: [src_ip]\ntimespan: 10m\ncondition: {field: dst_ip, gte: 4}")
        let same = try (0..<20).map { try login(to: "192.0.2.\($0 % 3)", at: $0) }
        #expect(try found(text, same).isEmpty)
        let many = try (0..<20).map { try login(to: "192.0.2.\($0 % 6)", at: 590 + $0 * 5) }
        let finding = try #require(try found(text, many).first)
        #expect(finding.evidence.observed >= 4 && finding.evidence.unit == "values")
        let slow = try (0..<20).map { try login(to: "192.0.2.\($0)", at: $0 * 301) }
        #expect(try found(text, slow).isEmpty, "no more than three in ten minutes")
        let pairs = text.replacing("field: dst_ip", with: "field: [dst_ip, dst_port]")
        #expect(try found(pairs, many).count == 1)
    }

    private static func temporal(_ type: String, _ condition: String = "") -> String {
        let second = Sample.text("s:\n    dst_port: 80\ncondition: s", title: "web", more: "name: web\n")
        let third = Sample.text("s:\n    dst_port: 25\ncondition: s", title: "mail", more: "name: mail\n")
        return correlated(
            "type: \(type)\nrules: [base, web, mail]\ngroup-by: [src_ip]\ntimespan: 1m\n\(condition)",
            more: "\(second)---\n\(third)---\n")
    }

    @Test("temporal wants all rules within the timespan, in any order") func temporal() throws {
        let text = Self.temporal("temporal")
        let near = [try login(port: 25, at: 50), try login(at: 70), try login(port: 80, at: 110)]
        #expect(try found(text, near).first?.evidence.observed == 3)
        let far = [try login(port: 25, at: 40), try login(at: 70), try login(port: 80, at: 110)]
        #expect(try found(text, far).isEmpty)
        let two = Self.temporal("temporal", "condition: {gte: 2}")
        #expect(try found(two, far).count == 1)
        let others = [try login("10.0.0.1", port: 25, at: 1), try login(at: 2), try login(port: 80, at: 3)]
        #expect(try found(text, others).isEmpty, "of one source")
    }

    @Test("temporal_ordered wants them in the order of the list") func ordered() throws {
        let text = Self.temporal("temporal_ordered")
        let right = [try login(at: 50), try login(port: 80, at: 60), try login(port: 25, at: 70)]
        #expect(try found(text, right).count == 1)
        let wrong = [try login(port: 80, at: 50), try login(at: 60), try login(port: 25, at: 70)]
        #expect(try found(text, wrong).isEmpty)
        let again = wrong + [try login(port: 80, at: 80), try login(port: 25, at: 90)]
        #expect(try found(text, again).count == 1, "the later three are in order")
        #expect(try found(text, [right[2], right[0], right[1]]).count == 1, "event time counts, not arrival")
    }

    @Test("a condition in words may ask that a rule has no event") func words() throws {
        let text = Self.temporal("temporal", "condition: base and web and not mail")
        let two = [try login(at: 1), try login(port: 80, at: 2)]
        #expect(try found(text, two).count == 1)
        #expect(try found(text, two + [login(port: 25, at: 3)]).isEmpty)
    }

    @Test("sums, averages and percentiles of a number") func measures() throws {
        func text(_ type: String, _ condition: String) -> String {
            correlated(
                "type: \(type)\nrules: [base]\ngroup-by: [dst_ip]\ntimespan: 10m\n"
                    + "condition: {field: bytes, \(condition)}")
        }
        let records = try (1...10).map { try login(at: $0, octets: UInt64($0 * 100)) }  // 5,500 together
        let sum = try #require(try found(text("value_sum", "gt: 5000"), records).first)
        #expect(sum.evidence.observed == 5_500 && sum.evidence.unit == "bytes")
        #expect(try found(text("value_sum", "gt: 5500"), records).isEmpty)
        #expect(try found(text("value_avg", "gte: 550"), records).first?.evidence.observed == 550)
        #expect(try found(text("value_avg", "lt: 550"), records).isEmpty)
        let ninety = try found(text("value_percentile", "percentile: 90, gte: 900"), records)
        #expect(ninety.first?.evidence.observed == 900)
        #expect(try found(text("value_percentile", "percentile: 50, gt: 500"), records).isEmpty)
        let seconds = correlated(
            "type: value_avg\nrules: [base]\ngroup-by: [src_ip]\ntimespan: 10m\ncondition: {field: duration, gte: 2.5}")
        let long = try [2_000, 3_000].map { try login(at: 1, lasting: $0) }
        #expect(try found(seconds, long).first?.evidence.observed == 2.5)
    }

    @Test("what more events could undo is asked when the window is over") func closing() throws {
        let text = correlated(
            "type: event_count\nrules: [base]\ngroup-by: [src_ip]\ntimespan: 1m\ncondition: {gte: 2, lt: 4}")
        var fold = try Sample.fold(text)
        #expect(try fold.observe(Sample.columns([login(at: 1), login(at: 2), login(at: 3)])).isEmpty)
        #expect(try fold.observe(Sample.columns([login("10.9.9.9", at: 90)])).isEmpty, "a minute of grace")
        let said = try fold.observe(Sample.columns([login("10.9.9.9", at: 130)]))
        #expect(said.count == 1 && said.first?.evidence.observed == 3)
        #expect(try fold.observe(Sample.columns([login(at: 4)])).isEmpty)
        #expect(fold.losses.late == 1, "its window is over")
        #expect(try found(text, (0..<4).map { try login(at: $0) }).isEmpty)
    }

    @Test("aliases bring different fields together") func aliases() throws {
        let back = Sample.text(
            "s:\n    src_port|gte: 1\n    dst_port: 80\ncondition: s", title: "out", more: "name: out\n")
        let text = correlated(
            "type: temporal_ordered\nrules: [base, out]\ngroup-by: [host]\ntimespan: 5m\n"
                + "aliases: {host: {base: dst_ip, out: src_ip}}", more: "\(back)---\n")
        let records = [try login(at: 1), try login("192.0.2.5", to: "203.0.113.77", port: 80, at: 9)]
        let finding = try #require(try found(text, records).first)
        #expect(finding.entities.contains { $0.value == "192.0.2.5" && $0.role == .victim })
        #expect(try found(text, [records[0], login("192.0.2.6", to: "203.0.113.77", port: 80, at: 9)]).isEmpty)
    }

    @Test("a correlation may be an event of another") func chain() throws {
        let done = Sample.text("s:\n    dst_port: 443\ncondition: s", title: "done", more: "name: done\n")
        let text =
            Self.count + "---\n" + done + "---\ntitle: chain\nname: chain\ncorrelation:\n    type: temporal_ordered\n"
            + "    rules: [many, done]\n    group-by: [src_ip]\n    timespan: 10m\n"
        let tries = try (0..<6).map { try login(at: $0) }
        let chained = try found(text, tries + [login(port: 443, at: 60)])
        #expect(chained.map(\.rule) == ["chain"], "what only feeds another is silent")
        #expect(try found(text, [login(port: 443, at: 60)] + tries.prefix(3)).isEmpty)
    }

    @Test(
        "correlations that can't be honoured are refused in words",
        arguments: [
            ("type: event_count\nrules: [nobody]\ntimespan: 1m\ncondition: {gte: 1}", "`nobody`"),
            ("type: events\nrules: [base]\ntimespan: 1m\ncondition: {gte: 1}", "`events`"),
            ("type: event_count\nrules: [base]\ncondition: {gte: 1}", "`timespan`"),
            ("type: event_count\nrules: [base]\ntimespan: 1y\ncondition: {gte: 1}", "`1y`"),
            ("type: event_count\nrules: [base]\ntimespan: 99w\ncondition: {gte: 1}", "90 days"),
            ("type: event_count\nrules: [base]\ntimespan: 1m", "needs a `condition`"),
            ("type: event_count\nrules: [base]\ntimespan: 1m\ncondition: {gte: many}", "no number"),
            ("type: event_count\nrules: [base]\ntimespan: 1m\ncondition: {field: a, gte: 1}", "has no `field`"),
            ("type: value_count\nrules: [base]\ntimespan: 1m\ncondition: {gte: 1}", "needs a `field`"),
            (
                "type: value_count\nrules: [base]\ntimespan: 1m\ncondition: {field: User, gte: 1}",
                "no processes or users"
            ),
            ("type: value_sum\nrules: [base]\ntimespan: 1m\ncondition: {field: dst_ip, gte: 1}", "is no number"),
            ("type: value_percentile\nrules: [base]\ntimespan: 1m\ncondition: {field: bytes, gte: 1}", "`percentile`"),
            ("type: event_count\nrules: [base]\ngroup-by: [Image]\ntimespan: 1m\ncondition: {gte: 1}", "`Image`"),
            ("type: temporal_ordered\nrules: [base]\ntimespan: 1m\ncondition: {gte: 2}", "all of its rules"),
            ("type: event_count\nrules: [many]\ntimespan: 1m\ncondition: {gte: 1}", "circle"),
            ("type: event_count\nrules: [base]\ntimespan: 1m\ncondition: base", "in words"),
        ])
    func refused(correlation: String, words: String) {
        let issues = Sample.issues(correlated(correlation))
        #expect(issues.contains { $0.reason.contains(words) && $0.line > 8 }, "\(issues)")
    }

    @Test("a filter's condition must hold, too, in the rules that it names") func filters() throws {
        let filter = """
            title: own scanners
            id: 11111111-1111-4111-8111-111111111111
            logsource:
                category: firewall
            filter:
                rules: [base]
                own:
                    src_ip|cidr: 203.0.113.0/24
                condition: not own

            """
        let rule = Sample.text("s:\n    dst_port: 22\ncondition: s", title: "base", more: "name: base\n")
        let records = [try login(at: 1), try login("198.51.100.1", at: 2)]
        let entities = try found("\(rule)---\n\(filter)", records).map { $0.entities.first?.value }
        #expect(entities == ["198.51.100.1"])
        #expect(try found("\(rule)---\n\(filter.replacing("[base]", with: "any"))", records).count == 1)
        for (part, other) in [("[base]", "[other]"), ("category: firewall", "category: network_connection")] {
            let issues = Sample.issues("\(rule)---\n\(filter.replacing(part, with: other))")
            #expect(issues.map(\.subject) == [.filter], "a filter for nothing is refused")
        }
    }

    @Test("counting in a condition, as before Sigma 2, is read as the correlation that says the same") func legacy()
        throws
    {
        func rule(_ counting: String) -> String {
            Sample.text(
                "s:\n    dst_port: 80\ntimeframe: 5m\ncondition: s | \(counting)", title: "old", more: "level: high\n")
        }
        var fold = try Sample.fold(rule("count(dst_ip) by src_ip > 2"))
        #expect(fold.rules.rules.count == 1 && fold.rules.correlations.first?.kind == .valueCount)
        let records = try (1...4).map {
            try Sample.record("10.0.0.1", 50_000, to: "192.0.2.\($0)", 80, at: Sample.noon + Int64($0))
        }
        let said = fold.observe(Sample.columns(records))
        #expect(said.map(\.rule) == ["old"] && said.first?.severity == .high)
        let documents = SigmaParse(rule("count()   by src_ip>=10")).documents
        #expect(documents.count == 2 && SigmaParse(SigmaDocument.yaml(documents)).documents == documents)
        guard case .correlation(let correlation) = try #require(documents.last) else { throw SigmaSampleError.noRule }
        #expect(correlation.kind == .eventCount && correlation.groupBy.map(\.key) == ["src_ip"])
        #expect(correlation.bounds.map(\.comparison) == [.gte] && correlation.bounds.first?.value == 10)
        #expect(correlation.timespan == "5m")
        for bad in ["near other", "count() by src_ip", "count() by a b > 5", "min(bytes) > 5", "count(bytes > 5"] {
            #expect(SigmaParse(rule(bad)).documents.isEmpty, "\(bad)")
            #expect(Sample.issues(rule(bad)).contains { $0.reason.contains("correlation") }, "\(bad)")
        }
    }
}
