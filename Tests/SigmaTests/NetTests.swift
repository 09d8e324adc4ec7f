import Detect
import FilterLanguage
import FlowModel
import Sigma
import TestKit
import Testing

@Suite("What questions may leave out for rules") struct NetTests {
    private static func set(_ detections: [String]) throws -> SigmaRuleSet {
        let texts = detections.enumerated().map { Sample.text($0.element, title: "rule \($0.offset)") }
        let set = SigmaRuleSet(SigmaParse(texts.joined(separator: "---\n")).documents)
        try #require(set.refusals.isEmpty, "\(set.refusals)")
        return set
    }

    @Test("a net lets pass each record that one of the rules matches") func holds() throws {
        try forAll(runs: 120) { generator, seed in
            func pick<T>(_ list: [T]) -> T { list[Int.random(in: list.indices, using: &generator)] }
            let count = Int.random(in: 1...5, using: &generator)
            let set = try Self.set(
                (0..<count).map { _ in
                    let items = MatcherTests.items
                    return "a:\n    \(pick(items))\nb:\n    \(pick(items))\nc:\n    \(pick(items))\n"
                        + "condition: \(pick(MatcherTests.conditions))"
                })
            let net = set.net, hosts = ["10.0.0.1", "192.0.2.5", "203.0.113.9", "2001:db8::1", "fe80::2"]
            for _ in 0..<60 {
                let ports: [UInt16] = [53, 80, 443, 8_080, 50_001, 0]
                let columns = Sample.columns([
                    try Sample.record(
                        pick(hosts), pick(ports), to: pick(hosts), pick(ports), transport: pick([6, 17, 1]),
                        bits: pick([0, 2, 18, 20]), octets: pick([40, 600]), packets: pick([1, 5]),
                        lasting: pick([0, 2_000]), flags: pick([[], .denied, .portsSummed]))
                ])
                guard !set.matching(columns, [0]).isEmpty else { continue }
                #expect(net.matches(FilterSubject(columns, row: 0)), "SEED=\(seed) \(net)")
            }
        }
    }

    @Test("a net leaves out what ports, addresses, sizes and refusals tell, and claims nothing else") func sharp()
        throws
    {
        func lets(_ detection: String, _ record: FlowRecord) throws -> Bool {
            try Self.set([detection]).net.matches(FilterSubject(Sample.columns([record]), row: 0))
        }
        let https = try Sample.record(octets: 600)
        #expect(try !lets("s:\n    dst_port: [22, 23]\ncondition: s", https))
        #expect(try lets("s:\n    dst_port: [22, 443]\ncondition: s", https))
        #expect(try !lets("s:\n    dst_port: 443\n    bytes|gt: 1000\ncondition: s", https))
        #expect(try !lets("s:\n    dst_ip|cidr: 203.0.113.0/24\ncondition: s", https))
        #expect(try !lets("s:\n    action: deny\ncondition: s", https))
        #expect(try !lets("s:\n    dst_port: 443\nf:\n    bytes: 7\ncondition: s and f", https))
        #expect(try Self.set(["s:\n    dst_port: 22\ncondition: not s"]).net == .any)
        #expect(try Self.set(["s:\n    src_ip|fieldref: dst_ip\ncondition: s"]).net == .any)
    }

    @Test("nets of many rules are one test for each field, and none when a rule could match anything") func many()
        throws
    {
        let ports = (1...200).map { "s:\n    dst_port: \($0 * 7)\ncondition: s" }
        guard case .test(.number(.port, let set)) = try Self.set(ports).net else {
            Issue.record("\(try Self.set(ports).net)")
            return
        }
        #expect(set.contains(1_400) && !set.contains(1_401))
        #expect(try Self.set(ports + ["s:\n    bytes|gt: 5\ncondition: not s"]).net == .any)
        #expect(SigmaRuleSet([]).net == .not(.any))
    }
}
