/// An information element's number.
package struct ElementKey: Hashable, Sendable, Comparable {
    /// The private enterprise number; 0 for IANA's own elements.
    package var enterprise: UInt32
    /// Without the enterprise bit.
    package var id: UInt16

    package init(enterprise: UInt32 = 0, id: UInt16) { (self.enterprise, self.id) = (enterprise, id) }
    package static func < (a: ElementKey, b: ElementKey) -> Bool { (a.enterprise, a.id) < (b.enterprise, b.id) }
}

/// One field of a row's further elements.
package struct ExtraField: Hashable, Sendable {
    package var element: ElementKey
    /// Octets of each value; `variableLength` when values say it themselves.
    package var length: UInt16
    package static let variableLength: UInt16 = 65_535

    package init(_ element: ElementKey, length: UInt16) { (self.element, self.length) = (element, length) }
    /// As one word: lists of fields are looked up by their hash.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(UInt64(element.enterprise) << 32 | UInt64(element.id) << 16 | UInt64(length))
    }

    /// Calls `body` with each of `fields` and where its value is in the entry whose values begin at `start` of
    /// `octets`.
    /// - Returns: where the entry ends; nil when it does not fit, and `body` was called for what does.
    package static func walk(
        _ fields: [ExtraField], _ octets: [UInt8], from start: Int,
        _ body: (ExtraField, Range<Int>) -> Void = { _, _ in }
    ) -> Int? {
        var offset = start
        for field in fields {
            var length = Int(field.length)
            if field.length == variableLength {
                guard octets.count - offset >= 2 else { return nil }
                length = Int(octets[offset]) << 8 | Int(octets[offset + 1])
                offset += 2
            }
            guard octets.count - offset >= length else { return nil }
            body(field, offset..<(offset + length))
            offset += length
        }
        return offset
    }
}

/// One value, as the exporter sent it (big-endian); what it means is in the registry of elements.
package struct ExtraValue: Hashable, Sendable {
    package let element: ElementKey
    package let octets: [UInt8]
    package init(_ element: ElementKey, _ octets: [UInt8]) { (self.element, self.octets) = (element, octets) }
}

