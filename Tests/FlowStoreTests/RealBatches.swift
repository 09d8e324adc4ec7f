import BatchFormat
import Delivery
import FlowModel
import FlowStore
import Identity
import Platform
import SegmentFormat
import Testing

/// A record with what it stands among: what a store must give back, once.
struct KeptRecord: Hashable {
    var record: FlowRecord
    var exporter: ExporterKey
    var sensor: SensorIdentity
    var octets: UInt64 { record.octetDeltaCount }
}

extension [KeptRecord: Int] {
    mutating func add(_ columns: FlowColumns, _ row: Int, _ sensor: SensorIdentity) {
        var record = columns[row]
        let exporter = columns.exporters[Int(record.exporter)]
        record.exporter = 0
        self[KeptRecord(record: record, exporter: exporter, sensor: sensor), default: 0] += 1
    }
    var rows: Int { values.reduce(0, +) }

    /// What differs, for people to read.
    func difference(from other: [KeptRecord: Int]) -> String {
        let mine = filter { other[$0.key] != $0.value }, its = other.filter { self[$0.key] != $0.value }
        let first = mine.keys.min { $0.octets < $1.octets }
        let second = its.keys.first { $0.octets == first?.octets }
        return "\(mine.rows) and \(its.rows) of \(rows) and \(other.rows): \(first as Any) \(second as Any)"
    }
}

/// Batches that decode, and their records in plain sight.
struct RealBatches {
    var batches: [StoredBatch] = []
    var records: [KeptRecord: Int] = [:]
    private var generator: SeededGenerator
    private var sequence: UInt64 = 0

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// Adds batches whose newest flow ended at `end`. Few hosts and a short span make rollups small beside the records.
    mutating func add(
        _ count: Int, rows: Int = 50, tenant name: String = "acme", end: Int64 = noon, span: Int64 = 7_200_000,
        hosts: UInt32 = 200
    ) throws {
        for _ in 0..<count {
            var columns = FlowColumns()
            for exporter in 0..<3 {
                _ = columns.intern(
                    ExporterKey(
                        address: IPAddress(v4: 0xC000_0201 + UInt32(exporter)), observationDomain: 7,
                        exportProtocol: .ipfix))
            }
            for _ in 0..<rows { columns.append(record(before: end, span: span, hosts: hosts)) }
            try add(columns, tenant: name, end: end)
        }
    }

    mutating func add(_ columns: FlowColumns, tenant name: String = "acme", end: Int64 = noon) throws {
        var encoder = BatchEncoder()
        let sensor = SensorIdentity(tenant: try tenant(name), site: "hq", name: "edge-\(sequence % 2)")
        for row in columns.rows { records.add(columns, row, sensor) }
        let times = columns.rows.flatMap { [columns.flowStartMilliseconds[$0], columns.flowEndMilliseconds[$0]] }
        sequence += 1
        batches.append(
            StoredBatch(
                sensor: sensor, key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: sequence),
                logOffset: Int64(sequence), receivedMilliseconds: end, flowStartMin: times.min() ?? end,
                flowEndMax: times.max() ?? end, rows: columns.count, tally: columns.tally,
                body: try encoder.encode(columns, fidelity: .full)))
    }

    private mutating func record(before end: Int64, span: Int64, hosts: UInt32) -> FlowRecord {
        var record = FlowRecord()
        record.flowEndMilliseconds = end - Int64.random(in: 0..<span, using: &generator)
        record.flowStartMilliseconds = record.flowEndMilliseconds - Int64.random(in: 0..<200_000, using: &generator)
        record.receiveMilliseconds = record.flowEndMilliseconds + 1_000
        record.exportMilliseconds = record.flowEndMilliseconds
        record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + UInt32.random(in: 0..<hosts, using: &generator))
        record.destinationIPAddress =
            Bool.random(using: &generator)
            ? IPAddress(v4: 0xC633_6400 + UInt32.random(in: 0..<20, using: &generator))
            : IPAddress(high: 0x2001_0DB8 << 32, low: UInt64.random(in: 1..<20, using: &generator))
        record.octetDeltaCount = UInt64.random(in: 40...1_000_000, using: &generator)
        record.packetDeltaCount = UInt64.random(in: 1...1_000, using: &generator)
        record.deltaFlowCount = UInt32.random(in: 1...3, using: &generator)
        record.protocolIdentifier = [6, 17, 1][Int.random(in: 0..<3, using: &generator)]
        record.sourceTransportPort = UInt16.random(in: 1_024..<65_535, using: &generator)
        record.destinationTransportPort = [22, 53, 443][Int.random(in: 0..<3, using: &generator)]
        record.bgpSourceAsNumber = UInt32.random(in: 64_500..<64_510, using: &generator)
        record.bgpDestinationAsNumber = UInt32.random(in: 64_500..<64_510, using: &generator)
        record.ingressInterface = UInt32.random(in: 1...4, using: &generator)
        record.egressInterface = UInt32.random(in: 1...4, using: &generator)
        record.exporter = UInt32.random(in: 0..<3, using: &generator)
        if Int.random(in: 0..<20, using: &generator) == 0 { record.flags = .observedElsewhere }
        return record
    }
    var totals: StoreTotals {
        batches.reduce(into: StoreTotals()) { sum, batch in
            var one = StoreTotals()
            one.batches = 1
            one.rows = UInt64(batch.rows)
            one.tally = batch.tally
            sum += one
        }
    }
}

