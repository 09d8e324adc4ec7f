internal import BatchFormat
internal import FlowModel
internal import FlowStore
internal import Identity
internal import QueryEngine
internal import SegmentFormat

/// What a segment's head says of one block.
struct SegmentBounds: BlockBounds {
    let head: SegmentHead
    let block: Int

    func words(_ column: ColumnID) -> ClosedRange<UInt64> { head.bounds(of: column, block: block) }
    func times(_ column: ColumnID) -> ClosedRange<Int64> { head.times(of: column, block: block) }
    func addresses(_ end: BlockAddress) -> ClosedRange<IPAddress> {
        switch end {
        case .source: head.addresses(.source, block: block)
        case .destination: head.addresses(.destination, block: block)
        case .nextHop: head.addresses(.nextHop, block: block)
        }
    }
    var exporters: [ExporterKey] { head.exporters }
    var sensors: [SensorIdentity] { head.origins.map(\.sensor) }
}

/// A block that can have rows that match.
struct Candidate {
    let block: Int
    /// What is still to be tested, cheapest first: the rest is true of all rows.
    let stages: [Condition]
    /// Nil: all rows.
    var mask: RowMask?

    /// So few of a block's rows that they are decoded by themselves.
    static func areFew(_ rows: Int, _ block: Int, _ head: SegmentHead) -> Bool {
        32 * rows < head.rows(ofBlock: block).count
    }
    func hasFewRows(_ head: SegmentHead) -> Bool {
        mask.map { Self.areFew($0.meant, block, head) } ?? false
    }
    func rows(_ head: SegmentHead) -> [Int32] {
        mask?.rows ?? RowMask.allRows(head.rows(ofBlock: block).count)
    }
}

extension HistoryWalk {
    /// - Parameter pruned: what is known of it, if it was looked at before.
    /// - Returns: false when the budget ended on the way.
    mutating func readSegment(
        _ segment: Segment, _ pruned: Pruned?, _ consumer: inout some BlockConsumer
    ) async throws(QueryError) -> Bool {
        do {
            var known = pruned
            if known == nil { known = try await prune([segment], consumer).first }
            guard let known, let (head, candidates) = try open(known) else { return true }
            return try await readBlocks(segment, head, candidates, &consumer)
        } catch let error as QueryError {
            throw error
        } catch let error as EngineError {
            throw QueryError(error)
        } catch let error as FlowStoreError {
            guard error.isOfOneSegment else { throw QueryError(error) }
            effort.unreadable += 1
        } catch is SegmentError {
            try await damaged(segment)
        } catch is CancellationError {
            throw .cancelled
        } catch {
            throw .storage("\(error)")
        }
        return true
    }

    private mutating func readBlocks(
        _ segment: Segment, _ head: SegmentHead, _ found: [Candidate], _ consumer: inout some BlockConsumer
    ) async throws -> Bool {
        let blobs = StoredBlobs(segment, in: store)
        var candidates = found, reader = self.reader.take() ?? SegmentReader(head, blobs)
        var room = FlowColumns()
        swap(&room, &columns)
        var block = SegmentBlock(head, consume room, usesRecords: consumer.usesRecords)
        reader.turn(to: head, blobs)
        let isWhole = try await read(&candidates, &reader, &block, &consumer)
        effort.bytesRead += reader.bytesRead
        effort.listBlocks += reader.listBlocks
        self.reader = consume reader
        columns = block.takeColumns()
        return isWhole
    }
    private mutating func read(
        _ candidates: inout [Candidate], _ reader: inout SegmentReader, _ block: inout SegmentBlock,
        _ consumer: inout some BlockConsumer
    ) async throws -> Bool {
        try await dropStrangers(&candidates, &reader, consumer)
        try await test(&candidates, &reader, &block)
        if let end = consumer.endpoint, isWorthSumming(candidates, reader.head) {
            return try await showSums(by: end, candidates, &reader, &block, &consumer)
        }
        return try await show(candidates, &reader, &block, &consumer)
    }

