/// Digests and when each came: open addressing by the digest's own bits, at most half full, grown as it fills.
struct DigestTable: Sendable {
    private struct Slot: BitwiseCopyable {
        var digest: DatagramDigest
        /// In ms since 1970 UTC.
        var time: Int64
        var isUsed: Bool
    }
    private var slots: [Slot] = []
    private(set) var count = 0

    /// Where `digest` is, or the free slot where it would go. There must be slots.
    @inline(__always)
    private func place(of digest: DatagramDigest) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: digest.first) & mask
        while slots[place].isUsed, slots[place].digest != digest {  // ends: half of the slots are free
            place = (place &+ 1) & mask
        }
        return place
    }
    @inline(__always)
    func time(of digest: DatagramDigest) -> Int64? {
        guard count > 0 else { return nil }
        let slot = slots[place(of: digest)]
        return slot.isUsed ? slot.time : nil
    }
    /// Sets the time of a digest and returns the one before.
    @inline(__always)
    mutating func update(_ digest: DatagramDigest, to time: Int64) -> Int64? {
        if 2 * count >= slots.count { grow() }
        let place = place(of: digest)
        if slots[place].isUsed {
            let before = slots[place].time
            slots[place].time = time
            return before
        }
        slots[place] = Slot(digest: digest, time: time, isUsed: true)
        count += 1
        return nil
    }
    /// Forgets all and keeps the memory.
    mutating func removeAll() {
        for place in slots.indices { slots[place].isUsed = false }
        count = 0
    }
    private mutating func grow() {
        let old = slots
        let free = Slot(digest: DatagramDigest(free: ()), time: 0, isUsed: false)
        slots = [Slot](repeating: free, count: max(2 * old.count, 16))
        for slot in old where slot.isUsed { slots[place(of: slot.digest)] = slot }
    }
}
