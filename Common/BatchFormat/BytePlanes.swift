internal import WireBytes

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

    static func shape<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(of words: Span<Word>) -> Shape {
        guard !words.isEmpty else { return Shape(width: 0, base: 0) }
        let bits = words.commonBits()
        let width = (Word.bitWidth - (bits.any ^ bits.all).leadingZeroBitCount + 7) / 8
        return Shape(width: width, base: UInt64(bits.any) & ~mask(width))
    }
    /// The bits that `width` planes cover.
    static func mask(_ width: Int) -> UInt64 { width >= 8 ? .max : (1 << UInt64(8 * width)) - 1 }

    /// Writes `width` planes into the start of `bytes`, which must have room for them.
    static func write<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ words: Span<Word>, width: Int, into bytes: inout [UInt8]
    ) {
        var bytes = bytes.mutableSpan
        for plane in 0..<width {
            bytes.setPlane(at: plane * words.count, of: words, shift: Word(truncatingIfNeeded: 8 * plane))
        }
    }

    /// Reads `width` planes from the start of `bytes` into `rows` of `words`.
    static func read<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ bytes: Span<UInt8>, width: Int, base: UInt64, into words: inout MutableSpan<Word>, rows: Range<Int>
    ) {
        words.set(rows, to: Word(truncatingIfNeeded: base))
        for plane in 0..<width {
            words.joinPlane(bytes, at: plane * rows.count, to: rows, shift: Word(truncatingIfNeeded: 8 * plane))
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
