/// Which of very many keys were met lately, with a few octets each: what is asked for every record.
///
/// A key is the upper bits of its `KeyHash`. The table is sets of a few cells, one or two cache lines each, and a
/// cell's octets lie beside its key; a question looks at one set and nowhere else, so keys that share a set, by
/// chance or on purpose, cost each other their places and nobody any time. Room is made within the set, by the clock:
/// what was touched since the hand last came by is passed over.
/// Invariants: at most `entriesMax` entries, rounded up to a power of two; what it holds is a function of the calls
/// made, so that two runs drop the same; each drop is counted. It grows with its use and stays as large.
/// Two keys of one fingerprint would be one: in a full table one look in two thousand million meets such a pair.

/// What a cell holds beside its key.
protocol CellPayload: Sendable {
    /// Words beside the key's: 0, 1, 3 or 7.
    static var words: Int { get }
    init()
    /// As the words from `place` on say.
    init(_ cells: borrowing Span<UInt64>, at place: Int)
    func write(to cells: inout MutableSpan<UInt64>, at place: Int)
    /// Whether the words can have been written by this type: asked of a snapshot's.
    var isSound: Bool { get }
}
extension CellPayload {
    var isSound: Bool { true }
}

struct FingerprintTable<Payload: CellPayload>: Sendable {
    /// Sets of cells. Two words come before the first: with an array's head that makes large ones, which lie at the
    /// start of pages, begin with a cache line.
    private var cells: [UInt64]
    private var sets: Int
    /// Where each set's clock stands.
    private var hands: [UInt8]
    private let setsMax: Int
    private(set) var evictions: UInt64 = 0

    /// The low bits of a key's word are no part of the key: that the cell was touched, a flag and a number of the
    /// owner's.
    private static var touchedBit: UInt64 { 1 }
    private static var flagBit: UInt64 { 2 }
    private static var tagMask: UInt64 { ~0xFFFF }
    private static var numberMask: UInt64 { 0xFFFC }
    private static var stride: Int { Payload.words + 1 }
    private static var ways: Int { stride <= 2 ? 8 : 4 }
    private static var setWords: Int { ways * stride }
    private static var head: Int { 2 }

    init(entriesMax: Int) {
        var sets = 1
        while sets * Self.ways < min(entriesMax, 1 << 26) { sets *= 2 }
        setsMax = sets
        self.sets = min(sets, 16)
        cells = Self.storage(self.sets)
        hands = [UInt8](repeating: 0, count: self.sets)
    }
    private static func storage(_ sets: Int) -> [UInt64] { [UInt64](repeating: 0, count: head + sets * setWords) }

    @inline(__always)
    private static func tag(_ hash: UInt64) -> UInt64 { max(hash & tagMask, 1 << 16) }
    /// The first word of the set that a tag belongs to.
    @inline(__always)
    private func base(of tag: UInt64) -> Int {
        Self.head + (Int(truncatingIfNeeded: tag >> 16) & (sets - 1)) * Self.setWords
    }
    /// The place of a tag in its set, or -1. It is in one cell at most.
    @inline(__always)
    private func place(of tag: UInt64, from base: Int) -> Int {
        let set = cells.span.extracting(base..<base + Self.setWords)
        var found = -1
        for cell in 0..<Self.ways where (set[cell * Self.stride] ^ tag) & Self.tagMask == 0 {
            found = base + cell * Self.stride
        }
        return found
    }

    /// The place of a key, or nil; it isn't touched for that.
    @inline(__always)
    func find(_ hash: UInt64) -> Int? {
        let tag = Self.tag(hash), place = place(of: tag, from: base(of: tag))
        return place < 0 ? nil : place
    }

    /// The place of a key, made on first use: good until the next call.
    @inline(__always)
    mutating func place(of hash: UInt64) -> (place: Int, isNew: Bool) {
        let tag = Self.tag(hash), place = place(of: tag, from: base(of: tag))
        guard place >= 0 else { return (insert(tag), true) }
        let word = cells[place]
        if word & Self.touchedBit == 0 { cells[place] = word | Self.touchedBit }
        return (place, false)
    }

    /// Brings a key's set near. Questions that are asked one after the other, each with its own work after it, wait for
    /// memory one after the other; sets that were all asked for beforehand come at once.
    /// - Returns: some number, to be kept somewhere so that the reading isn't left out.
    @inline(__always)
    func warm(_ hash: UInt64) -> UInt64 {
        let base = base(of: Self.tag(hash))
        return cells[base] &+ cells[base + Self.setWords - 1]
    }

