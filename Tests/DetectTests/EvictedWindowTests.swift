import Detect
import FlowModel
import TestKit
import Testing

@Suite("Windows that were dropped before late records came") struct EvictedWindowTests {
    private static var small: DetectorParameters {
        var parameters = DetectorParameters()
        parameters.tableEntriesMax = 200
        return parameters
    }
    /// Attempts of so many strangers, an hour after noon: what fills the tables.
    private static func strangers(_ count: Int) -> [FlowRecord] {
        (0..<count).map { index in
            Traffic.record(
                from: IPAddress(v4: 0x0B00_0000 + UInt32(index)), 40_000, to: Traffic.client, 80, bits: TCPFlag.syn,
                at: Traffic.noon + 3_600_000 + Int64(index))
        }
    }
    private static func scans(_ findings: [Finding]) -> [Finding] {
        findings.filter { $0.rule == "port-scan-vertical" && $0.entity(.attacker) == ["203.0.113.9"] }
    }

    @Test("what was told is not told again by a few late records, and goes on once they are more than was said")
    func toldOnce() throws {
        var set = DetectorSet(tenant: try Traffic.tenant(), parameters: Self.small)
        let scan = Traffic.verticalScan(ports: 20..<60)
        let first = try #require(Self.scans(Traffic.run(&set, scan, batch: 10)).last)
        #expect(first.evidence.observed == 40)
        #expect(set.reopenings["port-scan"] == 0)
        _ = Traffic.run(&set, Self.strangers(2_000), batch: 100)
        #expect((set.evictions["port-scan"] ?? 0) > 1_000)

        // Ten of its ports come once more, late: above the limit of eight, and less than was said.
        var other = try DetectorSet(
            restoring: set.snapshot(), tenant: try Traffic.tenant(), parameters: Self.small)
        #expect(Self.scans(Traffic.run(&set, Array(scan.prefix(10)), batch: 10)).isEmpty)
        #expect(set.reopenings["port-scan"] ?? 0 >= 1, "\(set.reopenings)")
        // More late ones than were known before: the same finding, with its next update.
        let more = Self.scans(Traffic.run(&set, Traffic.verticalScan(ports: 30..<110), batch: 10) + set.finish())
        let last = try #require(more.last)
        #expect(Set(more.map(\.id)) == [first.id])
        #expect(last.evidence.observed > 40 && more.map(\.update).allSatisfy { $0 > first.update })
        // A node that went on from a checkpoint says the same.
        _ = Traffic.run(&other, Array(scan.prefix(10)), batch: 10)
        let again = Self.scans(Traffic.run(&other, Traffic.verticalScan(ports: 30..<110), batch: 10) + other.finish())
        #expect(again == more)
    }

    @Test("records in time never begin a window anew, however much was dropped") func inTime() throws {
        var set = DetectorSet(tenant: try Traffic.tenant(), parameters: Self.small)
        _ = Traffic.run(&set, Self.strangers(5_000), batch: 50)
        #expect((set.evictions["port-scan"] ?? 0) > 4_000)
        #expect(set.reopenings["port-scan"] == 0, "\(set.reopenings)")
    }

    @Test("so many told windows are remembered, and no more: what came first is forgotten") func bounded() throws {
        var parameters = Self.small
        parameters.scanPortsMin = 2
        var set = DetectorSet(tenant: try Traffic.tenant(), parameters: parameters)
        func scan(_ number: Int, at start: Int64) -> [FlowRecord] {
            (0..<3).map { port in
                Traffic.record(
                    from: IPAddress(v4: 0x0B00_0000 + UInt32(number)), 40_000, to: Traffic.host, 20 + UInt16(port),
                    bits: TCPFlag.syn, at: start)
            }
        }
        for number in 0..<1_500 { _ = Traffic.run(&set, scan(number, at: Traffic.noon + Int64(number)), batch: 3) }
        let size = set.snapshot().count
        for number in 1_500..<3_000 { _ = Traffic.run(&set, scan(number, at: Traffic.noon + Int64(number)), batch: 3) }
        // Were all remembered, it would be twice as large.
        #expect(set.snapshot().count < size + size / 2)
        // One of the latest that were dropped is remembered; the first is told anew.
        func told(_ number: Int) -> [Finding] {
            Traffic.run(&set, scan(number, at: Traffic.noon + Int64(number)), batch: 3)
                .filter { $0.rule == "port-scan-vertical" }
        }
        #expect(told(2_800).isEmpty)
        #expect(told(0).map(\.update) == [0])
    }
}
