import BatchFormat
import FlowModel
import Identity
import Platform
import SegmentFormat
import WireBytes

/// Sealed batches, made beforehand, into segments and back: what compaction and questions cost.
enum SegmentBench {
    static let origin = SegmentOrigin(
        sensor: SensorIdentity(tenant: TenantID("bench") ?? .only, site: "here", name: "sensor"), fidelity: .full)

    /// Questions that are measured, by name.
    private static let questions: [(String, FieldSet)] = [
        ("octets", .octetDeltaCount), ("packets", .packetDeltaCount), ("source", .sourceIPAddress),
        ("destination", .destinationIPAddress), ("sourcePort", .sourceTransportPort),
        ("ports", [.sourceTransportPort, .destinationTransportPort]), ("protocol", .protocolIdentifier),
        ("end", .flowEndMilliseconds), ("startEnd", [.flowStartMilliseconds, .flowEndMilliseconds]),
        ("interfaces", [.ingressInterface, .egressInterface]), ("exporter", .exporter), ("as", .bgpSourceAsNumber),
        ("nextHop", .ipNextHopAddress), ("all", .all),
    ]

    /// Prints a line for the batches' decoding, for the encoding, for each blob, for each question.
    static func run(_ batches: [[UInt8]], print: (String, BenchResult) -> Void) throws(BenchError) {
        var segments: [EncodedSegment] = [], open = BenchResult(), all = BenchResult()
        var decoder = BatchDecoder(), columns = FlowColumns()
        let before = cpuSeconds()
        for body in batches {
            columns.removeAll()
            do throws(BatchError) {
                try body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
            } catch { throw BenchError(code: 1, message: "\(error)") }
            open.records += columns.count
            open.bytes += body.count
        }
        open.cpuSeconds = cpuSeconds() - before
        print("segments-batches", open)
        let start = cpuSeconds()
        segments = try encode(batches)
        all.cpuSeconds = cpuSeconds() - start - open.cpuSeconds
        (all.records, all.bytes) = (open.records, segments.reduce(0) { $0 + $1.byteCount })
        all.peakRSSBytes = peakRSSBytes()
        print("segments-encode", all)
        try report(segments, open.records, print)
    }

    private static func encode(_ batches: [[UInt8]]) throws(BenchError) -> [EncodedSegment] {
        var encoder = SegmentEncoder(), decoder = BatchDecoder(), segments: [EncodedSegment] = []
        for (offset, body) in batches.enumerated() {
            while true {  // ends: a segment without rows takes any batch
                do throws(BatchError) {
                    if try encoder.add(
                        body, sensor: origin.sensor, logOffset: Int64(offset), decoder: &decoder)
                    {
                        break
                    }
                } catch { throw BenchError(code: 1, message: "\(error)") }
                segments.append(encoder.finish())
            }
        }
        segments.append(encoder.finish())
        return segments
    }

    private static func report(
        _ segments: [EncodedSegment], _ records: Int, _ print: (String, BenchResult) -> Void
    ) throws(BenchError) {
        var sizes: [SegmentBlob: Int] = [:]
        for segment in segments { for (blob, bytes) in segment.blobs { sizes[blob, default: 0] += bytes.count } }
        for (blob, bytes) in sizes.sorted(by: { $0.key < $1.key }) {
            print("segments-blob-\(blob)", BenchResult(records: records, rows: records, bytes: bytes))
        }
        for (name, fields) in questions {
            var result = BenchResult()
            let start = cpuSeconds()
            for segment in segments { try read(segment, fields, &result) }
            result.cpuSeconds = cpuSeconds() - start
            print("segments-decode-\(name)", result)
        }
    }
    private static func read(
        _ segment: EncodedSegment, _ fields: FieldSet, _ result: inout BenchResult
    ) throws(BenchError) {
        do throws(SegmentError) {
            let head = try SegmentHead(segment.head)
            var reader = SegmentReader(head, segment), columns = FlowColumns()
            for need in try reader.needs(fields, blocks: 0..<head.blockCount) {
                let bytes = segment.columns.first { $0.blob == need.blob }?.bytes ?? []
                try reader.supply(Array(bytes[need.range]), for: need)
            }
            for block in 0..<head.blockCount {
                columns.removeAll()
                result.records += try reader.decode(block, fields, into: &columns).count
            }
            result.bytes += reader.bytesRead
        } catch { throw BenchError(code: 1, message: "\(error)") }
    }
}

extension TenantID {
    fileprivate static var only: TenantID {
        guard let id = TenantID("x") else { preconditionFailure("a name") }
        return id
    }
}