/// The policy under which anything is compacted at once, into segments of at most so many rows.
func eager(rows: Int = SegmentLimit.rowsMax) -> CompactionPolicy {
    var policy = CompactionPolicy()
    policy.rowsMax = rows
    policy.batchesMax = 1
    return policy
}

extension SQLiteFlowStore {
    /// Every record of every listed segment; what can't be read is reported and left out.
    func allRecords(_ name: String = "acme") async throws -> [KeptRecord: Int] {
        var records: [KeptRecord: Int] = [:]
        for segment in try await all(name, limit: .max) {
            do {
                try await add(segment, to: &records)
            } catch let error as BatchError {
                try await reportDamage(of: segment, tenant: segment.tenant, reason: "\(error)")
            } catch let error as SegmentError {
                try await reportDamage(of: segment, tenant: segment.tenant, reason: "\(error)")
            } catch FlowStoreError.gone {
            }
        }
        return records
    }

    /// Every record is there once, and nothing else.
    func expect(
        _ records: [KeptRecord: Int], _ name: String = "acme", at location: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await allRecords(name)
        #expect(found == records, "\(found.difference(from: records))", sourceLocation: location)
    }

    private func add(_ segment: Segment, to records: inout [KeptRecord: Int]) async throws {
        var found: [KeptRecord: Int] = [:]
        switch segment.kind {
        case .batch:
            guard let body = try await body(of: segment, tenant: segment.tenant), let sensor = segment.sensor else {
                throw FlowStoreError.gone
            }
            let columns = try decoded(body)
            for row in columns.rows { found.add(columns, row, sensor) }
        case .compacted:
            let blobs = StoredBlobs(segment, in: self)
            let head = try SegmentHead(try await blobs.read(.head, range: nil))
            var reader = SegmentReader(head, blobs)
            for block in 0..<head.blockCount {
                var columns = FlowColumns()
                try await reader.load(.all, blocks: [block], origins: true)
                _ = try reader.decode(block, .all, into: &columns)
                let origins = try reader.origins(ofBlock: block)
                for row in columns.rows {
                    found.add(columns, row, head.origins[Int(origins[row])].sensor)
                }
            }
        }
        records.merge(found, uniquingKeysWith: +)
    }
    private func decoded(_ body: [UInt8]) throws -> FlowColumns {
        var decoder = BatchDecoder(), columns = FlowColumns()
        try decoder.decode(body.span.bytes, into: &columns)
        return columns
    }
}
