import Detect
import FlowModel
import TestKit
import Testing

@Suite("Port scans") struct PortScanTests {
    @Test("ten ports of one host are a vertical scan that names attacker, victim, ports and times") func vertical()
        throws
    {
        let findings = try Traffic.detect(Traffic.verticalScan(ports: 20..<30))
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.rule == "port-scan-vertical")
        #expect(finding.entity(.attacker) == ["203.0.113.9"])
        #expect(finding.entity(.victim) == ["192.0.2.5"])
        #expect(finding.ports == Array(20..<30))
        #expect(finding.start == Traffic.noon && finding.end == Traffic.noon + 90)
        #expect(finding.evidence.observed == 10 && finding.evidence.unit == "ports")
        #expect(finding.title == "203.0.113.9 tried 10 TCP ports of 192.0.2.5 without success at once")
        #expect(finding.tactics == ["TA0043", "TA0007"] && finding.techniques == ["T1046", "T1595.001"])
    }

    @Test("seven failed ports are none") func belowThreshold() throws {
        #expect(try Traffic.detect(Traffic.verticalScan(ports: 20..<27)).isEmpty)
    }

    @Test("a victim's resets never make the victim a scanner, whatever comes first") func responder() throws {
        let records = Traffic.verticalScan(ports: 1_000..<2_000, answered: true)
        for order in [records, records.reversed()] {
            let findings = try Traffic.detect(order)
            #expect(findings.map { $0.entity(.attacker) } == [["203.0.113.9"]])
            #expect(findings.first?.evidence.observed == 1_000)
        }
        let answersAlone = records.filter { $0.sourceIPAddress == Traffic.host }
        #expect(try Traffic.detect(answersAlone).isEmpty)
    }

    @Test("half-open probes of open ports count, however often the victim repeats its SYN+ACK") func halfOpen() throws {
        let records = Traffic.verticalScan(ports: 20..<30).flatMap { probe -> [FlowRecord] in
            let answer = Traffic.record(
                from: Traffic.host, probe.destinationTransportPort, to: Traffic.scanner, 40_000,
                bits: TCPFlag.syn | TCPFlag.ack, packets: 5, octets: 300, at: probe.flowStartMilliseconds)
            return [answer, probe]
        }
        let findings = try Traffic.detect(records)
        #expect(findings.map { $0.entity(.attacker) } == [["203.0.113.9"]])
        #expect(findings.first?.evidence.observed == 10)
    }

    @Test("where ports and flags tell nothing, the exporter's word for who began does; others' words are no initiator")
    func stated() throws {
        func found(_ direction: [UInt8]?) throws -> [Finding] {
            var columns = FlowColumns(), set = DetectorSet(tenant: try Traffic.tenant())
            for port in UInt16(40_000)..<40_020 {
                // Both ends' ports are of one kind, and the bits are those of both directions.
                var record = Traffic.record(
                    from: Traffic.scanner, 50_000, to: Traffic.host, port, bits: TCPFlag.rst, packets: 2, octets: 100)
                if let direction { record.extra = columns.extras.add([.init(ElementKey(id: 239), direction)]) }
                columns.append(record)
            }
            return set.observe(columns)
        }
        #expect(try found(nil).isEmpty)
        let scan = try #require(try found([1]).first)
        #expect(scan.rule == "port-scan-vertical" && scan.entity(.attacker) == ["203.0.113.9"])
        // The other end began, it was told by chance, it is a perimeter's, or it is no direction at all.
        for direction in [[2], [0], [3], [1, 1], []] as [[UInt8]] { #expect(try found(direction).isEmpty) }
    }

    @Test("records that hold the bits of both directions are told apart by their ports") func mergedBits() throws {
        let both = TCPFlag.syn | TCPFlag.rst | TCPFlag.ack
        let records = (0..<20).flatMap { index -> [FlowRecord] in
            let (scanner, host, port) = (Traffic.scanner, Traffic.host, UInt16(8_000 + index))
            return [
                Traffic.record(from: scanner, 46_000, to: host, port, bits: both),
                Traffic.record(from: host, port, to: scanner, 46_000, bits: both),
            ]
        }
        let findings = try Traffic.detect(records)
        #expect(findings.map { $0.entity(.attacker) } == [["203.0.113.9"]])
        #expect(findings.map { $0.entity(.victim) } == [["192.0.2.5"]])
    }

    @Test("nine hosts over 100 minutes are a horizontal scan, also across the edge of a window")
    func slowHorizontal() throws {
        for start in [Traffic.noon, Traffic.noon - 3_000_000] {
            let findings = try Traffic.detect(
                Traffic.horizontalScan(port: 445, hosts: 9, apart: 750_000, at: start), batch: 1)
            let finding = try #require(findings.first)
            #expect(findings.count == 1)
            #expect(finding.rule == "port-scan-horizontal" && finding.ports == [445])
            #expect(finding.evidence.observed == 9 && finding.entity(.victim).count == 9)
            #expect(finding.start == start)
            #expect(finding.title.contains("port 445 (SMB) on 9 hosts"))
        }
    }

    @Test("a client whose connections mostly succeed may fail often") func successesCount() throws {
        var records = Traffic.horizontalScan(port: 22, hosts: 12)
        for index in 0..<12 {
            records.append(
                Traffic.record(
                    from: Traffic.scanner, 52_000, to: IPAddress(v4: 0xC000_0280 + UInt32(index)), 22, bits: 0x1B,
                    packets: 30, octets: 5_000))
        }
        #expect(try Traffic.detect(records).isEmpty)
    }

    @Test("a resolver that asks a thousand servers and is answered is no UDP scan; one that is not answered is")
    func resolver() throws {
        let asked = Traffic.answers(from: 53, servers: 1_000, octets: 120, asked: true)
        #expect(try Traffic.detect(asked).isEmpty)
        let requests = asked.filter { $0.sourceIPAddress == Traffic.host }
        let findings = try Traffic.detect(requests)
        #expect(findings.map(\.rule) == ["port-scan-horizontal"])
        #expect(findings.first?.evidence.observed == 1_000)
    }

    @Test("a program that logs to a hundred servers over UDP is none, though none answers") func syslog() throws {
        let lines = (0..<100).map { index in
            Traffic.record(
                from: Traffic.client, 50_000, to: IPAddress(v4: 0x0A01_0000 + UInt32(index)), 514,
                transport: IPProtocol.udp, octets: 300, at: Traffic.noon + Int64(index))
        }
        #expect(try Traffic.detect(lines).isEmpty)
    }

    @Test("a ping sweep is a scan; multicast is no host") func sweeps() throws {
        let sweep = (0..<50).map { index in
            Traffic.record(
                from: Traffic.client, 0, to: IPAddress(v4: 0x0A01_0000 + UInt32(index)), 8 << 8,
                transport: IPProtocol.icmp)
        }
        let finding = try #require(try Traffic.detect(sweep).first)
        #expect(finding.title == "10.0.0.7 pinged 50 hosts without success at once")
        #expect(finding.tactics == ["TA0007"] && finding.ports.isEmpty)
        let multicast = (0..<50).map { index in
            Traffic.record(
                from: Traffic.client, 50_000, to: IPAddress(v4: 0xEF00_0000 + UInt32(index)), 1_900,
                transport: IPProtocol.udp)
        }
        #expect(try Traffic.detect(multicast).isEmpty)
    }

    @Test("a running scan is one finding that is said again as it doubles, not once a batch") func updates() throws {
        var set = DetectorSet(tenant: try Traffic.tenant())
        let said = Traffic.run(&set, Traffic.verticalScan(ports: 1..<1_001), batch: 10)
        #expect(Set(said.map(\.id)).count == 1)
        #expect(said.map(\.update) == Array(0..<said.count))
        #expect(said.count <= 10, "8, 16, 32 … 1000")
        let last = set.finish()
        #expect(last.first?.evidence.observed == 1_000)
    }
}
