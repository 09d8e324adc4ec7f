package import BatchFormat
package import FlowModel
internal import WireBytes

/// What the head of a segment says: all that pruning needs, without a block decoded. Having one means that its counts
/// and lengths go together.
package struct SegmentHead: Equatable, Sendable {
    /// Of the format: 1 has the Bloom filter in one slice.
    package internal(set) var version = SegmentLayout.version
    package internal(set) var rows = 0
    /// Rows of each block but the last.
    package internal(set) var blockRows = SegmentLimit.blockRows
    /// Different addresses with their AS numbers and prefix lengths, at both ends.
    package internal(set) var endpointCount = 0
    /// Different datagrams, or moments, that rows came with.
    package internal(set) var arrivalCount = 0
    /// The sums over all rows.
    package internal(set) var tally = Tally()
    /// Bounds over all rows, in ms since 1970 UTC; all 0 when there are no rows.
    package internal(set) var flowStartMin: Int64 = 0, flowEndMax: Int64 = 0
    package internal(set) var receiveMin: Int64 = 0, receiveMax: Int64 = 0
    /// Of the batches that went in: where the first and the last of them were in the log.
    package internal(set) var logOffsetMin: Int64 = 0, logOffsetMax: Int64 = 0
    package internal(set) var exporters: [ExporterKey] = []
    package internal(set) var origins: [SegmentOrigin] = []
    var parts: [PartEntry] = [] {
        didSet {
            places = [UInt8](repeating: .max, count: 256)
            for (place, entry) in parts.enumerated() {
                places[Int(entry.part.rawValue)] = UInt8(truncatingIfNeeded: place)
            }
        }
    }
    /// Where in `parts` each part is, by its number.
    private var places = [UInt8](repeating: .max, count: 256)
    var bloomBytes = 0, bloomChecksum: UInt32 = 0

    init() {}

    package var blockCount: Int { (rows + blockRows - 1) / blockRows }
    /// Which of the segment's rows are in a block.
    package func rows(ofBlock block: Int) -> Range<Int> {
        let first = min(max(block, 0) * blockRows, rows)
        return first..<min(first + blockRows, rows)
    }

    /// The blobs that there are beside head and Bloom filter, and how long they are.
    package var blobs: [(blob: SegmentBlob, bytes: Int)] {
        parts.map { (SegmentBlob($0.part), $0.byteCount) }.filter { $0.bytes > 0 }
    }
    func entry(_ part: SegmentPart) -> PartEntry? {
        let place = Int(places[Int(part.rawValue)])
        return place < parts.count ? parts[place] : nil
    }
}

/// What pruning asks. All bounds are inclusive; a block that there isn't has those of zero.
extension SegmentHead {
    /// The least and the greatest value of a column's rows in a block. Of `flowDirection` and `samplingInterval` as
    /// columns hold them: one higher, and the bits of the single. For addresses and times see below.
    package func bounds(of column: ColumnID, block: Int) -> ClosedRange<UInt64> {
        guard let part = SegmentPart(column), let entry = entry(part), entry.blocks.indices.contains(block) else {
            return 0...0
        }
        let (low, high) = (entry.blocks[block].min, entry.blocks[block].max)
        return low <= high ? low...high : 0...UInt64.max
    }
    /// As `bounds(of:block:)` for one of the four times.
    package func times(of column: ColumnID, block: Int) -> ClosedRange<Int64> {
        guard let part = SegmentPart(column), let entry = entry(part), entry.blocks.indices.contains(block) else {
            return 0...0
        }
        let low = Int64(bitPattern: entry.blocks[block].min), high = Int64(bitPattern: entry.blocks[block].max)
        return low <= high ? low...high : Int64.min...Int64.max
    }
    package enum AddressColumn: Sendable { case source, destination, nextHop }
    /// The least and the greatest address of a block, as 128-bit numbers.
    package func addresses(_ column: AddressColumn, block: Int) -> ClosedRange<IPAddress> {
        let (highPart, lowPart): (SegmentPart, SegmentPart) =
            switch column {
            case .source: (.sourceHigh, .sourceLow)
            case .destination: (.destinationHigh, .destinationLow)
            case .nextHop: (.nextHopHigh, .nextHopLow)
            }
        let high = minMax(highPart, block), low = minMax(lowPart, block)
        let least = IPAddress(high: high.min, low: low.min), greatest = IPAddress(high: high.max, low: low.max)
        return least <= greatest ? least...greatest : .absent...IPAddress(high: .max, low: .max)
    }
    /// Whether a block's conversations can have an endpoint with one of these numbers as client, and as server.
    package func mayHave(_ numbers: [Range<UInt32>], block: Int) -> (client: Bool, server: Bool) {
        func may(_ part: SegmentPart) -> Bool {
            // The first version notes no bounds of these.
            guard version > 1 else { return true }
            let bounds = minMax(part, block)
            return numbers.contains { UInt64($0.lowerBound) <= bounds.max && UInt64($0.upperBound) > bounds.min }
        }
        return (may(.clients), may(.servers))
    }
    private func minMax(_ part: SegmentPart, _ block: Int) -> (min: UInt64, max: UInt64) {
        guard let entry = entry(part), entry.blocks.indices.contains(block) else { return (0, 0) }
        return (entry.blocks[block].min, entry.blocks[block].max)
    }
}

/// One block of a part, checked: its frame lies in the blob, its lengths go with the rows.
struct BlockEntry: Equatable {
    var words = 0
    /// Where its frame is in the blob; empty for one whose words are all alike.
    var frame = 0..<0
    var checksum: UInt32 = 0
    /// Which octets of the words have a plane, lowest first; all others are those of `base`.
    var octets: UInt8 = 0
    var base: UInt64 = 0
    /// Of the values, not of the words.
    var min: UInt64 = 0, max: UInt64 = 0
}

struct PartEntry: Equatable {
    var part: SegmentPart
    var blocks: [BlockEntry] = []
    var byteCount: Int { blocks.last?.frame.upperBound ?? 0 }
}
