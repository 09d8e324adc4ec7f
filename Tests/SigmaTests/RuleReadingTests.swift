import Sigma
import Testing

@Suite("Sigma rules are read") struct RuleReadingTests {
    @Test("all that a rule tells of itself is kept") func metadata() throws {
        let rule = try Sample.rule(
            """
            title: A rule
            id: 929A690E-bef0-4204-a928-ef5e620d6fcc
            name: a_rule
            related:
                - id: 08fbc97d-0a2f-491c-ae21-8ffcfd3174e9
                  type: derived
            taxonomy: sigma
            status: test
            description: |
                Two lines
                of text
            license: MIT
            references:
                - https://example.org/a
            author: Somebody
            date: 2026-3-1
            modified: 2026/03/02
            tags:
                - attack.discovery
                - attack.t1046
            scope:
                - server
            logsource:
                category: firewall
            detection:
                selection:
                    dst_port: 22
                condition: selection
            fields:
                - src_ip
            falsepositives:
                - Unknown
            level: high
            ours: 7
            """)
        let metadata = rule.metadata
        #expect(metadata.title == "A rule" && metadata.id == "929a690e-bef0-4204-a928-ef5e620d6fcc")
        #expect(metadata.name == "a_rule" && metadata.status == .test && metadata.level == .high)
        #expect(metadata.related == [SigmaRelated(id: "08fbc97d-0a2f-491c-ae21-8ffcfd3174e9", type: "derived")])
        #expect(metadata.summary == "Two lines\nof text\n" && metadata.license == "MIT")
        #expect(metadata.date == "2026-03-01" && metadata.modified == "2026-03-02")
        #expect(metadata.tags == ["attack.discovery", "attack.t1046"] && metadata.scope == ["server"])
        #expect(metadata.references == ["https://example.org/a"] && metadata.author == "Somebody")
        #expect(metadata.fields == ["src_ip"] && metadata.falsePositives == ["Unknown"])
        let again = try Sample.rule(SigmaDocument.rule(rule).yaml)
        #expect(again == rule, "the key that no specification knows is kept, too")
        #expect(SigmaDocument.rule(rule).yaml.contains("ours: 7"))
    }

    @Test("several documents in one text are read each for itself") func documents() {
        let good = Sample.text("s:\n    dst_port: 22\ncondition: s", title: "good")
        let bad = Sample.text("s:\n    Image: a.exe\ncondition: t", title: "bad")
        let parse = SigmaParse("\(good)---\n\(bad)---\n\(good.replacing("good", with: "too"))")
        #expect(parse.documents.map(\.metadata.title) == ["good", "too"])
        #expect(parse.refusals.map(\.title) == ["bad"])
        #expect(parse.refusals.first?.issues.first?.line == 15, "lines count from the text's beginning")
    }

