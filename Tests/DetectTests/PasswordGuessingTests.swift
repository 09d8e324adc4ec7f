import Detect
import FlowModel
import Platform
import TestKit
import Testing

@Suite("Password guessing") struct PasswordGuessingTests {
    private func alike(_ index: Int) -> UInt64 { 3_700 + UInt64(index % 3) * 256 }

    @Test("eleven like sessions in 70 s are guessing, with the client as the attacker") func guesses() throws {
        let findings = try Traffic.detect(Traffic.sessions(11, port: 22, octets: alike, apart: 6_500))
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.rule == "password-guessing" && finding.ports == [22])
        #expect(finding.entity(.attacker) == ["10.0.0.7"] && finding.entity(.victim) == ["192.0.2.5"])
        #expect(finding.evidence.observed == 11 && finding.evidence.threshold == 10)
        #expect(finding.title.hasPrefix("10.0.0.7 opened 11 short SSH sessions of like size to 192.0.2.5 port 22"))
        #expect(finding.tactics == ["TA0006"] && finding.techniques == ["T1110"])
    }

    @Test("sessions of very different size are work") func work() throws {
        let records = Traffic.sessions(40, port: 22, octets: { 1_000 + UInt64($0 % 10) * 900 }, apart: 5_000)
        #expect(try Traffic.detect(records).isEmpty)
    }

    @Test("a desk's many short sessions are of many sizes, and no ten of them in a row are guesses") func busy() throws
    {
        var generator = SeededGenerator(seed: 5), found = 0
        for _ in 0..<200 {
            let sizes = (0..<60).map { _ in
                UInt64.random(in: 30...60, using: &generator) * UInt64.random(in: 60...180, using: &generator)
            }
            found += try Traffic.detect(Traffic.sessions(60, port: 22, octets: { sizes[$0] }, apart: 9_000)).count
        }
        #expect(found == 0)
    }

    @Test("a check every minute is no guessing, all day long") func monitoring() throws {
        let records = Traffic.sessions(600, port: 22, octets: { _ in 2_000 }, apart: 60_000)
        #expect(try Traffic.detect(records).filter { $0.rule == "password-guessing" }.isEmpty)
    }

    @Test("web sessions are none, and neither are bare handshakes on a login port") func otherShapes() throws {
        #expect(try Traffic.detect(Traffic.sessions(100, port: 443, octets: alike, apart: 500)).isEmpty)
        #expect(try Traffic.detect(Traffic.sessions(100, port: 22, octets: { _ in 300 }, apart: 500)).isEmpty)
    }

    @Test("two exporters that both report a session count it once") func twoExporters() throws {
        let records = Traffic.sessions(6, port: 22, octets: alike, apart: 1_000)
        #expect(try Traffic.detect(records + records).isEmpty)
    }

    @Test("guessing across the edge of a window is one finding") func acrossWindows() throws {
        let records = Traffic.sessions(14, port: 3_389, octets: alike, apart: 6_000, at: Traffic.noon - 42_000)
        let findings = try Traffic.detect(records, batch: 2)
        #expect(findings.count == 1)
        #expect(findings.first?.ports == [3_389])
    }

    @Test("when the client's port is summed away, the record's flows are the sessions") func summed() throws {
        var record = Traffic.record(
            from: Traffic.client, 0, to: Traffic.host, 22, bits: 0x1B, packets: 600, octets: 90_000, lasting: 60_000)
        record.deltaFlowCount = 24
        record.flags = .portsSummed
        let findings = try Traffic.detect([record])
        #expect(findings.map(\.rule) == ["password-guessing"])
        #expect(findings.first?.evidence.observed == 24)
    }
}
