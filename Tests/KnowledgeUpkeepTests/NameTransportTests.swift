import FlowModel
import Foundation
import KnowledgeUpkeep
import Platform
import ReverseNames
import Telemetry
import TestKit
import Testing

@Suite("Names from DNS, over the wire") struct NameTransportTests {
    private let registry = MetricRegistry()

    private func desk(_ ports: Int..., timeout: Duration = .seconds(2)) -> NameDesk {
        var settings = NameSettings()
        (settings.isEnabled, settings.asksPrivate, settings.timeout) = (true, true, timeout)
        // What was answered holds to the test's end, however long the machine lets it wait: nothing is asked again.
        let day = Duration.seconds(86_400)
        (settings.keep, settings.absent) = (day...day, day...day)
        settings.servers = ports.map { NameServer(IPAddress(v4: 0x7F00_0001), port: $0) }
        return NameDesk(settings, transport: UDPNameTransport(), time: SystemTime(), registry: registry) {
            UInt16.random(in: .min ... .max)
        }
    }
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
    private func count(_ metric: String) -> Int? {
        registry.prometheusText().split(separator: "\n").first { $0.hasPrefix(metric + " ") }
            .flatMap { Int($0.dropFirst(metric.count + 1)) }
    }
    private func answers(_ result: String) -> Int? { count("weir_names_answers_total{result=\"\(result)\"}") }

    @Test(
        "a real server's names are shown, through aliases too, and what is no name is not",
        .enabled(if: DNSServer.isInstalled, Comment(rawValue: DNSServer.why)))
    func real() async throws {
        let server = try DNSServer(
            port: 18_353,
            knowing: [
                "--ptr-record=7.100.51.198.in-addr.arpa,WWW.Example.net",
                "--cname=8.100.51.198.in-addr.arpa,8.sub.example,900", "--ptr-record=8.sub.example,alias.example",
                "--ptr-record=9.100.51.198.in-addr.arpa,bad name<script>.example",
                "--host-record=six.example,2001:db8::1", "--ptr-record=3.2.1.10.in-addr.arpa,inside.example",
            ])
        let desk = desk(server.port)
        let texts = ["198.51.100.7", "198.51.100.8", "198.51.100.9", "198.51.100.1", "2001:db8::1", "10.1.2.3"]
        let asked = try texts.map(address)
        let names = await desk.names(of: asked, waitingAtMost: .seconds(10))
        #expect(
            names == [
                asked[0]: "www.example.net", asked[1]: "alias.example", asked[4]: "six.example",
                asked[5]: "inside.example",
            ], "\(server.log)")
        #expect(answers("named") == 4 && answers("unusable") == 1 && answers("nameless") == 1)
        #expect(count("weir_names_strays_total") == 0)
        #expect(server.log.components(separatedBy: "query[PTR]").count - 1 == 6)
        #expect(await desk.names(of: asked, waitingAtMost: .zero) == names)
        #expect(server.log.components(separatedBy: "query[PTR]").count - 1 == 6, "what is known is not asked again")
        // Nobody listens any more: the kernel says so at once.
        server.stop()
        let gone = try address("198.51.100.77")
        #expect(await desk.names(of: [gone], waitingAtMost: .seconds(10)) == [:])
        #expect(answers("unreachable") == 1, "\(registry.prometheusText())")
    }

    private static func named(_ question: [UInt8], _ name: String) -> [UInt8] {
        var answer = question
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1)
        var text: [UInt8] = []
        for label in name.split(separator: ".") { text += [UInt8(label.utf8.count)] + Array(label.utf8) }
        answer += [0xC0, 12, 0, 12, 0, 1, 0, 0, 2, 0x58, 0, UInt8(text.count + 1)]
        return answer + text + [0]
    }
    private static func changed(_ octets: [UInt8], at place: Int) -> [UInt8] {
        var octets = octets
        octets[place] ^= 0x01
        return octets
    }

    //= RFC 5452 §9.1
    @Test("forged answers are passed over, counted, and the right one is taken") func forged() async throws {
        let server = try ForgingResolver { question in
            let evil = Self.named(question, "evil.example"), start = 12
            return [
                .init(octets: evil, isFromElsewhere: true), .init(octets: Self.changed(evil, at: 0)),
                .init(octets: Self.changed(evil, at: 1)), .init(octets: Self.changed(evil, at: start + 1)),
                .init(octets: []), .init(octets: Array(evil.prefix(11))), .init(octets: question),
                .init(octets: Self.named(question, "right.example")), .init(octets: evil),
            ]
        }
        let desk = desk(server.port), asked = try address("198.51.100.7")
        #expect(await desk.names(of: [asked], waitingAtMost: .seconds(10)) == [asked: "right.example"])
        #expect(count("weir_names_strays_total") == 6, "the one from elsewhere was never given to us")
        #expect(answers("named") == 1)
    }

    @Test("answers that can't be read, are cut or never come end a question, and the next server is asked")
    func hostile() async throws {
        let loop = try ForgingResolver { question in
            var answer = Self.named(question, "evil.example")
            answer.replaceSubrange((question.count + 12)..., with: [0xC0, UInt8(question.count + 12)])
            answer[question.count + 11] = 2
            return [.init(octets: answer)]
        }
        let cut = try ForgingResolver { question in
            var answer = Self.named(question, "evil.example")
            answer[2] |= 2
            return [.init(octets: answer)]
        }
        let silent = try ForgingResolver { _ in [] }
        let right = try ForgingResolver { [.init(octets: Self.named($0, "right.example"))] }
        let desk = desk(loop.port, cut.port, silent.port, right.port, timeout: .milliseconds(100))
        let asked = try address("198.51.100.7")
        #expect(await desk.names(of: [asked], waitingAtMost: .seconds(10)) == [asked: "right.example"])
        for result in ["malformed", "truncated", "timed-out", "named"] { #expect(answers(result) == 1, "\(result)") }
        withExtendedLifetime((loop, cut, silent, right)) {}
    }

    @Test("an answer to people waits no longer than it may for a server that is silent") func bound() async throws {
        let silent = try ForgingResolver { _ in [] }
        let desk = desk(silent.port, timeout: .seconds(3_600)), begun = SystemTime().monotonic()
        let many = (0..<40).map { IPAddress(v4: 0xC633_6400 + $0) }
        #expect(await desk.names(of: many) == [:])
        let waited = SystemTime().monotonic() - begun
        #expect(waited >= NameDesk.wait && waited < .seconds(1_800), "\(waited)")
        withExtendedLifetime(silent) {}
    }

    @Test("each question goes from a port of its own with a number of its own, by chance") func chance() async throws {
        let server = try ForgingResolver { [.init(octets: Self.named($0, "a.example"))] }
        let desk = desk(server.port), many = (0..<48).map { IPAddress(v4: 0xC633_6400 + $0) }
        #expect(await desk.names(of: many, waitingAtMost: .seconds(10)).count == 48)
        let ports = server.asked.map { Int($0.port) }, numbers = server.asked.map { $0.question[0..<2] }
        #expect(Set(ports).count >= 40 && Set(numbers).count >= 45)
        // Neither rise one by one: few neighbours in time are neighbours in number.
        #expect(zip(ports, ports.dropFirst()).filter { abs($0 - $1) <= 4 }.count < 12, "\(ports)")
    }
}
