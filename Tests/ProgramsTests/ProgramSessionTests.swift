import Detect
import FlowModel
import Intelligence
import Platform
import Testing

@testable import Programs

@Suite("A conversation with a program")
struct ProgramSessionTests {
    @Test("begins with the aggregator's line, which has the state of before") func hostLine() throws {
        let dialogue = try Dialogue(state: "seen 7")
        #expect(dialogue.heard.count == 1)
        let line = try #require(dialogue.heard.first)
        #expect(
            line.hasPrefix(#"{"type":"host","limits":{"answersPerBatchMax":1000,"batchDeadlineMilliseconds":10000,"#))
        #expect(line.contains(#""protocols":[1]"#) && line.contains(#""state":"seen 7","tenant":"acme"}"#))
    }

    @Test("a hello gives names, fields, filter and rules") func hello() throws {
        var dialogue = try Dialogue()
        dialogue.say(
            #"{"type":"hello","protocol":1,"kind":"detector","name":"d","version":"2","fields":["octetDeltaCount"],"#
                + #""filter":"dst port 22","batchRecordsMax":7,"x":1,"#
                + #""rules":[{"id":"r","title":"R","techniques":["T1046"]}]}"#
        )
        let hello = try #require(dialogue.hellos.first)
        #expect(hello.fields == ["octetDeltaCount"] && hello.filter == "dst port 22" && hello.batchRecordsMax == 7)
        #expect(
            hello.rules["r"] == RuleInfo(id: "program.d.r", title: "R", tactics: [], techniques: ["T1046"]))
        #expect(dialogue.session.fault == nil && dialogue.session.hasRoom)
    }