    subscript(place: Int) -> Payload {
        @inline(__always) get { Payload(cells.span, at: place + 1) }
        @inline(__always) set {
            var cells = cells.mutableSpan
            newValue.write(to: &cells, at: place + 1)
        }
    }
    @inline(__always)
    func isFlagged(_ place: Int) -> Bool { cells[place] & Self.flagBit != 0 }
    mutating func setFlag(_ place: Int, to isSet: Bool) {
        if isSet { cells[place] |= Self.flagBit } else { cells[place] &= ~Self.flagBit }
    }

    /// A number for each key, from 0 on, that stays at its largest.
    func count(_ hash: UInt64) -> Int {
        find(hash).map { Int(cells[$0] & Self.numberMask) >> 2 } ?? 0
    }
    @inline(__always)
    mutating func increment(_ hash: UInt64) {
        let place = place(of: hash).place, word = cells[place]
        if word & Self.numberMask != Self.numberMask { cells[place] = word + 4 }
    }

    @inline(never)
    private mutating func insert(_ tag: UInt64) -> Int {
        var place = freePlace(from: base(of: tag))
        while place < 0, sets < setsMax {  // ends: each turn makes more sets
            grow()
            place = freePlace(from: base(of: tag))
        }
        if place < 0 { place = makeRoom(from: base(of: tag)) }
        cells[place] = tag
        if Payload.words > 0 { self[place] = Payload() }
        return place
    }
    private func freePlace(from base: Int) -> Int {
        for cell in 0..<Self.ways where cells[base + cell * Self.stride] == 0 { return base + cell * Self.stride }
        return -1
    }
    private mutating func makeRoom(from base: Int) -> Int {
        let set = (base - Self.head) / Self.setWords
        var cell = Int(hands[set])
        while cells[base + cell * Self.stride] & Self.touchedBit != 0 {  // ends: each turn takes one touch away
            cells[base + cell * Self.stride] &= ~Self.touchedBit
            cell = (cell + 1) % Self.ways
        }
        hands[set] = UInt8((cell + 1) % Self.ways)
        evictions &+= 1
        return base + cell * Self.stride
    }

    /// Each set's cells go to one of a few, in their order. Not by twos: each time all is moved.
    private mutating func grow() {
        let old = cells
        sets = min(8 * sets, setsMax)
        cells = Self.storage(sets)
        hands = [UInt8](repeating: 0, count: sets)
        for from in Swift.stride(from: Self.head, to: old.count, by: Self.stride) where old[from] != 0 {
            let place = freePlace(from: base(of: old[from] & Self.tagMask))
            for word in 0..<Self.stride { cells[place + word] = old[from + word] }
        }
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(evictions)
        writer.add(sets)
        let used = (0..<sets).filter { set in
            (0..<Self.setWords).contains { cells[Self.head + set * Self.setWords + $0] != 0 }
        }
        writer.add(used.count)
        for set in used {
            writer.add(set)
            writer.add(UInt64(hands[set]))
            for word in 0..<Self.setWords { writer.add(cells[Self.head + set * Self.setWords + word]) }
        }
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        evictions = try reader.next()
        let count = try reader.next()
        guard count >= 1, count <= UInt64(setsMax), count.nonzeroBitCount == 1 else { throw .damaged }
        sets = Int(count)
        cells = Self.storage(sets)
        hands = [UInt8](repeating: 0, count: sets)
        var next: UInt64 = 0
        for _ in 0..<(try reader.nextCount()) {
            let set = try reader.next(), hand = try reader.nextSmall(UInt8.self)
            guard set >= next, set < count, hand < UInt8(Self.ways) else { throw .damaged }
            next = set + 1
            hands[Int(set)] = hand
            try restore(from: Self.head + Int(set) * Self.setWords, &reader)
        }
    }
    private mutating func restore(from base: Int, _ reader: inout SnapshotReader) throws(SnapshotError) {
        for word in 0..<Self.setWords { cells[base + word] = try reader.next() }
        for cell in 0..<Self.ways {
            let place = base + cell * Self.stride, tag = cells[place] & Self.tagMask
            guard cells[place] != 0 else { continue }
            // The last of equal tags is found: then this one is not it.
            guard tag != 0, self.base(of: tag) == base, self.place(of: tag, from: base) == place,
                Payload.words == 0 || self[place].isSound
            else { throw .damaged }
        }
    }
}

/// Nothing: that the key was met is all, and perhaps how often.
struct NoPayload: CellPayload {
    static var words: Int { 0 }
    init() {}
    init(_ cells: borrowing Span<UInt64>, at place: Int) {}
    func write(to cells: inout MutableSpan<UInt64>, at place: Int) {}
}
