/// The first state behind `BeaconDetector`: the latest call of one host to one address and port, and who else calls.
import FlowModel

/// A call before there were two alike. Nearly all that hosts call, they call once, or with a size of its own each time.
struct LoneCall: CellPayload {
    /// In units of 16 ms since 1970; wraps after two years.
    private var moment: UInt32
    /// Octets of a flow, as far as they count here.
    let octets: UInt16
    /// The client's.
    let port: UInt16

    private static let unit: Int64 = 16
    /// Calls nearer than this are one program's several connections, in ms.
    private static let apartMin: Int64 = 500

    @inline(__always)
    init(_ sight: FlowSight) {
        moment = UInt32(truncatingIfNeeded: sight.start / Self.unit)
        octets = UInt16(clamping: sight.octets / UInt64(max(sight.flows, 1)))
        port = sight.sourcePort
    }
    /// How much later the record began than this call, in ms.
    @inline(__always)
    private func distance(to sight: FlowSight) -> Int64 {
        let now = UInt32(truncatingIfNeeded: sight.start / Self.unit)
        return Int64(Int32(truncatingIfNeeded: now &- moment)) * Self.unit
    }
    /// In ms, where a record of the same pair is at hand.
    func start(before sight: FlowSight) -> Int64 {
        let start = sight.start / Self.unit * Self.unit - distance(to: sight)
        return min(max(start, 0), EventTime.range.upperBound)
    }

    /// Whether a record is a slice or a copy of this call.
    @inline(__always)
    func hasPart(_ sight: FlowSight) -> Bool {
        sight.sourcePort != 0 && sight.sourcePort == port && abs(distance(to: sight)) <= BeaconEntry.gapMilliseconds
    }
    /// A call that lasts is as late as its latest part, once that is far from its beginning.
    @inline(__always)
    mutating func extend(to sight: FlowSight) {
        if distance(to: sight) > BeaconEntry.gapMilliseconds / 4 { moment = LoneCall(sight).moment }
    }
    /// Whether the two may be of one beacon: sizes no further apart than such calls' usual deviation.
    @inline(__always)
    func isAlike(_ sight: FlowSight) -> Bool {
        let other = Int(UInt16(clamping: sight.octets / UInt64(max(sight.flows, 1))))
        return abs(Int(octets) - other) <= Int(Rhythm.octetsDeviationMax) && min(Int(octets), other) <= Rhythm.octetsMax
            && abs(distance(to: sight)) >= Self.apartMin
    }

    static var words: Int { 1 }
    init() { (moment, octets, port) = (0, 0, 0) }
    @inline(__always)
    init(_ cells: borrowing Span<UInt64>, at place: Int) {
        let word = cells[place]
        moment = UInt32(truncatingIfNeeded: word)
        octets = UInt16(truncatingIfNeeded: word >> 32)
        port = UInt16(truncatingIfNeeded: word >> 48)
    }
    @inline(__always)
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {
        cells[place] = UInt64(moment) | UInt64(octets) << 32 | UInt64(port) << 48
    }
}

/// How many hosts speak to one outside address and port, up to a few more than matter, told apart by 16 bits each.
struct Callers: CellPayload {
    private var marks = (UInt64(0), UInt64(0), UInt64(0))

    /// As many as are told apart; `DetectorParameters.beaconHostsMax` is below.
    static let hostsMax = 12

    private static func count(_ word: UInt64) -> Int { 4 - word.leadingZeroBitCount / 16 }
    var count: Int { Self.count(marks.0) + Self.count(marks.1) + Self.count(marks.2) }

    /// - Parameter hash: `KeyHash.host`.
    @inline(__always)
    mutating func add(_ hash: UInt64) {
        let mark = hash >> 48 | 1
        if Self.add(mark, to: &marks.0) { return }
        if Self.add(mark, to: &marks.1) { return }
        _ = Self.add(mark, to: &marks.2)
    }
    /// Whether the mark is in the word now; else the word is full.
    @inline(__always)
    private static func add(_ mark: UInt64, to word: inout UInt64) -> Bool {
        for shift in stride(from: UInt64(0), to: 64, by: 16) {
            let there = word >> shift & 0xFFFF
            if there == mark { return true }
            if there == 0 {
                word |= mark << shift
                return true
            }
        }
        return false
    }

    static var words: Int { 3 }
    init() {}
    @inline(__always)
    init(_ cells: borrowing Span<UInt64>, at place: Int) {
        marks = (cells[place], cells[place + 1], cells[place + 2])
    }
    @inline(__always)
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {
        (cells[place], cells[place + 1], cells[place + 2]) = marks
    }
}
