internal import FlowModel
internal import WireBytes

/// Reads what is in the side stores (see `ExtrasWriter`): first all of it, checked, then into the columns.
struct SideStoreReader {
    private var words: [UInt32] = [], octets: [UInt8] = []
    /// Of each shape: its fields, the octets of an entry if that is fixed, its rows, where the octets of the first and
    /// of the next of them are.
    fileprivate struct Group {
        var fields: [ExtraField], size: Int?, rows = 0, start = 0, next = 0
    }

    mutating func read(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ fields: FieldSet, exporters: [UInt32],
        into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        if fields.holds(.extra), let entry = head.column(.extra) {
            try readExtras(entry, head, body, &reader, &columns, rows)
        }
        if fields.holds(.observers), let entry = head.column(.observers) {
            try readObservers(entry, head, body, &reader, exporters, &columns, rows)
        }
        if fields.holds(.sketch), let entry = head.column(.sketch) {
            try readSketches(entry, head, body, &reader, &columns, rows)
        }
    }

    // MARK: elements without a column

    private mutating func readExtras(
        _ entry: ColumnEntry, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader,
        _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        try reader.list(entry, body, count: rows.count, into: &words)
        let shapes = head.column(.extraShapes)
        try reader.list(shapes, body, count: shapes?.words ?? 0, into: &octets)
        guard var groups = Self.groups(octets), Self.count(words, &groups) else {
            throw .badReference(column: entry.id.rawValue)
        }
        let values = head.column(.extraValues)
        try reader.list(values, body, count: values?.words ?? 0, into: &octets)
        guard let entries = entries(&groups) else { throw .badReference(column: ColumnID.extraValues.rawValue) }
        var numbers: [UInt16] = []
        for group in groups {
            guard let number = columns.extras.shape(group.fields) else { throw .sideStoreFull }
            numbers.append(number)
        }
        var start = 0
        for (index, word) in words.enumerated() where word > 0 {
            let end = start + groups[Int(word) - 1].octets(at: start, entries)
            let place = columns.extras.add(numbers[Int(word) - 1]) { $0.append(contentsOf: entries[start..<end]) }
            guard place > 0 else { throw .sideStoreFull }
            columns.extra[rows.lowerBound + index] = place
            start = end
        }
    }
    private static func groups(_ octets: [UInt8]) -> [Group]? {
        octets.withBytes { bytes in
            var groups: [Group] = [], offset = 0
            while offset < bytes.byteCount {
                guard bytes.byteCount - offset >= 2 else { return nil }
                let count = Int(bytes.le16(at: offset))
                offset += 2
                guard count <= 512, bytes.byteCount - offset >= 8 * count, groups.count < ExtraElements.shapesMax
                else { return nil }
                let fields = (0..<count).map { index in
                    let at = offset + 8 * index
                    return ExtraField(
                        ElementKey(enterprise: bytes.le32(at: at), id: bytes.le16(at: at + 4)),
                        length: bytes.le16(at: at + 6))
                }
                groups.append(Group(fields: fields, size: ExtraField.entryOctets(fields)))
                offset += 8 * count
            }
            return groups
        }
    }
    /// Counts the rows of each shape; false if one has a shape that there isn't.
    private static func count(_ words: [UInt32], _ groups: inout [Group]) -> Bool {
        var rows = [Int](repeating: 0, count: groups.count + 1)
        for word in words {
            guard Int(word) < rows.count else { return false }
            rows[Int(word)] += 1
        }
        for index in groups.indices { groups[index].rows = rows[index + 1] }
        return true
    }
    /// Gives each shape its part of `octets`; false if they do not fit exactly.
    private func part(_ groups: inout [Group]) -> Bool {
        var start = 0
        for index in groups.indices {
            groups[index].start = start
            groups[index].next = groups[index].size == nil ? start : 0
            if let size = groups[index].size {
                let taken = size * groups[index].rows
                guard taken <= octets.count - start else { return false }
                start += taken
            } else {
                for _ in 0..<groups[index].rows {
                    guard let length = Group.length(groups[index].fields, at: start, octets) else { return false }
                    start += length
                }
            }
        }
        return start == octets.count
    }
    /// All entries in the order of rows; nil if `octets` is not what the shapes say.
    private func entries(_ groups: inout [Group]) -> [UInt8]? {
        guard part(&groups) else { return nil }
        var entries: [UInt8] = []
        entries.reserveCapacity(octets.count)
        for word in words where word > 0 {
            let number = Int(word) - 1
            if let size = groups[number].size {
                var at = groups[number].start + groups[number].next
                for _ in 0..<size {
                    entries.append(octets[at])
                    at += groups[number].rows
                }
                groups[number].next += 1
            } else {
                let start = groups[number].next
                guard let length = Group.length(groups[number].fields, at: start, octets) else { return nil }
                entries.append(contentsOf: octets[start..<(start + length)])
                groups[number].next += length
            }
        }
        return entries
    }

