import FilterLanguage
import FlowModel
import Testing

@Suite("A wrong filter is refused with its place and what was meant")
struct FilterErrorTests {
    private func refusal(_ text: String) -> FilterError? {
        do throws(FilterError) {
            _ = try FilterParser.parse(text, names: AnyFilter.names)
            return nil
        } catch { return error }
    }

    @Test(
        "the column, the kind and the suggestion",
        arguments: [
            ("src adr 10.0.0.1", 5, FilterError.Kind.unexpected, nil as String?),
            ("src prot 22", 5, .unexpected, "port"), ("prot tcp", 1, .unknownWord, "proto"),
            ("dst port 22 adn tcp", 13, .unexpected, "and"), ("tcp dst prt 22", 9, .unexpected, "port"),
            ("dst port 22 src ip 10.0.0.1", 13, .unexpected, "and src"),
            ("dst port 22 or 80", 16, .unexpected, "dst port 80"), ("10.0.0.1", 1, .unexpected, "ip 10.0.0.1"),
            ("src net 10.0.0.0/8 or 10.2.0.0/16", 23, .unexpected, "src net 10.2.0.0/16"),
            ("port 70000", 6, .badValue, nil), ("port ssh", 6, .badValue, nil), ("proto tcpp", 7, .badValue, "tcp"),
            ("bytes > 1X", 9, .badValue, nil), ("bytes 1.2345k", 7, .badValue, nil),
            ("ip www.example.com", 4, .badValue, nil), ("ip 10.0.0.256", 4, .badValue, nil),
            ("ip 10.0.0.9-10.0.0.1", 4, .badValue, nil),
            ("ip @server", 4, .unknownName, "@servers"), ("ip @", 4, .unknownName, nil),
            ("country XX", 9, .unknownName, nil),
            ("port in 22", 9, .unexpected, nil), ("port in [22", 9, .unexpected, nil), ("port []", 7, .badValue, nil),
            ("port > [1 2]", 8, .unexpected, nil), ("port > 1-5", 8, .badValue, nil),
            ("ip > 10.0.0.1", 6, .unexpected, nil),
            ("(port 22", 1, .unexpected, nil), ("port 22)", 8, .unexpected, nil), ("not", 4, .unexpected, nil),
            ("port", 5, .unexpected, nil), ("and port 22", 1, .unexpected, nil), ("port 22 &", 9, .unexpected, "&&"),
            ("flags Q", 7, .badValue, nil), ("flags SF/S", 7, .badValue, nil),
            ("tcp and not flags AR", 9, .unexpected, "flags 0/AR"), ("site \"zur", 6, .unexpected, nil),
            ("via netflow", 5, .badValue, "netflow1"), ("octetDeltaCout > 5", 1, .unknownWord, "octetDeltaCount"),
            ("has octetDeltaCount", 5, .badValue, nil), ("applicationName > x", 19, .badValue, nil),
            ("in 3", 4, .unexpected, nil),
            ("minimumTTL ~ 3", 12, .badValue, nil), ("start yesterday", 7, .badValue, nil),
            ("start 2026-02-29", 7, .badValue, nil),
            ("# one\nport 22 and\n  bad 3", 3, .unknownWord, nil), ("dst port é", 10, .badValue, nil),
        ])
    func places(_ text: String, _ column: Int, _ kind: FilterError.Kind, _ suggestion: String?) throws {
        let error = try #require(refusal(text), "\(text) was read")
        #expect(error.column == column, "\(error.message)")
        #expect(error.kind == kind, "\(error.message)")
        #expect(error.suggestion == suggestion, "\(error.message)")
    }

    @Test("carets stand under what is wrong") func carets() throws {
        let error = try #require(refusal("proto tcp and srx port 22"))
        #expect(
            error.explanation == """
                proto tcp and srx port 22
                              ^^^
                column 15: "srx" is neither a word of the filter language nor an IPFIX element; did you mean "src"?
                """)
        let second = try #require(self.refusal("tcp and\n\tprt 22"))
        #expect(second.explanation.hasPrefix(" prt 22\n ^^^\nline 2, column 2: "))
        let far = try #require(self.refusal(String(repeating: "tcp or ", count: 100) + "srx"))
        let lines = far.explanation.split(separator: "\n")
        #expect(far.column == 701 && lines.count == 3 && lines[0].count <= 80)
        #expect(lines[0].dropFirst(lines[1].count - 3) == "srx")
    }

    @Test("depth, conditions, values and octets have a limit, and at the limit filters still work") func limits() throws
    {
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "tcp" + String(repeating: ")", count: depth)
        }
        #expect(refusal(nested(FilterLimit.depthMax - 1)) == nil)
        #expect(refusal(nested(FilterLimit.depthMax))?.kind == .tooLarge)
        #expect(refusal(String(repeating: "not ", count: 100_000) + "tcp")?.kind == .tooLarge)
        func many(_ count: Int) -> String { Array(repeating: "tcp", count: count).joined(separator: " or ") }
        #expect(refusal(many(FilterLimit.testsMax)) == nil)
        #expect(refusal(many(FilterLimit.testsMax + 1))?.kind == .tooLarge)
        func list(_ count: Int) -> String {
            "bytes in [" + Array(repeating: "7", count: count).joined(separator: " ") + "]"
        }
        #expect(refusal(list(FilterLimit.valuesMax)) == nil)
        #expect(refusal(list(FilterLimit.valuesMax + 1))?.kind == .tooLarge)
        #expect(refusal(String(repeating: " ", count: FilterLimit.octetsMax + 1))?.kind == .tooLarge)
    }

    @Test("without a table of countries, a filter that needs one is refused") func noCountries() {
        #expect(throws: FilterError.self) { try FilterParser.parse("country CH") }
    }
}
