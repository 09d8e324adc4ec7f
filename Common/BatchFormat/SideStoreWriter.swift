internal import FlowModel
internal import WireBytes

/// The entries of `ExtraElements` that some rows lead to, sorted by shape, so that like octets lie side by side.
///
///     extra        each row's shape number + 1, 0 for none; shapes are numbered in order of first use
///     extraShapes  for each shape: fields :2 | field *;    field := enterprise :4 | element :2 | length :2
///     extraValues  for each shape, the entries of all its rows:
///                     if no field is of variable length: the first octet of each, then the second of each, …
///                     else: one entry after the other
///
/// An entry is as in `ExtraElements`, without its shape.
struct ExtrasWriter {
    private(set) var words: [UInt32] = [], shapes: [UInt8] = [], octetCount = 0, leftOut: UInt64 = 0
    /// Of each shape: the octets of an entry, nil if that varies; its rows and their entries.
    private(set) var groups: [(size: Int?, rows: Int, octets: [UInt8])] = []
    var isEmpty: Bool { groups.isEmpty }

    /// - Parameter octetsMax: entries that would exceed it are left out and counted.
    mutating func fill(_ store: ExtraElements, _ places: Span<UInt32>, octetsMax: Int) {
        groups.removeAll(keepingCapacity: true)
        shapes.removeAll(keepingCapacity: true)
        words.removeAll(keepingCapacity: true)
        (octetCount, leftOut) = (0, 0)
        guard !store.isEmpty else { return }
        var numbers = [Int](repeating: -1, count: store.shapes.count)
        for row in places.indices {
            words.append(places[row] == 0 ? 0 : add(store, places[row], &numbers, octetsMax))
        }
    }

    /// The word for an entry, 0 if it is not in the store or has no room.
    private mutating func add(_ store: ExtraElements, _ place: UInt32, _ numbers: inout [Int], _ octetsMax: Int)
        -> UInt32
    {
        let start = Int(place) - 1
        guard store.octets.count - start >= 2 else { return 0 }
        let shape = Int(store.octets[start]) << 8 | Int(store.octets[start + 1])
        guard shape < numbers.count else { return 0 }
        let known = numbers[shape]
        let size = known >= 0 ? groups[known].size : ExtraField.entryOctets(store.shapes[shape])
        guard let end = size.map({ start + 2 + $0 }) ?? store.walk(place, { _, _ in }), end <= store.octets.count
        else { return 0 }
        let header = known >= 0 ? 0 : 2 + 8 * store.shapes[shape].count
        guard octetCount + shapes.count + header + end - start <= octetsMax else {
            leftOut += 1
            return 0
        }
        if known < 0 {
            numbers[shape] = groups.count
            groups.append((size, 0, []))
            shapes.appendShape(store.shapes[shape])
        }
        let number = numbers[shape]
        groups[number].rows += 1
        for index in (start + 2)..<end { groups[number].octets.append(store.octets[index]) }
        octetCount += end - start - 2
        return UInt32(number) + 1
    }
}

extension ExtrasWriter {
    /// The column `extraValues`.
    var values: [UInt8] {
        var values: [UInt8] = []
        values.reserveCapacity(octetCount)
        for group in groups {
            guard let size = group.size, size > 1 else {
                values.append(contentsOf: group.octets)
                continue
            }
            for octet in 0..<size {
                for row in 0..<group.rows { values.append(group.octets[row * size + octet]) }
            }
        }
        return values
    }
}

extension ExtraField {
    /// The octets of an entry of these fields; nil if that varies.
    static func entryOctets(_ fields: [ExtraField]) -> Int? {
        fields.contains { $0.length == variableLength } ? nil : fields.reduce(0) { $0 + Int($1.length) }
    }
}

extension [UInt8] {
    fileprivate mutating func appendShape(_ fields: [ExtraField]) {
        appendLE(UInt16(truncatingIfNeeded: fields.count))
        for field in fields {
            appendLE(field.element.enterprise)
            appendLE(field.element.id)
            appendLE(field.length)
        }
    }
}

extension BatchEncoder {
    /// Adds the columns `extra`, `observers` and `sketch`, and keeps what they lead to for `addSideStores`.
    mutating func addSideColumns(_ columns: FlowColumns, _ rows: Range<Int>, octetsMax: Int) {
        extras.fill(columns.extras, columns.extra.span.extracting(rows), octetsMax: octetsMax)
        if !extras.isEmpty { writer.add(.extra, extras.words, count: rows.count) }
        sideOctets.removeAll(keepingCapacity: true)
        sketchOctets.removeAll(keepingCapacity: true)
        leftOutHere = extras.leftOut
        if !columns.observerSets.sets.isEmpty { addObservers(columns, rows, octetsMax) }
        if !columns.sketches.pairs.isEmpty { addSketches(columns, rows, octetsMax) }
    }
    mutating func addSideStores() {
        if !extras.isEmpty {
            writer.add(.extraShapes, extras.shapes, count: extras.shapes.count)
            writer.add(.extraValues, extras.values, count: extras.octetCount)
        }
        if !sideOctets.isEmpty { writer.add(.observerSets, sideOctets, count: sideOctets.count) }
        if !sketchOctets.isEmpty { writer.add(.sketchPairs, sketchOctets, count: sketchOctets.count) }
    }

    /// `observers`: each row's set, from 1 in order of first use; `observerSets`: for each set, members :1 and as many
    /// times member :4.
    private mutating func addObservers(_ columns: FlowColumns, _ rows: Range<Int>, _ octetsMax: Int) {
        let store = columns.observerSets
        var numbers = [UInt32](repeating: 0, count: store.sets.count + 1), known: UInt32 = 0
        let places = columns.observers.span.extracting(rows)
        shorts.grow(to: rows.count)
        var words = shorts
        shorts = []  // its alone for now
        var span = words.mutableSpan
        for row in 0..<places.count {
            let place = Int(places[row])
            if place == 0 || (place < numbers.count && numbers[place] != 0) {
                span[row] = numbers[place]
                continue
            }
            guard place < numbers.count, !store.sets[place - 1].isEmpty else {
                span[row] = 0
                continue
            }
            let set = store.sets[place - 1]
            if sideOctets.count + 1 + 4 * set.count <= octetsMax {
                known += 1
                numbers[place] = known
                sideOctets.append(UInt8(truncatingIfNeeded: set.count))
                for member in set { sideOctets.appendLE(member) }
            }
            leftOutHere += numbers[place] == 0 ? 1 : 0
            span[row] = numbers[place]
        }
        shorts = words
        writer.add(.observers, shorts, count: rows.count)
    }
    /// `sketch`: 1 for a row that has a pair; `sketchPairs`: the pairs in order of rows, ports :64 | peers :64.
    private mutating func addSketches(_ columns: FlowColumns, _ rows: Range<Int>, _ octetsMax: Int) {
        shorts.removeAll(keepingCapacity: true)
        for row in rows {
            let pair = columns.sketches.pair(at: columns.sketch[row])
            let isKept = pair != nil && sketchOctets.count + 128 <= octetsMax
            leftOutHere += pair != nil && !isKept ? 1 : 0
            shorts.append(isKept ? 1 : 0)
            guard isKept, let pair else { continue }
            for sketch in [pair.ports, pair.peers] {
                for register in sketch.registers.indices { sketchOctets.append(sketch.registers[register]) }
            }
        }
        writer.add(.sketch, shorts, count: rows.count)
    }
}
