import FlowModel
import Intelligence
import TestKit
import Testing

@Suite("MISP") struct MISPTests {
    private static func attribute(_ type: String, _ value: String, _ more: String = "\"to_ids\":true") -> String {
        "{\"uuid\":\"\(value)\",\"type\":\"\(type)\",\"value\":\"\(value)\",\(more)}"
    }
    private static func event(_ attributes: [String], objects: [String] = [], tags: [String] = []) -> String {
        let tags = tags.map { "{\"name\":\"\($0.replacing("\"", with: "\\\""))\"}" }.joined(separator: ",")
        return """
            {"Event":{"uuid":"e1","info":"x","Attribute":[\(attributes.joined(separator: ","))],
             "Object":[\(objects.joined(separator: ","))],"Tag":[\(tags)]}}
            """
    }
    private static func read(_ text: String) -> FeedRead { Feeds.read { $0.readMISP(Array(text.utf8)) } }

    @Test("attributes that are addresses and meant for detection are taken") func attributes() throws {
        let read = Self.read(
            Self.event(
                [
                    Self.attribute("ip-dst", "198.51.100.1", "\"to_ids\":true,\"timestamp\":\"1787270400\""),
                    Self.attribute("ip-src", "198.51.100.0/24", "\"to_ids\":\"1\""),
                    Self.attribute("ip-dst|port", "198.51.100.2|443"),
                    Self.attribute("ip-dst|port", "198.51.100.3:8443"),
                    Self.attribute("ip-src|port", "198.51.100.4|51234"),
                    Self.attribute("domain|ip", "example.org|198.51.100.5"), Self.attribute("AS", "AS64496"),
                    Self.attribute("AS", "64497"),
                ],
                objects: ["{\"name\":\"ip-port\",\"Attribute\":[\(Self.attribute("ip-dst", "2001:db8::1"))]}"],
                tags: [
                    "tlp:green", "misp:confidence-level=\"usually-confident\"", "type:OSINT",
                    "misp-galaxy:mitre-attack-pattern=\"Web Protocols - T1071.001\"", "misp-galaxy:malpedia=\"Emotet\"",
                    "",
                    "=", "misp:confidence-level",
                ]))
        let expected = [
            "198.51.100.1", "198.51.100.0/24", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5",
            "AS64496", "AS64497", "2001:db8::1",
        ]
        #expect(read.indicators.map(\.subject.description) == expected)
        #expect(read.indicators.map(\.port) == [0, 0, 443, 8_443, 0, 0, 0, 0, 0])
        let first = try #require(read.indicators.first)
        #expect(first.lastSeen == Feeds.now - Feeds.day)
        #expect(first.confidence == 75)
        #expect(first.context.labels == ["type:OSINT", "="])
        #expect(first.context.malwareFamily == "Emotet")
        #expect(first.context.techniques == ["T1071.001"])
        #expect(first.context.trafficLight == .green)
        #expect(read.refusals.isEmpty)
    }

    @Test("each attribute that is not taken has a reason") func reasons() {
        let read = Self.read(
            Self.event(
                [
                    Self.attribute("ip-dst", "198.51.100.1", "\"to_ids\":false"),
                    Self.attribute("ip-dst", "198.51.100.2", "\"comment\":\"no flag\""),
                    Self.attribute("ip-dst", "198.51.100.3", "\"to_ids\":true,\"deleted\":\"1\""),
                    Self.attribute("domain", "example.org"), Self.attribute("sha256", "ab"),
                    Self.attribute("ip-dst", "198.51.100"), Self.attribute("ip-dst|port", "198.51.100.1|http"),
                    Self.attribute("ip-dst", "10.0.0.1"), "{\"type\":\"ip-dst\"}", "null",
                ],
                objects: ["{\"deleted\":true,\"Attribute\":[\(Self.attribute("ip-dst", "198.51.100.9"))]}"]))
        #expect(read.indicators.isEmpty)
        #expect(
            read.refusals == [
                .notForDetection: 2, .deleted: 2, .otherKind: 2, .notAnIndicator: 2, .notPublic: 1, .malformed: 2,
            ])
    }

    @Test("answers of searches for events and for attributes are read") func responses() {
        let one = Self.event([Self.attribute("ip-dst", "198.51.100.1")])
        let two = Self.event([Self.attribute("ip-dst", "198.51.100.2")])
        let events = Self.read("{\"response\":[\(one),\(two)]}")
        #expect(events.indicators.map(\.subject.description) == ["198.51.100.1", "198.51.100.2"])
        let attributes = Self.read("{\"response\":{\"Attribute\":[\(Self.attribute("ip-dst", "198.51.100.3"))]}}")
        #expect(attributes.indicators.map(\.subject.description) == ["198.51.100.3"])
        let nothing = Self.read("{\"errors\":\"no\"}")
        #expect(nothing.refusals == [.malformed: 1])
    }

    @Test("a warning list silences what it holds, and only lists of addresses are taken") func warningLists() throws {
        let text = #"{"name":"Resolvers","type":"cidr","version":1,"list":["9.9.9.9","2620:fe::/48","dns.example"]}"#
        var read = FeedRead(source: FeedSource(name: "w"), time: 0)
        let found = read.readWarningList(Array(text.utf8)), list = try #require(found)
        #expect(list.networks.map(\.description) == ["9.9.9.9/32", "2620:fe::/48"])
        #expect(read.refusals == [.notAnIndicator: 1])
        let names = read.readWarningList(Array(text.replacing("cidr", with: "hostname").utf8))
        #expect(names == nil)
        let table = AllowTable([list, AllowList(name: "Wide", networks: [try #require(IPNetwork("9.0.0.0/8"))])])
        let expected = ["9.9.9.9": ["Resolvers", "Wide"], "9.9.9.8": ["Wide"], "2620:fe::9": ["Resolvers"]]
        for (text, lists) in expected {
            let found = table.lists(holding: try Feeds.address(text))
            #expect(found == lists, "\(text)")
        }
        let narrow = table.lists(holding: try #require(IPNetwork("9.9.9.0/24")))
        let wide = table.lists(holding: try #require(IPNetwork("8.0.0.0/7")))
        #expect(narrow == ["Wide"])
        #expect(wide == [])
    }

    @Test("real warning lists are read whole", .enabled(if: Feeds.present, Comment(rawValue: Fixtures.why)))
    func realLists() throws {
        var lists: [AllowList] = [], read = FeedRead(source: FeedSource(name: "w"), time: 0)
        for file in Fixtures.files(in: "\(Feeds.folder)/misp-warninglists", suffix: "list.json") {
            let list = read.readWarningList(try Fixtures.bytes(file))
            lists.append(try #require(list, "\(file)"))
        }
        #expect(lists.count == 12)
        #expect(read.refusals.isEmpty)
        let table = AllowTable(lists)
        let counts = try ["1.1.1.1", "fe80::1", "185.220.101.1"].map {
            table.lists(holding: try Feeds.address($0)).count
        }
        #expect(counts[0] > 0 && counts[1] > 0 && counts[2] == 0)
    }
}
