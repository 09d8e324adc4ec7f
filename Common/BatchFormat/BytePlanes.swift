/// Words as byte planes: all lowest bytes, then all second ones, and so on. Only the bytes that differ between rows are
/// written; what all rows share is the `base`. Regular columns so cost nothing before zstd even sees them, and zstd
/// finds like bytes side by side.
///
///     word[row] = base | plane[0][row] | plane[1][row] << 8 | …          base has no bits where planes are
enum BytePlanes {
    /// What of a column has to be written.
    struct Shape: Equatable {
        /// Planes, 0...8.
        var width: Int
        var base: UInt64
        var isZero: Bool { width == 0 && base == 0 }
    }

    static func shape<Word: FixedWidthInteger & UnsignedInteger>(of words: Span<Word>) -> Shape {
        var anySet: Word = 0, allSet = Word.max
        for row in words.indices {
            anySet |= words[row]
            allSet &= words[row]
        }
        guard !words.isEmpty else { return Shape(width: 0, base: 0) }
        let width = (Word.bitWidth - (anySet ^ allSet).leadingZeroBitCount + 7) / 8
        return Shape(width: width, base: UInt64(anySet) & ~mask(width))
    }
    /// The bits that `width` planes cover.
    static func mask(_ width: Int) -> UInt64 { width >= 8 ? .max : (1 << UInt64(8 * width)) - 1 }

    /// Writes `width` planes into the start of `bytes`, which must have room for them.
    static func write<Word: FixedWidthInteger & UnsignedInteger>(
        _ words: Span<Word>, width: Int, into bytes: inout [UInt8]
    ) {
        let rows = words.count
        var bytes = bytes.mutableSpan
        for plane in 0..<width {
            let shift = Word(truncatingIfNeeded: 8 &* plane), start = plane &* rows
            for row in 0..<rows { bytes[start &+ row] = UInt8(truncatingIfNeeded: words[row] &>> shift) }
        }
    }

    /// Reads `width` planes from the start of `bytes` into `rows` of `words`.
    static func read<Word: FixedWidthInteger & UnsignedInteger>(
        _ bytes: Span<UInt8>, width: Int, base: UInt64, into words: inout MutableSpan<Word>, rows: Range<Int>
    ) {
        let count = rows.count, first = rows.lowerBound, base = Word(truncatingIfNeeded: base)
        for row in rows { words[row] = base }
        for plane in 0..<width {
            let shift = Word(truncatingIfNeeded: 8 &* plane), start = plane &* count
            for row in 0..<count {
                words[first &+ row] |= Word(truncatingIfNeeded: bytes[start &+ row]) &<< shift
            }
        }
    }

    /// Maps small differences of either sign to small words: 0, -1, 1, -2 … to 0, 1, 2, 3 …
    @inline(__always) static func zigzag(_ difference: Int64) -> UInt64 {
        UInt64(bitPattern: (difference &<< 1) ^ (difference &>> 63))
    }
    @inline(__always) static func unzigzag(_ word: UInt64) -> Int64 {
        Int64(bitPattern: (word &>> 1) ^ (0 &- (word & 1)))
    }
}
