package import BatchFormat
package import FlowModel
internal import WireBytes

/// Reads a segment: `load` brings the bytes of what is wanted, `decode` opens them. Only the named fields of the named
/// blocks are read and opened.
package struct SegmentReader: ~Copyable {
    package private(set) var head: SegmentHead
    private var blobs: any SegmentBlobs
    private var loaded = LoadedParts(), decoder = SegmentDecoder()
    /// Octets that `load` asked for.
    package private(set) var bytesRead = 0

    package init(_ head: SegmentHead, _ blobs: any SegmentBlobs) {
        self.head = head
        self.blobs = blobs
    }

    /// Turns to another segment: as a new reader, but with the room that this one has.
    package mutating func turn(to head: SegmentHead, _ blobs: any SegmentBlobs) {
        self.head = head
        self.blobs = blobs
        loaded = LoadedParts()
        bytesRead = 0
        decoder.forget()
    }

    /// Reads what `decode` needs for `fields` of `blocks`, in one piece a part, but for what is there already.
    /// - Parameters:
    ///   - origins: whether `origins(ofBlock:)` will be asked for.
    ///   - ends: whether `endpointNumbers(ofBlock:)` will.
    /// - Throws: what the blobs throw; `.noBlock`, `.truncated` when there are fewer bytes than the head says.
    package mutating func load(
        _ fields: FieldSet, blocks: some Collection<Int>, origins: Bool = false, ends: Bool = false
    ) async throws {
        let all = try needs(of: blocks) {
            $0.isNeeded(for: fields) || origins && $0.isOfOrigins || ends && $0.isOfEnds
        }
        try await load(all[...])
    }
    /// Reads what `numbers(in:)` needs for these ranges of addresses.
    package mutating func loadEndpoints(in ranges: [ClosedRange<IPAddress>]) async throws {
        try await load(try needs(of: [0]) { $0 == .endpointBlocks }[...])
        let directory = try decoder.directory(source(0))
        let blocks = ranges.flatMap { range in
            [
                directory.block(before: range.lowerBound, orWith: false),
                directory.block(before: range.upperBound, orWith: true),
            ].compactMap { $0 }
        }
        try await loadList(blocks, of: [.endpointHigh, .endpointLow], directory)
    }
    /// Reads what `decode` needs for `fields` of some rows of one block: of the list of endpoints only the blocks that
    /// have the rows'.
    /// - Parameter rows: of the block.
    package mutating func load(_ fields: FieldSet, block: Int, rows: [Int32]) async throws {
        try check(rows, of: block)
        try await load(
            try needs(of: [block]) { $0.isNeeded(for: fields) && $0.level != .endpoint }[...])
        let parts = head.parts.map(\.part).filter { $0.level == .endpoint && $0.isNeeded(for: fields) }
        guard !parts.isEmpty else { return }
        let directory = try decoder.directory(source(0)), ends = try decoder.endpoints(source(block, rows))
        try await loadList(ends.map { Int($0) / directory.blockWords }, of: parts, directory)
    }
    /// Reads blocks of the list of endpoints, neighbours in one piece.
    private mutating func loadList(
        _ blocks: [Int], of parts: [SegmentPart], _ directory: EndpointDirectory
    ) async throws {
        var runs: [ClosedRange<Int>] = []
        for block in blocks.sorted() {
            if let last = runs.last, block <= last.upperBound + 1 {
                runs[runs.count - 1] = last.lowerBound...block
            } else {
                runs.append(block...block)
            }
        }
        var needs: [SegmentNeed] = []
        for part in parts {
            guard let entry = directory.entry(part) else { continue }
            for run in runs {
                let frames = entry.blocks[run], first = frames.first?.frame, last = frames.last?.frame
                let range = (first?.lowerBound ?? 0)..<(last?.upperBound ?? 0)
                guard !range.isEmpty, !loaded.holds(part, range) else { continue }
                needs.append(SegmentNeed(blob: SegmentBlob(part), range: range))
            }
        }
        try await load(needs[...])
    }
    private func check(_ rows: [Int32], of block: Int) throws(SegmentError) {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        let count = Int32(truncatingIfNeeded: head.rows(ofBlock: block).count)
        guard rows.allSatisfy({ $0 >= 0 && $0 < count }) else { throw .noBlock(block) }
    }
    /// Reads what `clients` and `servers` need.
    package mutating func loadEnds(clients: [Int], servers: [Int]) async throws {
        let needs = try needs(of: clients) { $0 == .clients } + needs(of: servers) { $0 == .servers }
        try await load(needs[...])
    }
    private mutating func load(_ all: ArraySlice<SegmentNeed>) async throws {
        var needs = all
        while let first = needs.popFirst() {
            // Small ones together; large ones one after another, so that few octets are there twice.
            var some = [first], octets = first.range.count
            while let next = needs.first, octets + next.range.count <= Self.togetherMax {
                octets += next.range.count
                some.append(next)
                needs.removeFirst()
            }
            let all = try await blobs.read(some)
            guard all.count == some.count else { throw SegmentError.truncated(wanted: some.count, has: all.count) }
            for (need, bytes) in zip(some, all) { try supply(bytes, for: need) }
        }
    }
    /// Octets that are read at once.
    private static let togetherMax = 512 << 10

    /// What `load` would read: for whoever reads by himself, and then gives each piece to `supply`.
    package func needs(
        _ fields: FieldSet, blocks: some Collection<Int>, origins: Bool = false
    ) throws(SegmentError) -> [SegmentNeed] {
        try needs(of: blocks) { $0.isNeeded(for: fields) || origins && $0.isOfOrigins }
    }
    private func needs(
        of blocks: some Collection<Int>, _ isNeeded: (SegmentPart) -> Bool
    ) throws(SegmentError) -> [SegmentNeed] {
        guard let first = blocks.min(), let last = blocks.max() else { return [] }
        guard first >= 0, last < head.blockCount else { throw .noBlock(last) }
        var needs: [SegmentNeed] = []
        for entry in head.parts where isNeeded(entry.part) {
            let (low, high) = entry.part.isTable ? (0, 0) : (first, last)
            let range = entry.blocks[low].frame.lowerBound..<entry.blocks[high].frame.upperBound
            guard !range.isEmpty, !loaded.holds(entry.part, range) else { continue }
            needs.append(SegmentNeed(blob: SegmentBlob(entry.part), range: range))
        }
        return needs
    }
    package mutating func supply(_ bytes: [UInt8], for need: SegmentNeed) throws(SegmentError) {
        guard bytes.count == need.range.count else {
            throw .truncated(wanted: need.range.count, has: bytes.count)
        }
        guard let part = SegmentPart(rawValue: need.blob.rawValue) else { return }
        bytesRead += bytes.count
        loaded.set(part, bytes, at: need.range.lowerBound)
    }

    /// Appends a block's rows to `columns`; fields that are not wanted are zero.
    /// - Returns: the new rows.
    /// - Throws: why not; `columns` then has the rows it had before.
    package mutating func decode(
        _ block: Int, _ fields: FieldSet, into columns: inout FlowColumns
    ) throws(SegmentError) -> Range<Int> {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        let first = columns.count, rows = columns.extend(by: head.rows(ofBlock: block).count)
        do throws(SegmentError) {
            try decoder.decode(source(block), fields, into: &columns, rows)
        } catch {
            columns.truncate(to: first)
            throw error
        }
        return rows
    }

    /// Sets further fields of a block's rows, which an earlier `decode` of the same block gave.
    /// - Throws: why not; the fields' rows then hold anything.
    package mutating func decode(
        _ block: Int, _ fields: FieldSet, into columns: inout FlowColumns, rows: Range<Int>
    ) throws(SegmentError) {
        guard (0..<head.blockCount).contains(block), rows.count == head.rows(ofBlock: block).count,
            rows.lowerBound >= 0, rows.upperBound <= columns.count
        else { throw .noBlock(block) }
        try decoder.decode(source(block), fields, into: &columns, rows)
    }

    /// As `decode`, in columns without rows: only those of `fields` get room and have something, in their first places;
    /// their `count` says nothing. Of what is beside the columns all places that the block has must be 0 before.
    /// - Throws: why not; the fields' places then hold anything.
    package mutating func decode(
        _ block: Int, _ fields: FieldSet, intoPlacesOf columns: inout FlowColumns
    ) throws(SegmentError) {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        // Room for the largest block at once.
        columns.makeRoom(for: min(head.blockRows, head.rows), fields)
        try decoder.decode(source(block), fields, into: &columns, 0..<head.rows(ofBlock: block).count)
    }

    /// Appends some rows of a block to `columns`; fields that are not wanted are zero. `load` for these rows, or for
    /// the whole block, must have read them.
    /// - Returns: the new rows, in the order of `rows`.
    /// - Throws: why not; `columns` then has the rows it had before.
    package mutating func decode(
        _ block: Int, _ fields: FieldSet, rows: [Int32], into columns: inout FlowColumns
    ) throws(SegmentError) -> Range<Int> {
        try check(rows, of: block)
        let first = columns.count, new = columns.extend(by: rows.count)
        do throws(SegmentError) {
            try decoder.decode(source(block, rows), fields, into: &columns, new)
        } catch {
            columns.truncate(to: first)
            throw error
        }
        return new
    }

    /// For each row of a block, who sealed it: a number of `head.origins`. Must have been loaded with `origins`.
    package mutating func origins(ofBlock block: Int) throws(SegmentError) -> [UInt16] {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        return try decoder.origins(source(block), head.rows(ofBlock: block).count)
    }

    /// Of each row of a block, where its endpoints' numbers are: as good as addresses for grouping and faster, since
    /// sums can be kept in an array. Addresses must have been loaded. An address with several AS numbers or prefix
    /// lengths has several numbers.
    /// - Returns: `places`, a word a row: where in `ends` its source's number is; its destination's is at that place
    ///   with the lowest bit turned. `ends`, below `head.endpointCount`: two a conversation.
    package mutating func endpointNumbers(
        ofBlock block: Int
    ) throws(SegmentError) -> (places: [UInt32], ends: [UInt32]) {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        return try decoder.numbers(source(block))
    }
    /// The numbers of the clients of a block's conversations, or of the servers: every other one of the `ends` of
    /// `endpointNumbers`, unchecked, and in less time. `loadEnds` must have read them.
    package mutating func clients(ofBlock block: Int) throws(SegmentError) -> [UInt32] {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        return try decoder.ends(.clients, source(block))
    }
    package mutating func servers(ofBlock block: Int) throws(SegmentError) -> [UInt32] {
        guard (0..<head.blockCount).contains(block) else { throw .noBlock(block) }
        return try decoder.ends(.servers, source(block))
    }
    /// The addresses that the endpoints' numbers stand for, sorted: a network's are in one run. Addresses must have
    /// been loaded. The first `head.endpointCount` words count; there are no `highs` when all are 0.
    package mutating func endpointAddresses() throws(SegmentError) -> (highs: [UInt64], lows: [UInt64]) {
        try decoder.addresses(source(0))
    }

    /// The numbers of all endpoints in each range of addresses. `loadEndpoints` must have read them, or addresses must
    /// have been loaded.
    package mutating func numbers(
        in ranges: [ClosedRange<IPAddress>]
    ) throws(SegmentError) -> [Range<UInt32>] {
        var numbers: [Range<UInt32>] = []
        for range in ranges { numbers.append(try decoder.numbers(in: range, source(0))) }
        return numbers
    }
    /// Blocks of the list of endpoints that were opened, each part of each block counted: what looking for few
    /// addresses, or showing few rows, costs.
    package var listBlocks: Int { decoder.listBlocks }

    private func source(_ block: Int, _ picks: [Int32]? = nil) -> SegmentDecoder.Source {
        SegmentDecoder.Source(head: head, loaded: loaded, block: block, picks: picks)
    }
}

