import Detect
import FlowModel
import TestKit
import Testing

@Suite("Floods") struct FloodTests {
    /// UDP to the host: `seconds` long, `rate` packets/s.
    private func stream(rate: UInt64, seconds: Int64, octets: UInt64 = 100, at start: Int64 = Traffic.noon)
        -> FlowRecord
    {
        let packets = rate * UInt64(seconds)
        return Traffic.record(
            from: Traffic.scanner, 4_000, to: Traffic.host, 9_999, transport: IPProtocol.udp, packets: packets,
            octets: packets * octets, at: start, lasting: seconds * 1_000)
    }

    @Test("30,000 packets/s of UDP are a flood with its rate, its source and its victim") func flood() throws {
        let findings = try Traffic.detect([stream(rate: 30_000, seconds: 20)])
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.rule == "flood" && finding.severity == .high)
        #expect(finding.entity(.victim) == ["192.0.2.5"] && finding.entity(.attacker) == ["203.0.113.9"])
        #expect(finding.evidence.unit == "packets/s" && finding.evidence.threshold == 20_000)
        #expect(abs(finding.evidence.observed - 30_000) < 1)
        #expect(finding.title == "192.0.2.5 got up to 30,000 packets/s and 24.0 Mbit/s of UDP from 203.0.113.9")
        #expect(finding.start == Traffic.noon && finding.end == Traffic.noon + 20_000)
    }

    @Test("C18 a long flow exported at once is spread over its time, no burst") func longFlowIsNoBurst() throws {
        // A million packets in one record: 1,000 packets/s for 1,000 s, far below the limit.
        #expect(try Traffic.detect([stream(rate: 1_000, seconds: 1_000)]).isEmpty)
        // The same counters in 10 s are a flood: it is the duration that decides.
        var short = stream(rate: 1_000, seconds: 1_000)
        short.flowEndMilliseconds = short.flowStartMilliseconds + 10_000
        #expect(try Traffic.detect([short]).map(\.rule) == ["flood"])
    }

    @Test("flows that overlap add up only where they overlap") func overlap() throws {
        let apart = (0..<4).map { stream(rate: 8_000, seconds: 30, at: Traffic.noon + Int64($0) * 30_000) }
        #expect(try Traffic.detect(apart).isEmpty)
        let together = (0..<4).map { stream(rate: 8_000, seconds: 30, at: Traffic.noon + Int64($0) * 5_000) }
        let finding = try #require(try Traffic.detect(together).first)
        #expect(abs(finding.evidence.observed - 32_000) < 1)
    }

    @Test("counters are scaled by the sampling interval, and the finding says so") func sampling() throws {
        var record = stream(rate: 50, seconds: 20)
        #expect(try Traffic.detect([record]).isEmpty)
        record.samplingInterval = 1_000
        let finding = try #require(try Traffic.detect([record]).first)
        #expect(finding.evidence.samplingInterval == 1_000)
        #expect(abs(finding.evidence.observed - 50_000) < 1)
        #expect(finding.title.hasSuffix("scaled from 1 in 1000 packets"))
    }

    @Test("a download at 500 Mbit/s is no flood; SYNs at 5,000 a second are") func classes() throws {
        let download = Traffic.record(
            from: Traffic.scanner, 443, to: Traffic.host, 50_000, bits: 0x1B, packets: 1_250_000,
            octets: 1_875_000_000, lasting: 30_000)
        #expect(try Traffic.detect([download]).isEmpty)
        let syns = (0..<50_000).map { index in
            Traffic.record(
                from: IPAddress(v4: 0xCB00_0000 + UInt32(index % 3_000)), 40_000, to: Traffic.host, 80,
                bits: TCPFlag.syn, at: Traffic.noon + Int64(index) / 5)
        }
        let findings = try Traffic.detect(syns)
        #expect(findings.map(\.rule) == ["flood"])
        #expect(findings.first?.title.contains("of TCP from 3,000 sources") == true)
    }

    @Test("work of own hosts among themselves is told as load, with severity low; strangers' is a flood") func load()
        throws
    {
        let work = (0..<20).map { index in
            Traffic.record(
                from: IPAddress(v4: 0x0A00_0100 + UInt32(index)), 50_000, to: Traffic.client, 2_049, bits: 0x18,
                packets: 120_000, octets: 60_000_000, at: Traffic.noon, lasting: 9_999)
        }
        #expect(try Traffic.detect(work).filter { $0.rule == "flood" }.map(\.severity) == [.low])
        let mixed =
            work + [
                Traffic.record(
                    from: Traffic.scanner, 50_000, to: Traffic.client, 2_049, bits: 0x18, packets: 120_000,
                    octets: 60_000_000, at: Traffic.noon, lasting: 9_999)
            ]
        #expect(try Traffic.detect(mixed).filter { $0.rule == "flood" }.map(\.severity) == [.high])
    }

    @Test("a batch that is six hours late fills the past and causes no burst now") func late() throws {
        let now = (0..<20).map { stream(rate: 100, seconds: 5, at: Traffic.noon + 21_600_000 + Int64($0) * 5_000) }
        let late = (0..<10).map { stream(rate: 15_000, seconds: 5, at: Traffic.noon + Int64($0) * 5_000) }
        #expect(try Traffic.detect(now + late).isEmpty)
        let flood = late + late
        let findings = try Traffic.detect(now + flood)
        #expect(findings.map(\.start) == [Traffic.noon])
    }

    @Test("hostile counters and times do not trap") func hostile() throws {
        var record = stream(rate: 1, seconds: 1)
        (record.packetDeltaCount, record.octetDeltaCount) = (.max, .max)
        record.samplingInterval = .infinity
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (.min, .max)
        var backwards = record
        (backwards.flowStartMilliseconds, backwards.flowEndMilliseconds) = (.max, .min)
        backwards.receiveMilliseconds = .max
        let findings = try Traffic.detect([record, backwards, record])
        #expect(findings.allSatisfy { $0.rule == "flood" })
    }
}

@Suite("Reflected floods") struct ReflectionTests {
    @Test("unasked answers from many servers are reflection, with the amplifier named") func reflection() throws {
        let findings = try Traffic.detect(Traffic.answers(from: 4_500, servers: 500, octets: 232, asked: false))
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.rule == "reflection-flood" && finding.techniques == ["T1498.002"])
        #expect(finding.entity(.victim) == ["192.0.2.5"] && finding.entity(.attacker).isEmpty)
        #expect(finding.evidence.observed == 500 && finding.ports == [4_500])
        #expect(finding.title.contains("port 4500 (ISAKMP over NAT) of 500 hosts it had not asked"))
    }

    @Test("answers that were asked for are none, whichever was seen first") func asked() throws {
        let records = Traffic.answers(from: 53, servers: 500, octets: 1_200, asked: true)
        #expect(try Traffic.detect(records).isEmpty)
        #expect(try Traffic.detect(records.reversed()).isEmpty)
    }

    @Test("small answers, few servers and peers on one port are none") func ordinary() throws {
        #expect(try Traffic.detect(Traffic.answers(from: 123, servers: 500, octets: 76, asked: false)).isEmpty)
        #expect(try Traffic.detect(Traffic.answers(from: 123, servers: 90, octets: 468, asked: false)).isEmpty)
        let peers = Traffic.answers(from: 500, servers: 500, octets: 300, asked: false).map { record in
            var record = record
            record.destinationTransportPort = 500
            return record
        }
        #expect(try Traffic.detect(peers).isEmpty)
    }
}
