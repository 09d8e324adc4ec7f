import Detect
import FlowModel
import Foundation
import Identity
import Incidents
import TestKit
import Testing

@Suite("Grouping findings into incidents") struct GroupingTests {
    private func group(_ findings: [Finding], gap: Int64 = 3_600_000) -> [Incident] {
        var incidents: [Incident] = []
        let grouping = IncidentGrouping(gapMilliseconds: gap)
        for finding in findings { _ = grouping.place(finding, into: &incidents) }
        return incidents
    }

    @Test("a source that scans and then guesses is one incident along the attack's course") func course() throws {
        let incidents = group([
            try Samples.finding("a", severity: .low),
            try Samples.finding("b", rule: "password-guessing", tactic: "TA0006", severity: .high, minutes: 20),
        ])
        let incident = try #require(incidents.first)
        #expect(incidents.count == 1)
        #expect(incident.tactics == ["TA0006", "TA0007"])
        #expect(incident.severity == .high && incident.rule == "password-guessing")
        #expect(incident.title == "password-guessing b (and 1 more)")
        #expect(incident.start == Samples.noon && incident.end == Samples.noon + 20 * 60_000 + 30_000)
        #expect(incident.revision == 2 && incident.findings.count == 2)
        #expect(incident.entities.map(\.role) == [.attacker, .victim])
    }

    @Test("another source, or more than the gap between, is another incident") func apart() throws {
        let first = try Samples.finding("a")
        #expect(group([first, try Samples.finding("b", attacker: "10.0.0.8")]).count == 2)
        #expect(group([first, try Samples.finding("b", minutes: 60)]).count == 1)
        #expect(group([first, try Samples.finding("b", minutes: 61)]).count == 2)
        #expect(group([first, try Samples.finding("b", minutes: 61)], gap: 7_200_000).count == 1)
    }

    @Test("floods go by their victim, whoever seems to send them") func floods() throws {
        let incidents = group([
            try Samples.finding("a", rule: "flood", tactic: "TA0040", attacker: "198.51.100.1"),
            try Samples.finding("b", rule: "reflection-flood", tactic: "TA0040", attacker: nil, minutes: 5),
            try Samples.finding("c", rule: "flood", tactic: "TA0040", attacker: "198.51.100.1", victim: "192.0.2.6"),
        ])
        #expect(incidents.map(\.findings.count) == [2, 1])
    }

    @Test("a finding that has grown replaces itself; one that has not changes nothing") func updates() throws {
        var incidents: [Incident] = []
        let grouping = IncidentGrouping()
        _ = grouping.place(try Samples.finding("a", update: 1), into: &incidents)
        let before = incidents
        #expect(grouping.place(try Samples.finding("a", update: 0), into: &incidents).isChange == false)
        #expect(grouping.place(try Samples.finding("a", update: 1), into: &incidents).isChange == false)
        #expect(incidents == before)
        #expect(grouping.place(try Samples.finding("a", severity: .critical, update: 2), into: &incidents).isChange)
        #expect(incidents.count == 1 && incidents[0].severity == .critical && incidents[0].revision == 2)
    }

    @Test("a full incident takes no more") func full() throws {
        let findings = try (0...Incident.findingsMax).map { try Samples.finding(String(0x1000 + $0, radix: 16)) }
        #expect(group(findings).map(\.findings.count) == [Incident.findingsMax, 1])
    }

    @Test("an incident as JSON has the agreed names, and times as text") func json() throws {
        let incident = try #require(group([try Samples.finding("a")]).first)
        let data = try JSONEncoder().encode(incident)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(
            Set(object.keys) == [
                "id", "rule", "title", "severity", "status", "tactics", "techniques", "entities", "start", "end",
                "findings", "revision",
            ])
        #expect(object["start"] as? String == "2026-03-01T12:00:00.000Z")
        #expect(object["end"] as? String == "2026-03-01T12:00:30.000Z")
        #expect(object["status"] as? String == "new")
        let entities = try #require(object["entities"] as? [[String: String]])
        #expect(entities.first == ["type": "ipv4-addr", "role": "attacker", "value": "10.0.0.7"])
        let back = try JSONDecoder().decode(Incident.self, from: data)
        #expect(back == incident)
    }

    @Test("files in, incidents out: the offline engine sees a scan and its scanner") func offline() throws {
        var columns = FlowColumns()
        for port in UInt16(20)..<40 {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0x0A00_0007)
            record.destinationIPAddress = IPAddress(v4: 0xC000_0205)
            (record.sourceTransportPort, record.destinationTransportPort) = (40_000, port)
            (record.protocolIdentifier, record.tcpControlBits) = (IPProtocol.tcp, TCPFlag.syn)
            (record.packetDeltaCount, record.octetDeltaCount) = (1, 60)
            (record.flowStartMilliseconds, record.flowEndMilliseconds) = (Samples.noon, Samples.noon)
            columns.append(record)
        }
        var detection = OfflineDetection(tenant: try Samples.tenant("offline"))
        detection.observe(columns)
        detection.observe(FlowColumns())
        let incidents = detection.finish()
        #expect(detection.records == 20)
        #expect(incidents.map(\.rule) == ["port-scan-vertical"])
        #expect(incidents.first?.findings.first?.evidence.observed == 20)
        #expect(detection.finish() == incidents)
    }
}