/// A piece of a blob.
package struct SegmentNeed: Equatable, Sendable {
    package let blob: SegmentBlob
    package let range: Range<Int>
}

/// Bytes of blobs: of each part one piece, of the list of endpoints any number.
struct LoadedParts {
    private struct Piece {
        let start: Int, bytes: [UInt8]
        func holds(_ range: Range<Int>) -> Bool { start <= range.lowerBound && range.upperBound <= start + bytes.count }
    }
    /// By the parts' numbers.
    private var pieces = [[Piece]](repeating: [], count: 256)

    func holds(_ part: SegmentPart, _ range: Range<Int>) -> Bool {
        pieces[Int(part.rawValue)].contains { $0.holds(range) }
    }
    mutating func set(_ part: SegmentPart, _ bytes: [UInt8], at start: Int) {
        let new = Piece(start: start, bytes: bytes), range = start..<(start + bytes.count)
        let known = part.level == .endpoint ? pieces[Int(part.rawValue)] : []
        pieces[Int(part.rawValue)] = known.filter { !range.contains($0.start) } + [new]
    }

    /// The bytes that hold a block's frame, and where in them it is.
    func frame(of part: PartEntry, _ block: Int) throws(SegmentError) -> (bytes: [UInt8], range: Range<Int>) {
        let range = part.blocks[block].frame
        guard let piece = pieces[Int(part.part.rawValue)].first(where: { $0.holds(range) }) else {
            throw .notLoaded(part: part.part.rawValue)
        }
        return (piece.bytes, (range.lowerBound - piece.start)..<(range.upperBound - piece.start))
    }
}

