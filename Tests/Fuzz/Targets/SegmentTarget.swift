import BatchFormat
import FlowModel
import Identity
import SegmentFormat
import WireBytes

enum SegmentTarget {
    /// The first octet chooses: a head as it is, and one whose checksum is set right; a sound segment with octets
    /// changed and all checksums set right, which fuzzing would not find; rows that are made of the octets, encoded
    /// and opened.
    static func run(_ input: [UInt8]) throws(Violation) {
        var tape = Tape(input)
        switch tape.u8() % 4 {
        case 0: _ = try? SegmentHead(Array(input.dropFirst()))
        case 1: openHead(Array(input.dropFirst()))
        case 2: try change(&tape)
        default: try roundTrip(&tape)
        }
        _ = try? SegmentBloom(input)
    }

    private static func openHead(_ bytes: [UInt8]) {
        guard bytes.count >= 8, let head = try? SegmentHead(summed(bytes)) else { return }
        for block in 0..<min(head.blockCount, 4) { _ = head.addresses(.source, block: block) }
        for column in ColumnID.allCases { _ = (head.bounds(of: column, block: 0), head.times(of: column, block: 1)) }
    }

    /// `u8` part, `u16` where, `u8` what: changes of blobs until the octets end; 255 for the part changes the head.
    private static func change(_ tape: inout Tape) throws(Violation) {
        var segment = sound, isHeadChanged = false
        for _ in 0..<12 where !tape.isOver {
            let part = Int(tape.u8()), at = Int(tape.u16()), change = tape.u8()
            if part == 255 {
                segment.head[112 + at % (segment.head.count - 112)] ^= change
                isHeadChanged = true
            } else {
                let number = part % segment.blobs.count
                let count = segment.blobs[number].bytes.count
                segment.blobs[number].bytes[at % count] ^= change
            }
        }
        let bytes = isHeadChanged ? summed(segment.head) : segment.resum()
        guard let head = try? SegmentHead(bytes) else { return }
        var reader = SegmentReader(head, segment), columns = FlowColumns()
        guard let needs = try? reader.needs(.all, blocks: 0..<head.blockCount, origins: true) else { return }
        for need in needs {
            let blob = segment.blobs.first { $0.blob == need.blob }?.bytes ?? []
            try? reader.supply(Array(blob[need.range.clamped(to: blob.indices)]), for: need)
        }
        for block in 0..<min(head.blockCount, 4) {
            let before = columns.count
            guard let rows = try? reader.decode(block, .all, into: &columns) else {
                try hold(columns.count == before, "a refused block left \(columns.count - before) rows")
                continue
            }
            for row in rows {
                try hold(Int(columns.exporter[row]) < columns.exporters.count, "row \(row) has no exporter")
                let place = columns.extra[row]
                try hold(place == 0 || columns.extras.walk(place, { _, _ in }) != nil, "extras lead nowhere")
            }
            try holdPicked(block, rows, columns, &reader)
            guard let origins = try? reader.origins(ofBlock: block) else { continue }
            try hold(origins.allSatisfy { Int($0) < head.origins.count }, "an origin that isn't there")
        }
    }

    /// Rows that are decoded by themselves are those of the whole block; addresses lead to numbers that there are.
    private static func holdPicked(
        _ block: Int, _ rows: Range<Int>, _ columns: FlowColumns, _ reader: inout SegmentReader
    ) throws(Violation) {
        guard let last = rows.last else { return }
        var picked = FlowColumns()
        let picks = [0, Int32(rows.count / 2), Int32(rows.count - 1)]
        guard (try? reader.decode(block, .all, rows: picks, into: &picked)) != nil else {
            throw Violation(description: "rows of a sound block are refused")
        }
        for (row, pick) in picks.enumerated() {
            let other = rows.lowerBound + Int(pick)
            try hold(alone(picked, row) == alone(columns, other), "row \(other) is another by itself")
        }
        let address = columns[last].sourceIPAddress
        guard let numbers = try? reader.numbers(in: [address...address, .absent...address]) else { return }
        try hold(numbers.allSatisfy { $0.upperBound <= reader.head.endpointCount }, "numbers of no endpoints")
    }

