import Detect
import FlowModel
import TestKit
import Testing

@Suite("Attacks from many sources, and slow ones") struct SpreadTests {
    private func outside(_ number: Int) -> IPAddress { IPAddress(v4: 0xC612_0000 + UInt32(number)) }

    /// SYNs of `sources` to ports of one host, `each` from every source, each port once.
    private func probes(sources: Int, each: Int) -> [FlowRecord] {
        (0..<(sources * each)).map { index in
            Traffic.record(
                from: outside(index % sources), 40_000, to: Traffic.host, UInt16(100 + index * 7), bits: TCPFlag.syn,
                at: Traffic.noon + Int64(index) * 5_000)
        }
    }
    /// Guesses of `sources`, `each` from every source, `apart` ms between any two.
    private func guesses(
        sources: Int, each: Int, apart: Int64, port: UInt16 = 22,
        octets: (Int) -> UInt64 = { 3_700 + UInt64($0 % 3) * 200 }
    ) -> [FlowRecord] {
        (0..<(sources * each)).map { index in
            Traffic.record(
                from: outside(index % sources), UInt16(40_000 + index), to: Traffic.host, port, bits: 0x1B, packets: 20,
                octets: octets(index), at: Traffic.noon + Int64(index) * apart, lasting: 2_000)
        }
    }

    @Test("thirty sources that try five ports each are one scan of the host, though none is one by itself")
    func distributed() throws {
        let findings = try Traffic.detect(probes(sources: 30, each: 5))
        let finding = try #require(findings.first)
        #expect(findings.map(\.rule) == ["distributed-scan"] && finding.severity == .low)
        #expect(finding.entity(.victim) == ["192.0.2.5"] && finding.evidence.observed == 150)
        #expect(finding.entity(.attacker).count == 15)
    }

    @Test("a few sources, few ports, and one scanner in a crowd are none") func notDistributed() throws {
        #expect(try Traffic.detect(probes(sources: 15, each: 7)).isEmpty)
        #expect(try Traffic.detect(probes(sources: 30, each: 3)).isEmpty)
        let crowd = probes(sources: 30, each: 1) + Traffic.verticalScan(ports: 1_000..<1_200)
        #expect(try Traffic.detect(crowd).map(\.rule) == ["port-scan-vertical"])
    }

    @Test("a server that answers its hundred clients is tried by nobody") func served() throws {
        let clients = (0..<200).map { index in
            Traffic.record(
                from: outside(index), 50_000, to: Traffic.host, UInt16(1_000 + index), bits: 0x1B, packets: 9,
                octets: 3_000)
        }
        #expect(try Traffic.detect(clients).isEmpty)
    }

    @Test("like sessions of 25 sources are distributed guessing; of one source all day, slow guessing") func guessing()
        throws
    {
        let spread = try Traffic.detect(guesses(sources: 25, each: 3, apart: 60_000))
        #expect(spread.map(\.rule) == ["password-guessing-distributed"] && spread.first?.severity == .medium)
        #expect(spread.first?.evidence.observed == 25 && spread.first?.entity(.victim) == ["192.0.2.5"])
        var parameters = DetectorParameters()
        parameters.ownNetworks = [IPNetwork(Traffic.host, length: 24)]
        let slow = try Traffic.detect(guesses(sources: 1, each: 40, apart: 900_000), parameters: parameters)
        #expect(slow.map(\.rule) == ["password-guessing-slow"] && slow.first?.severity == .low)
        #expect(slow.first?.entity(.attacker) == ["198.18.0.0"])
    }

    @Test("sessions of work, mail clients and hosts inside that poll are no guesses") func notGuessing() throws {
        let work = guesses(sources: 40, each: 2, apart: 60_000, octets: { 1_500 + UInt64($0 * 977 % 8_000) })
        #expect(try Traffic.detect(work).isEmpty)
        #expect(try Traffic.detect(guesses(sources: 40, each: 3, apart: 60_000, port: 993)).isEmpty)
        #expect(try Traffic.detect(guesses(sources: 1, each: 29, apart: 900_000)).isEmpty)
        let polls = guesses(sources: 1, each: 90, apart: 600_000).map { record in
            var record = record
            record.sourceIPAddress = Traffic.client
            record.destinationIPAddress = LastingTraffic.desk
            return record
        }
        #expect(try Traffic.detect(polls).isEmpty)
    }
}

@Suite("Rules of the site") struct SiteTests {
    private func answers(from server: IPAddress, port: UInt16 = 53, clients: Int, at start: Int64) -> [FlowRecord] {
        (0..<clients).map { index in
            Traffic.record(
                from: server, port, to: IPAddress(v4: 0x0A00_0200 + UInt32(index)), port == 67 ? 68 : 40_000,
                transport: IPProtocol.udp, octets: 120, at: start + Int64(index) * 100)
        }
    }
    private let later = Traffic.noon + 100_000_000
    private let server = IPAddress(v4: 0x0A00_0001), rogue = IPAddress(v4: 0x0A00_0099)

