import Detect
import FlowModel
import TestKit
import Testing

@Suite("Beacons") struct BeaconTests {
    private func found(_ records: [FlowRecord], parameters: DetectorParameters = .init()) throws -> [Finding] {
        try Traffic.detect(records, parameters: parameters).filter { $0.rule == "beacon" }
    }

    @Test("forty even calls of one size are a beacon that names its rhythm") func even() throws {
        let findings = try found(LastingTraffic.calls(40))
        let finding = try #require(findings.first)
        #expect(findings.count == 1 && finding.severity == .medium)
        #expect(finding.entity(.attacker) == ["10.0.0.32"] && finding.entity(.victim) == ["203.0.113.66"])
        #expect(finding.evidence.observed == 1 && finding.evidence.flows == 40)
        #expect(finding.title.contains("40 times, every 60 s with about 420 octets"), "\(finding.title)")
        #expect(finding.techniques == ["T1071"] && finding.ports == [4_444])
    }

    @Test(
        "half an interval of jitter is borne; calls at any time are not", arguments: [6_000, 15_000, 30_000] as [Int64])
    func jitter(milliseconds: Int64) throws {
        #expect(try found(LastingTraffic.calls(60, jitter: milliseconds)).count == 1)
        #expect(try found(LastingTraffic.calls(60, jitter: 2 * 60_000 + milliseconds)).isEmpty)
    }

    @Test("missed calls don't hide a beacon; unanswered ones count; on the web's ports it is low") func variants()
        throws
    {
        let calls = LastingTraffic.calls(60)
        let gaps = calls.enumerated().filter { $0.offset % 10 != 3 }.map(\.element)
        #expect(try found(gaps).count == 1)
        #expect(try found(LastingTraffic.calls(40, bits: TCPFlag.syn)).count == 1)
        let web = try found(LastingTraffic.calls(40, port: 443))
        #expect(web.map(\.severity) == [.low] && web.first?.techniques == ["T1071.001"])
    }

    @Test("nineteen calls are none; nor are calls of changing sizes, or several a second") func negatives() throws {
        #expect(try found(LastingTraffic.calls(19)).isEmpty)
        #expect(try found(LastingTraffic.calls(60, octets: { 5_000 + UInt64($0 * 131 % 400) })).isEmpty)
        #expect(try found(LastingTraffic.calls(60, octets: { _ in 2_000_000 })).isEmpty)
        #expect(try found(LastingTraffic.calls(100, apart: 300)).isEmpty)
    }

    @Test("clocks, names and monitoring inside are none") func periodicServices() throws {
        let clock = LastingTraffic.calls(60, port: 123).map { record in
            var record = record
            (record.protocolIdentifier, record.tcpControlBits) = (IPProtocol.udp, 0)
            return record
        }
        #expect(try found(clock).isEmpty)
        #expect(try found(LastingTraffic.calls(60, to: IPAddress(v4: 0x0A00_0001))).isEmpty)
    }

    @Test("an update server that many hosts ask by the clock is none") func prevalence() throws {
        let hosts = (0..<20).flatMap { host in
            LastingTraffic.calls(
                40, from: IPAddress(v4: 0x0A00_0040 + UInt32(host)), port: 8_443,
                at: Traffic.noon + Int64(host) * 1_300)
        }.sorted { $0.flowStartMilliseconds < $1.flowStartMilliseconds }
        #expect(try found(hosts).isEmpty)
        #expect(try found(hosts.filter { $0.sourceIPAddress.v4 < 0x0A00_0042 }).count == 2)
    }

    @Test("the slices, keep-alives and copies of one connection are one call") func keepAlive() throws {
        let slices = (0..<100).map { index in
            Traffic.record(
                from: LastingTraffic.desk, 50_111, to: LastingTraffic.controller, 4_444, bits: index == 0 ? 0x1A : 0x18,
                packets: 2, octets: 120, at: Traffic.noon + Int64(index) * 60_000, lasting: 500)
        }
        #expect(try found(slices).isEmpty)
        // An exporter that tells no control bits: the client's port tells.
        let bare = slices.map { record in
            var record = record
            record.tcpControlBits = 0
            return record
        }
        #expect(try found(bare).isEmpty)
        let twice = LastingTraffic.calls(19).flatMap { [$0, $0] }
        #expect(try found(twice).isEmpty)
    }

    @Test("with the tenant's networks set, what the outside calls by the clock is none") func networks() throws {
        let outside = IPAddress(v4: 0xC633_6401), own = IPAddress(v4: 0xC000_0205)
        let probes = LastingTraffic.calls(40, from: outside, to: own)
        #expect(try found(probes).map(\.severity) == [.low])
        var parameters = DetectorParameters()
        parameters.ownNetworks = [IPNetwork(own, length: 24)]
        #expect(try found(probes, parameters: parameters).isEmpty)
        let calls = LastingTraffic.calls(40, from: own, to: outside)
        #expect(try found(calls, parameters: parameters).map(\.severity) == [.medium])
    }
}
