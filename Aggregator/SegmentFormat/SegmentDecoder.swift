internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Opens blocks whose bytes are at hand. Never stops on what is in them. Holds buffers that it reuses, and what the
/// segment and the last block have in common.
struct SegmentDecoder: ~Copyable {
    private var reader = FrameReader(), tables = SegmentTables(), places = BlockPlaces()
    private var details = DetailsReader(), list = EndpointBlocks()
    /// Whose the picked rows are.
    private var picked = PickedRows()
    private var words: [UInt64] = [], shorts: [UInt32] = [], pairs: [UInt32] = [], narrow: [UInt8] = []
    private var wide: [UInt64] = [], times: [Int64] = []

    /// What goes along with every call.
    struct Source {
        let head: SegmentHead, loaded: LoadedParts, block: Int
        /// Which of the block's rows are wanted, each less than there are; nil: all.
        var picks: [Int32]?
    }

    /// Forgets the segment, and keeps the room.
    mutating func forget() {
        tables.forget()
        list.forget()
        places.forget()
    }
    /// Blocks of the list of endpoints that were opened since.
    var listBlocks: Int { tables.listBlocks }

    /// Sets the wanted fields of one block in `rows` of `columns`.
    mutating func decode(
        _ source: Source, _ fields: FieldSet, into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        try decodePlain(source, fields, &columns, rows)
        if !fields.isDisjoint(with: .anyTime) { try decodeTimes(source, fields, &columns, rows) }
        if !fields.isDisjoint(with: .anyPort) { try decodePorts(source, fields, &columns, rows) }
        if fields.holds(.protocolIdentifier) { try decodeProtocol(source, &columns, rows) }
        if !fields.isDisjoint(with: .anyEndpoint) {
            try decodeAddresses(source, fields, &columns, rows)
            try decodeNetworks(source, fields, &columns, rows)
        }
        if !fields.isDisjoint(with: .anyRoute) { try decodeRoutes(source, fields, &columns, rows) }
        if fields.holds(.exporter) { try decodeExporters(source, &columns, rows) }
        if !fields.isDisjoint(with: .anyDetail), let entry = source.head.entry(.details) {
            try details.read(entry, source, fields.intersection(.anyDetail), into: &columns, rows)
        }
    }

    // MARK: columns that are written as they are

