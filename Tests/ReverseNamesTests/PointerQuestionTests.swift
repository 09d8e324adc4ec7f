import FlowModel
import Platform
import TestKit
import Testing

@testable import ReverseNames

@Suite("Questions for names, and what comes back") struct PointerQuestionTests {
    private let address: IPAddress, question: PointerQuestion

    init() throws {
        address = try #require(IPAddress("198.51.100.7"))
        question = PointerQuestion(address, number: 0x1234)
    }
    private func reply(_ answers: [[UInt8]], authorities: [[UInt8]] = [], flags: Int = 0x8180) -> PointerReply? {
        question.read(Wire.answer(question.octets, flags: flags, answers: answers, authorities: authorities))
    }
    private func pointer(_ name: String, seconds: UInt32 = 600) -> [UInt8] {
        Wire.record(Wire.asked, 12, seconds: seconds, Wire.name(name))
    }

    //= RFC 1035 §3.5
    //= RFC 3596 §2.5
    @Test("a question is one for the pointer of the reversed address") func question4() throws {
        let expected: [UInt8] =
            [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Wire.name("7.100.51.198.in-addr.arpa") + [0, 12, 0, 1]
        #expect(question.octets == expected)
        let wide = PointerQuestion(try #require(IPAddress("2001:db8::567:89ab")), number: 1)
        let name = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        #expect(Array(wide.octets[12...]) == Wire.name(name) + [0, 12, 0, 1])
    }

    @Test("a name is read, in lower case, with its time to live") func named() {
        #expect(reply([pointer("WWW.Example.NET", seconds: 77)]) == .named("www.example.net", seconds: 77))
        // Compressed: "mail" before what the question's name ends in.
        let end = [UInt8(0xC0), UInt8(12 + 2 + 4 + 3 + 4)]  // in-addr.arpa
        let short = Wire.record(Wire.asked, 12, [4] + Array("mail".utf8) + end)
        #expect(reply([short]) == .named("mail.in-addr.arpa", seconds: 600))
        // Of several the least, whichever comes first.
        for names in [["b.example", "a.example"], ["a.example", "b.example"]] {
            #expect(reply(names.map { pointer($0) }) == .named("a.example", seconds: 600))
        }
        // RFC 2181 §8: a time to live with the first bit set is none.
        #expect(reply([pointer("a.example", seconds: 0x8000_0001)]) == .named("a.example", seconds: 0))
    }

    @Test("aliases lead to a name, and in a circle to none") func aliases() {
        func alias(_ from: String, _ to: String, seconds: UInt32 = 300) -> [UInt8] {
            Wire.record(Wire.name(from), 5, seconds: seconds, Wire.name(to))
        }
        let own = "7.100.51.198.in-addr.arpa", other = "7.0/26.100.51.198.in-addr.arpa"
        let target = Wire.record(Wire.name(other), 12, Wire.name("host.example"))
        #expect(reply([alias(own, other), target]) == .named("host.example", seconds: 300))
        #expect(reply([target, alias(own, other)]) == .named("host.example", seconds: 300))
        #expect(reply([alias(own, other), alias(other, own)]) == .nameless(seconds: nil))
        // Somebody else's pointer is not this address's.
        #expect(reply([target]) == .nameless(seconds: nil))
    }

    @Test("no name is an answer, for as long as the zone says") func nameless() {
        let numbers = [UInt8](repeating: 0, count: 16) + [0, 0, 0, 90]
        let zone = Wire.record(Wire.name("51.198.in-addr.arpa"), 6, Wire.name("ns.example") + [0] + numbers)
        #expect(reply([], authorities: [zone], flags: 0x8183) == .nameless(seconds: 90))
        #expect(reply([], authorities: [zone]) == .nameless(seconds: 90))
        #expect(reply([], flags: 0x8183) == .nameless(seconds: nil))
        #expect(reply([], flags: 0x8182) == .failed(code: 2))
        #expect(reply([], flags: 0x8185) == .failed(code: 5))
        #expect(reply([pointer("a.example")], flags: 0x8380) == .truncated)
    }

    @Test("what is no host's name is not used") func names() {
        let bad = [
            "bad name.example", "a<script>.example", "-x.example", "x-.example", "10.0.0.1", "a.\u{1B}[2J.example",
            "é.example", "a.42", "%s.example", "", "a/b.example",
        ]
        for name in bad { #expect(reply([pointer(name)]) == .unusable(seconds: 600), "\(name)") }
        #expect(reply([pointer("a b"), pointer("c.example")]) == .named("c.example", seconds: 600))
        for name in ["_dmarc.example", "x--y.example", "1.example", "xn--bcher-kva.example", "localhost"] {
            #expect(reply([pointer(name)]) == .named(name, seconds: 600), "\(name)")
        }
        // 255 octets with lengths and end are the longest name, and one more is none.
        let label = String(repeating: "a", count: 61)
        let long = Array(repeating: label, count: 4).joined(separator: ".")
        #expect(reply([pointer(long + ".aaaaa")]) == .named(long + ".aaaaa", seconds: 600))
        #expect(reply([pointer(long + ".aaaaaa")]) == .malformed)
        #expect((long + ".aaaaa").utf8.count == 253)
    }

    @Test("an answer to another question is none of ours", arguments: 0..<8) func others(_ number: Int) throws {
        let good = Wire.answer(question.octets, answers: [pointer("a.example")])
        #expect(question.read(good) == .named("a.example", seconds: 600))
        var bad = good
        switch number {
        case 0: bad[1] ^= 1  // another number
        case 1: bad[2] &= 0x7F  // a question itself
        case 2: bad[2] |= 0x28  // another operation
        case 3: bad[5] = 0  // no question
        case 4: bad[13] ^= 1  // another name
        case 5: bad[12 + 27 + 1] = 1  // another type
        case 6: bad[12 + 27 + 3] = 3  // another class
        default: bad = []
        }
        #expect(bad != good && question.read(bad) == nil)
        let another = PointerQuestion(try #require(IPAddress("198.51.100.8")), number: 0x1234)
        #expect(another.read(good) == nil)
    }

    @Test("pointers in circles, ahead and beyond the end are refused") func circles() {
        let owner = 12 + question.octets.count - 12, data = owner + 2 + 10
        func pointing(_ octets: [UInt8]) -> PointerReply? { reply([Wire.record(Wire.asked, 12, octets)]) }
        func to(_ offset: Int) -> [UInt8] { [0xC0 | UInt8(offset >> 8), UInt8(offset & 0xFF)] }
        #expect(pointing(to(12)) != nil && pointing(to(12)) != .malformed)
        #expect(pointing(to(data)) == .malformed)  // itself
        #expect(pointing([1, 97] + to(data)) == .malformed)  // grows without end
        #expect(pointing([1, 97] + to(data + 2)) == .malformed)
        #expect(pointing(to(data + 2) + to(data)) == .malformed)  // two in a circle
        #expect(pointing(to(0x3FFF)) == .malformed)
        #expect(pointing([0x40, 0]) == .malformed && pointing([0x80, 0]) == .malformed)
        #expect(pointing([5, 97]) == .malformed && pointing([0xC0]) == .malformed)
        #expect(pointing(Wire.name("a.example") + [0]) == .malformed)  // longer than its name
        // Counts that promise more than there is.
        var many = Wire.answer(question.octets, answers: [pointer("a.example")])
        many[7] = 2
        #expect(question.read(many) == .malformed)
        (many[6], many[7]) = (0xFF, 0xFF)
        #expect(question.read(many) == .malformed)
        // A ladder: each pointer leads one step down, and each step adds a label.
        var ladder: [[UInt8]] = [], last = 12
        for _ in 0..<120 {
            let at = 12 + question.octets.count - 12 + ladder.reduce(0) { $0 + $1.count } + 2 + 10
            ladder.append(Wire.record(Wire.asked, 12, [1, 97] + to(last)))
            last = at
        }
        #expect(reply(Array(ladder.prefix(100))) == .named("a.7.100.51.198.in-addr.arpa", seconds: 600))
        #expect(reply(ladder) == .malformed)
    }

    @Test("any octets are read to an end, and cut or changed answers never give what was not said") func anyOctets() {
        let good = Wire.answer(
            question.octets, answers: [pointer("host.example"), Wire.record(Wire.asked, 5, Wire.name("b.example"))],
            authorities: [Wire.record([0], 6, Wire.name("x.example") + [0] + [UInt8](repeating: 1, count: 20))])
        for length in good.indices {
            let cut = question.read(Array(good[..<length]))
            #expect(cut == nil || cut == .malformed, "cut at \(length)")
        }
        forAll(runs: 4_000) { generator, seed in
            var octets = good
            for _ in 0...Int.random(in: 0..<8, using: &generator) {
                let place = Int.random(in: 2..<octets.count, using: &generator)
                octets[place] = UInt8.random(in: 0...255, using: &generator)
            }
            if case .named(let name, _) = question.read(octets) { #expect(isHost(name), "seed \(seed)") }
            let count = Int.random(in: 0..<600, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(question.read(noise) == nil, "seed \(seed)")
            // Noise behind a right header and question, which is as far as a guess has to come.
            var counts = Wire.answer(question.octets)
            counts[7] = UInt8.random(in: 0...20, using: &generator)
            counts[9] = UInt8.random(in: 0...20, using: &generator)
            if case .named(let name, _) = question.read(counts + noise) { #expect(isHost(name), "seed \(seed)") }
        }
    }
    private func isHost(_ name: String) -> Bool {
        name.wholeMatch(of: /[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*/) != nil
            && name.utf8.count <= 253
    }
}
