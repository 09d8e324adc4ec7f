/// How a slot's 32 bits are shared out: a tag of the hash above, the low bits of a sequence number below.
///
/// The number has more bits than the ring's places, so that of many turns of the ring one can be told from the others:
/// 64 turns and 10 bits of tag for 65,536 entries, eight turns at least. Both only save reads: the entry has the whole
/// hash.
struct SlotLayout: BitwiseCopyable {
    /// The number's bits.
    let sequenceMask: UInt32
    /// The tag's bits in both halves of a word, without the highest.
    let lowTag: UInt64

    /// - Parameter capacity: of the ring: a power of two up to 2^24.
    init(capacity: Int) {
        let places = capacity.trailingZeroBitCount
        sequenceMask = 1 << UInt32(max(min(places + 6, 22), places + 3)) - 1
        lowTag = UInt64(0x7FFF_FFFF & ~sequenceMask) &* Self.both
    }
    fileprivate static let both: UInt64 = 0x1_0000_0001
    fileprivate static let highest: UInt64 = 0x8000_0000_8000_0000

    /// In its place, the number's bits 0. Not the bits that choose the group.
    @inline(__always)
    func tag(of hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 32) & ~sequenceMask }
    @inline(__always)
    func slot(_ hash: UInt64, _ sequence: UInt32) -> UInt32 { tag(of: hash) | sequence & sequenceMask }
}

/// Four slots of the index, the newest first. 16 octets: never in two cache lines.
struct IndexGroup: BitwiseCopyable {
    /// Each two slots, the newer in the lower half.
    private(set) var newer: UInt64, older: UInt64

    static let empty = IndexGroup(newer: 0, older: 0)

    var last: UInt32 {
        @inline(__always) get { UInt32(truncatingIfNeeded: older >> 32) }
    }
    @inline(__always)
    mutating func push(_ slot: UInt32) {
        older = older << 32 | newer >> 32
        newer = newer << 32 | UInt64(slot)
    }
    /// Whether a slot has this tag. All four are compared at once: the sum's highest bit is set where bits differ.
    @inline(__always)
    func has(_ tag: UInt32, _ layout: SlotLayout) -> Bool {
        let tags = UInt64(tag) &* SlotLayout.both, low = layout.lowTag
        let a = newer ^ tags, b = older ^ tags
        let differ = ((a & low) &+ low | a) & ((b & low) &+ low | b)
        return differ & SlotLayout.highest != SlotLayout.highest
    }
    /// The newest slot with this tag; `other` when there is none.
    @inline(__always)
    func match(_ tag: UInt32, _ layout: SlotLayout, or other: UInt32) -> UInt32 {
        var match = other
        for number in 0..<4 {
            let slot = self[3 &- number]
            match = (slot ^ tag) & ~layout.sequenceMask == 0 ? slot : match
        }
        return match
    }
    subscript(number: Int) -> UInt32 {
        @inline(__always) get {
            UInt32(truncatingIfNeeded: (number < 2 ? newer : older) >> (number & 1 == 0 ? 0 : 32))
        }
        @inline(__always) set {
            let shift: UInt64 = number & 1 == 0 ? 0 : 32, keep = ~((0xFFFF_FFFF as UInt64) << shift)
            if number < 2 {
                newer = newer & keep | UInt64(newValue) << shift
            } else {
                older = older & keep | UInt64(newValue) << shift
            }
        }
    }
}

extension MutableSpan<IndexGroup> {
    /// Reads the groups of some rows ahead, in a loop that does nothing else: so, many independent reads wait for
    /// memory at the same time, where each would wait in turn.
    /// - Returns: what depends on them all.
    @inline(__always)
    func touch(_ hashes: Span<UInt64>) -> UInt64 {
        var sum: UInt64 = 0
        for row in hashes.indices { sum &+= self[Int(truncatingIfNeeded: hashes[row]) & (count &- 1)].older }
        return sum
    }
}
