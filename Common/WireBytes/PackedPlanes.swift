/// Planes of bytes with few values, put into 1, 2 or 4 bits each: byte n of a plane lies in octet n % stride of the
/// packed one, `(n / stride) * bits` from its lowest bit, where the stride is as many octets as are needed. So both
/// ways run on vectors. Each checks its bounds once, before the loop. This is the octets that `count` numbers take.
@inlinable @inline(__always)
package func packedStride(_ count: Int, bits: Int) -> Int { (count * bits + 7) / 8 }

extension Span where Element == UInt8 {
    /// Writes the lowest `bits` (1, 2 or 4) of each of the first `count` bytes to the start of `packed`, which must
    /// have room for the stride. The span must have `stride * 8 / bits` bytes, those beyond `count` zero.
    @inlinable
    package func pack(_ count: Int, bits: Int, into packed: inout MutableSpan<UInt8>) {
        let stride = packedStride(count, bits: bits)
        precondition(stride <= packed.count && stride * 8 / bits <= self.count, "\(count) of \(self.count)")
        switch bits {
        case 1:
            for at in 0..<stride {
                var octet: UInt8 = 0
                for part in 0..<8 {
                    octet |= unsafe (self[unchecked: at &+ part &* stride] & 1) &<< UInt8(truncatingIfNeeded: part)
                }
                unsafe packed[unchecked: at] = octet
            }
        case 2:
            for at in 0..<stride {
                let a = unsafe self[unchecked: at] & 3, b = unsafe self[unchecked: at &+ stride] & 3
                let c = unsafe self[unchecked: at &+ 2 &* stride] & 3, d = unsafe self[unchecked: at &+ 3 &* stride]
                unsafe packed[unchecked: at] = a | b &<< 2 | c &<< 4 | d &<< 6
            }
        default:
            precondition(bits == 4, "\(bits) bits")
            for at in 0..<stride {
                let low = unsafe self[unchecked: at] & 15, high = unsafe self[unchecked: at &+ stride]
                unsafe packed[unchecked: at] = low | high &<< 4
            }
        }
    }

    /// Writes `map[byte]` for each of the first `count` bytes to the start of `output`. `map` must have 256 entries.
    /// - Returns: the bits that some of what was written has.
    @inlinable
    package func translate(_ count: Int, by map: Span<UInt8>, into output: inout MutableSpan<UInt8>) -> UInt8 {
        precondition(count <= self.count && count <= output.count && map.count >= 256, "\(count) of \(self.count)")
        var anySet: UInt8 = 0
        for at in 0..<count {
            let number = unsafe map[unchecked: Int(self[unchecked: at])]
            anySet |= number
            unsafe output[unchecked: at] = number
        }
        return anySet
    }
    /// Writes those of the first `count` bytes to the start of `output` whose mark has its highest bit set.
    /// - Returns: how many these are.
    @inlinable
    package func take(_ count: Int, where marks: Span<UInt8>, into output: inout MutableSpan<UInt8>) -> Int {
        precondition(count <= self.count && count <= marks.count && count <= output.count, "\(count) of \(self.count)")
        var taken = 0
        for at in 0..<count {
            unsafe output[unchecked: taken] = self[unchecked: at]
            taken &+= unsafe Int(marks[unchecked: at] &>> 7)
        }
        return taken
    }
}

extension MutableSpan where Element == UInt8 {
    /// Undoes `pack`: sets the first `count` bytes to the numbers in `packed`, which must have the stride's octets.
    @inlinable
    package mutating func unpack(_ count: Int, bits: Int, from packed: RawSpan) {
        let stride = packedStride(count, bits: bits), mask = UInt8(truncatingIfNeeded: 1 << bits - 1)
        precondition(stride <= packed.byteCount && count <= self.count, "\(count) of \(self.count)")
        var start = 0, shift: UInt8 = 0
        while start < count {  // ends: there is a stride if there is a byte
            let length = Swift.min(stride, count &- start)
            for at in 0..<length {
                let octet = unsafe packed.octet(at)
                unsafe self[unchecked: start &+ at] = octet &>> shift & mask
            }
            start &+= stride
            shift &+= UInt8(truncatingIfNeeded: bits)
        }
    }
    /// Sets each of the first `count` bytes to `table[byte]`; bytes beyond the table to its last value. Where `others`
    /// has any, each byte that leads to the table's last value is the next of these instead.
    /// - Returns: whether there were exactly as many others as were asked for.
    @inlinable
    package mutating func look(_ count: Int, in table: RawSpan, others: RawSpan) -> Bool {
        precondition(count <= self.count && table.byteCount > 0, "\(count) of \(self.count)")
        let last = table.byteCount &- 1
        guard others.byteCount > 0 else {
            for at in 0..<count {
                let number = unsafe Int(self[unchecked: at])
                unsafe self[unchecked: at] = table.octet(number < last ? number : last)
            }
            return true
        }
        var next = 0
        for at in 0..<count {
            let number = unsafe Int(self[unchecked: at]), isOther = number >= last
            let other = unsafe others.octet(Swift.min(next, others.byteCount &- 1))
            unsafe self[unchecked: at] = isOther ? other : table.octet(isOther ? 0 : number)
            next &+= isOther ? 1 : 0
        }
        return next == others.byteCount
    }
}

extension RawSpan {
    /// The octet at `offset`, which must lie within the span.
    @unsafe @inlinable @inline(__always)
    func octet(_ offset: Int) -> UInt8 { unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) }
}
