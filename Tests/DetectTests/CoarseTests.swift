import Decode
import Detect
import FlowModel
import PreAggregate
import Simulator
import TestKit
import Testing
import WireBytes

/// The simulator's traffic as a sensor at some fidelity hands it on, and what is found in it.
private enum Site {
    static func summed(_ scenarios: String, at fidelity: Fidelity, windowMilliseconds: Int64 = 10_000) throws
        -> [FlowColumns]
    {
        var plan = SimulationPlan()
        plan.scenarios = try ScenarioList(parsing: scenarios)
        plan.exporters = 1
        var simulation = Simulation(plan), batch = DatagramBatch(), decoder = DatagramDecoder()
        var window = FlowWindow(rowsMax: 1 << 16, fidelity: fidelity, seed: 5)
        var closed: [FlowColumns] = [], end = Int64.min
        let exporter = simulation.exporters[0]
        while simulation.step(into: &batch) {
            let origin = DatagramOrigin(
                source: exporter.address, sourcePort: exporter.sourcePort, localPort: 2_055,
                receiveMilliseconds: batch.dueMilliseconds)
            for item in batch.items {
                _ = Array(batch.bytes[item.range]).withBytes { decoder.decode($0, from: origin, into: &window.columns) }
            }
            window.absorb()
            if end == Int64.min { end = batch.dueMilliseconds + windowMilliseconds }
            guard batch.dueMilliseconds >= end else { continue }
            end += windowMilliseconds
            closed.append(window.close(next: fidelity).columns)
        }
        closed.append(window.close(next: fidelity).columns)
        return closed
    }
    /// The last word on everything.
    static func findings(_ windows: [FlowColumns]) throws -> [Finding] {
        var set = DetectorSet(tenant: try Traffic.tenant()), last: [String: Finding] = [:]
        for window in windows { for finding in set.observe(window) { last[finding.id] = finding } }
        for finding in set.finish() { last[finding.id] = finding }
        return last.values.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
    static func findings(_ scenarios: String, at fidelity: Fidelity) throws -> [Finding] {
        try findings(summed(scenarios, at: fidelity))
    }
}

/// As a sensor sums them in one window.
private func sums(_ records: [FlowRecord], at fidelity: Fidelity = .host) -> FlowColumns {
    var window = FlowWindow(rowsMax: 1 << 16, fidelity: fidelity, seed: 5)
    let key = ExporterKey(address: Traffic.host, observationDomain: 0, exportProtocol: .netflow9)
    for var record in records {
        record.exporter = window.columns.intern(key) ?? 0
        window.columns.append(record)
    }
    return window.close(next: fidelity).columns
}

@Suite("Detection in sums") struct CoarseTests {
    @Test("a scan of 1,000 ports is found at each fidelity, office traffic or not", arguments: Fidelity.allCases)
    func vertical(_ fidelity: Fidelity) throws {
        for scenarios in ["scan-vertical", "office,scan-vertical"] {
            let found = try Site.findings(scenarios, at: fidelity)
            #expect(found.map(\.rule) == ["port-scan-vertical"], "\(scenarios)")
            let finding = try #require(found.first)
            #expect(finding.entity(.attacker) == ["203.0.113.10"] && finding.entity(.victim) == ["198.51.100.20"])
            #expect(finding.severity == .high && finding.evidence.unit == "ports")
            #expect((650...1_400).contains(finding.evidence.observed), "within a sketch's error of 1,000")
            #expect(finding.title.contains("about") == (fidelity == .host))
            #expect(finding.evidence.packets == 1_000)
        }
    }

    @Test("a scan of 250 hosts is found at each fidelity, office traffic or not", arguments: Fidelity.allCases)
    func horizontal(_ fidelity: Fidelity) throws {
        for scenarios in ["scan-horizontal", "office,scan-horizontal"] {
            let found = try Site.findings(scenarios, at: fidelity)
            #expect(found.map(\.rule) == ["port-scan-horizontal"], "\(scenarios)")
            let finding = try #require(found.first)
            #expect(finding.entity(.attacker) == ["203.0.113.11"])
            #expect(finding.entity(.victim).count == 15 && finding.entity(.victim).contains("198.51.100.1"))
            #expect(finding.ports == (fidelity == .host ? [] : [445]))
            #expect((170...330).contains(finding.evidence.observed) && finding.severity == .high)
        }
    }