    @Test("a second DHCP server is told at once, a second resolver from its third client; the known ones are not")
    func rogues() throws {
        let known = answers(from: server, clients: 5, at: Traffic.noon) + answers(from: server, clients: 5, at: later)
        #expect(try Traffic.detect(known).isEmpty)
        let resolver = try Traffic.detect(known + answers(from: rogue, clients: 3, at: later))
        #expect(resolver.map(\.rule) == ["rogue-service"] && resolver.first?.severity == .low)
        #expect(resolver.first?.entity(.attacker) == ["10.0.0.153"])
        #expect(try Traffic.detect(known + answers(from: rogue, clients: 2, at: later)).isEmpty)
        let dhcp = try Traffic.detect(known + answers(from: rogue, port: 67, clients: 1, at: later))
        #expect(dhcp.map(\.severity) == [.medium] && dhcp.first?.techniques == ["T1557.003"])
    }

    @Test("a host that begins to send mail to the world is told; the mail server is not") func mail() throws {
        func mails(_ host: IPAddress, at start: Int64) -> [FlowRecord] {
            (0..<5).map { index in
                Traffic.record(
                    from: host, UInt16(50_000 + index), to: IPAddress(v4: 0xC612_0001 + UInt32(index)), 25, bits: 0x1B,
                    packets: 20, octets: 20_000 + UInt64(index) * 3_000, at: start + Int64(index) * 1_000)
            }
        }
        let known = mails(server, at: Traffic.noon) + mails(server, at: later)
        #expect(try Traffic.detect(known).isEmpty)
        let found = try Traffic.detect(known + mails(rogue, at: later))
        #expect(found.map(\.rule) == ["rogue-service"] && found.first?.techniques == ["T1071.003"])
    }

    @Test("what a policy forbids is told with its name, whichever direction is exported; refused tries are low")
    func policy() throws {
        let plant = IPNetwork(IPAddress(v4: 0x0A32_0000), length: 16), machine = IPAddress(v4: 0x0A32_0005)
        var parameters = DetectorParameters()
        parameters.policies = [
            PolicyRule(name: "plant", to: [plant], severity: .high),
            PolicyRule(name: "no-telnet", ports: [23...23], transport: IPProtocol.tcp),
        ]
        let there = Traffic.record(from: Traffic.client, 50_000, to: machine, 443, bits: 0x1B, packets: 9, octets: 900)
        let back = Traffic.record(from: machine, 443, to: Traffic.client, 50_000, bits: 0x1B, packets: 9, octets: 900)
        for records in [[there, back], [there], [back]] {
            let found = try Traffic.detect(records, parameters: parameters)
            #expect(found.map(\.rule) == ["policy"] && found.first?.severity == .high)
            #expect(found.first?.entity(.attacker) == ["10.0.0.7"] && found.first?.entity(.victim) == ["10.50.0.5"])
        }
        #expect(try Traffic.detect([there, back]).isEmpty)
        let outward = Traffic.record(from: machine, 50_000, to: Traffic.host, 443, bits: 0x1B, packets: 9, octets: 900)
        #expect(try Traffic.detect([outward], parameters: parameters).isEmpty)
        var refused = Traffic.record(from: Traffic.client, 50_000, to: Traffic.host, 23, bits: TCPFlag.syn)
        refused.flags = .denied
        let low = try Traffic.detect([refused], parameters: parameters)
        #expect(low.map(\.severity) == [.low] && low.first?.title.contains("no-telnet") == true)
    }

    /// A record a minute of each exporter over its minutes.
    private func heard(_ exporters: [(number: UInt32, minutes: [Int])]) -> FlowColumns {
        var columns = FlowColumns(), moments: [(Int, UInt32)] = []
        for (number, minutes) in exporters { moments += minutes.map { ($0, number) } }
        for (minute, number) in moments.sorted(by: { $0 < $1 }) {
            var record = Traffic.record(
                from: Traffic.client, 50_000, to: Traffic.host, 443, bits: 0x1B, packets: 9, octets: 900,
                at: Traffic.noon + Int64(minute) * 60_000)
            let key = ExporterKey(
                address: IPAddress(v4: 0xC000_02F0 + number), observationDomain: 1, exportProtocol: .ipfix)
            record.exporter = columns.intern(key) ?? 0
            columns.append(record)
        }
        return columns
    }
    private func silences(_ columns: FlowColumns) throws -> [Finding] {
        var set = DetectorSet(tenant: try Traffic.tenant(), only: ["exporter-silence"]), found: [Finding] = []
        for row in columns.rows { found += set.observe(columns, rows: row..<(row + 1)) }
        return found + set.finish()
    }

    @Test("an exporter that stops while others go on is told once, with its last moment; again when it stops again")
    func silence() throws {
        let stops = heard([(0, Array(0..<120)), (1, Array(0..<30))])
        let found = try silences(stops)
        #expect(found.count == 1 && found.first?.start == Traffic.noon + 29 * 60_000 + 1_000)
        #expect(found.first?.entity(.victim) == ["192.0.2.241"] && found.first?.severity == .low)
        #expect(try silences(heard([(0, Array(0..<200)), (1, Array(0..<30) + Array(100..<130))])).count == 2)
    }

    @Test("when all stop, when an exporter has always paused as long, and while it is new, nothing is told")
    func noSilence() throws {
        #expect(try silences(heard([(0, Array(0..<30)), (1, Array(0..<30))])).isEmpty)
        let seldom = Array(stride(from: 0, to: 400, by: 20))
        #expect(try silences(heard([(0, Array(0..<440)), (1, seldom)])).isEmpty)
        #expect(try silences(heard([(0, Array(0..<200)), (1, [0, 1, 2])])).isEmpty)
    }
}