    // MARK: other observers, distinct counts

    private mutating func readObservers(
        _ entry: ColumnEntry, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ exporters: [UInt32],
        _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        try reader.list(entry, body, count: rows.count, into: &words)
        let sets = head.column(.observerSets)
        try reader.list(sets, body, count: sets?.words ?? 0, into: &octets)
        guard let sets = Self.sets(octets, exporters) else {
            throw .badReference(column: ColumnID.observerSets.rawValue)
        }
        var places: [UInt32] = [0]
        for set in sets {
            let place = columns.observerSets.place(of: set)
            guard place > 0 else { throw .sideStoreFull }
            places.append(place)
        }
        for (index, word) in words.enumerated() where word > 0 {
            guard Int(word) < places.count else { throw .badReference(column: entry.id.rawValue) }
            columns.observers[rows.lowerBound + index] = places[Int(word)]
        }
    }
    /// The sets with the columns' numbers for exporters; nil if one is empty, cut, or names an exporter that is not
    /// there.
    private static func sets(_ octets: [UInt8], _ exporters: [UInt32]) -> [[UInt32]]? {
        octets.withBytes { bytes in
            var sets: [[UInt32]] = [], offset = 0
            while offset < bytes.byteCount {
                let count = Int(bytes.u8(at: offset))
                guard (1...ObserverSets.membersMax).contains(count), bytes.byteCount - offset - 1 >= 4 * count,
                    sets.count < ObserverSets.setsMax
                else { return nil }
                var set: [UInt32] = []
                for index in 0..<count {
                    let member = Int(bytes.le32(at: offset + 1 + 4 * index))
                    guard member < exporters.count else { return nil }
                    set.append(exporters[member])
                }
                sets.append(set)
                offset += 1 + 4 * count
            }
            return sets
        }
    }

    private mutating func readSketches(
        _ entry: ColumnEntry, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader,
        _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        try reader.list(entry, body, count: rows.count, into: &words)
        let count = words.reduce(0) { $0 + ($1 == 0 ? 0 : 1) }
        try reader.list(head.column(.sketchPairs), body, count: 128 * count, into: &octets)
        var start = 0
        for (index, word) in words.enumerated() where word > 0 {
            guard word == 1 else { throw .badReference(column: entry.id.rawValue) }
            var pair = DistinctPair()
            for register in 0..<64 {
                pair.ports.registers[register] = octets[start + register]
                pair.peers.registers[register] = octets[start + 64 + register]
            }
            columns.sketch[rows.lowerBound + index] = columns.sketches.add(pair)
            start += 128
        }
    }
}

extension SideStoreReader.Group {
    /// The octets of the entry at `start` of `octets`; nil if it does not fit.
    static func length(_ fields: [ExtraField], at start: Int, _ octets: [UInt8]) -> Int? {
        ExtraField.walk(fields, octets, from: start).map { $0 - start }
    }
    func octets(at start: Int, _ entries: [UInt8]) -> Int {
        size ?? Self.length(fields, at: start, entries) ?? 0
    }
}