    /// Tests the candidates stage by stage: columns of the later stages are read only for blocks that are left.
    private mutating func test(
        _ candidates: inout [Candidate], _ reader: inout SegmentReader, _ block: inout SegmentBlock
    ) async throws {
        let stages = candidates.map(\.stages.count).max() ?? 0
        for stage in 0..<stages {
            let asked = candidates.filter { stage < $0.stages.count }
            guard !asked.isEmpty else { return }
            try await load(asked.map { ($0.block, $0.stages[stage]) }, &reader, isOfOne: block.isOfOne)
            for place in candidates.indices where stage < candidates[place].stages.count {
                guard try hasTime() else { break }
                try test(&candidates[place], stage, &reader, &block)
                try await pause()
            }
            candidates.removeAll { $0.mask?.isEmpty ?? false }
        }
    }
    /// Reads what tests of blocks look at: of tests of addresses only what leads to the numbers of those that are asked
    /// for.
    private func load(
        _ tests: [(block: Int, condition: Condition)], _ reader: inout SegmentReader, isOfOne: Bool
    ) async throws {
        let fields = tests.reduce(into: FieldSet()) { $0.formUnion($1.condition.fieldsBesideEnds) }
        let ranges = tests.flatMap(\.condition.endRanges)
        try await reader.load(fields, blocks: tests.map(\.block), origins: !isOfOne, ends: !ranges.isEmpty)
        if !ranges.isEmpty { try await reader.loadEndpoints(in: ranges) }
    }
    private func test(
        _ candidate: inout Candidate, _ stage: Int, _ reader: inout SegmentReader, _ block: inout SegmentBlock
    ) throws {
        let condition = candidate.stages[stage]
        if condition.testsEnds {
            try block.decode(candidate.block, condition.fieldsBesideEnds, &reader)
            let (places, numbers) = try reader.endpointNumbers(ofBlock: candidate.block)
            let ranges = condition.endRanges, known = try reader.numbers(in: ranges)
            block.rows.ends = RowEnds(places: places, numbers: numbers, ranges: ranges, known: known)
        } else {
            try block.decode(candidate.block, condition.fields, &reader)
        }
        var mask = candidate.mask.take() ?? RowMask(count: block.rows.count)
        condition.keep(&mask, in: block.rows)
        // They share the reader's arrays, which must be the reader's alone when it fills them again.
        block.rows.ends = nil
        candidate.mask = mask
    }

    /// Shows what is left of the candidates to the consumer, those with the newest rows first.
    private mutating func show(
        _ candidates: [Candidate], _ reader: inout SegmentReader, _ block: inout SegmentBlock,
        _ consumer: inout some BlockConsumer
    ) async throws -> Bool {
        guard !candidates.isEmpty else { return try hasTime() }
        var order = candidates
        if consumer.floor != nil || !consumer.selectFields.isEmpty {
            let head = reader.head
            order.sort { a, b in
                head.times(of: .flowEndMilliseconds, block: a.block).upperBound
                    > head.times(of: .flowEndMilliseconds, block: b.block).upperBound
            }
            try await reader.load(
                consumer.selectFields, blocks: candidates.map(\.block), origins: !block.isOfOne)
        } else {
            let most = candidates.filter { !$0.hasFewRows(reader.head) }
            try await reader.load(consumer.fields, blocks: most.map(\.block), origins: !block.isOfOne)
        }
        for candidate in order {
            guard try hasTime() else { return false }
            let newest = reader.head.times(of: .flowEndMilliseconds, block: candidate.block).upperBound
            if let floor = consumer.floor, newest < floor { continue }
            var rows = candidate.rows(reader.head)
            if !consumer.selectFields.isEmpty {
                try block.decode(candidate.block, consumer.selectFields, &reader)
                rows = consumer.select(rows, of: block.rows)
            }
            guard !rows.isEmpty else { continue }
            effort.matched += rows.count
            try await show(rows, of: candidate.block, &reader, &block, &consumer)
            try await pause()
        }
        return try hasTime()
    }
    private func show(
        _ rows: [Int32], of number: Int, _ reader: inout SegmentReader, _ block: inout SegmentBlock,
        _ consumer: inout some BlockConsumer
    ) async throws {
        if Candidate.areFew(rows.count, number, reader.head) {
            try await reader.load(consumer.fields, block: number, rows: rows)
            if !block.isOfOne { try await reader.load([], blocks: [number], origins: true) }
            try consumer.add(
                RowMask.allRows(rows.count), of: try block.taking(rows, of: number, consumer.fields, &reader))
        } else {
            try await reader.load(consumer.fields, blocks: [number], origins: !block.isOfOne)
            try block.decode(number, consumer.fields.subtracting(consumer.selectFields), &reader)
            try consumer.add(rows, of: block.rows)
        }
    }
}