    private mutating func decodePlain(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        if fields.holds(.octetDeltaCount) { try plain(.octetDeltaCount, source, &columns.octetDeltaCount, rows) }
        if fields.holds(.packetDeltaCount) { try plain(.packetDeltaCount, source, &columns.packetDeltaCount, rows) }
        if fields.holds(.deltaFlowCount) { try plain(.deltaFlowCount, source, &columns.deltaFlowCount, rows) }
        if fields.holds(.tcpControlBits) { try plain(.tcpControlBits, source, &columns.tcpControlBits, rows) }
        if fields.holds(.ipClassOfService) { try plain(.ipClassOfService, source, &columns.ipClassOfService, rows) }
        if fields.holds(.vlanId) { try plain(.vlanId, source, &columns.vlanId, rows) }
        if fields.holds(.flowDirection) { try plain(.flowDirection, source, &columns.flowDirection, rows) }
        if fields.holds(.flags) { try plain(.flags, source, &columns.flags, rows) }
        if fields.holds(.samplingInterval) { try decodeIntervals(source, &columns.samplingInterval, rows) }
    }
    private mutating func plain<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ source: Source, _ column: inout [Word], _ rows: Range<Int>
    ) throws(SegmentError) {
        if let entry = source.head.entry(part) {
            try reader.read(entry, source.block, source.loaded, &column, rows, picks: source.picks)
        } else {
            var words = column.mutableSpan
            words.set(rows, to: 0)
        }
    }
    private mutating func decodeIntervals(
        _ source: Source, _ column: inout [Float], _ rows: Range<Int>
    ) throws(SegmentError) {
        try reader.list(
            .samplingInterval, source.block, rows.count, source.head, source.loaded, into: &shorts, picks: source.picks)
        var intervals = column.mutableSpan
        let words = shorts.span
        for row in words.indices {
            let value = Float(bitPattern: words[row])
            guard value.isFinite, value >= 0 else {
                throw .badFrame(part: SegmentPart.samplingInterval.rawValue, block: source.block)
            }
            intervals[rows.lowerBound &+ row] = value
        }
    }
    private mutating func open(_ part: SegmentPart, _ source: Source) throws(SegmentError) {
        try tables.open(part, source.head, source.loaded, &reader)
    }

    // MARK: what follows from arrivals

    private mutating func decodeTimes(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        let arrivals = try arrivals(source)
        try open(.arrivalReceive, source)
        if fields.holds(.exportMilliseconds) {
            try open(.arrivalExport, source)
            look(tables.exports, arrivals, &columns.exportMilliseconds, rows)
        }
        if fields.holds(.receiveMilliseconds) { look(tables.receives, arrivals, &columns.receiveMilliseconds, rows) }
        guard fields.holds(.flowEndMilliseconds) || fields.holds(.flowStartMilliseconds) else { return }
        var received = times
        times = []
        received.grow(to: rows.count)
        look(tables.receives, arrivals, &received, 0..<rows.count)
        times = received
        try reader.list(
            .flowEndMilliseconds, source.block, rows.count, source.head, source.loaded, into: &words,
            picks: source.picks)
        Self.countBack(&times, words)
        if fields.holds(.flowEndMilliseconds) { copy(times, &columns.flowEndMilliseconds, rows) }
        guard fields.holds(.flowStartMilliseconds) else { return }
        try reader.list(
            .flowStartMilliseconds, source.block, rows.count, source.head, source.loaded, into: &words,
            picks: source.picks)
        Self.countBack(&times, words)
        copy(times, &columns.flowStartMilliseconds, rows)
    }
    /// The arrival of each wanted row.
    private mutating func arrivals(_ source: Source) throws(SegmentError) -> [UInt32] {
        try places.readArrivals(source.block, source.head, source.loaded, &reader)
        return PickedRows.of(places.arrivals, source.picks)
    }
    private static func countBack(_ times: inout [Int64], _ words: [UInt64]) {
        var times = times.mutableSpan
        let words = words.span
        for row in words.indices { times[row] &-= unzigzag(words[row]) }
    }
    private func copy(_ times: [Int64], _ column: inout [Int64], _ rows: Range<Int>) {
        var column = column.mutableSpan
        let times = times.span
        for row in times.indices { column[rows.lowerBound &+ row] = times[row] }
    }
    private func look<Word: BitwiseCopyable>(
        _ table: [Word], _ numbers: [UInt32], _ column: inout [Word], _ rows: Range<Int>
    ) {
        var column = column.mutableSpan
        column.look(rows, in: table.span, at: numbers.span)
    }

    private mutating func decodeExporters(
        _ source: Source, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        guard !rows.isEmpty else { return }
        let arrivals = try arrivals(source)
        try open(.arrivalExporter, source)
        look(tables.exporters, arrivals, &columns.exporter, rows)
        try translate(source, &columns, rows)
    }
    /// From the segment's numbers for exporters to those of the columns.
    private func translate(
        _ source: Source, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        var numbers = [UInt32](repeating: .max, count: source.head.exporters.count), column = columns.exporter
        columns.exporter = []
        defer { columns.exporter = column }
        var exporters = column.mutableSpan
        for row in rows {
            let number = Int(exporters[row])
            guard number < numbers.count else {
                throw .badReference(part: SegmentPart.exporter.rawValue, block: source.block)
            }
            if numbers[number] == .max {
                guard let interned = columns.intern(source.head.exporters[number]) else { throw .columnsFull }
                numbers[number] = interned
            }
            exporters[row] = numbers[number]
        }
    }
    /// For each row of the block, its number in the head's list of origins.
    mutating func origins(_ source: Source, _ count: Int) throws(SegmentError) -> [UInt16] {
        var numbers = [UInt16](repeating: 0, count: count)
        guard source.head.origins.count > 1, count > 0 else { return numbers }
        try places.readArrivals(source.block, source.head, source.loaded, &reader)
        try open(.arrivalOrigin, source)
        look(tables.origins, places.arrivals, &numbers, 0..<count)
        guard numbers.allSatisfy({ $0 < source.head.origins.count }) else {
            throw .badReference(part: SegmentPart.arrivalOrigin.rawValue, block: source.block)
        }
        return numbers
    }

    // MARK: what follows from conversations

    /// Where in the pairs of its conversation each wanted row's source is.
    private mutating func placesOfRows(_ source: Source) throws(SegmentError) -> [UInt32] {
        try places.readPlaces(source.block, source.head, source.loaded, &reader)
        return PickedRows.of(places.places, source.picks)
    }
    private mutating func decodePorts(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        let numbers = try placesOfRows(source)
        try places.readPairs(
            .clientPorts, .services, source.block, source.head, source.loaded, &reader, into: &pairs)
        if fields.holds(.sourceTransportPort) { lookShort(numbers, &columns.sourceTransportPort, rows, flip: 0) }
        if fields.holds(.destinationTransportPort) {
            lookShort(numbers, &columns.destinationTransportPort, rows, flip: 1)
        }
    }
    private mutating func decodeProtocol(
        _ source: Source, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        let numbers = try placesOfRows(source), count = places.conversationCount
        try reader.list(.protocolIdentifier, source.block, count, source.head, source.loaded, into: &shorts)
        BlockPlaces.pair(shorts, shorts, into: &pairs)
        lookShort(numbers, &columns.protocolIdentifier, rows, flip: 0)
    }
    private func lookShort<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ places: [UInt32], _ column: inout [Word], _ rows: Range<Int>, flip: UInt32
    ) {
        var column = column.mutableSpan
        column.lookShort(rows, in: pairs.span, at: places.span, flip: flip)
    }

    private mutating func decodeAddresses(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        guard !fields.isDisjoint(with: .anyAddress) else { return }
        try readEnds(source)
        if try tables.directory(source.head, source.loaded).areHighsZero {
            if fields.holds(.sourceHigh) { Self.clear(&columns.sourceHigh, rows) }
            if fields.holds(.destinationHigh) { Self.clear(&columns.destinationHigh, rows) }
        } else {
            try spreadWide(.endpointHigh, source)
            if fields.holds(.sourceHigh) { lookAhead(wide, &columns.sourceHigh, rows, flip: 0) }
            if fields.holds(.destinationHigh) { lookAhead(wide, &columns.destinationHigh, rows, flip: 1) }
        }
        try spreadWide(.endpointLow, source)
        if fields.holds(.sourceLow) { lookAhead(wide, &columns.sourceLow, rows, flip: 0) }
        if fields.holds(.destinationLow) { lookAhead(wide, &columns.destinationLow, rows, flip: 1) }
    }
    private static func clear(_ column: inout [UInt64], _ rows: Range<Int>) {
        var words = column.mutableSpan
        words.set(rows, to: 0)
    }
    private mutating func decodeNetworks(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        try readEnds(source)
        if fields.holds(.bgpSourceAsNumber) || fields.holds(.bgpDestinationAsNumber) {
            try spreadShort(.endpointASNumber, source)
            if fields.holds(.bgpSourceAsNumber) { lookAhead(shorts, &columns.bgpSourceAsNumber, rows, flip: 0) }
            if fields.holds(.bgpDestinationAsNumber) {
                lookAhead(shorts, &columns.bgpDestinationAsNumber, rows, flip: 1)
            }
        }
        guard fields.holds(.sourceIPPrefixLength) || fields.holds(.destinationIPPrefixLength) else { return }
        try spreadNarrow(.endpointPrefixLength, source)
        if fields.holds(.sourceIPPrefixLength) { lookAhead(narrow, &columns.sourceIPPrefixLength, rows, flip: 0) }
        if fields.holds(.destinationIPPrefixLength) {
            lookAhead(narrow, &columns.destinationIPPrefixLength, rows, flip: 1)
        }
    }
    private mutating func readEnds(_ source: Source) throws(SegmentError) {
        try places.readEnds(source.block, source.head, source.loaded, &reader)
        if let picks = source.picks { picked.take(picks, places) } else { picked.takeAll() }
    }
    /// From endpoints to the two of each conversation, or of each row that is picked: fewer than rows, so that rows
    /// find theirs in the cache. Of picked rows' endpoints only the blocks of the list are opened that have them.
    private mutating func spreadWide(_ part: SegmentPart, _ source: Source) throws(SegmentError) {
        guard picked.areAll else {
            let from = try listSource(source)
            return try list.look(part, picked.ends, from, &reader, &tables.listBlocks, into: &wide)
        }
        try open(part, source)
        Self.spread(tables.wide(part), places.ends, &wide)
    }
    private mutating func spreadShort(_ part: SegmentPart, _ source: Source) throws(SegmentError) {
        guard picked.areAll else {
            let from = try listSource(source)
            return try list.look(part, picked.ends, from, &reader, &tables.listBlocks, into: &shorts)
        }
        try open(part, source)
        Self.spread(part == .endpointASNumber ? tables.asNumbers : tables.interfaces, places.ends, &shorts)
    }
    private mutating func spreadNarrow(_ part: SegmentPart, _ source: Source) throws(SegmentError) {
        guard picked.areAll else {
            let from = try listSource(source)
            return try list.look(part, picked.ends, from, &reader, &tables.listBlocks, into: &narrow)
        }
        try open(part, source)
        Self.spread(tables.prefixLengths, places.ends, &narrow)
    }
    private static func spread<Word: BitwiseCopyable & FixedWidthInteger>(
        _ table: [Word], _ ends: [UInt32], _ pairs: inout [Word]
    ) {
        pairs.grow(to: ends.count)
        var span = pairs.mutableSpan
        span.look(0..<ends.count, in: table.span, at: ends.span)
    }
    private func placesInPairs() -> [UInt32] { picked.areAll ? places.places : picked.places }
    private func lookAhead<Word: BitwiseCopyable>(
        _ pairs: [Word], _ column: inout [Word], _ rows: Range<Int>, flip: UInt32
    ) {
        let numbers = placesInPairs()
        var column = column.mutableSpan
        column.look(rows, in: pairs.span, at: numbers.span, flip: flip)
    }

    /// Where in `ends` each row's source is, and the numbers of both ends of each conversation.
    mutating func numbers(_ source: Source) throws(SegmentError) -> (places: [UInt32], ends: [UInt32]) {
        try places.readEnds(source.block, source.head, source.loaded, &reader)
        return (places.places, places.ends)
    }
    /// The numbers of the clients or the servers of all conversations.
    mutating func ends(_ part: SegmentPart, _ source: Source) throws(SegmentError) -> [UInt32] {
        try places.readEnd(part, source.block, source.head, source.loaded, &reader)
    }
    /// The addresses by number; no `highs` when they are 0.
    mutating func addresses(_ source: Source) throws(SegmentError) -> (highs: [UInt64], lows: [UInt64]) {
        try open(.endpointHigh, source)
        try open(.endpointLow, source)
        return (tables.areHighsZero ? [] : tables.highs, tables.lows)
    }

    // MARK: some endpoints

    private mutating func listSource(_ source: Source) throws(SegmentError) -> EndpointBlocks.Source {
        EndpointBlocks.Source(directory: try tables.directory(source.head, source.loaded), loaded: source.loaded)
    }
    /// Where the list's blocks are.
    mutating func directory(_ source: Source) throws(SegmentError) -> EndpointDirectory {
        try tables.directory(source.head, source.loaded)
    }
    /// The numbers of all endpoints in a range of addresses.
    mutating func numbers(
        in range: ClosedRange<IPAddress>, _ source: Source
    ) throws(SegmentError) -> Range<UInt32> {
        try list.numbers(in: range, try listSource(source), &reader, &tables.listBlocks)
    }
    /// The numbers of the picked rows' endpoints.
    mutating func endpoints(_ source: Source) throws(SegmentError) -> [UInt32] {
        try readEnds(source)
        return picked.areAll ? places.ends : picked.ends
    }

    // MARK: what endpoints foretell

    private mutating func decodeRoutes(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        try readEnds(source)
        if fields.holds(.ingressInterface) || fields.holds(.egressInterface) {
            try spreadShort(.endpointInterface, source)
        }
        if fields.holds(.ingressInterface) {
            try plain(.ingressInterface, source, &columns.ingressInterface, rows)
            change(&columns.ingressInterface, rows, shorts, flip: 0)
        }
        if fields.holds(.egressInterface) {
            try plain(.egressInterface, source, &columns.egressInterface, rows)
            change(&columns.egressInterface, rows, shorts, flip: 1)
        }
        if fields.holds(.nextHopHigh) {
            try spreadWide(.endpointNextHopHigh, source)
            try plain(.nextHopHigh, source, &columns.nextHopHigh, rows)
            change(&columns.nextHopHigh, rows, wide, flip: 1)
        }
        if fields.holds(.nextHopLow) {
            try spreadWide(.endpointNextHopLow, source)
            try plain(.nextHopLow, source, &columns.nextHopLow, rows)
            change(&columns.nextHopLow, rows, wide, flip: 1)
        }
    }
    /// Joins what is foretold to what rows have otherwise.
    private func change<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ column: inout [Word], _ rows: Range<Int>, _ pairArray: [Word], flip: UInt32
    ) {
        var column = column.mutableSpan
        let numberArray = placesInPairs(), numbers = numberArray.span, pairs = pairArray.span
        for row in 0..<rows.count { column[rows.lowerBound &+ row] ^= pairs[Int(numbers[row] ^ flip)] }
    }
}

extension FieldSet {
    static let anyTime: FieldSet = [
        .flowStartMilliseconds, .flowEndMilliseconds, .exportMilliseconds, .receiveMilliseconds,
    ]
    static let anyPort: FieldSet = [.sourceTransportPort, .destinationTransportPort]
    static let anyAddress: FieldSet = [.sourceIPAddress, .destinationIPAddress]
    static let anyEndpoint: FieldSet = [
        .sourceIPAddress, .destinationIPAddress, .bgpSourceAsNumber, .bgpDestinationAsNumber, .sourceIPPrefixLength,
        .destinationIPPrefixLength,
    ]
    static let anyRoute: FieldSet = [.ingressInterface, .egressInterface, .ipNextHopAddress]
    static let anyDetail: FieldSet = [.extras, .observers, .sketch]
}
