import Detect
import FlowModel
import TestKit
import Testing

@Suite("Tunnels through DNS") struct DNSTunnelTests {
    @Test("long queries are a tunnel from any ports; shorter ones when all come from one") func tunnels() throws {
        let long = try Traffic.detect(LastingTraffic.queries(300, octets: 150, onePort: false))
        #expect(long.map(\.rule) == ["dns-tunnel"] && long.first?.evidence.observed == 150)
        #expect(long.first?.entity(.attacker) == ["10.0.0.32"] && long.first?.entity(.victim) == ["203.0.113.53"])
        let onePort = try Traffic.detect(LastingTraffic.queries(300, octets: 80, onePort: true))
        #expect(onePort.map(\.rule) == ["dns-tunnel"])
        #expect(onePort.first?.title.contains("300 DNS queries from one port of 80 octets") == true)
    }

    @Test("a busy resolver's lookups are none, nor are its few long ones") func resolver() throws {
        #expect(try Traffic.detect(LastingTraffic.queries(3_000, octets: 48, onePort: false)).isEmpty)
        #expect(try Traffic.detect(LastingTraffic.queries(3_000, octets: 48, onePort: true)).isEmpty)
        #expect(try Traffic.detect(LastingTraffic.queries(300, octets: 80, onePort: false)).isEmpty)
        let few = LastingTraffic.queries(90, octets: 200, onePort: false)
        #expect(try Traffic.detect(few).isEmpty)
        let mixed = zip(few, LastingTraffic.queries(90, octets: 44, onePort: false, apart: 201)).flatMap { [$0, $1] }
        let many = mixed + LastingTraffic.queries(200, octets: 44, onePort: false, apart: 90)
        #expect(try Traffic.detect(many).isEmpty)
    }

    @Test("resolvers that ask each other from port 53 are none") func servers() throws {
        let between = (0..<500).map { index in
            Traffic.record(
                from: LastingTraffic.desk, 53, to: LastingTraffic.resolver, 53, transport: IPProtocol.udp, octets: 200,
                at: Traffic.noon + Int64(index) * 100)
        }
        #expect(try Traffic.detect(between).isEmpty)
    }
}

@Suite("Long connections") struct LongConnectionTests {
    @Test("slices of one connection are joined; the finding names client, server and length") func joined() throws {
        let findings = try Traffic.detect(LastingTraffic.connection(minutes: 90))
        let finding = try #require(findings.first)
        #expect(findings.map(\.rule) == ["long-connection"] && finding.severity == .low)
        #expect(finding.entity(.attacker) == ["10.0.0.32"] && finding.ports == [1_234])
        #expect(finding.evidence.observed == 89 * 60 + 59)
    }

    @Test("59 minutes are none, nor are two of 40 with a pause between, nor a database's for a day") func negatives()
        throws
    {
        #expect(try Traffic.detect(LastingTraffic.connection(minutes: 59)).isEmpty)
        let later = LastingTraffic.connection(minutes: 40, at: Traffic.noon + 60 * 60_000)
        #expect(try Traffic.detect(LastingTraffic.connection(minutes: 40) + later).isEmpty)
        let database = LastingTraffic.connection(minutes: 1_000, to: Traffic.client, port: 5_432)
        #expect(try Traffic.detect(database).isEmpty)
    }

    @Test("to the outside, a service's connection is told after twelve hours") func services() throws {
        #expect(try Traffic.detect(LastingTraffic.connection(minutes: 700, port: 443)).isEmpty)
        #expect(
            try Traffic.detect(LastingTraffic.connection(minutes: 730, port: 443)).map(\.rule) == ["long-connection"])
    }
}

@Suite("Exfiltration") struct ExfiltrationTests {
    /// A desk's hours: `octets` up each, to ten outside addresses by turns, and twice that down.
    private func habit(hours: Int, octets: UInt64) -> [FlowRecord] {
        (0..<hours).flatMap { hour in
            LastingTraffic.upload(
                octets: octets, to: IPAddress(v4: 0xC633_0000 + UInt32(hour % 10)), got: 2 * octets, pieces: 5,
                at: Traffic.noon + Int64(hour - hours) * 3_600_000)
        }
    }

    @Test("what is far beyond the host's usual is medium; without a known usual more is needed, and it is low")
    func learned() throws {
        let learned = try Traffic.detect(
            habit(hours: 24, octets: 8_000_000) + LastingTraffic.upload(octets: 200_000_000))
        #expect(learned.map(\.rule) == ["exfiltration"] && learned.first?.severity == .medium)
        #expect(learned.first?.evidence.observed == 200_000_000 && learned.first?.evidence.threshold == 100_000_000)
        #expect(try Traffic.detect(LastingTraffic.upload(octets: 200_000_000)).isEmpty)
        #expect(try Traffic.detect(LastingTraffic.upload(octets: 500_000_000)).map(\.severity) == [.low])
    }

