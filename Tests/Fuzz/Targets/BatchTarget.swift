import BatchFormat
import FlowModel
import WireBytes

enum BatchTarget {
    /// The first octet chooses: a body as it is; one whose head's checksum is set right, which fuzzing would not find;
    /// rows that are made of the octets, sealed and opened.
    static func run(_ input: [UInt8]) throws(Violation) {
        var tape = Tape(input)
        switch tape.u8() % 3 {
        case 0: try open(Array(input.dropFirst()))
        case 1: try open(summed(Array(input.dropFirst())))
        default: try roundTrip(&tape)
        }
    }

    private static func open(_ body: [UInt8]) throws(Violation) {
        try openOver(body)
        var columns = FlowColumns(), decoder = BatchDecoder()
        let key = ExporterKey(address: IPAddress(v4: 1), observationDomain: 1, exportProtocol: .ipfix)
        _ = columns.intern(key)
        _ = columns.extend(by: 1)
        do throws(BatchError) {
            try body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
        } catch {
            return try hold(columns.count == 1, "a refused batch left \(columns.count - 1) rows")
        }
        let summary = body.withBytes { try? BatchSummary($0) }
        try hold(summary?.rows == columns.count - 1, "the head says \(summary?.rows ?? -1) rows")
        let rows = 1..<columns.count
        try hold(summary?.tally == columns.tally(of: rows), "the head says \(String(describing: summary?.tally))")
        for row in rows {
            try hold(Int(columns.exporter[row]) < columns.exporters.count, "row \(row) has no exporter")
            let place = columns.extra[row]
            try hold(place == 0 || columns.extras.walk(place, { _, _ in }) != nil, "extras lead nowhere")
            let others = columns.observerSets.set(at: columns.observers[row])
            try hold(others.allSatisfy { Int($0) < columns.exporters.count }, "an observer that isn't there")
        }
        var encoder = BatchEncoder()
        let sealed: [UInt8]
        do throws(BatchError) {
            sealed = try encoder.encode(columns, rows: rows, fidelity: summary?.fidelity ?? .full)
        } catch {
            return  // larger than it was: other encodings were used
        }
        try reopen(sealed, columns, rows, hasAllExtras: encoder.entriesLeftOut == 0)
    }

    /// Read over rows that are there, a batch is what it is by itself: nothing of others shows through, neither in its
    /// rows nor in those after it.
    private static func openOver(_ body: [UInt8]) throws(Violation) {
        var over = stained(), alone = FlowColumns(), decoder = BatchDecoder(), isShared = false
        let isAloneShared = try? body.withBytes { span throws(BatchError) in
            try decoder.decodeShared(span, into: &alone)
        }
        let isRead: Void? = try? body.withBytes { span throws(BatchError) in
            try decoder.decodeShared(span, inPlaceOfRowsIn: &over, isShared: &isShared)
        }
        try hold((isRead == nil) == (isAloneShared == nil), "a batch is refused only by itself or only over others")
        try hold(isRead == nil ? over.count == 0 : isAloneShared == isShared, "a batch over others shares otherwise")
        _ = (over.extend(by: 400), alone.extend(by: 400))
        for row in over.rows {
            let (one, other) = (Self.alone(over[row]), Self.alone(alone[row]))
            try hold(one == other, "row \(row) read over others: \(one) instead of \(other)")
        }
    }
    /// Rows with something in each column, of exporters that are gone.
    private static func stained() -> FlowColumns {
        var record = FlowRecord(), columns = FlowColumns()
        let address = IPAddress(high: .max, low: .max)
        (record.sourceIPAddress, record.destinationIPAddress, record.ipNextHopAddress) = (address, address, address)
        (record.octetDeltaCount, record.packetDeltaCount, record.deltaFlowCount) = (.max, .max, .max)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (-1, -1)
        (record.exportMilliseconds, record.receiveMilliseconds) = (-1, -1)
        (record.sourceTransportPort, record.destinationTransportPort, record.protocolIdentifier) = (.max, .max, .max)
        (record.tcpControlBits, record.ipClassOfService, record.vlanId) = (.max, .max, .max)
        (record.ingressInterface, record.egressInterface) = (.max, .max)
        (record.bgpSourceAsNumber, record.bgpDestinationAsNumber) = (.max, .max)
        (record.sourceIPPrefixLength, record.destinationIPPrefixLength) = (.max, .max)
        (record.flowDirection, record.samplingInterval) = (1, 1)
        record.flags = RecordFlags(rawValue: .max)
        for _ in 0..<300 { columns.append(record) }
        columns.removeExporters()
        return columns
    }

