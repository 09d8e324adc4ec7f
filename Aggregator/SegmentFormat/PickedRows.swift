/// The rows of a block that somebody picked, and the ends of each: two a row, client and server.
struct PickedRows {
    /// Whether all rows are wanted: then the block's own places and ends are meant.
    private(set) var areAll = true
    /// One a row: where in `ends` its source is; its destination is there with the lowest bit turned.
    private(set) var places: [UInt32] = []
    private(set) var ends: [UInt32] = []

    mutating func takeAll() { areAll = true }
    mutating func take(_ picks: [Int32], _ block: BlockPlaces) {
        areAll = false
        places.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        for (index, pick) in picks.enumerated() {
            let place = block.places[Int(pick)], client = Int(place & ~1)
            places.append(UInt32(truncatingIfNeeded: 2 * index) | place & 1)
            ends.append(block.ends[client])
            ends.append(block.ends[client + 1])
        }
    }

    /// The words of the picked rows, or of all.
    static func of(_ words: [UInt32], _ picks: [Int32]?) -> [UInt32] {
        guard let picks else { return words }
        return picks.map { words[Int($0)] }
    }
}