    @Test("a host that uploads as much every hour, one that gets as much back, and a server's downloads are none")
    func negatives() throws {
        let usual = habit(hours: 24, octets: 150_000_000)
        #expect(try Traffic.detect(usual + LastingTraffic.upload(octets: 300_000_000)).isEmpty)
        #expect(try Traffic.detect(LastingTraffic.upload(octets: 500_000_000, got: 400_000_000)).isEmpty)
        let download = LastingTraffic.upload(octets: 900_000_000).map { record in
            var record = record
            swap(&record.sourceTransportPort, &record.destinationTransportPort)
            return record
        }
        #expect(try Traffic.detect(download).isEmpty)
    }
}

@Suite("Lateral movement") struct LateralMovementTests {
    @Test("sessions with 25 new hosts are a finding; low for a host just met, medium for one long known") func fanOut()
        throws
    {
        let fresh = try Traffic.detect(LastingTraffic.sessions(hosts: 0..<25))
        #expect(fresh.map(\.rule) == ["lateral-movement"] && fresh.first?.severity == .low)
        #expect(fresh.first?.evidence.observed == 25 && fresh.first?.entity(.attacker) == ["10.0.0.32"])
        let before = LastingTraffic.sessions(hosts: 0..<3, at: Traffic.noon - 100_000_000)
        let known = try Traffic.detect(before + LastingTraffic.sessions(hosts: 0..<25))
        #expect(known.map(\.severity) == [.medium] && known.first?.evidence.observed == 22)
    }

    @Test("an administrator's usual hosts, fourteen new ones, slow growth and refused tries are none") func negatives()
        throws
    {
        #expect(try Traffic.detect(LastingTraffic.sessions(hosts: 0..<14)).isEmpty)
        let slowly = (0..<8).flatMap { week in
            LastingTraffic.sessions(hosts: (10 * week)..<(10 * week + 10), at: Traffic.noon + Int64(week) * 7_200_000)
        }
        #expect(
            try Traffic.detect(slowly + LastingTraffic.sessions(hosts: 0..<80, at: Traffic.noon + 90_000_000)).isEmpty)
        let refused = LastingTraffic.sessions(hosts: 0..<25).map { record in
            var record = record
            (record.tcpControlBits, record.packetDeltaCount) = (TCPFlag.syn, 1)
            return record
        }
        #expect(try Traffic.detect(refused).allSatisfy { $0.rule == "port-scan-horizontal" })
    }
}

@Suite("Carpet bombing") struct CarpetBombingTests {
    @Test("a flood over a network is found by the network; each host's share of it is no flood") func carpet() throws {
        let findings = try Traffic.detect(LastingTraffic.carpet(hosts: 126))
        #expect(findings.map(\.rule) == ["carpet-bombing"] && findings.first?.severity == .high)
        #expect(findings.first?.title.hasPrefix("126 hosts of 198.51.100.0/24") == true, "\(findings.map(\.title))")
    }

    @Test("fewer hosts, less traffic, one host with most of it, and calls that go both ways are none") func negatives()
        throws
    {
        #expect(try Traffic.detect(LastingTraffic.carpet(hosts: 15, packetsEach: 1_500)).isEmpty)
        #expect(try Traffic.detect(LastingTraffic.carpet(hosts: 126, packetsEach: 150)).isEmpty)
        let flood = LastingTraffic.carpet(hosts: 126)
        let probed =
            LastingTraffic.carpet(hosts: 15, packetsEach: 1_500)
            + flood.map { record in
                var record = record
                (record.packetDeltaCount, record.octetDeltaCount) = (1, 60)
                return record
            }
        #expect(try Traffic.detect(probed).isEmpty)
        let one =
            LastingTraffic.carpet(hosts: 20, packetsEach: 300)
            + LastingTraffic.carpet(hosts: 1, packetsEach: 15_000)
        #expect(try Traffic.detect(one).isEmpty)
        let calls = LastingTraffic.carpet(hosts: 126).flatMap { record -> [FlowRecord] in
            var back = record
            swap(&back.sourceIPAddress, &back.destinationIPAddress)
            swap(&back.sourceTransportPort, &back.destinationTransportPort)
            return [record, back]
        }
        #expect(try Traffic.detect(calls).filter { $0.rule == "carpet-bombing" }.isEmpty)
    }
}