    @Test("spoofed floods are found at each fidelity, and nobody without a name is named", arguments: Fidelity.allCases)
    func floods(_ fidelity: Fidelity) throws {
        for (scenario, victim) in [("flood", "198.51.100.30"), ("flood-syn", "198.51.100.31")] {
            let found = try Site.findings("office," + scenario, at: fidelity).filter { $0.rule == "flood" }
            #expect(Set(found.map { $0.entity(.victim) }) == [[victim]], "\(scenario)")
            #expect(found.allSatisfy { $0.entity(.attacker).isEmpty && !$0.title.contains("from ::") })
            #expect(found.first?.title.contains("sources") == true)
        }
    }

    @Test("a site's ordinary traffic raises nothing at any fidelity", arguments: Fidelity.allCases)
    func ordinary(_ fidelity: Fidelity) throws {
        for mix in ["office", "iot"] {
            #expect(try Site.findings(mix, at: fidelity).map(\.title) == [], "\(mix)")
        }
    }

    @Test("busy servers, resolvers, crawlers, file sharing and downloads are no attack in sums") func busy() throws {
        let (udp, me) = (IPProtocol.udp, Traffic.client)
        func host(_ number: Int) -> IPAddress { IPAddress(v4: 0xC633_0000 + UInt32(number)) }
        // 300 servers that answer, 20 that don't.
        let crawler = (0..<300).flatMap { index -> [FlowRecord] in
            let port = UInt16(20_000 + index)
            return [
                Traffic.record(from: me, port, to: host(index), 443, bits: 0x1B, packets: 12, octets: 2_000),
                Traffic.record(from: host(index), 443, to: me, port, bits: 0x1B, packets: 14, octets: 20_000),
            ]
        }
        let dead = (300..<320).map { Traffic.record(from: me, 30_000, to: host($0), 443, bits: TCPFlag.syn) }
        let peers = (0..<400).map { index in
            Traffic.record(from: me, 51_413, to: host(index), UInt16(1_024 + index * 97), bits: TCPFlag.syn)
        }
        let resolver = Traffic.answers(from: 53, servers: 1_000, octets: 120, asked: true)
        let download = [
            Traffic.record(
                from: host(1), 443, to: me, 50_000, transport: udp, packets: 300_000, octets: 360_000_000,
                lasting: 10_000)
        ]
        for (name, records) in [
            ("crawler", crawler + dead), ("peers", peers), ("resolver", resolver), ("download", download),
        ] {
            for fidelity in [Fidelity.service, .host] {
                #expect(try Site.findings([sums(records, at: fidelity)]).map(\.title) == [], "\(name) at \(fidelity)")
            }
        }
    }

    @Test("the failed contacts of many windows are united; what is told is the union, not the sum")
    func union() throws {
        let parts = stride(from: 1, to: 61, by: 5).map { first in
            sums(Traffic.verticalScan(ports: UInt16(first)..<UInt16(first + 5), answered: true))
        }
        let found = try Site.findings(parts + parts)
        #expect(found.map(\.rule) == ["port-scan-vertical"])
        #expect((45...75).contains(found.first?.evidence.observed ?? 0))
        #expect(try Site.findings([parts[0], parts[0]]).isEmpty, "five ports are none")
    }

    @Test("of a scan whose packets have no flags only the hosts are told, and with low severity") func weak() throws {
        let horizontal = (0..<200).map { index in
            Traffic.record(from: Traffic.scanner, 51_000, to: IPAddress(v4: 0xC000_0200 + UInt32(index)), 445)
        }
        let found = try Site.findings([sums(horizontal)])
        #expect(found.map(\.rule) == ["port-scan-horizontal"] && found.first?.severity == .low)
        let vertical = (1..<600).map { Traffic.record(from: Traffic.scanner, 51_000, to: Traffic.host, $0) }
        #expect(try Site.findings([sums(vertical)]).isEmpty, "a server's answers look the same")
    }