    private static func reopen(
        _ sealed: [UInt8], _ columns: FlowColumns, _ rows: Range<Int>, hasAllExtras: Bool = true
    ) throws(Violation) {
        var copy = FlowColumns(), decoder = BatchDecoder()
        do throws(BatchError) {
            try sealed.withBytes { span throws(BatchError) in try decoder.decode(span, into: &copy) }
        } catch {
            throw Violation(description: "what was sealed is refused: \(error)")
        }
        try hold(copy.count == rows.count, "\(rows.count) rows sealed, \(copy.count) opened")
        for row in 0..<copy.count {
            let from = rows.lowerBound + row
            let (opened, sealed) = (alone(copy[row]), alone(columns[from]))
            try hold(opened == sealed, "row \(row): \(opened) instead of \(sealed)")
            guard hasAllExtras else { continue }
            let values = columns.extras.values(at: columns.extra[from])
            try hold(copy.extras.values(at: copy.extra[row]) == values, "row \(row) has other extras")
        }
    }

    /// A record without its places in side stores.
    private static func alone(_ record: FlowRecord) -> FlowRecord {
        var record = record
        (record.extra, record.observers, record.sketch) = (0, 0, 0)
        return record
    }

    private static func roundTrip(_ tape: inout Tape) throws(Violation) {
        var columns = FlowColumns()
        let exporters = 1 + Int(tape.u8() & 3), few = tape.u8()
        for number in 0..<exporters {
            _ = columns.intern(
                ExporterKey(
                    address: IPAddress(v4: UInt32(number)), observationDomain: tape.u32(), exportProtocol: .netflow9))
        }
        while !tape.isOver, columns.count < 2_000 {  // ends: each turn takes octets
            let row = columns.extend(by: 1).lowerBound
            columns.sourceLow[row] = UInt64(tape.u8() & few)
            columns.destinationLow[row] = UInt64(tape.u8() & few)
            columns.destinationHigh[row] = tape.u8() & 1 == 0 ? 0 : UInt64(tape.u32()) << 32
            columns.destinationTransportPort[row] = tape.u16()
            columns.octetDeltaCount[row] = tape.u8() > 250 ? .max : UInt64(tape.u16())
            columns.packetDeltaCount[row] = UInt64(tape.u8())
            columns.flowStartMilliseconds[row] = Int64(Int32(bitPattern: tape.u32())) << (tape.u8() & 31)
            columns.flowEndMilliseconds[row] = columns.flowStartMilliseconds[row] &+ Int64(tape.u16())
            columns.receiveMilliseconds[row] = 1_700_000_000_000 &+ Int64(tape.u16())
            columns.deltaFlowCount[row] = UInt32(tape.u8())
            columns.samplingInterval[row] = Float(tape.u8())
            columns.flags[row] = tape.u8() & ~RecordFlags.observedElsewhere.rawValue
            columns.exporter[row] = UInt32(Int(tape.u8()) % exporters)
            let extras = Int(tape.u8() & 31)
            if extras > 24 {
                columns.extra[row] = columns.extras.add([ExtraValue(ElementKey(id: 95), tape.take(extras))])
            }
        }
        var encoder = BatchEncoder()
        let sealed: [UInt8]
        do throws(BatchError) {
            sealed = try encoder.encode(columns, fidelity: .full)
        } catch {
            throw Violation(description: "\(columns.count) rows can't be sealed: \(error)")
        }
        try reopen(sealed, columns, columns.rows)
    }

    /// The same body with the checksums of its head and frames made right, wherever its version and counts put them.
    static func summed(_ body: [UInt8]) -> [UInt8] {
        guard body.count >= 72 else { return body }
        var body = body
        body.replaceSubrange(0..<4, with: Array("WEIR".utf8))
        let version = 1 + body[4] % 3
        (body[4], body[5]) = (version, 0)
        func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(body[at + $1]) << (8 * $1) } }
        func set(_ sum: UInt32, at offset: Int) {
            for octet in 0..<4 { body[offset + octet] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(octet))) }
        }
        let columns = Int(body[7]), exporters = word(12), size = version == 1 ? 20 : 24
        let directory = 72 + 24 * exporters, end = directory + size * columns
        guard exporters <= 1_000, end + 4 <= body.count else { return body }
        var frame = end + 4
        for column in 0..<(version == 1 ? 0 : columns) {
            let at = directory + column * size, octets = word(at + 8)
            guard octets <= body.count - frame else { break }
            let sum = body.withBytes { Checksum.of($0.extracting(frame..<(frame + octets))) }
            set(sum, at: at + 12)
            frame += octets
        }
        set(body.withBytes { CRC32C.checksum($0.extracting(0..<end)) }, at: end)
        return body
    }
}
