import BatchFormat
import FlowModel
import SegmentFormat
import TestKit
import Testing
import WireBytes

/// Segments that earlier versions have written: they lie in stores, archives and backups, so they open for ever. A file
/// has all blobs of one: number :1 | length :4 | octets.
@Suite("Segments of every released format open")
struct SegmentCompatibilityTests {
    /// The rows of all samples, told by arithmetic so that nothing but this file has to agree with it.
    static func row(_ index: Int) -> FlowRecord {
        var record = FlowRecord()
        let n = UInt64(index), isV6 = index % 8 == 7
        record.sourceIPAddress =
            isV6 ? IPAddress(high: 0x2001_0DB8_0000_0000 | n, low: 1) : IPAddress(v4: 0x0A00_0001 + UInt32(index) * 2)
        record.destinationIPAddress =
            isV6 ? IPAddress(high: 0x2001_0DB8_0001_0000, low: 1) : IPAddress(v4: 0xC633_6401 + UInt32(index % 3))
        record.octetDeltaCount = 40 + n * 1_000
        record.packetDeltaCount = 1 + n
        record.deltaFlowCount = 1 + UInt32(index % 2)
        record.flowStartMilliseconds = 1_700_000_000_000 + Int64(index) * 250
        record.flowEndMilliseconds = record.flowStartMilliseconds + Int64(index % 5) * 100
        record.exportMilliseconds = 1_700_000_060_000
        record.receiveMilliseconds = 1_700_000_060_010 + Int64(index / 64)
        record.protocolIdentifier = [6, 17, 6, 58][index % 4]
        record.sourceTransportPort = 49_152 &+ UInt16(index)
        record.destinationTransportPort = [443, 53, 22][index % 3]
        record.tcpControlBits = record.protocolIdentifier == 6 ? 0x1B : 0
        record.ingressInterface = 3
        record.bgpSourceAsNumber = 64_512
        record.sourceIPPrefixLength = isV6 ? 64 : 24
        record.flowDirection = [0, 1, 255][index % 3]
        record.samplingInterval = 1
        record.exporter = UInt32(index % 2)
        return record
    }
    static let exporters = [
        ExporterKey(address: IPAddress(v4: 0xC000_0201), observationDomain: 7, exportProtocol: .ipfix),
        ExporterKey(
            address: IPAddress(high: 0x2001_0DB8_0000_0000, low: 0xFE), observationDomain: 0,
            exportProtocol: .netflow9),
    ]
    static let rowCount = 4_000

    /// The blobs of one segment.
    private struct Kept: SegmentBlobs {
        var blobs: [SegmentBlob: [UInt8]] = [:]

        init(_ file: String) throws {
            let bytes = try Corpus.bytes(file)
            var at = 0
            while at + 5 <= bytes.count {
                let length = bytes.withBytes { Int($0.le32(at: at + 1)) }, end = at + 5 + length
                blobs[SegmentBlob(rawValue: bytes[at])] = Array(bytes[(at + 5)..<min(end, bytes.count)])
                at = end
            }
        }
        func read(_ blob: SegmentBlob, range: Range<Int>?) async throws -> [UInt8] {
            let bytes = blobs[blob] ?? []
            return range.map { Array(bytes[$0.clamped(to: bytes.indices)]) } ?? bytes
        }
    }

    @Test("every row", arguments: [1, 2, 3]) func rows(version: UInt16) async throws {
        let kept = try Kept("segment-v\(version).weir"), head = try SegmentHead(kept.blobs[.head] ?? [])
        #expect(head.version == version)
        #expect(head.rows == Self.rowCount && head.exporters == Self.exporters && head.blockCount == 4)
        #expect(head.origins == [RandomRows.origin("a")])
        var reader = SegmentReader(head, kept), columns = FlowColumns(), found: Set<FlowRecord> = []
        try await reader.load(.all, blocks: 0..<head.blockCount, origins: true)
        for block in 0..<head.blockCount { _ = try reader.decode(block, .all, into: &columns) }
        #expect(columns.count == Self.rowCount)
        for row in columns.rows {
            var record = columns[row]
            record.exporter = columns.exporters[Int(record.exporter)] == Self.exporters[0] ? 0 : 1
            found.insert(record)
        }
        let want = Set((0..<Self.rowCount).map { Self.row($0) })
        #expect(want.count == Self.rowCount && found == want)
    }

    @Test("some rows by themselves, and whose an address is", arguments: [1, 2, 3])
    func someRows(version: UInt16) async throws {
        let kept = try Kept("segment-v\(version).weir"), head = try SegmentHead(kept.blobs[.head] ?? [])
        var reader = SegmentReader(head, kept), columns = FlowColumns(), whole = FlowColumns()
        let picks: [Int32] = [3, 77, 501, 999]
        try await reader.load(.all, block: 2, rows: picks)
        _ = try reader.decode(2, .all, rows: picks, into: &columns)
        let address = columns[0].destinationIPAddress
        try await reader.loadEndpoints(in: [address...address])
        let numbers = try reader.numbers(in: [address...address])
        try await reader.load(.all, blocks: 0..<head.blockCount)
        _ = try reader.decode(2, .all, into: &whole)
        let origin = RandomRows.origin("a")
        let same = picks.indices.allSatisfy {
            WholeRow(columns, $0, origin) == WholeRow(whole, Int(picks[$0]), origin)
        }
        #expect(same)
        let (places, ends) = try reader.endpointNumbers(ofBlock: 2)
        let found = (0..<1_000).filter { numbers[0].contains(ends[Int(places[$0] ^ 1)]) }
        let want = (0..<1_000).filter { whole[$0].destinationIPAddress == address }
        #expect(found == want && found.contains(3))
    }

    @Test("version 1: its filter, which is one slice") func version1Filter() async throws {
        let kept = try Kept("segment-v1.weir"), head = try SegmentHead(kept.blobs[.head] ?? [])
        var filter = try SegmentBloom(head)
        let known = (0..<Self.rowCount).flatMap { index in
            let row = Self.row(index)
            return [row.sourceIPAddress, row.destinationIPAddress].map { IPNetwork($0, length: $0.isV4 ? 32 : 128) }
        }
        let strangers = (0..<1_000).map { IPNetwork(IPAddress(v4: 0x0B00_0000 + UInt32($0) * 256), length: 24) }
        #expect(filter.needs([known[0]]) == [0..<(kept.blobs[.bloom]?.count ?? 0)])
        let isOpen = filter.mayContain(strangers[0])
        #expect(isOpen, "nothing is at hand yet")
        try filter.supply(kept.blobs[.bloom] ?? [], at: 0)
        let forgotten = known.filter { !filter.mayContain($0) }, taken = strangers.filter { filter.mayContain($0) }
        #expect(forgotten.isEmpty && taken.count < 30, "\(taken.count) of 1 000 strangers")
    }
}
