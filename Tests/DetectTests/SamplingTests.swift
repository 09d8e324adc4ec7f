import FlowModel
import TestKit
import Testing

@testable import Detect

@Suite("Limits under sampling") struct SamplingTests {
    private func sampled(_ records: [FlowRecord], _ interval: Float) -> [FlowRecord] {
        records.map {
            var record = $0
            record.samplingInterval = interval
            return record
        }
    }

    @Test("a limit becomes what would be seen at it, and two deviations; never more than it was") func seen() {
        #expect(SampledLimit.seen(100, interval: 1, atLeast: 10) == 100)
        #expect(SampledLimit.seen(100, interval: 100, atLeast: 1) == 3)
        #expect(SampledLimit.seen(100, interval: 100, atLeast: 10) == 10)
        #expect(SampledLimit.seen(100, interval: 4, atLeast: 10) == 35)
        #expect(SampledLimit.seen(100, interval: 1.01, atLeast: 10) == 100)
        #expect(SampledLimit.seen(4, interval: 1_000, atLeast: 10) == 10)
    }

    @Test("a rate is above its limit by more than chance, and how sure that is grows with what was seen") func rates() {
        // Ten packets are seen at the limit: sixteen are two deviations above it by the square root of ten.
        #expect(!SampledLimit.isPassed(fullness: 1.6, packets: 16_000, interval: 1_000))
        #expect(SampledLimit.isPassed(fullness: 1.7, packets: 17_000, interval: 1_000))
        #expect(SampledLimit.isPassed(fullness: 1, packets: 1, interval: 1))
        #expect(!SampledLimit.isPassed(fullness: 0.99, packets: 1e9, interval: 10))
        #expect(SampledLimit.confidence(fullness: 1.7, packets: 17_000, interval: 1_000) == 0.83)
        #expect(SampledLimit.confidence(fullness: 1.7, packets: 160_000, interval: 1_000) == 0.97)
        #expect(SampledLimit.confidence(fullness: 1, packets: 170_000, interval: 1_000) == 0)
        #expect(SampledLimit.confidence(fullness: 9, packets: 9, interval: 1) == nil)
        #expect(SampledLimit.confidence(failed: 8, answered: 0, interval: 100) == 0.96)
        #expect(SampledLimit.confidence(failed: 8, answered: 32, interval: 100) == 0)
    }

    @Test("a flood of so few sampled packets that chance may have made it is none") func floods() throws {
        func found(_ packets: UInt64) throws -> [Finding] {
            let ping = (0..<packets).map { index in
                Traffic.record(
                    from: Traffic.scanner, 0, to: Traffic.host, 2_048, transport: IPProtocol.icmp, octets: 64,
                    at: Traffic.noon + Int64(index) * 5_000 / Int64(packets))
            }
            return try Traffic.detect(sampled(ping, 1_000)).filter { $0.rule == "flood" }
        }
        // Two thousand a second are ten seen in five seconds.
        for packets in [10, 13, 16] as [UInt64] { #expect(try found(packets).isEmpty, "\(packets)") }
        let flood = try #require(try found(30).first)
        #expect(flood.evidence.samplingInterval == 1_000 && flood.evidence.confidence == 0.97)
    }

    @Test("a tunnel's queries are counted by what they stand for") func tunnel() throws {
        func queries(_ count: Int, octets: UInt64) -> [FlowRecord] {
            (0..<count).map { index in
                Traffic.record(
                    from: Traffic.client, UInt16(40_000 + index), to: Traffic.host, 53, transport: IPProtocol.udp,
                    octets: octets, at: Traffic.noon + Int64(index) * 20_000)
            }
        }
        let found = try Traffic.detect(sampled(queries(12, octets: 190), 100))
        #expect(found.map(\.rule) == ["dns-tunnel"])
        #expect(found.first?.evidence.samplingInterval == 100 && found.first?.evidence.confidence == 0.99)
        #expect(try Traffic.detect(sampled(queries(9, octets: 190), 100)).isEmpty)
        #expect(try Traffic.detect(sampled(queries(12, octets: 75), 100)).isEmpty)
        #expect(try Traffic.detect(queries(12, octets: 190)).isEmpty)
    }

    @Test("that no answer was seen is no failure where few packets are seen; an exchange's ACK is an answer")
    func contacts() throws {
        let datagrams = (0..<60).map { index in
            Traffic.record(
                from: Traffic.client, 50_000, to: IPAddress(v4: 0xC633_0000 + UInt32(index)), 7_777,
                transport: IPProtocol.udp, at: Traffic.noon + Int64(index) * 1_000)
        }
        #expect(try !Traffic.detect(datagrams).isEmpty)
        #expect(try Traffic.detect(sampled(datagrams, 100)).isEmpty)

        let opened = Traffic.horizontalScan(port: 445, hosts: 10)
        let going = (0..<30).map { index in
            Traffic.record(
                from: Traffic.scanner, 51_000, to: IPAddress(v4: 0xC000_0300 + UInt32(index)), 445,
                bits: TCPFlag.ack, packets: 1, at: Traffic.noon + Int64(index) * 100)
        }
        let scan = try #require(try Traffic.detect(sampled(opened, 100)).first)
        #expect(scan.rule == "port-scan-horizontal" && scan.evidence.samplingInterval == 100)
        #expect(scan.evidence.confidence == 0.97)
        #expect(try Traffic.detect(sampled(opened + going, 100)).isEmpty)
        #expect(try Traffic.detect(opened + going).map(\.rule) == ["port-scan-horizontal"])
    }

    @Test("of a sampled session the size is not known: it is no guess") func sessions() throws {
        let guesses = Traffic.sessions(20, port: 22, octets: { _ in 3_700 }, apart: 6_000)
        func found(_ records: [FlowRecord]) throws -> Int {
            try Traffic.detect(records).filter { $0.rule == "password-guessing" }.count
        }
        #expect(try found(guesses) == 1 && found(sampled(guesses, 100)) == 0)
    }
}
