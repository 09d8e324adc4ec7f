import FlowModel
import Foundation
import TestKit
import Testing

@testable import Detect

@Suite("Flows kept as evidence") struct SampleTests {
    private func finding(_ records: [FlowRecord]) throws -> Finding {
        var set = DetectorSet(tenant: try Traffic.tenant())
        let columns = Traffic.columns(records), found = set.observe(columns)
        var finding = try #require(found.first)
        finding.takeSamples(of: columns, rows: columns.rows)
        return finding
    }

    @Test("they lie between the finding's ends and within its time, one of each port before a second") func scan()
        throws
    {
        let noise = Traffic.sessions(50, port: 443, octets: { 900 + UInt64($0) * 300 }, apart: 10)
        let again = Traffic.verticalScan(ports: 20..<23)
        let finding = try finding(noise + again + again + Traffic.verticalScan(ports: 20..<60))
        let samples = try #require(finding.evidence.samples)
        #expect(samples.count == Finding.samplesMax && Set(samples.map(\.destinationPort)).count == samples.count)
        #expect(samples.allSatisfy { $0.source == Traffic.scanner && $0.destination == Traffic.host })
        #expect(samples.allSatisfy { $0.start >= finding.start && $0.end <= finding.end && $0.controlBits == 2 })
    }

    @Test("those of the finding's ports come first; of a flood without a named source the victim's are taken")
    func ports() throws {
        let web = (0..<30).map { index in
            Traffic.record(
                from: Traffic.client, UInt16(60_000 + index), to: Traffic.host, 443, bits: 0x1B, packets: 9,
                octets: 2_000, at: Traffic.noon + Int64(index) * 100)
        }
        let guessing = try finding(web + Traffic.sessions(11, port: 22, octets: { _ in 3_700 }, apart: 7_000))
        #expect(guessing.rule == "password-guessing")
        #expect(guessing.evidence.samples?.allSatisfy { $0.destinationPort == 22 || $0.sourcePort == 22 } == true)
        var flood = guessing
        flood.entities = flood.entities.filter { $0.role == .victim }
        flood.ports = []
        let columns = Traffic.columns(web)
        flood.takeSamples(of: columns, rows: columns.rows)
        #expect(flood.evidence.samples?.count == 5)
        flood.entities = []
        flood.evidence.samples = nil
        flood.takeSamples(of: columns, rows: columns.rows)
        #expect(flood.evidence.samples == nil)
    }

    @Test("they survive JSON under the names of flows, in both families; findings without any are read") func json()
        throws
    {
        var scan = Traffic.verticalScan(ports: 20..<40)
        for index in scan.indices {
            scan[index].sourceIPAddress = IPAddress(high: 0x2001_0DB8_0000_0000, low: 7)
            scan[index].destinationIPAddress = IPAddress(high: 0x2001_0DB8_0000_0000, low: 9)
        }
        for records in [scan, Traffic.verticalScan(ports: 20..<40)] {
            let finding = try finding(records), data = try JSONEncoder().encode(finding)
            #expect(try JSONDecoder().decode(Finding.self, from: data) == finding)
            let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            let evidence = try #require(object["evidence"] as? [String: Any])
            let first = try #require((evidence["samples"] as? [[String: Any]])?.first)
            #expect(first["sourceTransportPort"] as? Int == 40_000 && first["protocolIdentifier"] as? Int == 6)
            #expect((first["sourceIPv6Address"] ?? first["sourceIPv4Address"]) as? String == finding.entities[0].value)
        }
        let old = Evidence(observed: 1, threshold: 1, unit: "ports", flows: 1, packets: 1, octets: 1)
        let data = try JSONEncoder().encode(old)
        #expect(!String(decoding: data, as: UTF8.self).contains("samples"))
        #expect(try JSONDecoder().decode(Evidence.self, from: data) == old)
    }
}
