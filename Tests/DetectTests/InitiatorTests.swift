import Detect
import FlowModel
import Foundation
import TestKit
import Testing

@Suite("Who began a conversation, and how sure that is") struct InitiatorTests {
    /// Both directions' records of refused connections from one port to many, with the bits that both sides' exporters
    /// tell: what flags don't tell apart.
    private func refused(
        from port: UInt16 = 50_000, to ports: Range<UInt16> = 40_000..<40_020, answerAfter: Int64,
        sampling: Float = 0, exporters: (UInt32, UInt32) = (0, 0)
    ) -> FlowColumns {
        var columns = FlowColumns()
        for key in 1...2 {
            _ = columns.intern(
                ExporterKey(
                    address: IPAddress(v4: UInt32(key)), observationDomain: 0, exportProtocol: .ipfix))
        }
        let bits = TCPFlag.syn | TCPFlag.rst | TCPFlag.ack
        for called in ports {
            var there = Traffic.record(from: Traffic.scanner, port, to: Traffic.host, called, bits: bits, packets: 2)
            var back = Traffic.record(
                from: Traffic.host, called, to: Traffic.scanner, port, bits: bits, packets: 2,
                at: Traffic.noon + answerAfter)
            (there.samplingInterval, back.samplingInterval) = (sampling, sampling)
            (there.exporter, back.exporter) = exporters
            columns.append(back)
            columns.append(there)
        }
        return columns
    }
    private func found(_ columns: FlowColumns) throws -> [Finding] {
        var set = DetectorSet(tenant: try Traffic.tenant())
        return set.observe(columns)
    }

    @Test("of two records of one conversation, the one that began earlier is the opener's, where flags don't tell")
    func firstSeen() throws {
        let scan = try #require(try found(refused(answerAfter: 1)).first)
        #expect(scan.rule == "port-scan-vertical" && scan.entity(.attacker) == ["203.0.113.9"])
        let sign = try #require(scan.evidence.initiator)
        #expect(sign == InitiatorEvidence(confidence: 0.85, stated: 0, flags: 0, firstSeen: 20, ports: 0))
        #expect(sign.mostly == "whose packets came first")
        // The other end's came first: it called one port, twenty times.
        #expect(try found(refused(answerAfter: -1)).isEmpty)
    }

    @Test("it counts before ports: a caller from a service's own port is a caller") func beforePorts() throws {
        let scan = try #require(try found(refused(from: 20, answerAfter: 3)).first)
        #expect(scan.entity(.attacker) == ["203.0.113.9"] && scan.evidence.initiator?.firstSeen == 20)
        // By the ports alone, what is called is port 20, by the other end.
        #expect(try found(refused(from: 20, answerAfter: 0)).isEmpty)
    }

    @Test("records of one moment, of two exporters, or of sampled packets say nothing about it") func undecided() throws
    {
        #expect(try found(refused(answerAfter: 0)).isEmpty)
        #expect(try found(refused(answerAfter: 1, exporters: (0, 1))).isEmpty)
        #expect(try found(refused(answerAfter: 1, sampling: 10)).isEmpty)
    }

    @Test("flags are surer than first records, and the exporter's word than flags; ports are the least")
    func order() throws {
        let flags = try #require(try Traffic.detect(Traffic.verticalScan(ports: 20..<40)).first)
        #expect(
            flags.evidence.initiator
                == InitiatorEvidence(confidence: 0.95, stated: 0, flags: 20, firstSeen: 0, ports: 0))
        let guesses = Traffic.sessions(12, port: 22, octets: { _ in 3_700 }, apart: 6_000)
        let ports = try #require(try Traffic.detect(guesses).first)
        #expect(
            ports.evidence.initiator == InitiatorEvidence(confidence: 0.7, stated: 0, flags: 0, firstSeen: 0, ports: 12)
        )
        var columns = FlowColumns()
        for var record in Traffic.verticalScan(ports: 20..<40) {
            record.extra = columns.extras.add([.init(ElementKey(id: 239), [1])])
            columns.append(record)
        }
        let stated = try #require(try found(columns).first)
        #expect(
            stated.evidence.initiator == InitiatorEvidence(confidence: 1, stated: 20, flags: 0, firstSeen: 0, ports: 0))
    }

    @Test("a mixture has the mean, and says what told most; floods don't rest on it, and JSON keeps it")
    func mixture() throws {
        let mixed = Traffic.columns(Traffic.verticalScan(ports: 20..<40))
        var both = refused(to: 40_000..<40_010, answerAfter: 1)
        for row in mixed.rows { both.append(mixed[row]) }
        let scan = try #require(try found(both).first), sign = try #require(scan.evidence.initiator)
        #expect(sign.flags == 20 && sign.firstSeen == 10 && sign.mostly == "flags")
        #expect(abs(sign.confidence - (20 * 0.95 + 10 * 0.85) / 30) < 0.001)
        let data = try JSONEncoder().encode(scan)
        #expect(try JSONDecoder().decode(Finding.self, from: data) == scan)
        #expect(String(decoding: data, as: UTF8.self).contains("\"firstSeen\":10"))
        let floods = try Traffic.detect(Traffic.answers(from: 123, servers: 300, octets: 468, asked: false))
        #expect(!floods.isEmpty && floods.allSatisfy { $0.evidence.initiator == nil })
    }
}
