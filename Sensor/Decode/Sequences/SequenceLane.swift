/// One sequence of numbers, as far as it was followed.
///
/// Numbers are compared modulo 2^32 and signed (RFC 1982 §3.2), so the wrap is a step like any other. A step forward is
/// a gap when the sender could have sent that much in the time; a step back is a late datagram if it falls into a
/// gap, a repeated one if it is near, and otherwise a new beginning.
struct SequenceLane: Sendable {
    /// Numbers that were passed over: `length` units from `start` on.
    struct Gap: Sendable, Equatable {
        var start: UInt32, length: UInt32
        var openedMilliseconds: Int64
        /// Late units that came from the gap's very beginning: many say that two senders share the lane.
        var headHits = 0
    }
    enum Step: Equatable {
        case expected
        /// As many units are missing now.
        case gap(UInt32)
        /// Behind datagrams that could not be read: how much of it is missing isn't known yet.
        case doubtfulGap(UInt32)
        /// As many units are not missing after all.
        case late(UInt32)
        case again
        /// A new beginning, or another sender.
        case jump
        /// The gap at the lane's end was none: a second sender goes on where it began. As many units are not missing.
        case interleaved(UInt32)
    }

    /// Session << 16 | source port of the last datagram.
    var sender: UInt64
    private(set) var expected: UInt32
    /// The last datagram's units were a lower bound.
    private(set) var isInexact: Bool
    private(set) var lastHeardMilliseconds: Int64
    private(set) var datagrams: UInt32 = 1
    /// Datagrams since another lane of the exporter was opened.
    var turns: UInt32 = 1
    private var uptime: UInt32
    private var firstHeardMilliseconds: Int64
    private var units: UInt64
    private var gaps: [Gap] = []
    /// Where the lane stood before it last jumped.
    private var beforeJump: UInt32?

    static let gapsMax = 16
    /// Later than this nothing is out of order any more.
    static let reorderMilliseconds: Int64 = 5_000
    private static let stepMin: UInt64 = 65_536, headHitsMax = 4

    init(_ mark: SequenceMark, sender: UInt64, at now: Int64) {
        self.sender = sender
        expected = mark.number &+ mark.units
        isInexact = !mark.isExact
        lastHeardMilliseconds = now
        firstHeardMilliseconds = now
        uptime = mark.uptime ?? 0
        units = UInt64(mark.units)
    }

    /// How far `number` is ahead of what is expected; negative when behind.
    @inline(__always)
    func distance(to number: UInt32) -> Int32 { Int32(bitPattern: number &- expected) }

    /// The usual case: the number is the expected one.
    @inline(__always)
    mutating func follows(_ mark: SequenceMark, at now: Int64) -> Bool {
        guard mark.number == expected, !isInexact, mark.uptime ?? .max >= uptime else { return false }
        accept(mark, now)
        return true
    }

    @inline(__always)
    private mutating func accept(_ mark: SequenceMark, _ now: Int64) {
        expected = mark.number &+ mark.units
        isInexact = !mark.isExact
        lastHeardMilliseconds = now
        uptime = mark.uptime ?? 0
        units &+= UInt64(mark.units)
        datagrams &+= 1
        turns &+= 1
    }

    /// Takes any number. After `.jump` nothing has changed: the caller decides between `restart` and another lane.
    mutating func step(_ mark: SequenceMark, near: UInt32, at now: Int64) -> Step {
        if let uptimeNow = mark.uptime, Uptime.hasRestarted(from: uptime, to: uptimeNow) { return .jump }
        let distance = distance(to: mark.number)
        if distance < 0 { return stepBack(mark, near: near, at: now) }
        let ahead = UInt32(distance)
        if ahead == 0 {
            accept(mark, now)
            return .expected
        }
        guard UInt64(ahead) <= plausibleUnits(until: now) else { return .jump }
        let wasInexact = isInexact
        if !wasInexact { remember(Gap(start: expected, length: ahead, openedMilliseconds: now)) }
        accept(mark, now)
        return wasInexact ? .doubtfulGap(ahead) : .gap(ahead)
    }

    /// What the sender can have sent since it was last heard: sixteen times its own rate, and some.
    private func plausibleUnits(until now: Int64) -> UInt64 {
        let silence = UInt64(clamping: now &- lastHeardMilliseconds)
        let age = max(UInt64(clamping: lastHeardMilliseconds &- firstHeardMilliseconds), 1_000)
        let rate = max(16 &* units / age, 1)
        let (share, isTooMuch) = silence.multipliedReportingOverflow(by: rate)
        return isTooMuch ? UInt64(Int32.max) : Self.stepMin &+ min(share, UInt64(Int32.max))
    }

    private mutating func stepBack(_ mark: SequenceMark, near: UInt32, at now: Int64) -> Step {
        for index in gaps.indices.reversed() {
            let offset = mark.number &- gaps[index].start
            guard offset < gaps[index].length, now &- gaps[index].openedMilliseconds <= Self.reorderMilliseconds
            else { continue }
            return fill(index, offset, mark, near: near)
        }
        return distance(to: mark.number) >= -Int32(bitPattern: near) ? .again : .jump
    }

    /// A late datagram: its units are not missing any more.
    private mutating func fill(_ index: Int, _ offset: UInt32, _ mark: SequenceMark, near: UInt32) -> Step {
        let gap = gaps[index], found = min(max(mark.units, 1), gap.length - offset)
        if offset == 0 {
            gaps[index].headHits += 1
            // Out of order by this much, again and again in order: that is not a network's doing.
            if gap.length > near, gaps[index].headHits >= Self.headHitsMax {
                gaps.remove(at: index)
                return .interleaved(gap.length)
            }
            gaps[index].start &+= found
            gaps[index].length -= found
            if gaps[index].length == 0 { gaps.remove(at: index) }
            return .late(found)
        }
        gaps[index].length = offset
        let rest = gap.length - offset - found
        if rest > 0 {
            remember(
                Gap(start: gap.start &+ offset &+ found, length: rest, openedMilliseconds: gap.openedMilliseconds))
        }
        return .late(found)
    }
    private mutating func remember(_ gap: Gap) {
        if gaps.count == Self.gapsMax { gaps.removeFirst() }
        gaps.append(gap)
    }

    /// Begins anew at the mark.
    /// - Returns: true when the lane had been at just this number before it last began anew: two senders take turns.
    mutating func restart(_ mark: SequenceMark, at now: Int64) -> Bool {
        let takesTurns = beforeJump == mark.number
        let before = expected
        self = SequenceLane(mark, sender: sender, at: now)
        beforeJump = before
        return takesTurns
    }
}

/// Times since an exporter's start in ms, modulo 2^32.
enum Uptime {
    /// Whether the exporter began anew in between. Falling by a minute or less is a datagram out of order, and after
    /// 49.7 days the count wraps by itself.
    @inline(__always)
    static func hasRestarted(from earlier: UInt32, to later: UInt32) -> Bool {
        guard later < earlier, earlier &- later > 60_000 else { return false }
        return !(earlier > 0xF000_0000 && later < 0x1000_0000)
    }
}
