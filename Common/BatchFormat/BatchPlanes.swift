internal import WireBytes

/// Writes a batch's planes with little work: how a plane is best written is looked at now and then and remembered for
/// the same plane of the next batches, since the same exporters send alike. A choice that does not fit what comes is
/// made anew at once, so what is remembered costs octets at worst.
struct BatchPlaneWriter: ~Copyable {
    private var zstd = ZstdCompressor()
    private var memory = PlaneMemory()
    private var gaps: [UInt8] = [], values: [UInt8] = []
    private var numbers: [UInt8] = [], packed: [UInt8] = [], others: [UInt8] = []

    /// Bytes that a plane must have room for beyond its own, zeros, for what is read eight at a time.
    static let roomBeyond = 8
    /// Shorter planes are not worth a look.
    private static let lookMin = 64

    /// Appends the first `count` bytes of `plane`, which has `roomBeyond` zeros behind them, to `output`.
    /// - Parameters:
    ///   - place: which octet of which column.
    ///   - varying: the bits in which some of the bytes differ.
    mutating func write(
        _ plane: [UInt8], count: Int, place: PlanePlace, varying: UInt8, to output: inout [UInt8]
    ) {
        guard count >= Self.lookMin else { return output.appendRawPlane(plane, count) }
        for isWhole in [false, false, true] {
            let choice = memory.choice(for: plane.span, count, place, varying: varying, isWhole: isWhole)
            if write(plane, count, place, choice, varying, to: &output) { return }
            memory.forget(place)
        }
        output.appendRawPlane(plane, count)
    }
    /// One of the two planes of exceptions.
    private mutating func writePart(_ plane: [UInt8], _ count: Int, _ place: PlanePlace, to output: inout [UInt8]) {
        guard count >= Self.lookMin else { return output.appendRawPlane(plane, count) }
        let choice = memory.choice(for: plane.span, count, place, varying: .max, isWhole: true)
        if !write(plane, count, place, choice, .max, to: &output) {
            memory.forget(place)
            output.appendRawPlane(plane, count)
        }
    }

    /// False, and nothing written, if the plane is not what the choice was made for.
    private mutating func write(
        _ plane: [UInt8], _ count: Int, _ place: PlanePlace, _ choice: PlaneChoice, _ varying: UInt8,
        to output: inout [UInt8]
    ) -> Bool {
        switch choice {
        case .raw: output.appendRawPlane(plane, count)
        case .compressed: return writeCompressed(plane, count, to: &output)
        case .sparse(let byte): return writeExceptions(plane, count, place, from: byte, isRuns: false, to: &output)
        case .runs: return writeExceptions(plane, count, place, from: plane[0], isRuns: true, to: &output)
        case .packed(let table, let bits):
            return varying >> UInt8(bits) == 0
                ? writeLow(plane, count, bits, to: &output) : writePacked(plane, count, table, bits, to: &output)
        }
        return true
    }

    private mutating func writeCompressed(_ plane: [UInt8], _ count: Int, to output: inout [UInt8]) -> Bool {
        let start = output.count
        output.appendPlaneHead(.compressed, octets: 0)
        let size = zstd.compress(plane, count: count, to: &output)
        guard size < count else {
            output.removeSubrange(start...)
            return false
        }
        output.setLE(UInt32(size), at: start + 1)
        return true
    }

    private mutating func writeExceptions(
        _ plane: [UInt8], _ count: Int, _ place: PlanePlace, from byte: UInt8, isRuns: Bool, to output: inout [UInt8]
    ) -> Bool {
        var (gaps, values) = (self.gaps, self.values)
        (self.gaps, self.values) = ([], [])
        defer { (self.gaps, self.values) = (gaps, values) }
        gaps.grow(to: count)
        values.grow(to: count)
        var gapSpan = gaps.mutableSpan, valueSpan = values.mutableSpan
        let taken = plane.span.takeExceptions(
            from: byte, isRuns: isRuns, in: count, gaps: &gapSpan, values: &valueSpan)
        guard taken.values <= count / PlaneMemory.exceptionShare else { return false }
        let start = output.count
        output.appendPlaneHead(isRuns ? .runs : .sparse, octets: 0)
        output.append(byte)
        output.appendLE(UInt32(taken.gaps))
        output.appendLE(UInt32(taken.values))
        writePart(gaps, taken.gaps, place.gaps, to: &output)
        writePart(values, taken.values, place.values, to: &output)
        output.setLE(UInt32(output.count - start - PlaneKind.headBytes), at: start + 1)
        return true
    }

    /// Bytes that differ in their lowest `bits` bits only.
    private mutating func writeLow(_ plane: [UInt8], _ count: Int, _ bits: Int, to output: inout [UInt8]) -> Bool {
        packed.grow(to: packedStride(count, bits: bits))
        var span = packed.mutableSpan
        plane.span.pack(count, bits: bits, into: &span)
        let size = 1 << UInt8(bits), rest = plane[0] & ~(UInt8(truncatingIfNeeded: size) &- 1)
        appendPacked(count, bits, (0..<size).map { rest | UInt8(truncatingIfNeeded: $0) }, others: 0, to: &output)
        return true
    }
    private mutating func writePacked(
        _ plane: [UInt8], _ count: Int, _ table: Int, _ bits: Int, to output: inout [UInt8]
    ) -> Bool {
        numbers.grow(to: count + Self.roomBeyond)
        packed.grow(to: packedStride(count, bits: bits))
        let known = memory.tables[table]
        var numberSpan = numbers.mutableSpan, otherCount = 0
        if plane.span.translate(count, by: known.numbers.span, into: &numberSpan) & PlaneTable.other != 0 {
            guard known.takesOthers else { return false }
            others.grow(to: count)
            let marks = numbers  // no copy
            var otherSpan = others.mutableSpan
            otherCount = plane.span.take(count, where: marks.span, into: &otherSpan)
            guard otherCount <= count / PlaneMemory.otherShare else { return false }
        }
        for index in count..<(count + Self.roomBeyond) { numbers[index] = 0 }
        let translated = numbers  // no copy
        var span = packed.mutableSpan
        translated.span.pack(count, bits: bits, into: &span)
        appendPacked(count, bits, known.values, others: otherCount, to: &output)
        return true
    }
    private func appendPacked(
        _ count: Int, _ bits: Int, _ table: [UInt8], others otherCount: Int, to output: inout [UInt8]
    ) {
        let stride = packedStride(count, bits: bits)
        output.appendPlaneHead(
            .packed, octets: PlaneKind.packedHeadBytes + table.count + stride + otherCount)
        output.append(UInt8(truncatingIfNeeded: bits))
        output.appendLE(UInt32(otherCount))
        output.append(contentsOf: table)
        output.append(contentsOf: packed[..<stride])
        output.append(contentsOf: others[..<otherCount])
    }
}

/// Names a plane from batch to batch: an octet of a column, or the gaps or values of its exceptions.
struct PlanePlace {
    let number: Int

    init(_ id: ColumnID, octet: Int) { number = (Int(id.rawValue) * 8 + octet) * 3 }
    private init(number: Int) { self.number = number }

    static let count = 256 * 8 * 3
    var isPart: Bool { number % 3 != 0 }
    var gaps: PlanePlace { PlanePlace(number: number + 1) }
    var values: PlanePlace { PlanePlace(number: number + 2) }
}
