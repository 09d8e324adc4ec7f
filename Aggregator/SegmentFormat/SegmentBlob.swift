package import FlowModel
package import Identity

/// A piece of a segment that is stored, sealed and read by itself. The number is what stores keep.
package struct SegmentBlob: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    init(_ part: SegmentPart) { rawValue = part.rawValue }

    package static let head = SegmentBlob(rawValue: 0)
    package static let bloom = SegmentBlob(rawValue: 255)

    package static func < (a: SegmentBlob, b: SegmentBlob) -> Bool { a.rawValue < b.rawValue }
    package var description: String {
        switch self {
        case .head: "head"
        case .bloom: "bloom"
        default: SegmentPart(rawValue: rawValue).map { "\($0)" } ?? "part \(rawValue)"
        }
    }
}

/// What an encoder made: to be stored together, in one transaction.
package struct EncodedSegment: Sendable {
    package internal(set) var head: [UInt8] = []
    package internal(set) var bloom: [UInt8] = []
    /// Ascending, none empty.
    package internal(set) var columns: [(blob: SegmentBlob, bytes: [UInt8])] = []

    /// What it takes to store it.
    package var byteCount: Int { columns.reduce(head.count + bloom.count) { $0 + $1.bytes.count } }
    /// All blobs.
    package var blobs: [(blob: SegmentBlob, bytes: [UInt8])] { [(.head, head), (.bloom, bloom)] + columns }
}

/// Who sealed a row, and how: what a batch says of all its rows together.
package struct SegmentOrigin: Hashable, Sendable {
    package var sensor: SensorIdentity
    package var fidelity: Fidelity
    package init(sensor: SensorIdentity, fidelity: Fidelity) {
        self.sensor = sensor
        self.fidelity = fidelity
    }
}

/// Where a segment's blobs are: a database, an archive, memory.
package protocol SegmentBlobs: Sendable {
    /// The bytes of `blob`, all of them or those in `range`.
    func read(_ blob: SegmentBlob, range: Range<Int>?) async throws -> [UInt8]
    /// The bytes of several pieces, which may take less time than one by one.
    func read(_ needs: [SegmentNeed]) async throws -> [[UInt8]]
}

extension SegmentBlobs {
    package func read(_ needs: [SegmentNeed]) async throws -> [[UInt8]] {
        var all: [[UInt8]] = []
        for need in needs { all.append(try await read(need.blob, range: need.range)) }
        return all
    }
}

/// A segment in memory, as it was made.
extension EncodedSegment: SegmentBlobs {
    /// Empty for a blob that there isn't; what of the range is there.
    package func read(_ blob: SegmentBlob, range: Range<Int>?) async throws -> [UInt8] {
        let bytes = blobs.first { $0.blob == blob }?.bytes ?? []
        return range.map { Array(bytes[$0.clamped(to: bytes.indices)]) } ?? bytes
    }
}