    @Test(
        "a hello that the handbook doesn't allow ends the process",
        arguments: [
            #""protocol":2,"kind":"detector","name":"d","rules":[{"id":"r","title":"R"}]"#,
            #""protocol":1,"kind":"enricher","name":"d""#,
            #""protocol":1,"kind":"detector","name":"other","rules":[{"id":"r","title":"R"}]"#,
            #""protocol":1,"kind":"detector","name":"D d","rules":[{"id":"r","title":"R"}]"#,
            #""protocol":1,"kind":"detector","name":"d""#,
            #""protocol":1,"kind":"detector","name":"d","rules":[{"id":"r","title":"R"},{"id":"r","title":"S"}]"#,
            #""protocol":1,"kind":"detector","name":"d","rules":[{"id":"r","title":"R","tactics":["recon"]}]"#,
            #""protocol":1,"kind":"detector","name":"d","fields":["noSuch"],"rules":[{"id":"r","title":"R"}]"#,
            #""protocol":1,"kind":"detector","name":"d","fields":[],"rules":[{"id":"r","title":"R"}]"#,
            #""protocol":1,"kind":"detector","name":"d","filter":"dst prt 3","rules":[{"id":"r","title":"R"}]"#,
            #""protocol":1,"kind":"detector","name":"d","batchRecordsMax":0,"rules":[{"id":"r","title":"R"}]"#,
        ]) func badHello(members: String) throws
    {
        var dialogue = try Dialogue()
        dialogue.say(#"{"type":"hello",\#(members)}"#)
        #expect(dialogue.session.fault == .badHello && !dialogue.session.faultDetail.isEmpty)
        #expect(dialogue.hellos.isEmpty && !dialogue.session.hasRoom)
    }

    @Test("batches are numbered, announced with their records, and two are under way at most") func batches() throws {
        var dialogue = try Dialogue.greeted()
        dialogue.offer(2)
        dialogue.offer(0, mark: 2)
        #expect(!dialogue.session.hasRoom)
        #expect(
            dialogue.heard.dropFirst() == [
                #"{"type":"batch","batch":1,"records":2}"#, #"{"octetDeltaCount":0}"#, #"{"octetDeltaCount":1}"#,
                #"{"type":"batch","batch":2,"records":0}"#,
            ])
        dialogue.offer(1, mark: 3)
        #expect(dialogue.loss(0) == .full && dialogue.outcomes[0].mark == 3)
        dialogue.say(#"{"type":"done","batch":1}"#)
        #expect(dialogue.session.hasRoom && dialogue.outcomes[1].mark == 1)
    }

    @Test("findings count with their batch's done, under an id that a replay gives again") func findings() throws {
        var dialogue = try Dialogue.greeted()
        dialogue.offer(1)
        dialogue.say(finding(), finding(key: "445", more: #","ports":[445,22,445],"octets":77"#))
        #expect(dialogue.outcomes.isEmpty)
        dialogue.say(#"{"type":"done","batch":1,"state":"s1"}"#)
        let answers = try #require(dialogue.answers(0))
        guard answers.count == 2, case .finding(let one) = answers[0], case .finding(let two) = answers[1] else {
            Issue.record("two findings are expected, not \(answers)")
            return
        }
        #expect(one.rule == "program.d.r" && one.severity == .high && one.evidence.observed == 9)
        #expect(one.entities == [FindingEntity(type: "ipv4-addr", role: .attacker, value: "192.0.2.1")])
        #expect(one.id == StableHash.hex128("acme", "program.d.r", "192.0.2.1", "", "1000") && one.id != two.id)
        #expect(two.ports == [22, 445] && two.evidence.octets == 77)
        #expect(dialogue.outcomes[0].state == "s1" && dialogue.session.refusals.isEmpty)
    }

    @Test(
        "a line that can't be used is refused under its reason, and costs itself only",
        arguments: [
            ("", nil), ("nonsense", .notJSON), ("[]", .notJSON), ("{}", .notJSON), (#"{"type":7}"#, .notJSON),
            (#"{"type":"verdict"}"#, .unknownType), (#"{"type":"annotation","batch":1,"address":"::1"}"#, .unknownType),
            (#"{"type":"done"}"#, .badMember), (#"{"type":"done","batch":"1"}"#, .badMember),
            (#"{"type":"done","batch":2}"#, .outOfOrder), (Dialogue.hello, .outOfOrder),
            (finding(batch: 2), .outOfOrder), (finding(rule: "s"), .undeclaredRule),
            (finding(more: #","ports":[65536]"#), .badMember), (finding(more: #","update":-1"#), .badMember),
            (finding(key: String(repeating: "k", count: 257)), .badMember),
            (finding().replacing(#""end":2000"#, with: #""end":999"#), .badMember),
            (finding().replacing(#""end":2000"#, with: #""end":4102444800001"#), .badMember),
            (finding().replacing("192.0.2.1", with: "192.0.2.1.7"), .badMember),
            (finding().replacing("\"high\"", with: "\"huge\""), .badMember),
            (String(repeating: "x", count: ProgramLimit.lineOctetsMax + 1), .lineTooLong),
        ] as [(String, ProgramRefusal?)])
    func refused(line: String, reason: ProgramRefusal?) throws {
        var dialogue = try Dialogue.greeted()
        dialogue.offer(1)
        dialogue.say(line, finding(), #"{"type":"done","batch":1}"#)
        #expect(dialogue.session.refusals == (reason.map { [$0: 1] } ?? [:]))
        #expect(dialogue.answers(0)?.count == 1 && dialogue.session.fault == nil)
    }

    @Test("a hundred refused lines in a row end the process; a done between begins anew") func unreadable() throws {
        var dialogue = try Dialogue.greeted()
        dialogue.offer()
        for _ in 0..<99 { dialogue.say("junk") }
        dialogue.say(#"{"type":"done","batch":1}"#)
        dialogue.offer()
        for _ in 0..<99 { dialogue.say("junk") }
        #expect(dialogue.session.fault == nil)
        dialogue.say("junk")
        #expect(dialogue.session.fault == .unreadable && dialogue.loss(1) == .unreadable)
        #expect(dialogue.session.refusals == [.notJSON: 199])
    }

    @Test("more answers than allowed are refused, by batch, by minute, and logs too") func caps() throws {
        var dialogue = try Dialogue.greeted()
        dialogue.offer()
        for index in 0..<601 { dialogue.say(finding(key: "\(index)")) }
        #expect(dialogue.session.refusals == [.tooManyFindings: 1])
        dialogue.now += .seconds(61)
        for index in 0..<401 { dialogue.say(finding(key: "\(index)")) }
        #expect(dialogue.session.refusals == [.tooManyFindings: 1, .tooManyAnswers: 1])
        for _ in 0..<61 { dialogue.say(#"{"type":"log","message":"a\u0007b"}"#) }
        #expect(dialogue.logs.count == 60 && dialogue.session.refusals[.tooManyLogs] == 1)
        #expect(dialogue.logs.first == ProgramLog(level: .info, message: "a b"))
    }

    @Test("no hello in ten seconds, and no done in the deadline, end the process") func deadlines() throws {
        var silent = try Dialogue()
        silent.wait(.milliseconds(9_999))
        #expect(silent.session.fault == nil)
        silent.wait(.milliseconds(1))
        #expect(silent.session.fault == .noHello)

        var slow = try Dialogue.greeted()
        slow.wait(.seconds(3_600))
        #expect(slow.session.fault == nil, "with nothing to do it may be silent")
        slow.offer(mark: 1)
        slow.wait(.seconds(9))
        slow.offer(mark: 2)
        slow.say(#"{"type":"done","batch":1}"#)
        slow.wait(.seconds(9))
        #expect(slow.session.fault == nil, "the second one's time begins when the first is done")
        slow.say(finding(batch: 2))
        slow.wait(.seconds(1))
        #expect(slow.session.fault == .slow && slow.answers(0) == [] && slow.loss(1) == .slow)
        slow.say(#"{"type":"done","batch":2}"#)
        #expect(slow.outcomes.count == 2)
    }

    @Test("asked to end, it is waited for a while") func ending() throws {
        var dialogue = try Dialogue.greeted()
        dialogue.offer()
        dialogue.session.end(now: dialogue.now)
        dialogue.listen()
        #expect(dialogue.heard.last == #"{"type":"end"}"# && !dialogue.session.hasRoom)
        dialogue.say(#"{"type":"done","batch":1}"#)
        dialogue.wait(.seconds(5))
        #expect(dialogue.answers(0) == [] && dialogue.session.fault == .ended)
    }

    @Test("an enricher speaks of addresses that it was asked about only") func enricher() throws {
        var dialogue = try Dialogue.greeted(.enricher)
        let asked = ["192.0.2.1", "2001:db8::1", "192.0.2.1"].compactMap { IPAddress($0) }
        let batch = ProgramBatch(mark: 4, asking: asked)
        #expect(batch.records == 2)
        dialogue.session.offer(batch, now: dialogue.now)
        dialogue.say(
            #"{"type":"annotation","batch":1,"address":"2001:DB8:0::1","country":"de","autonomousSystem":64496}"#,
            #"{"type":"annotation","batch":1,"address":"192.0.2.2","name":"x"}"#,
            #"{"type":"annotation","batch":1,"address":"192.0.2.1","country":"D1"}"#,
            #"{"type":"annotation","batch":1,"address":"192.0.2.1","ttlSeconds":0}"#,
            #"{"type":"done","batch":1}"#)
        #expect(dialogue.session.refusals == [.notAsked: 1, .badMember: 2])
        let expected = AddressAnnotation(
            address: try #require(IPAddress("2001:db8::1")), country: "DE", autonomousSystem: 64_496, name: nil,
            labels: [], timeToLive: .seconds(3_600))
        #expect(dialogue.answers(0) == [.annotation(expected)])
    }

    @Test("a provider gives indicators, takes them back, and says when that is all") func intelligence() throws {
        var dialogue = try Dialogue.greeted(.intelligence)
        dialogue.offer()
        dialogue.say(
            #"{"type":"indicator","batch":1,"value":"192.0.2.0/24","port":443,"confidence":90,"labels":["c2"]}"#,
            #"{"type":"retraction","batch":1,"value":"AS64496"}"#,
            #"{"type":"indicator","batch":1,"value":"example.org"}"#,
            #"{"type":"indicator","batch":1,"value":"192.0.2.1","confidence":101}"#,
            #"{"type":"done","batch":1,"isComplete":true}"#)
        #expect(dialogue.session.refusals == [.badMember: 2])
        guard case .answered(let answers, isComplete: true) = try #require(dialogue.outcomes.first).result else {
            Issue.record("a complete answer is expected")
            return
        }
        let network = try #require(IndicatorSubject("192.0.2.0/24")), system = try #require(IndicatorSubject("AS64496"))
        let context = IndicatorContext(labels: ["c2"])
        #expect(
            answers == [
                .indicator(Indicator(network, port: 443, confidence: 90, context: context)), .retraction(system),
            ])
    }

    @Test("octets in pieces of any size mean the same") func pieces() throws {
        let text = [finding(), "junk", #"{"type":"done","batch":1,"state":"é"}"#, ""].joined(separator: "\r\n")
        for size in [1, 2, 7, 64, 10_000] {
            var dialogue = try Dialogue.greeted()
            dialogue.offer()
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                dialogue.say(octets: Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            #expect(dialogue.answers(0)?.count == 1 && dialogue.session.state == "é")
            #expect(dialogue.session.refusals == [.notJSON: 1])
        }
    }

    @Test("no octets stop it, and each batch ends once") func hostile() throws {
        var generator = SeededGenerator(seed: 17)
        let lines = [
            finding(), Dialogue.hello, #"{"type":"done","batch":1}"#, #"{"type":"log","message":"x"}"#,
            #"{"type":"done","batch":2,"state":"\ud800"}"#, String(repeating: "[", count: 5_000),
            #"{"type":"finding","batch":1e400,"entities":{"a":[]}}"#,
        ].map { Array($0.utf8) }
        for round in 0..<2_000 {
            var dialogue = round.isMultiple(of: 8) ? try Dialogue() : try Dialogue.greeted()
            dialogue.offer(1, mark: 1)
            dialogue.offer(1, mark: 2)
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                var line = lines[Int.random(in: 0..<lines.count, using: &generator)]
                for _ in 0..<Int.random(in: 0...3, using: &generator) where !line.isEmpty {
                    let place = Int.random(in: 0..<line.count, using: &generator)
                    line[place] = UInt8.random(in: 0...255, using: &generator)
                }
                dialogue.say(octets: line + [0x0A])
            }
            dialogue.session.close(.closed)
            dialogue.collect()
            #expect(dialogue.outcomes.map(\.mark).sorted() == [1, 2])
        }
    }
}