/// The elements of records that no column holds. A row's place is 1 + the offset of its entry; 0 is "none".
///
///     entry := shape :2 | value *, the shape's fields in order; big-endian
///     value := the field's octets, after a length :2 when the field's length is variable
///
/// Invariants: a place given out leads to a whole entry; at most `octetsMax` octets and `shapesMax` shapes. When full,
/// rows go without, and whoever added them counts that.
package struct ExtraElements: Sendable {
    package private(set) var shapes: [[ExtraField]] = []
    package private(set) var octets: [UInt8] = []
    private var shapeNumbers: [[ExtraField]: UInt16] = [:]

    package static let octetsMax = 16 << 20, shapesMax = 4_096

    package init() {}

    package var isEmpty: Bool { octets.isEmpty }

    /// The number of a list of fields, the same for the same list; nil when there are too many lists or fields.
    package mutating func shape(_ fields: [ExtraField]) -> UInt16? {
        // The same array again, usually: found by its storage, without a look at its elements.
        for number in shapes.indices.suffix(8) where shapes[number] == fields { return UInt16(number) }
        if let known = shapeNumbers[fields] { return known }
        guard shapes.count < Self.shapesMax, fields.count <= 512 else { return nil }
        let number = UInt16(shapes.count)
        shapes.append(fields)
        shapeNumbers[fields] = number
        return number
    }

    /// Adds an entry: `write` appends the values of `shape`, which must be a number given out by `shape(_:)`.
    /// - Returns: its place, 0 when there is no room for more.
    @inline(__always)
    package mutating func add(_ shape: UInt16, _ write: (inout [UInt8]) -> Void) -> UInt32 {
        guard octets.count < Self.octetsMax else { return 0 }
        let place = UInt32(octets.count) + 1
        octets.append(UInt8(truncatingIfNeeded: shape >> 8))
        octets.append(UInt8(truncatingIfNeeded: shape))
        write(&octets)
        return place
    }

    /// Adds entries of one shape, whose fields have fixed lengths: `write` appends the octets of all, `more` at most;
    /// each entry is its shape, in two octets, and then its values.
    /// - Returns: the first one's place; 0, and nothing added, when there is no room for all.
    @inline(__always)
    package mutating func add(octets more: Int, _ write: (inout OutputSpan<UInt8>) -> Void) -> UInt32 {
        let start = octets.count
        guard start <= Self.octetsMax - more else { return 0 }
        octets.append(addingCapacity: more, initializingWith: write)
        return UInt32(truncatingIfNeeded: start) &+ 1
    }

    /// Adds an entry value by value: the slow way, for few rows.
    package mutating func add(_ values: [ExtraValue]) -> UInt32 {
        guard !values.isEmpty else { return 0 }
        let fields = values.map { ExtraField($0.element, length: ExtraField.variableLength) }
        guard let shape = shape(fields) else { return 0 }
        return add(shape) { octets in
            for value in values { octets.appendValue(value.octets) }
        }
    }

    /// The values of the entry at `place`, in the order of its fields; empty for place 0 and for one never given out.
    package func values(at place: UInt32) -> [ExtraValue] {
        var values: [ExtraValue] = []
        walk(place) { field, range in values.append(ExtraValue(field.element, Array(octets[range]))) }
        return values
    }
    /// The first value of `element` at `place`.
    package func value(of element: ElementKey, at place: UInt32) -> [UInt8]? {
        values(at: place).first { $0.element == element }?.octets
    }

    /// Where the entry at `place` ends in `octets`; nil for a place never given out or an entry that does not fit.
    @discardableResult
    package func walk(_ place: UInt32, _ body: (ExtraField, Range<Int>) -> Void) -> Int? {
        let start = Int(place) - 1
        guard start >= 0, octets.count - start >= 2 else { return nil }
        let shape = Int(octets[start]) << 8 | Int(octets[start + 1])
        guard shape < shapes.count else { return nil }
        return ExtraField.walk(shapes[shape], octets, from: start + 2, body)
    }

    /// Takes over the entry at `place` of another store. Returns its place here, 0 when there is none or no room.
    package mutating func copy(_ place: UInt32, from other: ExtraElements) -> UInt32 {
        guard let end = other.walk(place, { _, _ in }) else { return 0 }
        let start = Int(place) - 1
        let fields = other.shapes[Int(other.octets[start]) << 8 | Int(other.octets[start + 1])]
        guard let shape = shape(fields) else { return 0 }
        return add(shape) { $0.append(contentsOf: other.octets[(start + 2)..<end]) }
    }

    package mutating func removeAll() {
        shapes.removeAll(keepingCapacity: true)
        octets.removeAll(keepingCapacity: true)
        shapeNumbers.removeAll(keepingCapacity: true)
    }

    /// A store read from elsewhere. Places are checked when they are followed, so none can lead outside.
    package init(shapes: [[ExtraField]], octets: [UInt8]) {
        self.init()
        for fields in shapes { _ = shape(fields) }
        self.octets = octets
    }
}

extension [UInt8] {
    /// A value of variable length as an entry has it; what is longer than 65 535 octets is cut.
    package mutating func appendValue(_ octets: some Collection<UInt8>) {
        let length = Swift.min(octets.count, 65_535)
        append(UInt8(truncatingIfNeeded: length >> 8))
        append(UInt8(truncatingIfNeeded: length))
        append(contentsOf: octets.prefix(length))
    }
}

extension ExtraElements {
    /// Whether two entries hold the same values, octet for octet.
    package func isEqual(_ a: UInt32, _ b: UInt32) -> Bool {
        guard a != b else { return true }
        guard let endA = walk(a, { _, _ in }), let endB = walk(b, { _, _ in }) else { return false }
        return octets[(Int(a) - 1)..<endA] == octets[(Int(b) - 1)..<endB]
    }
    /// A hash of the entry's octets, the same for equal entries of one store.
    package func hash(at place: UInt32) -> UInt64 {
        guard let end = walk(place, { _, _ in }) else { return 0 }
        var hash: UInt64 = 0x2D35_8DCC_AA6C_78A5, word: UInt64 = 0, filled = 0
        for octet in octets[(Int(place) - 1)..<end] {
            word = word << 8 | UInt64(octet)
            filled += 1
            guard filled == 8 else { continue }
            hash = ConversationHash.fold(hash ^ word, 0x8BB8_4B93_962E_ACC9)
            (word, filled) = (0, 0)
        }
        return ConversationHash.fold(hash ^ word, 0x4B33_A62E_D433_D4A3 ^ UInt64(filled))
    }
}
