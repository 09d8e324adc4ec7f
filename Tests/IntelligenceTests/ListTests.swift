import FlowModel
import Foundation
import Intelligence
import TestKit
import Testing

@Suite("Lists of indicators") struct ListTests {
    @Test("a list's addresses, networks, systems and ports are taken, and comments are no lines") func list() {
        let read = Feeds.list(
            """
            # a comment
            192.0.2.1
              198.51.100.0/24   # scanners

            203.0.113.9:443
            [2001:db8::1]:8443
            2001:db8:7::/48;note
            AS64496
            203.0.113.10\t8
            203.0.113.11,bad,worse
            """)
        let expected = [
            "192.0.2.1", "198.51.100.0/24", "203.0.113.9", "2001:db8::1", "2001:db8:7::/48", "AS64496", "203.0.113.10",
            "203.0.113.11",
        ]
        #expect(read.indicators.map(\.subject.description) == expected)
        #expect(read.indicators.map(\.port) == [0, 0, 443, 8_443, 0, 0, 0, 0])
        #expect(read.refusals.isEmpty)
        #expect(read.indicators.allSatisfy { $0.expires == Feeds.now + 30 * Feeds.day && $0.confidence == 50 })
    }

    @Test("every line that is not taken has a reason") func reasons() {
        let lines: [(String, FeedRefusal)] = [
            ("example.com", .otherKind), ("http://198.51.100.1/x", .otherKind),
            ("d41d8cd98f00b204e9800998ecf8427e", .otherKind), ("10.0.0.1", .notPublic), ("fe80::1", .notPublic),
            ("172.0.0.0/8", .notPublic), ("224.0.0.5", .notPublic), ("64.0.0.0/7", .tooWide),
            ("2a00::/19", .tooWide), ("0.0.0.0/0", .tooWide), ("AS0", .notAnIndicator), ("1.2.3", .notAnIndicator),
            ("1.2.3.4.5", .notAnIndicator), ("01.2.3.4", .notAnIndicator), ("1.2.3.4/33", .notAnIndicator),
            ("1.2.3.4:99999", .notAnIndicator), ("::1.2.3", .notAnIndicator), ("\u{0}\u{1}", .notAnIndicator),
            (String(repeating: "1", count: 5_000), .lineTooLong),
        ]
        for (line, reason) in lines {
            let read = Feeds.list(line)
            #expect(read.refusals == [reason: 1], "\(line.prefix(40))")
            #expect(read.examples.first?.place == "line 1")
            #expect(read.indicators.isEmpty)
        }
        let all = Feeds.list(lines.map(\.0).joined(separator: "\r\n"))
        #expect(all.refused == lines.count)
        #expect(all.examples.map(\.place) == (1...lines.count).map { "line \($0)" })
    }

    @Test("a site's own list may name its own addresses, and what has ended is not taken") func ownList() {
        var source = FeedSource(name: "own")
        source.allowsPrivate = true
        source.lifetimeDays = nil
        var read = FeedRead(source: source, time: Feeds.now)
        read.readList(Array("10.0.0.1\n10.0.0.2".utf8))
        #expect(read.indicators.map(\.expires) == [nil, nil])
        let columns = TableColumns(value: "1", others: [.expires: "2"], hasHeader: false)
        read.readTable(Array("10.0.0.3,2026-08-21\n10.0.0.4,2026-08-23".utf8), columns: columns)
        #expect(read.indicators.count == 3)
        #expect(read.refusals == [.expired: 1])
    }

