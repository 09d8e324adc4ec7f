import FlowModel
import Foundation
import Intelligence
import TestKit
import Testing

@Suite("Scores and answers") struct ScoreTests {
    private static func intelligence(
        _ feeds: [(String, Double, [Indicator])], allowed: [AllowList] = [], rules: ScoreRules = ScoreRules()
    ) -> Intelligence {
        Intelligence(
            indicators: IndicatorSet(feeds.map { (Feeds.source($0.0, weight: $0.1), $0.2) }),
            allowed: AllowTable(allowed), rules: rules)
    }
    private static let outbound = ContactFacts(direction: .outbound, outcome: .answered)

    private func score(
        _ intelligence: Intelligence, _ text: String = "198.51.100.7", _ contact: ContactFacts? = outbound,
        at time: Int64 = Feeds.now
    ) throws -> Score {
        try #require(
            intelligence.score(try Feeds.address(text), port: 0, system: 0, contact: contact, at: time))
    }

    @Test("a score is weight, confidence, age and adjustments multiplied, and says so") func terms() throws {
        let indicator = try Feeds.indicator("198.51.100.7", lastSeen: Feeds.now - 30 * Feeds.day, labels: ["Tor"])
        let score = try score(Self.intelligence([("a", 0.9, [indicator])]))
        #expect(score.value == 18)  // 0.9 × 0.8 × 0.5 × 0.5
        let part = try #require(score.parts.first)
        #expect(part.terms.map(\.name) == ["weight of the feed", "confidence", "age", "an anonymous relay"])
        #expect(part.terms.map(\.factor) == [0.9, 0.8, 0.5, 0.5])
        #expect(part.feed == "a" && part.indicator == "198.51.100.7")
        #expect(part.strength == 0.9 * 0.8 * 0.5 * 0.5)
    }

    @Test("feeds that agree add up, each once; agreement can be turned down") func feeds() throws {
        let indicator = try Feeds.indicator("198.51.100.7", confidence: 50)
        let network = try Feeds.indicator("198.51.100.0/24", confidence: 50)
        let feeds = [("a", 1.0, [indicator, network]), ("b", 1.0, [indicator])]
        let both = try score(Self.intelligence(feeds))
        #expect(both.value == 75)
        #expect(both.parts.map(\.feed) == ["a", "b"])
        var rules = ScoreRules()
        rules.agreement = 0
        let strongest = try score(Self.intelligence(feeds, rules: rules))
        #expect(strongest.value == 50)
        let muted = try score(Self.intelligence([("a", 0, [indicator])]))
        #expect(muted.value == 0)
    }

    @Test("age halves by half-lives along straight lines, down to a floor") func age() throws {
        let set = Self.intelligence([("a", 1, [try Feeds.indicator("198.51.100.7", confidence: 100)])])
        let days: [Int64: Double] = [
            -10: 100, 0: 100, 15: 75, 30: 50, 45: 37.5, 60: 25, 90: 12.5, 365: 10, 100_000: 10,
        ]
        for (day, value) in days {
            let score = try score(set, at: Feeds.now + day * Feeds.day)
            #expect(score.value == value, "\(day)")
        }
    }

    @Test("calling a listed address weighs more than being called by one, and least when nobody answered")
    func contacts()
        throws
    {
        let set = Self.intelligence([("a", 1, [try Feeds.indicator("198.51.100.7", confidence: 100)])])
        let values = try [
            ContactFacts(direction: .outbound, outcome: .answered), .init(direction: .outbound, outcome: .refused),
            .init(direction: .unknown, outcome: .answered), .init(direction: .inbound, outcome: .answered),
            .init(direction: .inbound, outcome: .unanswered), .init(direction: .inbound, outcome: .refused),
        ].map { try score(set, contact: $0) }
        #expect(values == [100, 60, 60, 40, 15, 15])
        let looked = try score(set, "198.51.100.7", nil)
        #expect(looked.value == 100, "no contact, no condition on contacts")
    }
    private func score(_ intelligence: Intelligence, contact: ContactFacts) throws -> Double {
        try score(intelligence, "198.51.100.7", contact).value
    }

    @Test("what an allow-list holds scores nothing, and the list is named") func allowed() throws {
        let list = AllowList(name: "Resolvers", networks: [try #require(IPNetwork("198.51.100.0/28"))])
        let score = try score(Self.intelligence([("a", 1, [try Feeds.indicator("198.51.100.7")])], allowed: [list]))
        #expect(score.value == 0)
        #expect(score.allowedBy == ["Resolvers"])
        #expect(score.parts.count == 1, "what would have counted is still said")
    }

    @Test("users' own rules are read, take defaults for what is missing, and are checked") func rules() throws {
        let text = """
            {"halfLifeDays":0,"reportMin":5,"adjustments":[
              {"name":"our honeypot","factor":0.5,"feeds":["a"],"ports":[22,23]},
              {"name":"botnets","factor":0.9,"malwareFamilies":["Emotet"],"subjects":["address"]}]}
            """
        let rules = try JSONDecoder().decode(ScoreRules.self, from: Data(text.utf8))
        #expect(rules.mediumMin == 40)
        let indicator = try Feeds.indicator("198.51.100.7", confidence: 100, lastSeen: 1, family: "Emotet")
        let set = Self.intelligence([("a", 1, [indicator]), ("b", 0.1, [indicator])], rules: rules)
        let there = try score(set, "198.51.100.7", ContactFacts(direction: .outbound, outcome: .answered, port: 22))
        #expect(there.parts.map(\.strength) == [1 * 0.5 * 0.9, 0.1 * 0.9])
        let elsewhere = try score(set)
        #expect(elsewhere.parts.first?.strength == 0.9)
        for (wrong, key) in [
            ("{\"agreement\":2}", "agreement"), ("{\"halfLifeDays\":-1}", "halfLifeDays"),
            ("{\"highMin\":30}", "reportMin, mediumMin, highMin, criticalMin"),
            ("{\"adjustments\":[{\"name\":\"x\",\"factor\":3}]}", "factor of 'x'"),
        ] {
            var fault: SettingFault?
            do { _ = try JSONDecoder().decode(ScoreRules.self, from: Data(wrong.utf8)) } catch {
                fault = error as? SettingFault
            }
            #expect(fault?.key == key, "\(wrong)")
        }
    }

    // Lookup

    private func lookup() throws -> IndicatorLookup {
        let indicators = [
            try Feeds.indicator("198.51.100.7", port: 443, labels: ["c2"], family: "Emotet", techniques: ["T1071"]),
            try Feeds.indicator("198.51.100.0/24", expires: Feeds.now - 1_000), try Feeds.indicator("AS64496"),
        ]
        let list = AllowList(name: "Resolvers", networks: [try #require(IPNetwork("203.0.113.0/24"))])
        let intelligence = Self.intelligence([("a", 0.5, indicators)], allowed: [list])
        return IndicatorLookup(intelligence, at: Feeds.now) { address in
            address.isV4
                ? AddressOrigin(country: "CH", systemNumber: address.v4 & 1 == 1 ? 64_496 : 7, systemName: "Example")
                : nil
        }
    }

    @Test("an answer has feeds, expired ones among them, score, country, system and allow-lists") func answers() throws
    {
        let lookup = try lookup(), answer = lookup.answer("198.51.100.7")
        #expect(answer.fault == nil)
        #expect(answer.known.map(\.indicator) == ["198.51.100.7", "198.51.100.0/24", "AS64496"])
        #expect(answer.known.map(\.isExpired) == [false, true, false])
        #expect(answer.known.first?.port == 443)
        #expect(answer.known.first?.malwareFamily == "Emotet")
        #expect(answer.origin == AddressOrigin(country: "CH", systemNumber: 64_496, systemName: "Example"))
        #expect(answer.score?.value == 40)
        #expect(answer.score?.parts.count == 1)
        let allowed = lookup.answer("203.0.113.1")
        #expect(allowed.allowedBy == ["Resolvers"])
        #expect(allowed.score?.value == 0, "its system is listed, but the allow-list has it")
        #expect(lookup.answer("2001:db8::1").origin == nil)
        #expect(lookup.answer("AS64496").known.map(\.feed) == ["a"])
        #expect(lookup.answer("198.51.0.0/16").within == 2)
        #expect(lookup.answer("198.51.100.0/25").known.map(\.indicator) == ["198.51.100.0/24"])
        #expect(lookup.answer("198.51.100.0/24").within == 1)
        for text in ["", "example.org", "198.51.100", "AS", "198.51.100.7 "] {
            #expect(lookup.answer(text).fault != nil, "\(text)")
        }
    }

    @Test("a list gets an answer for each row, and what is wrong with a row is said") func lists() throws {
        let lookup = try lookup()
        let text = "host,ip\nweb,198.51.100.7\n\n\"x\",nonsense\ny\n\"z\"z,1\nweb,198.51.100.7\n"
        let answers = lookup.answers(to: LookupList(Array(text.utf8)))
        #expect(answers.map(\.place) == ["line 2", "line 4", "line 5", "line 6", "line 7"])
        #expect(answers.map(\.known.count) == [3, 0, 0, 0, 0])
        let faults = answers.compactMap(\.fault)
        #expect(faults.dropFirst() == ["no value", "the line's quotes don't fit", "the same as in line 2"])
        let plain = lookup.answers(to: LookupList(Array("198.51.100.7\n198.51.100.8".utf8)))
        #expect(plain.map(\.subject) == ["198.51.100.7", "198.51.100.8"])
        let many = (0..<10_050).map { "198.51.\($0 / 256).\($0 % 256)" }.joined(separator: "\n")
        let bounded = lookup.answers(to: LookupList(Array(many.utf8)))
        #expect(bounded.count == Limit.lookupLinesMax + 1)
        #expect(bounded.last?.fault == "more than 10000 rows")
    }

    private struct History: SightingSource {
        struct Away: Error {}
        var isAway = false
        func sightings(of subjects: [IndicatorSubject]) async throws -> [Sighting?] {
            if isAway { throw Away() }
            return subjects.map { subject in
                subject.description == "198.51.100.7" ? Sighting(first: 1, last: 2, flows: 3, octets: 4, hosts: 5) : nil
            }
        }
    }

    @Test("sightings are added where there are some; history that can't be read is said") func sightings() async throws
    {
        let lookup = try lookup()
        let answers = ["nonsense", "198.51.100.8", "198.51.100.7"].map { lookup.answer($0) }
        let seen = await IndicatorLookup.addSightings(to: answers, from: History())
        #expect(seen.map { $0.sighting?.flows } == [nil, nil, 3])
        let away = await IndicatorLookup.addSightings(to: answers, from: History(isAway: true))
        #expect(away.map(\.sightingsFault) == [nil, "Away()", "Away()"])
    }
}