extension SegmentPart {
    var isOfOrigins: Bool { self == .arrivals || self == .arrivalOrigin }
    var isOfEnds: Bool { self == .turns || self == .clients || self == .servers }

    /// Whether `decode` needs this part for one of `fields`.
    func isNeeded(for fields: FieldSet) -> Bool {
        switch self {
        case .turns: !fields.isDisjoint(with: [.anyPort, .anyEndpoint, .anyRoute, .protocolIdentifier])
        case .clients, .servers: !fields.isDisjoint(with: [.anyEndpoint, .anyRoute])
        case .services, .clientPorts: !fields.isDisjoint(with: .anyPort)
        case .arrivals: !fields.isDisjoint(with: [.anyTime, .exporter])
        case .arrivalReceive: !fields.isDisjoint(with: .anyTime)
        case .arrivalExport: fields.holds(.exportMilliseconds)
        case .arrivalExporter: fields.holds(.exporter)
        case .endpointHigh, .endpointLow: !fields.isDisjoint(with: .anyAddress)
        case .endpointASNumber: !fields.isDisjoint(with: [.bgpSourceAsNumber, .bgpDestinationAsNumber])
        case .endpointPrefixLength: !fields.isDisjoint(with: [.sourceIPPrefixLength, .destinationIPPrefixLength])
        case .endpointInterface: !fields.isDisjoint(with: [.ingressInterface, .egressInterface])
        case .endpointNextHopHigh, .endpointNextHopLow: !fields.isDisjoint(with: .ipNextHopAddress)
        case .flowEndMilliseconds: !fields.isDisjoint(with: [.flowStartMilliseconds, .flowEndMilliseconds])
        case .endpointBlocks: !fields.isDisjoint(with: [.anyEndpoint, .anyRoute])
        case .details: !fields.isDisjoint(with: .anyDetail)
        case .origin, .arrivalOrigin: false
        default: ColumnID(rawValue: rawValue).map { fields.holds($0) } ?? false
        }
    }
}
