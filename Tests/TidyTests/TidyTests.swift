import Foundation
import TestKit
import Testing

/// Properties of the code itself, so that review can be about what it does.
@Suite("The tree is tidy")
struct TidyTests {
    let tree: SourceTree
    init() throws { tree = try SourceTree.shared.get() }

    /// - Parameter texts: each line that the pattern matches holds one of these.
    private func places(
        in files: [SourceTree.File], matching pattern: some RegexComponent, holding texts: String..., raw: Bool = false
    ) -> [String] {
        files.flatMap { file in
            file.lines(holding: texts).compactMap { index in
                let text = raw ? String(file.lines[index]) : code(file.lines[index])
                return text.firstMatch(of: pattern) == nil ? nil : "\(file.path):\(index + 1)"
            }
        }
    }

    @Test("the top level holds what the architecture names and nothing else") func topLevel() {
        let allowed: Set = [
            "Package.swift", "Sensor", "Aggregator", "Common", "Tests", "certs", "deploy", "README.md",
        ]
        let found = Set(tree.paths.compactMap { $0.split(separator: "/").first.map(String.init) })
        #expect(found.filter { !allowed.contains($0) && !$0.hasPrefix(".") } == [])
        #expect(allowed.subtracting(found) == [])
    }

    @Test("files have at most 400 lines, lines at most 120 columns, functions at most 60 lines") func sizes() {
        // The manifest is a table, a target a line or some.
        let longFiles = tree.swift.filter { $0.lines.count > ($0.path == "Package.swift" ? 601 : 401) }.map {
            "\($0.path): \($0.lines.count)"
        }
        #expect(longFiles == [])
        let longLines = tree.swift.flatMap { file in
            // Columns are counted only where there are as many bytes.
            file.lines.enumerated().filter { $0.element.utf8.count > 120 && $0.element.count > 120 }
                .map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(longLines == [])
        let declarations = Declarations()
        let longFunctions = tree.swift.flatMap { file in
            functions(in: file, by: declarations).filter { $0.length > 60 }.map {
                "\(file.path):\($0.line): \($0.length)"
            }
        }
        #expect(longFunctions == [])
    }

    @Test("unsafe code is in WireBytes and in the wrappers of C libraries only") func unsafeIsConfined() {
        let allowed = [
            "Common/WireBytes/", "Common/BatchFormat/Zstd.swift", "Common/SQLite/", "Common/HTTP2Client/",
            "Common/Delivery/BatchDigest.swift", "Common/Platform/", "Common/TLSFaults/", "Sensor/Intake/",
            "Sensor/SensorPipeline/System", "Sensor/weir-sensor/System", "Aggregator/weirctl/System",
            "Sensor/Spool/System", "Sensor/Forward/System", "Sensor/Meter/PacketRing", "Tests/Benchmarks/System",
            "Aggregator/Export/BlockCipher.swift", "Aggregator/Enrichment/AddressDatabase.swift",
            "Aggregator/API/OpenAPIDocument.swift", "Aggregator/Passwords/Argon2.swift", "Aggregator/Programs/System",
            "Aggregator/API/StreamCodec.swift",
            "Common/FlowModel/ColumnMemory.swift",
            "Sensor/Decode/Templated/RecordRows.swift", "Sensor/Decode/Templated/FlowColumns+Common.swift",
            "Sensor/Decode/SFlow5/FlowColumns+Samples.swift",
        ]
        let product = tree.swift.filter { file in
            (!file.isTest || file.path.hasPrefix("Tests/Benchmarks")) && !allowed.contains { file.path.hasPrefix($0) }
        }
        #expect(places(in: product, matching: /\bunsafe\b/, holding: "unsafe") == [])
    }

    /// Each pattern with a text that all it matches holds.
    private static let banned = [
        ("\\btry!", "try!"), ("\\bas!", "as!"), ("\\bfatalError\\(", "fatalError("), ("(^|[^.\\w])print\\(", "print("),
        ("\\bTask\\s*\\{", "Task"), ("\\bTask\\.detached", "Task.detached"), ("\\bDate\\(\\)", "Date()"),
        ("\\bContinuousClock\\(\\)", "ContinuousClock()"),
    ]

    @Test("product modules don't trap, print, start loose tasks or read the clock by themselves") func bannedCalls()
        throws
    {
        let programs = ["Sensor/weir-sensor/", "Aggregator/weir-aggregator/", "Aggregator/weirctl/"]
        let modules = tree.swift.filter { file in
            !file.isTest && file.path != "Package.swift" && !programs.contains { file.path.hasPrefix($0) }
        }
        for (pattern, text) in Self.banned {
            let found = places(in: modules, matching: try Regex(pattern), holding: text)
            #expect(found == [], "\(pattern)")
        }
        let others = tree.swift.filter { !$0.path.hasPrefix("Tests/TidyTests/") }
        #expect(places(in: others, matching: /\btry!|\bas!/, holding: "try!", "as!") == [])
        // Foundation's waits for every child that is started beside it (`RunningProgram`).
        #expect(places(in: others, matching: /\bProcess\(\)/, holding: "Process()") == [])
    }

    @Test("decoders never unwrap by force") func noForceInDecoders() {
        let decoders = tree.swift.filter { file in
            ["Sensor/Decode/", "Common/Capture/", "Common/BatchFormat/", "Common/WireBytes/", "Sensor/Dedupe/"]
                .contains { file.path.hasPrefix($0) }
        }
        #expect(places(in: decoders, matching: /[\w\)\]]!(\s|\.|\)|,|\[|$)/, holding: "!") == [])
    }

    @Test("nothing is promised instead of done") func noPromises() {
        let files = tree.swift.filter { !$0.path.hasPrefix("Tests/TidyTests/") }
        let promises = /\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented/
        let found = places(
            in: files, matching: promises, holding: "TODO", "FIXME", "XXX", "HACK", "implemented", raw: true)
        #expect(found == [])
    }

    @Test("tests assert something and none is switched off without a condition") func testsAssert() {
        let files = tree.swift.filter {
            $0.path.hasSuffix("Tests.swift") && $0.path != "Tests/TidyTests/TidyTests.swift"
        }
        #expect(!files.isEmpty)
        let silent = files.filter { file in
            !file.contains("#expect") && !file.contains("#require") && !file.contains("Issue.record")
        }
        #expect(silent.map(\.path) == [])
        #expect(
            places(in: files, matching: /\.disabled\(|withKnownIssue/, holding: ".disabled(", "withKnownIssue") == [])
    }

    @Test("each RFC section cited in a decoder is cited in a test too") func citationsHaveTests() {
        let citation = /\/\/= (RFC \d+ §[\d.]+)/
        func cited(_ files: [SourceTree.File]) -> Set<String> {
            Set(
                files.flatMap { file in
                    file.lines(holding: ["//= RFC "])
                        .compactMap { file.lines[$0].firstMatch(of: citation).map { String($0.output.1) } }
                })
        }
        let inCode = cited(tree.swift.filter { !$0.isTest }), inTests = cited(tree.swift.filter(\.isTest))
        #expect(!inCode.isEmpty)
        #expect(inCode.subtracting(inTests).sorted() == [])
    }

    @Test("each requirement, C1 to C34, has a test named after it, and the page of requirements quotes one that exists")
    func requirementsHaveTests() throws {
        // A test's name stands in one literal on one line, wherever @Test( is.
        let tests = tree.swift.filter { $0.path.hasSuffix("Tests.swift") && !$0.path.hasPrefix("Tests/TidyTests/") }
        let names = tests.flatMap { file in
            file.lines(holding: ["\"C"])
                .compactMap { file.lines[$0].firstMatch(of: /^\s*(?:@Test\()?"((?:C\d+ )+)(.*)"/)?.output }
                .map { (numbers: $0.1.split(separator: " ").map(String.init), rest: String($0.2)) }
        }
        let numbers = Set(names.flatMap(\.numbers))
        #expect((1...34).map { "C\($0)" }.filter { !numbers.contains($0) } == [])

        let page = PackageTree.root.appendingPathComponent("Common/Handbook/Handbook.docc/Requirements.md")
        let rows = try String(contentsOf: page, encoding: .utf8).split(separator: "\n").compactMap {
            $0.firstMatch(of: /^\| (C\d+) \|.*\| "(.*)" \|$/)?.output
        }
        #expect(Set(rows.map { String($0.1) }) == Set((1...34).map { "C\($0)" }) && rows.count == 34)
        let stale = rows.filter { row in
            !names.contains { $0.numbers.contains(String(row.1)) && $0.rest.contains(row.2) }
        }
        #expect(stale.map { "\($0.1): \($0.2)" } == [])
    }

    @Test("no private key, certificate or capture is committed") func noSecrets() throws {
        let suspicious = tree.paths.filter { path in
            [".key", ".pem", ".p12", ".pcap", ".pcapng", ".sqlite"].contains { path.hasSuffix($0) }
        }
        #expect(suspicious == [])
        let marker = "PRIVATE " + "KEY-----"
        let holders = tree.swift.filter { $0.contains(marker) }
        #expect(holders.map(\.path) == [])
    }

    @Test("the rules themselves catch what they are for") func rulesCatch() throws {
        #expect(code(#"let a = "try! x" // as! y"#) == "let a = \" ")
        let long = SourceTree.File(
            path: "x.swift", text: "func a() {\n" + String(repeating: "    b()\n", count: 60) + "}")
        #expect(functions(in: long).map(\.length) == [62])

        let lines = [
            "try! a()", "a as! B", "fatalError(b)", " print(1)", "Task { }", "Task.detached { }", "x = Date()",
            "ContinuousClock()",
        ]
        let file = SourceTree.File(path: "x.swift", text: lines.joined(separator: "\n"))
        let found = try Self.banned.map { places(in: [file], matching: try Regex($0.0), holding: $0.1) }
        #expect(found == lines.indices.map { ["x.swift:\($0 + 1)"] })
        #expect(
            file.lines(holding: ["a", "B"]) == [0, 1, 2, 4, 5, 6] && file.contains("Clock") && !file.contains("C()"))
    }
}
