/// The first sums of `FloodDetector` and `CarpetBombingDetector`: one host's or network's packets in a few seconds.
///
/// Nearly all hosts stay far below every limit, so these are all that is ever kept of them; the first that comes near
/// one moves, with all that was counted, to a bucket that also knows who sent. So no count depends on there being two.
import FlowModel

/// One class of traffic to one host in one bucket.
struct FloodCell: CellPayload {
    /// Scaled by sampling.
    var packets = 0.0, octets = 0.0
    var flows: UInt32 = 0
    var samplingInterval: Float = 1

    init() {}
    init(_ sight: FlowSight, share: Double) {
        let scale = share * sight.samplingInterval
        (packets, octets) = (min(Double(sight.packets), 1e15) * scale, min(Double(sight.octets), 1e15) * scale)
        (flows, samplingInterval) = (sight.flows, Float(sight.samplingInterval))
    }
    @inline(__always)
    mutating func add(_ other: FloodCell) {
        packets += other.packets
        octets += other.octets
        let (sum, isOver) = flows.addingReportingOverflow(other.flows)
        flows = isOver ? .max : sum
        samplingInterval = max(samplingInterval, other.samplingInterval)
    }

    static var words: Int { 3 }
    @inline(__always)
    init(_ cells: borrowing Span<UInt64>, at place: Int) {
        (packets, octets) = (Double(bitPattern: cells[place]), Double(bitPattern: cells[place + 1]))
        flows = UInt32(truncatingIfNeeded: cells[place + 2])
        samplingInterval = Float(bitPattern: UInt32(truncatingIfNeeded: cells[place + 2] >> 32))
    }
    @inline(__always)
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {
        (cells[place], cells[place + 1]) = (packets.bitPattern, octets.bitPattern)
        cells[place + 2] = UInt64(flows) | UInt64(samplingInterval.bitPattern) << 32
    }
    var isSound: Bool { packets.isFinite && octets.isFinite && samplingInterval.isFinite }
}

/// A record's part in one bucket.
struct FloodVisit: Sendable {
    let hash: UInt64, bucket: Int64
    let share: Double
    /// Of the record, in its chunk.
    let index: Int

    static var none: FloodVisit { FloodVisit(hash: 0, bucket: 0, share: 0, index: 0) }
}

/// When a cell comes near a limit: at a 64th of it.
struct FloodGate {
    static var part: Double { 1.0 / 64 }
    /// By `FloodClass`, for a whole bucket.
    private var packets = SIMD4<Double>.zero, octets = SIMD4<Double>.zero

    init(_ parameters: DetectorParameters) {
        let seconds = Double(max(parameters.floodBucketMilliseconds, 1)) / 1_000
        for kind in FloodClass.allCases {
            let limit = FloodLimit(kind, parameters)
            packets[kind.rawValue] = min(limit.packets, parameters.floodPacketsPerSecond) * seconds * Self.part
            octets[kind.rawValue] = min(limit.bits, parameters.floodBitsPerSecond) / 8 * seconds * Self.part
        }
        // Conversations have limits of their own; sums may turn out to be datagrams.
        let limit = FloodLimit(.conversation, parameters), index = FloodClass.conversation.rawValue
        (packets[index], octets[index]) = (limit.packets * seconds * Self.part, limit.bits / 8 * seconds * Self.part)
    }
    @inline(__always)
    func isNear(_ cell: FloodCell, _ kind: FloodClass) -> Bool {
        cell.packets >= packets[kind.rawValue] || cell.octets >= octets[kind.rawValue]
    }
}

/// One network's traffic in one bucket: what `CarpetBucket` begins with.
struct CarpetCell: CellPayload {
    var datagrams = 0.0, empty = 0.0, octets = 0.0
    /// Packets that the network sent meanwhile over UDP.
    var sent = 0.0
    var flows: UInt32 = 0
    var samplingInterval: Float = 1

    init() {}
    @inline(__always)
    mutating func add(_ more: FloodCell, isEmpty: Bool) {
        if isEmpty { empty += more.packets } else { datagrams += more.packets }
        octets += more.octets
        let (sum, isOver) = flows.addingReportingOverflow(more.flows)
        flows = isOver ? .max : sum
        samplingInterval = max(samplingInterval, more.samplingInterval)
    }

    static var words: Int { 7 }
    @inline(__always)
    init(_ cells: borrowing Span<UInt64>, at place: Int) {
        (datagrams, empty) = (Double(bitPattern: cells[place]), Double(bitPattern: cells[place + 1]))
        (octets, sent) = (Double(bitPattern: cells[place + 2]), Double(bitPattern: cells[place + 3]))
        flows = UInt32(truncatingIfNeeded: cells[place + 4])
        samplingInterval = Float(bitPattern: UInt32(truncatingIfNeeded: cells[place + 4] >> 32))
    }
    @inline(__always)
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {
        (cells[place], cells[place + 1]) = (datagrams.bitPattern, empty.bitPattern)
        (cells[place + 2], cells[place + 3]) = (octets.bitPattern, sent.bitPattern)
        cells[place + 4] = UInt64(flows) | UInt64(samplingInterval.bitPattern) << 32
    }
    var isSound: Bool { [datagrams, empty, octets, sent].allSatisfy(\.isFinite) && samplingInterval.isFinite }
}

/// When a cell comes near a limit: at a 40th of it, so that what a quiet network gets is measured as far as its own
/// limit needs it (`FloodUsual`).
struct CarpetGate {
    static var part: Double { 1.0 / 40 }
    /// From here on hosts are told apart.
    static var listedPart: Double { 1.0 / 16 }
    private let datagrams: Double, empty: Double, octets: Double

    init(_ parameters: DetectorParameters) {
        let seconds = Double(max(parameters.floodBucketMilliseconds, 1)) / 1_000
        datagrams = parameters.carpetPacketsPerSecond * seconds * Self.part
        empty = parameters.carpetEmptyPacketsPerSecond * seconds * Self.part
        octets = parameters.carpetBitsPerSecond / 8 * seconds * Self.part
    }
    @inline(__always)
    func isNear(_ cell: CarpetCell) -> Bool {
        cell.datagrams >= datagrams || cell.empty >= empty || cell.octets >= octets
    }
}
