/// A detector's state as bytes: magic, version, 64-bit words as LEB128 varints, and a checksum of all that.
///     snapshot := "WDS4" | word* | FNV-1a-64 of everything before :8, little-endian
/// Sets and tables are written in the order of their keys, so that equal states are equal bytes. What was added to
/// detectors' states since the first is a `SnapshotEdition`.

/// Why a snapshot can't be used. The remedy is the same for all: replay the log.
package enum SnapshotError: Error, Equatable, Sendable {
    case notASnapshot, damaged, otherParameters, otherDetectors, otherTenant
}

/// The parts of a detectors' snapshot that were added since the first, in their order.
package enum SnapshotEdition: Int, Comparable, Sendable {
    case first
    /// What hosts and networks usually get: `UsualRates`.
    case usual
    /// What told who began (`InitiatorSigns`), and what was said of entries that made room (`ToldWindows`).
    case signs

    package static func < (a: SnapshotEdition, b: SnapshotEdition) -> Bool { a.rawValue < b.rawValue }
}

package struct SnapshotWriter {
    static let magic: [UInt8] = Array("WDS4".utf8)
    private var bytes: [UInt8] = Self.magic

    package init() {}

    package mutating func add(_ word: UInt64) {
        var rest = word
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
    package mutating func add(_ word: Int64) { add(UInt64(bitPattern: (word << 1) ^ (word >> 63))) }
    package mutating func add(_ value: Double) { add(value.bitPattern) }
    package mutating func add(_ value: Bool) { add(value ? 1 : 0 as UInt64) }
    package mutating func add(_ count: Int) { add(UInt64(count)) }
    /// The bytes with their checksum.
    package consuming func finish() -> [UInt8] {
        let sum = StableHash.fnv64(bytes[...])
        return bytes + (0..<8).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) }
    }
}

package struct SnapshotReader {
    private let bytes: [UInt8]
    private let end: Int
    private var offset: Int
    /// Which parts there are: told by who reads the head.
    var edition = SnapshotEdition.signs

    package init(_ snapshot: [UInt8]) throws(SnapshotError) {
        guard snapshot.count >= SnapshotWriter.magic.count + 8, snapshot.starts(with: SnapshotWriter.magic) else {
            throw .notASnapshot
        }
        bytes = snapshot
        end = snapshot.count - 8
        offset = SnapshotWriter.magic.count
        var sum: UInt64 = 0
        for index in 0..<8 { sum |= UInt64(snapshot[end + index]) << (8 * UInt64(index)) }
        guard StableHash.fnv64(snapshot[..<end]) == sum else { throw .damaged }
    }

    package mutating func next() throws(SnapshotError) -> UInt64 {
        var word: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard offset < end else { throw .damaged }
            let octet = bytes[offset]
            offset += 1
            word |= UInt64(octet & 0x7F) << shift
            if octet < 0x80 { return word }
        }
        throw .damaged
    }
    package mutating func nextSigned() throws(SnapshotError) -> Int64 {
        let word = try next()
        return Int64(bitPattern: (word >> 1) ^ (0 &- (word & 1)))
    }
    package mutating func nextDouble() throws(SnapshotError) -> Double { Double(bitPattern: try next()) }
    package mutating func nextBool() throws(SnapshotError) -> Bool { try next() != 0 }
    /// A count of things that take at least one octet each, so it can't promise more than is there.
    package mutating func nextCount() throws(SnapshotError) -> Int {
        let word = try next()
        guard word <= UInt64(end - offset) else { throw .damaged }
        return Int(word)
    }
    package mutating func nextSmall<Value: FixedWidthInteger>(_ type: Value.Type) throws(SnapshotError) -> Value {
        guard let value = Value(exactly: try next()) else { throw .damaged }
        return value
    }
    package consuming func finish() throws(SnapshotError) {
        guard offset == end else { throw .damaged }
    }
}
