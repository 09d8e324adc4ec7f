import Detect
import FlowModel
import Identity
import TestKit
import Testing

/// Detectors' states that released versions have left in checkpoints: what was learned in weeks goes on.
@Suite("Detectors go on from states of every released format")
struct DetectorCompatibilityTests {
    private static let noon: Int64 = 1_772_366_400_000

    private static func record(
        _ source: UInt32, _ destination: UInt32, _ port: UInt16, isUDP: Bool, packets: UInt64, at second: Int64,
        lasting: Int64
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (IPAddress(v4: source), IPAddress(v4: destination))
        (record.sourceTransportPort, record.destinationTransportPort) = (40_000, port)
        (record.protocolIdentifier, record.tcpControlBits) = isUDP ? (17, 0) : (6, 2)
        (record.packetDeltaCount, record.octetDeltaCount) = (packets, packets * 100)
        record.flowStartMilliseconds = noon + second * 1_000
        record.flowEndMilliseconds = record.flowStartMilliseconds + lasting
        record.receiveMilliseconds = record.flowEndMilliseconds + 1_000
        return record
    }
    /// Five seconds of a flood, of a carpet, and of a scan that is one only with the next five ports.
    private static func batch(from second: Int64) -> FlowColumns {
        var columns = FlowColumns(capacity: 64)
        for port in 0..<5 {
            columns.append(
                record(
                    0xCB00_7109, 0xC000_0205, UInt16(truncatingIfNeeded: 20 + second + Int64(port)), isUDP: false,
                    packets: 1, at: second,
                    lasting: 0))
        }
        columns.append(
            record(0xCB00_7109, 0xC000_0205, 9_999, isUDP: true, packets: 150_000, at: second, lasting: 4_999))
        for host in 0..<20 as Range<UInt32> {
            columns.append(
                record(
                    0xC612_0000 + host % 3, 0xC633_6480 + host, 80, isUDP: true, packets: 6_000, at: second,
                    lasting: 4_999))
        }
        return columns
    }

    /// Without what was not counted yet: how it is known who began.
    private static func plain(_ findings: [Finding]) -> [Finding] {
        findings.map { finding in
            var finding = finding
            finding.evidence.initiator = nil
            return finding
        }
    }

    /// One file for each `SnapshotEdition` before today's: before floods were held against what is usual, and before
    /// it was said how it is known who began.
    private static let editions = ["detectors-wds4.state", "detectors-wds4-usual.state"]

    @Test("a state of each edition before: the rest of the traffic says what it would have said", arguments: editions)
    func goesOn(file: String) throws {
        let bytes = try Corpus.bytes(file), tenant = try #require(TenantID("acme"))
        var whole = DetectorSet(tenant: tenant), old = try DetectorSet(restoring: bytes, tenant: tenant)
        #expect(Set(whole.observe(Self.batch(from: 0)).map(\.rule)) == ["flood", "carpet-bombing"])
        #expect(old.records == 26 && old.evictions == whole.evictions)
        for second in [5, 100, 90_000] as [Int64] {
            let said = old.observe(Self.batch(from: second)), expected = whole.observe(Self.batch(from: second))
            #expect(Self.plain(said) == Self.plain(expected) && !said.isEmpty, "\(second)")
        }
        #expect(Self.plain(old.finish()) == Self.plain(whole.finish()))
        // What it leaves is of today's format.
        let today = old.snapshot()
        #expect(try DetectorSet(restoring: today, tenant: tenant).snapshot() == today)
    }

    @Test("a damaged old state, or one of other limits, is refused, never trapped on", arguments: editions)
    func refused(file: String) throws {
        let bytes = try Corpus.bytes(file), tenant = try #require(TenantID("acme"))
        for cut in stride(from: 0, to: bytes.count, by: 17) {
            #expect(throws: SnapshotError.self) { try DetectorSet(restoring: Array(bytes[..<cut]), tenant: tenant) }
            var flipped = bytes
            flipped[cut] ^= 0x04
            #expect(throws: SnapshotError.self) { try DetectorSet(restoring: flipped, tenant: tenant) }
        }
        var parameters = DetectorParameters()
        parameters.floodBucketMilliseconds = 10_000
        #expect(throws: SnapshotError.otherParameters) {
            try DetectorSet(restoring: bytes, tenant: tenant, parameters: parameters)
        }
        // What is said of a state is not its shape: with other limits it goes on.
        parameters = DetectorParameters()
        (parameters.floodUsual.factor, parameters.floodPacketsPerSecond) = (3, 10_000)
        #expect(try DetectorSet(restoring: bytes, tenant: tenant, parameters: parameters).records == 26)
    }
}
