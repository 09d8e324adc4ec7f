/// Planes of bytes that are mostly one value, or change seldom: found, taken apart and put together. Each checks its
/// bounds once, before the loop.
extension Span where Element == UInt8 {
    /// How many of the first `length` bytes are not `byte`. `length` must lie within the span.
    @inlinable
    package func count(differentFrom byte: UInt8, in length: Int) -> Int {
        precondition(length >= 0 && length <= count, "\(length) of \(count)")
        let splat = SIMD16(repeating: byte)
        var total = 0, index = 0
        while length &- index >= 16 {  // ends: index grows
            let end = Swift.min(index &+ 16 &* 255, length &- 15)
            var sums = SIMD16<UInt8>.zero
            while index < end {  // at most 255 turns, so that no sum overflows
                sums &+= SIMD16<UInt8>.zero.replacing(with: 1, where: unsafe sixteen(index) .!= splat)
                index &+= 16
            }
            total &+= Int(SIMD16<UInt16>(truncatingIfNeeded: sums).wrappedSum())
        }
        while index < length {
            total &+= unsafe self[unchecked: index] == byte ? 0 : 1
            index &+= 1
        }
        return total
    }

    /// How many of the first `length` bytes are not the byte before them; the first one is not counted.
    @inlinable
    package func changes(in length: Int) -> Int {
        precondition(length >= 0 && length <= count, "\(length) of \(count)")
        var total = 0, index = 1
        while length &- index >= 16 {  // ends: index grows
            let end = Swift.min(index &+ 16 &* 255, length &- 15)
            var sums = SIMD16<UInt8>.zero
            while index < end {
                sums &+= SIMD16<UInt8>.zero.replacing(with: 1, where: unsafe sixteen(index) .!= sixteen(index &- 1))
                index &+= 16
            }
            total &+= Int(SIMD16<UInt16>(truncatingIfNeeded: sums).wrappedSum())
        }
        while index < length {
            total &+= unsafe self[unchecked: index] == self[unchecked: index &- 1] ? 0 : 1
            index &+= 1
        }
        return total
    }
    @unsafe @inlinable @inline(__always)
    func sixteen(_ offset: Int) -> SIMD16<UInt8> {
        unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: SIMD16<UInt8>.self)
    }

    /// Takes the exceptions out of the first `length` bytes: where they are (each gap counts the bytes since the one
    /// before, 255 standing for 255 bytes and no exception), and what. All three must have room for `length` bytes.
    /// - Parameter isRuns: whether a byte is an exception when it is not the one before, instead of not `byte`.
    /// - Returns: the octets written to each.
    @inlinable
    package func takeExceptions(
        from byte: UInt8, isRuns: Bool, in length: Int, gaps: inout MutableSpan<UInt8>,
        values: inout MutableSpan<UInt8>
    ) -> (gaps: Int, values: Int) {
        precondition(length <= count && length <= gaps.count && length <= values.count, "\(length) of \(count)")
        var gapCount = 0, valueCount = 0, next = 0, expected = byte
        var splat = UInt64(byte) &* 0x0101_0101_0101_0101, index = 0
        while index < length {  // ends: index grows
            if index &+ 8 <= length {
                let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
                let difference = UInt64(littleEndian: word) ^ splat
                if difference == 0 {
                    index &+= 8
                    continue
                }
                index &+= difference.trailingZeroBitCount &>> 3
            } else if unsafe self[unchecked: index] == expected {
                index &+= 1
                continue
            }
            var gap = index &- next
            while gap >= 255 {
                unsafe gaps[unchecked: gapCount] = 255
                gapCount &+= 1
                gap &-= 255
            }
            let value = unsafe self[unchecked: index]
            unsafe gaps[unchecked: gapCount] = UInt8(truncatingIfNeeded: gap)
            unsafe values[unchecked: valueCount] = value
            (gapCount, valueCount) = (gapCount &+ 1, valueCount &+ 1)
            index &+= 1
            next = index
            if isRuns {
                expected = value
                splat = UInt64(value) &* 0x0101_0101_0101_0101
            }
        }
        return (gapCount, valueCount)
    }
}

extension MutableSpan where Element == UInt8 {
    /// Sets the first `length` bytes to `byte`.
    @inlinable
    package mutating func fill(_ range: Range<Int>, _ byte: UInt8) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count)")
        for index in range { unsafe self[unchecked: index] = byte }
    }

    /// Undoes `takeExceptions` for the first `length` bytes. Gaps and values are unchecked input.
    /// - Returns: false if they do not go together or lead outside.
    @inlinable
    package mutating func putExceptions(
        onto byte: UInt8, isRuns: Bool, in length: Int, gaps: Span<UInt8>, values: Span<UInt8>
    ) -> Bool {
        guard length <= count else { return false }
        var index = 0, valueNumber = 0, filled = 0, current = byte
        if !isRuns { fill(0..<length, byte) }
        for gapNumber in 0..<gaps.count {
            let gap = unsafe gaps[unchecked: gapNumber]
            index &+= Int(gap)
            if gap == 255 { continue }
            guard index < length, valueNumber < values.count else { return false }
            let value = unsafe values[unchecked: valueNumber]
            if isRuns {
                fill(filled..<index, current)
                (filled, current) = (index, value)
            } else {
                unsafe self[unchecked: index] = value
            }
            valueNumber &+= 1
            index &+= 1
        }
        if isRuns { fill(filled..<length, current) }
        return valueNumber == values.count
    }
}