    @Test(
        "what is wrong is said with its line and in words",
        arguments: [
            ("title: [\n", 2, "no YAML"), ("- a\n- b", 1, "a map of keys"), ("title: a\naction: global", 2, "`action`"),
            ("title: a\nlogsource: {category: firewall}", 1, "neither `detection`"),
            ("title: a\ndetection: {}\ncorrelation: {}", 3, "both there"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s").replacing("title: a rule\n", with: ""), 1, "`title`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s", more: "id: seven\n"), 2, "no UUID"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s", more: "level: loud\n"), 2, "`loud`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s", more: "date: today\n"), 2, "no date"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s", more: "taxonomy: ecs\n"), 2, "`ecs`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s", more: "tags: [one two]\n"), 2, "`one two`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: t"), 7, "no search `t`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s and"), 7, "ends where"),
            (Sample.text("s:\n    dst_port: 1\ncondition: (s"), 7, "not closed"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s s"), 7, "one word too many"),
            (Sample.text("s:\n    dst_port: 1\ncondition: 2 of s*"), 7, "`2 of`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: 1 of t*"), 7, "meant by `t*`"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s | count() by src_ip > 5"), 7, "correlation"),
            (Sample.text("s:\n    dst_port: 1\ntimeframe: 5m\ncondition: s"), 7, "`timeframe`"),
            (Sample.text("s:\n    dst_port: 1"), 5, "no `condition`"),
            (Sample.text("s: []\ncondition: s"), 5, "is empty"),
            (Sample.text("s:\n    dst_port: []\ncondition: s"), 6, "empty list"),
            (Sample.text("s:\n    dst_port: {a: 1}\ncondition: s"), 6, "a map for its value"),
            (Sample.text("s:\n    dst_port: 1\n    dst_port: 2\ncondition: s"), 6, "twice"),
            (Sample.text("s:\n    - evil\n    - bad\ncondition: s"), 6, "anywhere in a log line"),
            (Sample.text("s:\n    '|all': [evil, bad]\ncondition: s"), 6, "anywhere in a log line"),
            (Sample.text("s:\n    Image: a.exe\ncondition: s"), 6, "field `Image` is not in flow records"),
            (Sample.text("s:\n    SourceIp: 10.0.0.1\ncondition: s"), 6, "belongs to another log source"),
            (Sample.text("s:\n    dst_ip|base64offset: a\ncondition: s"), 6, "`base64offset` has no meaning for flows"),
            (Sample.text("s:\n    dst_ip|windash: a\ncondition: s"), 6, "no command lines"),
            (Sample.text("s:\n    dst_ip|near: a\ncondition: s"), 6, "none of Sigma 2.1's"),
            (Sample.text("s:\n    dst_ip|contains|endswith: a\ncondition: s"), 6, "can't be joined"),
            (Sample.text("s:\n    dst_ip|contains|all: a\ncondition: s"), 6, "two values at least"),
            (Sample.text("s:\n    dst_ip|cidr: 10.0.0.1/8\ncondition: s"), 6, "bits behind its length"),
            (Sample.text("s:\n    dst_ip|cidr: ten\ncondition: s"), 6, "no network"),
            (Sample.text("s:\n    dst_ip: 10.0.0.0/8\ncondition: s"), 6, "need the modifier `cidr`"),
            (Sample.text("s:\n    dst_ip|gt: 10.0.0.1\ncondition: s"), 6, "neither more nor less"),
            (Sample.text("s:\n    dst_port: 70000\ncondition: s"), 6, "`dst_port` is never `70000`"),
            (Sample.text("s:\n    dst_port|re: '(?=a)'\ncondition: s"), 6, "(?:"),
            (Sample.text("s:\n    action: Add\ncondition: s"), 6, "`action` is never `Add`"),
            (Sample.text("s:\n    dst_ip|expand: '%servers%'\ncondition: s"), 6, "placeholder `%servers%`"),
            (Sample.text("s:\n    bytes|contains: 1\ncondition: s"), 6, "can't be looked at as a text"),
            (Sample.text("s:\n    src_ip|fieldref: dst_port\ncondition: s"), 6, "different kinds"),
            (Sample.text("s:\n    dst_port: 1\ncondition: s", logsource: "category: dns"), 2, "no flow records"),
            (Sample.text("s:\n    query: a\ncondition: s", logsource: "category: dns"), 2, "category `dns`"),
        ] as [(String, Int, String)])
    func refusals(text: String, line: Int, words: String) throws {
        let issues = Sample.issues(text)
        let issue = try #require(issues.first { $0.reason.contains(words) }, "\(issues)")
        #expect(issue.line == line && issue.place.column >= 1, "\(issue)")
        #expect("\(issue)".hasPrefix("line \(line), column "))
    }

    @Test("every modifier of Sigma 2.1 is honoured or refused by its name") func modifiers() throws {
        let honoured = [
            "src_ip|contains: 10", "src_ip|startswith: '10.'", "src_ip|endswith: '.7'",
            "src_ip|contains|all: [1, 0]", "src_ip|cidr: 10.0.0.0/8", "dst_port|gt: 1", "dst_port|gte: 1",
            "dst_port|lt: 9", "dst_port|lte: 9", "dst_port|neq: 9", "src_ip|re: '^10'", "src_ip|re|i: '^10'",
            "src_ip|re|m|s: '^10'", "proto|cased: tcp", "src_ip|exists: true", "src_ip|fieldref: dst_ip",
            "flowStartMilliseconds|minute: 1", "flowStartMilliseconds|hour: 1", "flowStartMilliseconds|day: 1",
            "flowStartMilliseconds|week: 1", "flowStartMilliseconds|month: 1", "flowStartMilliseconds|year: 2026",
        ]
        for item in honoured {
            #expect(Sample.issues(Sample.text("s:\n    \(item)\ncondition: s")).isEmpty, "\(item)")
        }
        for name in ["base64", "base64offset", "utf16", "utf16le", "utf16be", "wide", "windash", "expand"] {
            let issues = Sample.issues(Sample.text("s:\n    src_ip|\(name): '%a%'\ncondition: s"))
            #expect(issues.map(\.name) == [name] && issues.map(\.subject) == [.modifier], "\(name): \(issues)")
        }
    }

