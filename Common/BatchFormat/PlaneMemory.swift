internal import WireBytes

/// How a plane is written.
enum PlaneChoice {
    case raw, compressed, runs
    /// - Parameter byte: what most bytes are.
    case sparse(byte: UInt8)
    /// - Parameter table: a number in `PlaneMemory.tables`.
    case packed(table: Int, bits: Int)
}

/// The few values of a packed plane.
struct PlaneTable {
    /// Of each byte: its number, or `other`.
    var numbers = [UInt8](repeating: 0, count: 256)
    /// The byte of each number.
    var values: [UInt8] = []
    /// Whether the highest number stands for all bytes that have none of their own.
    var takesOthers = false

    /// Marks the number of a byte that is not in the table.
    static let other: UInt8 = 0x80
}

/// What is remembered of planes: how each was last written. A look weighs an octet against the instructions that it
/// takes to save it.
struct PlaneMemory {
    private(set) var tables: [PlaneTable] = []
    private var choices = [PlaneChoice](repeating: .raw, count: PlanePlace.count)
    /// How often each choice still holds.
    private var left = [UInt8](repeating: 0, count: PlanePlace.count)
    /// Which table a place has, from 1; 0 none yet.
    private var tableNumbers = [UInt16](repeating: 0, count: PlanePlace.count)
    private var histogram = [UInt32](repeating: 0, count: 256)
    /// Bytes that occur: how often << 8 | byte, the most frequent first.
    private var ranks: [UInt64] = []

    /// What one octet less may cost, in instructions.
    private static let octetWorth = 52
    /// One byte in so many may be an exception, and one in so many not in the table.
    static let exceptionShare = 4, otherShare = 6
    private static let sampleMax = 1_024
    /// A choice holds for so many batches, and up to seven more so that not all looks fall on the same one.
    private static let lookPause: UInt8 = 24
    /// What zstd takes, in instructions: of each plane, and of each byte. Measured, as are the numbers in `look`.
    private static let frameCost = 27_000, frameByteCost = 10

    /// The last choice is not to be made again.
    mutating func forget(_ place: PlanePlace) { left[place.number] = 0 }

    /// How to write the first `count` bytes of `plane`: as last time, or by a look.
    /// - Parameters:
    ///   - varying: the bits in which the bytes differ.
    ///   - isWhole: whether a look is at each byte instead of some.
    mutating func choice(
        for plane: Span<UInt8>, _ count: Int, _ place: PlanePlace, varying: UInt8, isWhole: Bool
    ) -> PlaneChoice {
        if left[place.number] > 0 {
            left[place.number] -= 1
            return choices[place.number]
        }
        var choice = look(plane, count, isPart: place.isPart, varying: varying, isWhole: isWhole)
        if case .packed(_, let bits) = choice { choice = .packed(table: table(for: place, bits), bits: bits) }
        choices[place.number] = choice
        left[place.number] = Self.lookPause + UInt8(place.number & 7)
        return choice
    }

    private mutating func look(
        _ plane: Span<UInt8>, _ count: Int, isPart: Bool, varying: UInt8, isWhole: Bool
    ) -> PlaneChoice {
        let taken = rank(plane, count, step: isWhole ? 1 : max(count / Self.sampleMax, 1))
        var best = PlaneChoice.raw, least = count * Self.octetWorth + count / 8
        func consider(_ choice: PlaneChoice, octets: Int, cost: Int) {
            let whole = octets * Self.octetWorth + cost
            if whole < least { (best, least) = (choice, whole) }
        }
        consider(
            .compressed, octets: compressedOctets(count, taken),
            cost: Self.frameCost + count * Self.frameByteCost)
        for bits in [1, 2, 4] {
            let others = rest(after: 1 << bits) == 0 ? 0 : rest(after: 1 << bits - 1) * count / taken
            guard others <= count / (Self.otherShare + 2) else { continue }
            consider(
                .packed(table: 0, bits: bits), octets: 26 + (count * bits) / 8 + others,
                cost: varying >> UInt8(bits) == 0 ? count : 5 * count + (others > 0 ? 4 * count : 0))
        }
        if !isPart, let first = ranks.first {
            let byte = UInt8(truncatingIfNeeded: first)
            let others = plane.count(differentFrom: byte, in: count), changes = plane.changes(in: count)
            let fewer = min(others, changes)
            if fewer <= count / (Self.exceptionShare + 1) {
                consider(
                    changes < others ? .runs : .sparse(byte: byte), octets: 24 + 2 * fewer,
                    cost: count / 2 + 14 * fewer + 600)
            }
        }
        return best
    }

    /// Fills `ranks` from every `step`th byte; returns how many these are.
    private mutating func rank(_ plane: Span<UInt8>, _ count: Int, step: Int) -> Int {
        var counts = histogram, taken = 0, index = 0
        histogram = []  // its alone for now
        var span = counts.mutableSpan
        for byte in span.indices { span[byte] = 0 }
        while index < count {  // ends: a step is at least 1
            span[Int(plane[index])] &+= 1
            taken &+= 1
            index &+= step
        }
        histogram = counts
        ranks.removeAll(keepingCapacity: true)
        for (byte, seen) in counts.enumerated() where seen > 0 { ranks.append(UInt64(seen) << 8 | UInt64(byte)) }
        ranks.sort(by: >)
        return taken
    }
    /// How many of the bytes looked at are none of the most frequent `values`.
    private func rest(after values: Int) -> Int { ranks.dropFirst(values).reduce(0) { $0 + Int($1 >> 8) } }
    /// What Huffman codes and their table take, about.
    private func compressedOctets(_ count: Int, _ taken: Int) -> Int {
        var bits = 0
        for rank in ranks {
            let seen = Int(rank >> 8)
            bits += seen * (Self.logarithm(taken) - Self.logarithm(seen))
        }
        return max((bits * count / taken) >> 8, count) / 8 * 103 / 100 + 24 + min(ranks.count, 128) / 2
    }
    /// 256 times the binary logarithm, straight between powers of two.
    private static func logarithm(_ value: Int) -> Int {
        let power = value.bitWidth - 1 - value.leadingZeroBitCount
        return (power << 8) + ((value << 8) >> power) - 256
    }

    /// Makes the table of a packed plane from `ranks`.
    private mutating func table(for place: PlanePlace, _ bits: Int) -> Int {
        let size = 1 << bits
        var table = PlaneTable()
        table.takesOthers = ranks.count != size
        let values = ranks.prefix(table.takesOthers ? size - 1 : size).map { UInt8(truncatingIfNeeded: $0) }
        table.values = values + [UInt8](repeating: 0, count: size - values.count)
        table.numbers = [UInt8](repeating: PlaneTable.other | UInt8(size - 1), count: 256)
        for (number, value) in values.enumerated() { table.numbers[Int(value)] = UInt8(number) }
        if tableNumbers[place.number] == 0 {
            tables.append(table)
            tableNumbers[place.number] = UInt16(tables.count)
        } else {
            tables[Int(tableNumbers[place.number]) - 1] = table
        }
        return Int(tableNumbers[place.number]) - 1
    }
}
