import BatchFormat
import Delivery
import Detect
import FlowModel
import FlowStore
import Identity
import Platform
import TestKit
import Testing

/// Three days of a site: work, and a scan, a sweep, guessing, a flood and a beacon, some over the edges of windows and
/// of hours.
struct History {
    /// 2026-03-01T12:00:00Z.
    static let start: Int64 = 1_772_366_400_000, hour: Int64 = 3_600_000
    static var end: Int64 { start + 72 * hour }
    static let tenant = TenantID("acme")
    let records: [FlowRecord]

    init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var all: [FlowRecord] = []
        for minute in 0..<Int64(72 * 60) {
            for _ in 0..<2 {
                let client = UInt32.random(in: 0x0A00_0001...0x0A00_0030, using: &generator)
                let server = UInt32.random(in: 0xC633_6400...0xC633_64F0, using: &generator)
                let time = Self.start + minute * 60_000 + Int64.random(in: 0..<60_000, using: &generator)
                let port = UInt16.random(in: 40_000...60_000, using: &generator)
                all.append(
                    Self.record(
                        client, port, server, 443, bits: 0x1B, packets: 12,
                        octets: .random(in: 900...90_000, using: &generator), at: time, lasting: 900))
                all.append(Self.record(server, 443, client, port, bits: 0x1B, packets: 20, at: time, lasting: 900))
            }
        }
        all += Self.attacks
        records = all.sorted {
            ($0.receiveMilliseconds, $0.flowStartMilliseconds, $0.sourceTransportPort)
                < ($1.receiveMilliseconds, $1.flowStartMilliseconds, $1.sourceTransportPort)
        }
    }

    private static var attacks: [FlowRecord] {
        let scanner: UInt32 = 0xCB00_7109, victim: UInt32 = 0x0A00_0005
        var all: [FlowRecord] = []
        // Sixteen ports, one in seven minutes: over the edges of hours; twelve more later.
        for port in 0..<16 { all.append(probe(scanner, victim, UInt16(20 + port), at: start + Int64(port) * 420_000)) }
        for host in 0..<12 as Range<UInt32> {
            all.append(probe(0xCB00_7110, 0x0A00_0100 + host, 445, at: start + 30 * hour + Int64(host) * 60_000))
        }
        for session in 0..<40 {
            all.append(
                record(
                    0xCB00_7111, UInt16(50_000 + session), victim, 22, bits: 0x1B, packets: 20, octets: 3_700,
                    at: start + 40 * hour + Int64(session) * 6_000, lasting: 3_000))
        }
        for second in 0..<20 {
            all.append(
                record(
                    0xCB00_7112, 9_000, victim, 80, transport: IPProtocol.udp, packets: 45_000, octets: 45_000 * 100,
                    at: start + 50 * hour + Int64(second) * 1_000, lasting: 999))
        }
        for call in 0..<40 {
            all.append(
                record(
                    0x0A00_0007, UInt16(41_000 + call), 0xC633_6501, 8_123, bits: 0x1B, packets: 6, octets: 420,
                    at: start + 60 * hour + Int64(call) * 300_000, lasting: 200))
        }
        return all
    }
    private static func probe(_ source: UInt32, _ target: UInt32, _ port: UInt16, at time: Int64) -> FlowRecord {
        record(source, 40_000, target, port, bits: TCPFlag.syn, packets: 1, octets: 60, at: time)
    }
    private static func record(
        _ source: UInt32, _ sourcePort: UInt16, _ destination: UInt32, _ port: UInt16,
        transport: UInt8 = IPProtocol.tcp, bits: UInt16 = 0, packets: UInt64, octets: UInt64 = 6_000, at start: Int64,
        lasting: Int64 = 0
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (IPAddress(v4: source), IPAddress(v4: destination))
        (record.sourceTransportPort, record.destinationTransportPort) = (sourcePort, port)
        (record.protocolIdentifier, record.tcpControlBits) = (transport, bits)
        (record.packetDeltaCount, record.octetDeltaCount) = (packets, octets)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (start, start + lasting)
        record.receiveMilliseconds = start + lasting + 1_000
        return record
    }

    /// A batch for each ten minutes in which there was something: fewer than a sensor sends, which debug builds are
    /// slow to read again and again.
    var batches: [FlowColumns] {
        get throws {
            var batches: [FlowColumns] = [], columns = FlowColumns(), window: Int64 = 0
            for var record in records {
                if record.receiveMilliseconds / 600_000 != window, columns.count > 0 {
                    batches.append(columns)
                    columns = FlowColumns()
                }
                window = record.receiveMilliseconds / 600_000
                let key = ExporterKey(address: IPAddress(v4: 0xC0A8_0101), observationDomain: 0, exportProtocol: .ipfix)
                let exporter = columns.intern(key)
                record.exporter = try #require(exporter)
                columns.append(record)
            }
            return batches + [columns]
        }
    }

    /// What live detection says at last, by id.
    func live(_ parameters: DetectorParameters = .init()) throws -> [String: Finding] {
        var set = DetectorSet(tenant: try #require(Self.tenant), parameters: parameters), last: [String: Finding] = [:]
        for columns in try batches { for finding in set.observe(columns) { last[finding.id] = finding } }
        for finding in set.finish() { last[finding.id] = finding }
        return last
    }

    /// - Parameter isCompacted: all but the last day are segments.
    func store(in folder: TemporaryFolder, isCompacted: Bool) async throws -> SQLiteFlowStore {
        let store = try SQLiteFlowStore(directory: folder.path), tenant = try #require(Self.tenant)
        var encoder = BatchEncoder(), stored: [StoredBatch] = []
        for (number, columns) in try batches.enumerated() {
            let body = try encoder.encode(columns, fidelity: .full)
            stored.append(
                StoredBatch(
                    sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge"),
                    key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: UInt64(number)),
                    logOffset: Int64(number + 1), receivedMilliseconds: columns.receiveMilliseconds.max() ?? 0,
                    flowStartMin: columns.flowStartMilliseconds.prefix(columns.count).min() ?? 0,
                    flowEndMax: columns.flowEndMilliseconds.prefix(columns.count).max() ?? 0, rows: columns.count,
                    tally: columns.tally, body: body))
        }
        _ = try await store.store(stored)
        if isCompacted { _ = try await store.compact(now: Self.end) }
        return store
    }
}
