import FilterLanguage
import FlowModel
import Platform
import TestKit
import Testing

@Suite("Filters are written and read again")
struct FilterTextTests {
    private func parse(_ text: String) throws -> FilterExpression {
        try FilterParser.parse(text, names: AnyFilter.names)
    }

    @Test("any tree, printed and parsed, is the same tree") func roundTrip() throws {
        try forAll(runs: 1_000) { generator, seed in
            let tree = AnyFilter.tree(depth: 4, using: &generator)
            do {
                let again = try parse(tree.description)
                #expect(again == tree, "SEED=\(seed): \(tree)")
            } catch let error as FilterError {
                Issue.record("SEED=\(seed): \(error.explanation)")
            }
        }
    }

    @Test(
        "what people write is printed in one form",
        arguments: [
            ("src net 10/8 and dst port 22", "src ip 10.0.0.0/8 and dst port 22"),
            ("SRC IP 10.1.2.3/8", "src ip 10.0.0.0/8"), ("host 192.0.2.1", "ip 192.0.2.1"),
            ("src 192.0.2.1 or dst @servers", "src ip 192.0.2.1 or dst ip @servers"),
            ("src or dst port 53", "port 53"), ("dst or src net 10.0.0.0/8", "ip 10.0.0.0/8"),
            ("src and dst port 53", "src port 53 and dst port 53"),
            ("dst and src net @servers", "dst ip @servers and src ip @servers"),
            ("port in [443 22, 80 80-90 91]", "port in [22 80-91 443]"), ("port {1,2}", "port 1-2"),
            ("port in (22, 80)", "port in [22 80]"), ("port not in [22 80]", "not port in [22 80]"),
            ("port != 22", "not port 22"), ("not not port 22", "port 22"), ("! port 22", "not port 22"),
            ("not port != 22", "port 22"), ("port > 1023", "port >= 1024"), ("port lt 1024", "port 0-1023"),
            ("port >= 65535", "port 65535"), ("port > 65535", "port < 0"), ("portrange 10-20", "port 10-20"),
            ("proto tcp", "proto 6"), ("proto in [tcp UDP 47]", "proto in [6 17 47]"), ("tcp", "proto 6"),
            ("tcp port 80", "proto 6 and port 80"), ("not tcp port 80", "not (proto 6 and port 80)"),
            ("udp dst port 53 or icmp", "proto 17 and dst port 53 or proto 1"),
            ("flags S/SA", "flags S/AS"), ("flags SA", "flags AS"), ("flags X", "flags UAPRSF"),
            ("flags 0/RF", "flags 0x0/RF"), ("not flags S", "not flags S"), ("flags 0x12/0x3f", "flags AS/UAPRSF"),
            ("flags 0x100", "flags 0x100"), ("flags != S", "not flags S"),
            ("bytes > 1M", "bytes >= 1000001"), ("octets = 1.5k", "bytes 1500"), ("bytes 4Ki", "bytes 4096"),
            ("bps>1g", "bps >= 1000000001"), ("duration > 10s", "duration >= 10001"),
            ("duration 0.5s-1min", "duration 500-60000"), ("in if 3 and out if 4", "in if 3 and out if 4"),
            ("input interface 3", "in if 3"), ("interface in [1 2]", "if 1-2"), ("ingress if 0x10", "in if 16"),
            ("next hop 192.0.2.1", "next hop 192.0.2.1"), ("next ip 192.0.2.1", "next hop 192.0.2.1"),
            ("router ip 192.0.2.1", "exporter 192.0.2.1"),
            ("exporter in [192.0.2.1 192.0.2.9]", "exporter in [192.0.2.1 192.0.2.9]"),
            ("site zurich or sensor \"edge 1\"", #"site "zurich" or sensor "edge 1""#),
            ("via in [ipfix netflow9]", "via in [ipfix netflow9]"), ("as AS64512", "as 64512"),
            ("src as in [1 as2]", "src as 1-2"), ("src mask 24", "src mask 24"),
            ("inet6 and not inet", "ipv6 and not ipv4"),
            ("fidelity full", "not summed"), ("fidelity service", "summed and port >= 1"),
            ("fidelity host", "summed and not port >= 1"), ("country ch", "country CH"),
            ("dst country in [DE CH]", "dst country in [CH DE]"), ("direction egress", "direction 1"),
            ("start >= 2026-11-21T04:00:00Z", "start >= 1795233600000"),
            ("start 2026-11-21-2026-11-22", "start 1795219200000-1795305600000"),
            ("received < 1970-01-01T00:00:01.5", "received 0-1499"),
            ("ip 10.0.0.1-10.0.0.9", "ip 10.0.0.1-10.0.0.9"), ("ip ::ffff:10.0.0.1", "ip 10.0.0.1"),
            ("octetDeltaCount > 10", "bytes >= 11"), ("sourceIPv6Address = 2001:DB8::1", "src ip 2001:db8::1"),
            ("tcpControlBits S/SA", "flags S/AS"), ("minimumTTL < 5", "minimumTTL 0-4"),
            ("sourceMacAddress 00:00:5e:00:53:01", "sourceMacAddress 1577079553"),
            ("httpRequestHost ~ example", #"httpRequestHost ~ "example""#),
            ("applicationId 0x0A1f", "applicationId 0x0a1f"),
            ("applicationName != x", #"not applicationName "x""#), ("has userName", "has userName"),
            ("any", "any"), ("", "any"), ("# nothing\n", "any"), ("port 22 # ssh\n and tcp", "port 22 and proto 6"),
            ("(port 22) and (tcp and (udp))", "port 22 and proto 6 and proto 17"),
            ("(tcp or udp) and port 22 && any || sampled", "(proto 6 or proto 17) and port 22 and any or sampled"),
        ])
    func canonical(_ text: String, _ printed: String) throws {
        let tree = try parse(text), again = try parse(printed)
        #expect(tree.description == printed)
        #expect(again == tree)
    }

    @Test("texts made of the language's own pieces never stop the process, and errors lie inside the text")
    func anyText() throws {
        let pieces = [
            "src", "dst", "net", "port", "in", "not", "and", "or", "(", ")", "[", "]", "{", ",", "=", "!=", ">", "!",
            "22",
            "10.0.0.0/8", "\"", "\\", "#", "\n", "@servers", "@", "flags", "S/SA", "has", "minimumTTL", "~", "-", "1-2",
            "99999999999999999999", "0x", "-1", "é", "next", "hop", "bytes", "1.5M", "2026-11-21", "as", "country", "&",
        ]
        try forAll(runs: 600) { generator, seed in
            let count = Int.random(in: 1...14, using: &generator)
            let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }
                .joined(separator: Bool.random(using: &generator) ? " " : "")
            do {
                let tree = try parse(text), again = try parse(tree.description)
                #expect(again == tree, "SEED=\(seed): \(text)")
            } catch let error as FilterError {
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
                #expect((1...lines.count).contains(error.line), "SEED=\(seed)")
                #expect((1...(lines[error.line - 1].count + 1)).contains(error.column), "SEED=\(seed): \(text)")
                #expect(error.length >= 1 && error.explanation.split(separator: "\n").count >= 2, "SEED=\(seed)")
            }
        }
    }

    @Test("any octets, cut and changed, are read or refused") func anyOctets() throws {
        try forAll(runs: 300) { generator, _ in
            var octets = Array(AnyFilter.tree(depth: 3, using: &generator).description.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &generator) where !octets.isEmpty {
                let place = octets.indices.randomElement(using: &generator) ?? 0
                if Bool.random(using: &generator) { octets[place] = generator.next() } else { octets.remove(at: place) }
            }
            let text = String(decoding: octets, as: UTF8.self)
            let tree = try? parse(text)
            if let tree {
                let again = try parse(tree.description)
                #expect(again == tree)
            }
        }
    }
}