/// The rows of one block of a segment at a time, in columns that are used again.
struct SegmentBlock {
    fileprivate(set) var rows: RowBlock
    private let sensors: [SensorIdentity]
    private var block: Int?
    let isOfOne: Bool
    /// Otherwise only columns that are asked for have rows at all, so that memory is only touched for those.
    private let usesRecords: Bool

    /// - Parameter columns: for their room.
    init(_ head: SegmentHead, _ columns: consuming FlowColumns, usesRecords: Bool) {
        sensors = head.origins.map(\.sensor)
        isOfOne = Set(sensors).count == 1
        self.usesRecords = usesRecords
        columns.removeAll()
        rows = RowBlock(columns: columns, sensors: sensors.first.map { .one($0) } ?? .each([], []))
    }
    mutating func takeColumns() -> FlowColumns {
        defer { rows.columns = FlowColumns() }
        return rows.columns
    }

    /// Fills the fields of a block; those of an earlier call for the same block stay.
    mutating func decode(_ number: Int, _ fields: FieldSet, _ reader: inout SegmentReader) throws {
        let count = reader.head.rows(ofBlock: number).count
        let hasSides = !fields.isDisjoint(with: [.extras, .observers, .sketch]), isNew = block != number
        if isNew {
            (block, rows.count) = (number, count)
            if usesRecords { turnRecords(to: count, hasSides: hasSides) }
            if !isOfOne { rows.sensors = .each(try reader.origins(ofBlock: number).map(UInt32.init), sensors) }
        }
        if hasSides, !(isNew && usesRecords) { clearSides(usesRecords ? rows.columns.capacity : count) }
        guard !fields.isEmpty else { return }
        if usesRecords {
            try reader.decode(number, fields, into: &rows.columns, rows: 0..<count)
        } else {
            try reader.decode(number, fields, intoPlacesOf: &rows.columns)
        }
    }
    /// Some rows of a block, in columns of their own.
    func taking(
        _ rows: [Int32], of number: Int, _ fields: FieldSet, _ reader: inout SegmentReader
    ) throws -> RowBlock {
        var columns = FlowColumns(capacity: rows.count), sensors = self.rows.sensors
        _ = try reader.decode(number, fields, rows: rows, into: &columns)
        if !isOfOne {
            let origins = try reader.origins(ofBlock: number)
            sensors = .each(rows.map { UInt32(origins[Int($0)]) }, self.sensors)
        }
        return RowBlock(columns: columns, sensors: sensors)
    }
    private mutating func turnRecords(to count: Int, hasSides: Bool) {
        // Further elements and the like are only put where there are some: the rows before must go.
        if hasSides { rows.columns.removeAll() }
        if rows.columns.count > count { rows.columns.truncate(to: count) }
        if rows.columns.count < count { _ = rows.columns.extend(by: count - rows.columns.count) }
    }
    private mutating func clearSides(_ count: Int) {
        (rows.columns.extra, rows.columns.observers, rows.columns.sketch) = zeros(count)
        rows.columns.extras.removeAll()
        rows.columns.observerSets.removeAll()
        rows.columns.sketches.removeAll()
    }
    private func zeros(_ count: Int) -> ([UInt32], [UInt32], [UInt32]) {
        let zeros = [UInt32](repeating: 0, count: count)
        return (zeros, zeros, zeros)
    }
}
