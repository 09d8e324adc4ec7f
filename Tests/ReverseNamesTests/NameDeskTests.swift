import FlowModel
import Foundation
import Platform
import Settings
import Telemetry
import TestKit
import Testing

@testable import ReverseNames

@Suite("Names for who looks at addresses") struct NameDeskTests {
    private let time = ManualTime(), registry = MetricRegistry()

    private func settings(_ change: (inout NameSettings) -> Void = { _ in }) throws -> NameSettings {
        var settings = NameSettings()
        settings.isEnabled = true
        settings.servers = [try #require(NameServer("192.0.2.53"))]
        change(&settings)
        return settings
    }
    private func desk(
        _ transport: ScriptedTransport, _ change: (inout NameSettings) -> Void = { _ in }
    ) throws -> NameDesk {
        let numbers = Locked(UInt16(0))
        return NameDesk(try settings(change), transport: transport, time: time, registry: registry) {
            numbers.with { number in
                number &+= 1
                return number
            }
        }
    }
    private func addresses(_ texts: String...) throws -> [IPAddress] { try texts.map { try #require(IPAddress($0)) } }
    private func count(_ metric: String) -> Int? {
        registry.prometheusText().split(separator: "\n").first { $0.hasPrefix(metric + " ") }
            .flatMap { Int($0.dropFirst(metric.count + 1)) }
    }

    @Test("nothing is asked unless names are switched on") func off() async throws {
        #expect(!NameSettings().isEnabled)
        let transport = ScriptedTransport("a.example"), desk = try desk(transport) { $0.isEnabled = false }
        #expect(await desk.names(of: try addresses("198.51.100.7")) == [:])
        #expect(transport.asked.isEmpty)
    }

    @Test("a name is asked for once, and again when its time is over") func kept() async throws {
        let transport = ScriptedTransport("a.example", seconds: 400), desk = try desk(transport)
        let address = try addresses("198.51.100.7")
        for _ in 0..<3 { #expect(await desk.names(of: address) == [address[0]: "a.example"]) }
        #expect(transport.asked.count == 1)
        #expect(transport.asked[0].question == PointerQuestion(address[0], number: 1).octets)
        time.advance(by: .seconds(399))
        _ = await desk.names(of: address)
        #expect(transport.asked.count == 1)
        time.advance(by: .seconds(2))
        _ = await desk.names(of: address)
        #expect(transport.asked.count == 2)
        #expect(count("weir_names_questions_total") == 2 && count("weir_names_kept") == 1)
        #expect(count("weir_names_answers_total{result=\"named\"}") == 2)
    }

    @Test(
        "answers hold no shorter and no longer than is set",
        arguments: [
            (NameOutcome.answered(.named("a.example", seconds: 1)), 300),
            (.answered(.named("a.example", seconds: 0)), 300),
            (.answered(.named("a.example", seconds: .max)), 86_400),
            (.answered(.nameless(seconds: 0)), 60), (.answered(.nameless(seconds: 100)), 100),
            (.answered(.nameless(seconds: .max)), 3_600), (.answered(.nameless(seconds: nil)), 60),
            (.answered(.unusable(seconds: 100)), 100), (.answered(.failed(code: 2)), 60),
            (.answered(.malformed), 60), (.answered(.truncated), 60), (.timedOut, 60), (.unreachable, 60),
        ])
    func lives(_ outcome: NameOutcome, _ seconds: Int) async throws {
        let transport = ScriptedTransport { _, _ in outcome }, desk = try desk(transport)
        let address = try addresses("198.51.100.7")
        _ = await desk.names(of: address)
        time.advance(by: .seconds(seconds) - .milliseconds(1))
        _ = await desk.names(of: address)
        #expect(transport.asked.count == 1)
        time.advance(by: .milliseconds(1))
        _ = await desk.names(of: address)
        #expect(transport.asked.count == 2)
    }

    @Test("an answer waits no longer than it may, and what comes later is there for the next") func wait() async throws
    {
        let transport = ScriptedTransport("a.example")
        transport.hold()
        let desk = NameDesk(
            try settings(), transport: transport, time: SystemTime(), registry: registry, chance: { 1 })
        let address = try addresses("198.51.100.7"), begun = SystemTime().monotonic()
        #expect(await desk.names(of: address, waitingAtMost: .milliseconds(60)) == [:])
        let waited = SystemTime().monotonic() - begun
        #expect(waited >= .milliseconds(60), "nobody answers, and yet it ends")
        // Under way already: it isn't asked twice.
        _ = await desk.names(of: address, waitingAtMost: .zero)
        #expect(transport.asked.count == 1)
        transport.answerAll()
        #expect(await desk.names(of: address, waitingAtMost: .zero) == [address[0]: "a.example"])
    }

    @Test("the next server is asked when one can't tell, and first the next time") func servers() async throws {
        let servers = try ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map { try #require(NameServer($0)) }
        let transport = ScriptedTransport { _, server in
            switch server {
            case servers[0]: .timedOut
            case servers[1]: .answered(.failed(code: 5))
            default: .answered(.named("a.example", seconds: 600))
            }
        }
        let desk = try desk(transport) { $0.servers = servers }
        let all = try addresses("198.51.100.7", "198.51.100.8")
        #expect(await desk.names(of: all.prefix(1)) == [all[0]: "a.example"])
        #expect(transport.asked.map(\.server) == servers)
        #expect(await desk.names(of: all.suffix(1)) == [all[1]: "a.example"])
        #expect(transport.asked.map(\.server) == servers + [servers[2]])
        for (result, number) in [("timed-out", 1), ("failed", 1), ("named", 2)] {
            #expect(count("weir_names_answers_total{result=\"\(result)\"}") == number, "\(result)")
        }
        #expect(Set(transport.asked.map { $0.question[0..<2] }).count == 4, "each question has a number of its own")
    }

    @Test("no more is asked than may be, and what was not asked is counted and asked later") func rate() async throws {
        let transport = ScriptedTransport("a.example"), desk = try desk(transport) { $0.perSecond = 10 }
        let many = (0..<25).map { IPAddress(v4: 0xC633_6400 + $0) }
        #expect(await desk.names(of: many).count == 10)
        #expect(count("weir_names_refused_total{reason=\"rate\"}") == 15)
        time.advance(by: .milliseconds(500))
        #expect(await desk.names(of: many).count == 15)
        time.advance(by: .seconds(100))
        #expect(await desk.names(of: many).count == 25)
        #expect(transport.asked.count == 25)
    }

    @Test("so many are under way at once and no more") func busy() async throws {
        let transport = ScriptedTransport("a.example"), desk = try desk(transport) { $0.perSecond = 10_000 }
        transport.hold()
        let many = (0..<600).map { IPAddress(v4: 0xC612_0000 + $0) }
        for part in [many[..<200], many[200..<400], many[400...]] {
            _ = await desk.names(of: part, waitingAtMost: .zero)
        }
        #expect(transport.asked.count == Limit.openMax)
        #expect(count("weir_names_refused_total{reason=\"busy\"}") == 600 - Limit.openMax)
        transport.answerAll()
        // Of one answer not all are asked about.
        #expect(await desk.names(of: many, waitingAtMost: .zero).count <= Limit.addressesMax)
    }

    @Test("no more is kept than may be: the longest kept goes") func bounded() async throws {
        let transport = ScriptedTransport("a.example")
        let desk = try desk(transport) { ($0.entriesMax, $0.perSecond) = (16, 10_000) }
        for number in UInt32(0)..<1_000 { _ = await desk.names(of: [IPAddress(v4: 0xC612_0000 + number)]) }
        #expect(count("weir_names_kept") == 16 && transport.asked.count == 1_000)
        _ = await desk.names(of: [IPAddress(v4: 0xC612_0000 + 999), IPAddress(v4: 0xC612_0000 + 984)])
        #expect(transport.asked.count == 1_000)
        _ = await desk.names(of: [IPAddress(v4: 0xC612_0000 + 983)])
        #expect(transport.asked.count == 1_001)
    }

    @Test("a kept answer that is renewed takes no second place") func renewed() {
        var cache = NameCache(entriesMax: 4)
        for turn in 0..<100 {
            for number in UInt32(0)..<4 { cache.note("\(turn)", of: IPAddress(v4: number), until: .seconds(turn + 1)) }
        }
        #expect(cache.count == 4)
        #expect((0..<4).allSatisfy { cache.name(of: IPAddress(v4: $0), now: .seconds(99)) == .some("99") })
        #expect(cache.name(of: IPAddress(v4: 0), now: .seconds(100)) == nil)
    }

    @Test("addresses of no host are not asked about, and private ones where that is set") func which() async throws {
        let never = try addresses(
            "0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1", "255.255.255.255", "ff02::1", "fe80::1", "169.254.1.1")
        let inside = try addresses("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fc00::1")
        let outside = try addresses("172.32.0.1", "100.128.0.1", "2001:db8::1", "11.0.0.1", "192.169.0.1")
        let transport = ScriptedTransport("a.example"), desk = try desk(transport)
        #expect(Set(await desk.names(of: never + inside + outside).keys) == Set(outside))
        let asking = try self.desk(transport) { $0.asksPrivate = true }
        #expect(Set(await asking.names(of: never + inside).keys) == Set(inside))
    }
}

@Suite("Settings of names") struct NameSettingsTests {
    private func read(_ yaml: String, resolvers: String = "/nowhere") throws -> NameSettings {
        let reader = try SettingsReader(text: Array(yaml.utf8), file: "/etc/weir/weir.yaml")
        let settings = try NameSettings(reader.scoped(to: "names"), resolvers: resolvers)
        try reader.checkAllUsed()
        return settings
    }

    @Test("everything that can be said is read, and the usual is nothing") func everything() throws {
        #expect(try read("") == NameSettings())
        let settings = try read(
            """
            names:
              enabled: true
              servers: [192.0.2.53, "192.0.2.54:5353", "2001:db8::53", "[2001:db8::54]:5354"]
              private: true
              timeout: 250ms
              perSecond: 7
              entries: 100
              keepMin: 10s
              keepMax: 2h
              absentMin: 2s
              absentMax: 20s
            """)
        #expect(settings.isEnabled && settings.asksPrivate && settings.timeout == .milliseconds(250))
        #expect(
            settings.servers.map { "\($0)" } == [
                "192.0.2.53:53", "192.0.2.54:5353", "[2001:db8::53]:53", "[2001:db8::54]:5354",
            ])
        #expect(settings.perSecond == 7 && settings.entriesMax == 100)
        #expect(settings.keep == .seconds(10) ... .seconds(7_200) && settings.absent == .seconds(2) ... .seconds(20))
    }

    @Test(
        "what is wrong is named",
        arguments: [
            ("names:\n  enabled: true\n", "names.servers: /nowhere names none: name them here"),
            ("names:\n  servers: [dns.example]\n", "names.servers: \"dns.example\" is not ADDRESS"),
            ("names:\n  servers: [\"192.0.2.1:0\"]\n", "names.servers: \"192.0.2.1:0\" is not"),
            ("names:\n  servers: [\"[192.0.2.1]:53\"]\n", "names.servers: \"[192.0.2.1]:53\" is not"),
            ("names:\n  keepMin: 2h\n  keepMax: 1h\n", "names.keepMin: is more than keepMax"),
            ("names:\n  perSecond: 0\n", "names.perSecond: 0 is outside 1...10000"),
            ("names:\n  server: 192.0.2.1\n", "names.server"),
        ])
    func faults(_ yaml: String, _ text: String) throws {
        let error = #expect(throws: SettingError.self) { try read(yaml) }
        #expect(error?.description.hasPrefix(text) == true, "\(String(describing: error))")
    }

    @Test("without servers the machine's own are asked") func resolvers() throws {
        let folder = try TemporaryFolder(), file = folder.file("resolv.conf").path
        let text = "# ours\nsearch example\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver fe80::1%eth0\n"
        try makeFile(file, with: Array(text.utf8))
        #expect(
            try read("names:\n  enabled: true\n", resolvers: file).servers.map { "\($0)" } == [
                "192.0.2.1:53", "[2001:db8::1]:53",
            ])
        #expect(try read("names:\n  enabled: false\n", resolvers: file).servers.isEmpty)
    }
}
