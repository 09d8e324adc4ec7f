import BatchFormat
import FlowModel
import Platform
import SegmentFormat
import Testing

@Suite("A damaged segment costs itself, and is said to be damaged")
struct HostileSegmentTests {
    @Test("every flipped bit of the head and of the filter is found") func flipped() throws {
        var generator = SeededGenerator(seed: 6)
        let made = try MadeSegment(rows: 40, using: &generator)
        for at in made.segment.head.indices {
            var head = made.segment.head
            head[at] ^= 1 << UInt8(at & 7)
            #expect(throws: SegmentError.self, "octet \(at) of the head") { _ = try SegmentHead(head) }
        }
        for at in made.segment.bloom.indices {
            var bloom = made.segment.bloom
            bloom[at] ^= 1 << UInt8(at & 7)
            #expect(throws: SegmentError.self, "octet \(at) of the filter") { _ = try SegmentBloom(bloom) }
        }
    }

    @Test("any cut of the head and of the filter is refused") func cut() throws {
        var generator = SeededGenerator(seed: 6)
        let made = try MadeSegment(rows: 40, using: &generator)
        for end in made.segment.head.indices {
            #expect(throws: SegmentError.self) { _ = try SegmentHead(Array(made.segment.head[..<end])) }
        }
        for end in made.segment.bloom.indices {
            #expect(throws: SegmentError.self) { _ = try SegmentBloom(Array(made.segment.bloom[..<end])) }
        }
    }

    @Test("every flipped bit of every blob is found when its block is read, and leaves no rows") func blobs()
        async throws
    {
        var generator = SeededGenerator(seed: 7)
        let made = try MadeSegment(rows: 60, using: &generator), head = try SegmentHead(made.segment.head)
        for (blob, bytes) in made.segment.columns {
            for at in bytes.indices where at < 40 || at % 7 == 0 {
                var damaged = Pieces(made.segment)
                damaged.blobs[blob]?[at] ^= 1 << UInt8(at & 7)
                var reader = SegmentReader(head, damaged), columns = FlowColumns(), faults = 0
                try await reader.load(.all, blocks: 0..<head.blockCount, origins: true)
                for block in 0..<head.blockCount {
                    let before = columns.count
                    do {
                        _ = try reader.decode(block, .all, into: &columns)
                        _ = try reader.origins(ofBlock: block)
                    } catch {
                        faults += 1
                        columns.truncate(to: before)
                    }
                }
                #expect(faults > 0, "octet \(at) of \(blob)")
            }
        }
    }

    @Test("blobs that are missing, short or others' are refused") func missing() async throws {
        var generator = SeededGenerator(seed: 9)
        let made = try MadeSegment(rows: 90, using: &generator), head = try SegmentHead(made.segment.head)
        let other = try MadeSegment(rows: 90, using: &generator)
        for (blob, bytes) in made.segment.columns {
            for replacement in [[], Array(bytes.dropLast()), other.segment.columns.first { $0.blob == blob }?.bytes] {
                guard let replacement, replacement != bytes else { continue }
                var pieces = Pieces(made.segment)
                pieces.blobs[blob] = replacement
                var reader = SegmentReader(head, pieces), isRefused = false
                do {
                    try await reader.load(.all, blocks: 0..<head.blockCount, origins: true)
                    var columns = FlowColumns()
                    for block in 0..<head.blockCount {
                        _ = try reader.decode(block, .all, into: &columns)
                        _ = try reader.origins(ofBlock: block)
                    }
                } catch {
                    isRefused = true
                }
                #expect(isRefused, "\(blob)")
            }
        }
    }

    @Test("blobs' numbers and names are told") func names() throws {
        #expect(SegmentBlob.head < SegmentBlob.bloom)
        #expect("\(SegmentBlob.head) \(SegmentBlob.bloom) \(SegmentBlob(rawValue: 11))" == "head bloom octetDeltaCount")
        #expect("\(SegmentBlob(rawValue: 200))" == "part 200")
    }
}

/// Blobs that can be changed.
struct Pieces: SegmentBlobs {
    var blobs: [SegmentBlob: [UInt8]]
    init(_ segment: EncodedSegment) {
        blobs = Dictionary(uniqueKeysWithValues: segment.columns.map { ($0.blob, $0.bytes) })
    }
    func read(_ blob: SegmentBlob, range: Range<Int>?) async throws -> [UInt8] {
        let bytes = blobs[blob] ?? []
        return range.map { Array(bytes[$0.clamped(to: bytes.indices)]) } ?? bytes
    }
}