    @Test("all reasons are given, not the first only") func allReasons() {
        let issues = Sample.issues(
            Sample.text("s:\n    Image: a\n    User: b\n    dst_ip|wide: c\nt:\n    query: d\ncondition: s or t"))
        #expect(issues.map(\.name) == ["Image", "User", "wide", "query"])
        #expect(issues.map(\.line) == [6, 7, 8, 10])
    }
}

@Suite("Hostile texts of rules") struct HostileTextTests {
    @Test("a few lines that stand for billions of nodes are refused") func laughs() {
        var text = "title: a\na0: &a0 [x, x]\n"
        for level in 1..<30 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        let parse = SigmaParse(text)
        #expect(parse.documents.isEmpty && parse.refusals.first?.issues.first?.reason.contains("aliases") == true)
        let keyed = SigmaParse("a: &a {x: 1}\n? [*a , *a]\n: 1\n")
        #expect(keyed.documents.isEmpty && keyed.refusals.count == 1)
    }

    @Test("depth, length, brackets and counts have limits") func limits() {
        let texts = [
            String(repeating: "[", count: 30_000), String(repeating: "- ", count: 500) + "x",
            "title: a\nx: " + String(repeating: "[", count: 30) + String(repeating: "]", count: 30),
            String(repeating: "x", count: SigmaLimit.textOctetsMax + 1),
            (0..<1_100).map { "title: a\(0 * $0)\n---\n" }.joined(),
            Sample.text(
                "s:\n    dst_port: 1\ncondition: " + String(repeating: "(", count: 40) + "s"
                    + String(repeating: ")", count: 40)),
            Sample.text("s:\n    dst_port: 1\ncondition: s" + String(repeating: " and s", count: 3_000)),
            Sample.text("s:\n    dst_port: 1\ncondition: " + String(repeating: "not ", count: 100) + "s"),
            Sample.text("s:\n    dst_ip|re: '" + String(repeating: "((a{9}){9}){9}", count: 3) + "'\ncondition: s"),
            Sample.text("s:\n    dst_ip|re: '((((((()){200}){200}){200}){200}){200})'\ncondition: s"),
            Sample.text("s:\n    dst_ip|contains: '" + String(repeating: "a", count: 600) + "'\ncondition: s"),
        ]
        for text in texts {
            let issues = Sample.issues(text)
            #expect(!issues.isEmpty, "\(text.prefix(60))")
            #expect(issues.count <= 1_100)
        }
    }

    @Test("a text that is cut anywhere, or has an octet changed, is read or refused, never trapped on") func cuts() {
        let text = Sample.text("s:\n    dst_port|gt: 22\n    src_ip|re: '^1[0-9]{1,2}\\.'\ncondition: not 1 of s*")
        for end in text.indices { _ = SigmaRuleSet(SigmaParse(String(text[..<end])).documents) }
        var seen = 0
        for place in text.utf8.indices {
            for octet in [UInt8(0), 0x22, 0x26, 0x2A, 0x3A, 0x5B, 0x7C, 0x85] {
                var octets = Array(text.utf8)
                octets[text.utf8.distance(from: text.utf8.startIndex, to: place)] = octet
                let parse = SigmaParse(String(decoding: octets, as: UTF8.self))
                let set = SigmaRuleSet(parse.documents)
                seen += parse.refusals.count + set.refusals.count + set.rules.count
            }
        }
        #expect(seen > 500, "each is one of the two")
    }
}