    @Test("a snapshot between windows of sums changes nothing") func snapshots() throws {
        let windows = try Site.summed("office,scan-vertical,scan-horizontal,flood", at: .host)
        var whole = DetectorSet(tenant: try Traffic.tenant()), parts = whole
        for window in windows {
            let expected = whole.observe(window)
            parts = try DetectorSet(restoring: parts.snapshot(), tenant: try Traffic.tenant())
            #expect(parts.observe(window) == expected)
        }
        #expect(whole.finish() == parts.finish() && whole.snapshot() == parts.snapshot())
    }

    @Test("a record without a source or a destination never makes an entity of the absent address") func absent() throws
    {
        var records: [FlowRecord] = Traffic.mixture(seed: 3)
        for index in records.indices where index % 3 < 2 {
            if index % 3 == 0 { records[index].sourceIPAddress = .absent }
            if index % 3 == 1 { records[index].destinationIPAddress = .absent }
        }
        var flood = Traffic.record(
            from: .absent, 9_000, to: Traffic.host, 80, transport: IPProtocol.udp, packets: 900_000,
            octets: 400_000_000, lasting: 20_000)
        records.append(flood)
        flood.sourceTransportPort = 53
        records.append(flood)
        records += Traffic.sessions(30, port: 22, octets: { _ in 3_700 }, apart: 6_000).map {
            var record = $0
            if record.destinationTransportPort == 22 { record.sourceIPAddress = .absent }
            return record
        }
        let found = try Traffic.detect(records)
        #expect(found.contains { $0.rule == "flood" } && found.contains { $0.rule.hasPrefix("port-scan") })
        for finding in found {
            #expect(finding.entities.allSatisfy { $0.value != "::" } && !finding.title.contains(":: "))
        }
    }
}

@Suite("Refused and repeated records") struct DeniedTests {
    private func refused(_ records: [FlowRecord]) -> [FlowRecord] {
        records.map {
            var record = $0
            (record.packetDeltaCount, record.octetDeltaCount, record.tcpControlBits) = (0, 0, 0)
            record.flags.insert(.denied)
            return record
        }
    }

    @Test("what a firewall refused is a failed contact, without any packet") func scans() throws {
        let vertical = try Traffic.detect(refused(Traffic.verticalScan(ports: 20..<30)))
        #expect(vertical.map(\.rule) == ["port-scan-vertical"] && vertical.first?.evidence.observed == 10)
        let horizontal = try Traffic.detect(refused(Traffic.horizontalScan(port: 445, hosts: 9)))
        #expect(horizontal.map(\.rule) == ["port-scan-horizontal"] && horizontal.first?.evidence.threshold == 8)
    }

    @Test("late packets of a server that a firewall refuses are no scan of its client") func late() throws {
        let late = (0..<100).map { Traffic.record(from: Traffic.host, 443, to: Traffic.client, UInt16(50_000 + $0)) }
        #expect(try Traffic.detect(refused(late)).isEmpty)
    }

    @Test("refused logins raise no guessing, and are told beside one") func guessing() throws {
        let sessions = Traffic.sessions(12, port: 22, octets: { _ in 3_700 }, apart: 5_000)
        let attempts = refused(
            (0..<40).map { Traffic.record(from: Traffic.client, UInt16(60_000 + $0), to: Traffic.host, 22) })
        #expect(try Traffic.detect(attempts).isEmpty)
        let found = try Traffic.detect(attempts + sessions)
        #expect(found.map(\.rule) == ["password-guessing"] && found.first?.evidence.observed == 12)
        #expect(found.first?.title.hasSuffix("; a firewall refused 40 more") == true)
    }

    @Test("traffic that a firewall dropped is no flood on its destination") func floods() throws {
        var record = Traffic.record(
            from: Traffic.scanner, 9_000, to: Traffic.host, 80, transport: IPProtocol.udp, packets: 900_000,
            octets: 400_000_000, lasting: 20_000)
        #expect(try Traffic.detect([record]).map(\.rule) == ["flood"])
        record.flags.insert(.denied)
        #expect(try Traffic.detect([record]).isEmpty)
    }

    @Test("records that another observer's stand for say nothing") func elsewhere() throws {
        let marked = Traffic.mixture(seed: 4).map {
            var record = $0
            record.flags.insert(.observedElsewhere)
            return record
        }
        #expect(try Traffic.detect(Traffic.mixture(seed: 4)).count >= 4)
        #expect(try Traffic.detect(marked).isEmpty)
    }
}
