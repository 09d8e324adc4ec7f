import BatchFormat
import Detect
import FlowLog
import FlowModel
import Foundation
import Identity
import Incidents
import Platform
import TestKit
import Testing

@testable import AggregatorPipeline

@Suite("Sensors that were cut off, nodes that are killed") struct LateTests {
    private static let minute: Int64 = 60_000, hour: Int64 = 3_600_000

    private static func record(
        _ source: UInt32, _ sourcePort: UInt16, _ destination: UInt32, _ port: UInt16, bits: UInt16, packets: UInt64,
        octets: UInt64, at start: Int64, lasting: Int64, isUDP: Bool = false
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (IPAddress(v4: source), IPAddress(v4: destination))
        (record.sourceTransportPort, record.destinationTransportPort) = (sourcePort, port)
        (record.protocolIdentifier, record.tcpControlBits) = isUDP ? (17, 0) : (6, bits)
        (record.packetDeltaCount, record.octetDeltaCount) = (packets, octets)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (start, start + lasting)
        record.receiveMilliseconds = start + lasting + 1_000
        return record
    }

    /// What a site's sensor has seen in one minute: some web sessions, and at the second site a scan in the third hour,
    /// a flood in the fourth, guessing in the fifth.
    private static func seen(in number: Int, site: UInt32, _ generator: inout SeededGenerator) -> [FlowRecord] {
        let start = World.start + Int64(number) * minute
        var all = (0..<4).map { _ in
            record(
                0x0A00_0000 + site << 8 + UInt32.random(in: 1...20, using: &generator),
                .random(in: 40_000...60_000, using: &generator),
                0xC633_6400 + UInt32.random(in: 1...99, using: &generator),
                443, bits: 0x1B, packets: 12, octets: .random(in: 2_000...90_000, using: &generator),
                at: start + .random(in: 0..<50_000, using: &generator), lasting: 4_000)
        }
        guard site == 2 else { return all }
        let victim: UInt32 = 0x0A00_0205
        if (120..<125).contains(number) {
            for port in 0..<4 {
                all.append(
                    record(
                        0xCB00_7109, 40_000, victim, UInt16(20 + (number - 120) * 4 + port), bits: 2, packets: 1,
                        octets: 60, at: start + Int64(port) * 1_000, lasting: 0))
            }
        }
        if number == 180 {
            for second in 0..<20 {
                all.append(
                    record(
                        0xCB00_7112, 9_000, victim, 80, bits: 0, packets: 45_000, octets: 4_500_000,
                        at: start + Int64(second) * 1_000, lasting: 999, isUDP: true))
            }
        }
        if (240..<243).contains(number) {
            for session in 0..<8 {
                all.append(
                    record(
                        0xCB00_7111, UInt16(50_000 + (number - 240) * 8 + session), victim, 22, bits: 0x1B, packets: 20,
                        octets: 3_700, at: start + Int64(session) * 7_000, lasting: 3_000))
            }
        }
        return all
    }

    /// Nine hours of two sites' sensors, a batch a minute each. The second was cut off for six hours after the first.
    private static func batches(isCutOff: Bool) throws -> [LogAppend] {
        let tenant = try #require(TenantID("acme"))
        var generator = SeededGenerator(seed: 21), encoder = BatchEncoder(), batches: [LogAppend] = []
        for number in 0..<540 {
            for site in [1, 2] as [UInt32] {
                let usual = World.start + Int64(number + 1) * minute
                let isHeld = isCutOff && site == 2 && (60..<420).contains(number)
                // What has waited comes within a minute, beside what goes on.
                let received = isHeld ? World.start + 420 * minute + Int64(number) * 100 : usual
                batches.append(
                    try World.batch(
                        seen(in: number, site: site, &generator), of: tenant,
                        sequence: UInt64(site) << 32 + UInt64(number),
                        at: received, &encoder))
            }
        }
        return batches.enumerated().sorted {
            ($0.element.receivedMilliseconds, $0.offset) < ($1.element.receivedMilliseconds, $1.offset)
        }.map(\.element)
    }

    private struct Told: Hashable {
        let id: String, rule: String, start: Int64, end: Int64, observed: Double
        init(_ finding: Finding) {
            (id, rule, start, end) = (finding.id, finding.rule, finding.start, finding.end)
            observed = finding.evidence.observed
        }
    }
    private static func incidents(_ batches: [LogAppend]) async throws -> [Incident] {
        let world = try World(), node = try world.open()
        for batch in batches { _ = try await node.log.append(batch) }
        try await world.pipeline(node, pace: AggregatorPipeline.Pace()).drain()
        return try await World.result(node).incidents["acme"] ?? []
    }

    @Test("a sensor that was cut off for six hours: the same incidents at the same times, marked late, and no other")
    func cutOff() async throws {
        let usual = try await Self.incidents(try Self.batches(isCutOff: false))
        let late = try await Self.incidents(try Self.batches(isCutOff: true))
        let findings = usual.flatMap(\.findings)
        #expect(Set(findings.map(\.rule)).isSuperset(of: ["port-scan-vertical", "flood", "password-guessing"]))
        #expect(Set(late.flatMap(\.findings).map { Told($0) }) == Set(findings.map { Told($0) }))
        #expect(Set(late.map(\.id)) == Set(usual.map(\.id)))
        #expect(findings.allSatisfy { $0.evidence.lateMilliseconds == nil })
        for incident in late {
            let hours = try #require(incident.findings.compactMap(\.evidence.lateMilliseconds).max()) / Self.hour
            #expect((2...6).contains(hours), "\(incident.title)")
            let summary = IncidentStory(of: incident, events: []).summary
            #expect(summary.contains("It is told late, \(hours) h after the last flow that shows it"), "\(summary)")
        }
        #expect(late.flatMap(\.findings).allSatisfy { ($0.evidence.samples?.count ?? 0) > 0 })
    }

    @Test("killed fifty times in the middle of windows, it tells what an undisturbed run tells") func kills()
        async throws
    {
        let count = 300, reference = try await World.reference(count)
        #expect(reference.incidents["acme"]?.isEmpty == false && reference.incidents["globex"]?.isEmpty == false)
        let world = try World()
        var generator = SeededGenerator(seed: 50), kills = 0
        for life in 0..<50 {
            let node = try world.open()
            if life == 0 { for batch in try World.traffic(count) { _ = try await node.log.append(batch) } }
            // A life takes two batches in two calls and saves its state after six: most end with work that is repeated.
            let crash = Crash(at: .random(in: 0...9, using: &generator), after: .random(using: &generator))
            do {
                try await world.pipeline(node, store: CrashingStore(inner: node.store, crash: crash)).run()
            } catch { kills += 1 }
            try node.log.close()
            try node.incidents.close()
        }
        #expect(kills == 50)
        let node = try world.open()
        try await world.pipeline(node).drain()
        #expect(try await World.result(node) == reference)
    }
}