    @Test("a table's columns are found by name, with quotes, commas and line ends inside") func table() throws {
        let text = #"""
            # exported 2026-08-22
            "first_seen", "ioc", "kind", "score", "tags", "malware", "tlp"
            "2026-08-20 10:00:00","198.51.100.7:443", "ip", "75%", "c2;cobalt, strike", "Cobalt ""Strike""", "TLP:AMBER"
            2026-08-19,198.51.100.8,"ip",,"one
            two","",white
            2026-08-19,198.51.100.9,ip,101,,,
            2026-13-19,198.51.100.10,ip,10,,,
            ,,,,,,
            2026-08-19,example.org,domain,,,,
            "2026-08-19,198.51.100.11
            """#
        let columns = TableColumns(
            value: "ioc",
            others: [
                .firstSeen: "first_seen", .confidence: "score", .labels: "tags", .malwareFamily: "malware",
                .trafficLight: "tlp",
            ])
        let read = Feeds.read { $0.readTable(Array(text.utf8), columns: columns) }
        #expect(read.indicators.map(\.subject.description) == ["198.51.100.7", "198.51.100.8"])
        let first = try #require(read.indicators.first), second = try #require(read.indicators.last)
        #expect(first.port == 443)
        #expect(first.confidence == 75)
        #expect(first.firstSeen == Feeds.now - 2 * Feeds.day + 36_000_000)
        #expect(first.context.labels == ["c2", "cobalt, strike"])
        #expect(first.context.malwareFamily == "Cobalt \"Strike\"")
        #expect(first.context.trafficLight == .amber)
        #expect(second.confidence == 50)
        #expect(second.context.labels == ["one\ntwo"])
        #expect(second.context.malwareFamily == nil)
        #expect(second.context.trafficLight == .clear)
        #expect(read.refusals == [.badValue: 2, .notAnIndicator: 1, .otherKind: 1, .malformed: 1])
        #expect(read.examples.map(\.place) == ["line 6", "line 7", "line 8", "line 9", "line 10"])
    }

    @Test("a table without the column of values gives nothing, and says so") func noColumn() {
        let read = Feeds.read { $0.readTable(Array("a,b\n1,2".utf8), columns: TableColumns(value: "ioc")) }
        #expect(read.refusals == [.malformed: 1])
        #expect(read.examples.first?.detail == "no column ioc")
    }

    @Test("any octets at all are read without harm") func anyOctets() {
        forAll(runs: 60) { generator, seed in
            let alphabet = Array("\"\",,\n\r#;:/.[]0123456789abcdef \u{FF}".utf8)
            let octets = (0..<800).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            let read = Feeds.read {
                $0.readList(octets)
                $0.readTable(octets, columns: TableColumns(value: "1", others: [.port: "2"], hasHeader: false))
                $0.readSTIX(octets)
                $0.readMISP(octets)
                _ = $0.readWarningList(octets)
            }
            #expect(read.refused >= 3, "SEED=\(seed)")
        }
    }

    @Test(
        "times are read as feeds write them",
        arguments: [
            ("2026-08-22", 0), ("2026-08-22T00:00:00Z", 0), ("2026-08-22 00:00:01", 1_000),
            ("2026-08-22T00:00:00.250Z", 250), ("2026-08-22T00:00:00.250999+00:00", 250),
            ("2026-08-22T02:30:00+02:30", 0),
            ("1787356800", 0), ("1787356800001", 1), ("2026-08-21T23:59:60Z", -1_000),
        ] as [(String, Int64)]) func times(text: String, offset: Int64) throws
    {
        let columns = TableColumns(value: "1", others: [.lastSeen: "2"], hasHeader: false)
        let read = Feeds.read { $0.readTable(Array("198.51.100.1,\(text)".utf8), columns: columns) }
        let indicator = try #require(read.indicators.first)
        #expect(indicator.lastSeen == Feeds.now + offset)
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "2026-02-29", "2026-8-22", "2026-08-22T24:00:00Z", "2026-08-22T00:00", "yesterday", "12345678901",
            "2026-08-22T00:00:00.Z", "2026-08-22T00:00:00+2", "99999999999999999999",
        ]) func noTimes(text: String)
    {
        let columns = TableColumns(value: "1", others: [.lastSeen: "2"], hasHeader: false)
        let read = Feeds.read { $0.readTable(Array("198.51.100.1,\(text)".utf8), columns: columns) }
        // Seconds are not needed.
        #expect(read.refusals == (text == "2026-08-22T00:00" ? [:] : [.badValue: 1]))
    }

    @Test("settings of feeds are checked, and what is missing takes its default") func settings() throws {
        let source = try JSONDecoder().decode(FeedSource.self, from: Data(#"{"name":"x","weight":0.9}"#.utf8))
        #expect(source.weight == 0.9)
        #expect(source.confidence == 50)
        #expect(source.lifetimeDays == 30)
        #expect(throws: SettingFault(key: "weight", allowed: "0...1")) {
            try JSONDecoder().decode(FeedSource.self, from: Data(#"{"name":"x","weight":1.1}"#.utf8))
        }
    }

    /// How many lines are neither empty nor comments, and how many of those name no address that can be on the
    /// Internet.
    @Test(
        "real lists are read whole, and each line that gives no indicator is counted",
        .enabled(if: Feeds.present, Comment(rawValue: Fixtures.why)),
        arguments: [
            ("ipsum/3.txt", 14_217, 0), ("threatfox-ips/ips.txt", 19_863, 7), ("maltrail/mass_scanner.txt", 19_220, 5),
            ("maltrail/mass_scanner_cidr.txt", 1_106, 0), ("tor-ips/tor-nodes.lst", 8_054, 0),
        ]) func realLists(file: String, lines: Int, refused: Int) throws
    {
        let octets = try Fixtures.bytes("\(Feeds.folder)/\(file)")
        let read = Feeds.read { $0.readList(octets) }
        #expect(read.refused == refused, "\(file): \(read.refusals) \(read.examples.prefix(3))")
        #expect(read.indicators.count == lines - refused, "\(file)")
    }
}