    private static func roundTrip(_ tape: inout Tape) throws(Violation) {
        let columns = rows(&tape)
        let segment = encoded(columns)
        let head: SegmentHead
        do { head = try SegmentHead(segment.head) } catch { throw Violation(description: "refused: \(error)") }
        try hold(head.tally == columns.tally && head.rows == columns.count, "the head says \(head.tally)")
        var reader = SegmentReader(head, segment), back = FlowColumns()
        do throws(SegmentError) {
            for need in try reader.needs(.all, blocks: 0..<head.blockCount, origins: true) {
                let blob = segment.columns.first { $0.blob == need.blob }?.bytes ?? []
                try reader.supply(Array(blob[need.range]), for: need)
            }
            for block in 0..<head.blockCount { _ = try reader.decode(block, .all, into: &back) }
        } catch { throw Violation(description: "what was encoded is refused: \(error)") }
        let before = Set(columns.rows.map { alone(columns, $0) }), after = Set(back.rows.map { alone(back, $0) })
        try hold(before == after && back.count == columns.count, "other rows came back")
    }
    private static func alone(_ columns: FlowColumns, _ row: Int) -> FlowRecord {
        var record = columns[row]
        (record.exporter, record.extra, record.observers, record.sketch) = (0, 0, 0, 0)
        return record
    }
    private static func rows(_ tape: inout Tape) -> FlowColumns {
        var columns = FlowColumns()
        let few = tape.u8()
        _ = columns.intern(ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix))
        while !tape.isOver, columns.count < 1_000 {  // ends: each turn takes octets
            let row = columns.extend(by: 1).lowerBound
            columns.sourceLow[row] = UInt64(tape.u8() & few)
            columns.destinationLow[row] = UInt64(tape.u8() & few)
            columns.destinationHigh[row] = tape.u8() & 1 == 0 ? 0 : UInt64(tape.u32()) << 32
            columns.sourceTransportPort[row] = UInt16(tape.u8() & few)
            columns.destinationTransportPort[row] = tape.u16()
            columns.octetDeltaCount[row] = tape.u8() > 250 ? .max : UInt64(tape.u16())
            columns.flowEndMilliseconds[row] = Int64(Int32(bitPattern: tape.u32())) << (tape.u8() & 31)
            columns.receiveMilliseconds[row] = Int64(tape.u8()) << (tape.u8() & 63)
            columns.ingressInterface[row] = UInt32(tape.u8())
            columns.nextHopLow[row] = UInt64(tape.u8() & 3)
            if tape.u8() > 240 {
                columns.extra[row] = columns.extras.add([ExtraValue(ElementKey(id: 95), tape.take(5))])
            }
        }
        return columns
    }
    private static func encoded(_ columns: FlowColumns) -> EncodedSegment {
        var encoder = SegmentEncoder(blockRows: 64, listBlock: 16)
        if let tenant = TenantID("acme") {
            let sensor = SensorIdentity(tenant: tenant, site: "here", name: "one")
            _ = encoder.add(columns, origin: SegmentOrigin(sensor: sensor, fidelity: .full), logOffset: 0)
        }
        return encoder.finish()
    }

    private static let sound: ChangedSegment = {
        var tape = Tape((0..<6_000).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 >> 5) })
        let segment = encoded(rows(&tape))
        return ChangedSegment(head: segment.head, blobs: segment.columns)
    }()

    /// With the checksum of the head set right.
    static func summed(_ head: [UInt8]) -> [UInt8] {
        var head = Array(head.dropLast(4))
        head.appendLE(head.withBytes { Checksum.of($0) })
        return head
    }
}

/// A segment whose octets can be changed.
struct ChangedSegment: SegmentBlobs {
    var head: [UInt8]
    var blobs: [(blob: SegmentBlob, bytes: [UInt8])]

    func read(_ blob: SegmentBlob, range: Range<Int>?) async throws -> [UInt8] { [] }

    /// Sets the checksums in the directory of the list of endpoints as the frames are now.
    /// - Returns: the head, with the checksums of all other frames.
    mutating func resum() -> [UInt8] {
        if let place = blobs.firstIndex(where: { $0.blob.rawValue == 87 }) {
            blobs[place].bytes = resummed(directory: blobs[place].bytes)
        }
        var head = self.head, at = 112 + 24 * word(16)
        for _ in 0..<word(20) { at += 4 + (1...3).reduce(0) { $0 + Int(head[at + $1]) } }
        let blocks = (word(8) + word(12) - 1) / word(12)
        for _ in 0..<Int(head[6]) {
            let bytes = blobs.first { $0.blob.rawValue == head[at] }?.bytes ?? [],
                count = head[at + 1] == 1 ? 1 : blocks
            var frame = 0
            at += 4
            for _ in 0..<count {
                let end = frame + word(at + 4)
                let sum = bytes.withBytes { Checksum.of($0.extracting(frame..<min(end, $0.byteCount))) }
                for octet in 0..<4 { head[at + 8 + octet] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * octet)) }
                (frame, at) = (end, at + 40)
            }
        }
        return SegmentTarget.summed(head)
    }
    private func resummed(directory: [UInt8]) -> [UInt8] {
        var directory = directory
        func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(directory[at + $1]) << (8 * $1) } }
        let blocks = (self.word(104) + word(0) - 1) / max(word(0), 1)
        var at = 4 + 16 * blocks
        while at >= 0, at + 4 + 20 * blocks <= directory.count {  // ends: each turn goes on
            let bytes = blobs.first { $0.blob.rawValue == directory[at] }?.bytes ?? []
            var frame = 0
            at += 4
            for _ in 0..<blocks {
                let end = min(frame + word(at), bytes.count)
                let sum = bytes.withBytes { Checksum.of($0.extracting(frame..<end)) }
                for octet in 0..<4 { directory[at + 4 + octet] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * octet)) }
                (frame, at) = (end, at + 20)
            }
        }
        return directory
    }
    private func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(head[at + $1]) << (8 * $1) } }
}
