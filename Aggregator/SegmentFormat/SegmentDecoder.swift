internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Opens blocks whose bytes are at hand. Never stops on what is in them. Holds buffers that it reuses, and what the
/// segment and the last block have in common.
struct SegmentDecoder: ~Copyable {
    private var reader = FrameReader(), tables = SegmentTables(), places = BlockPlaces()
    private var details = DetailsReader()
    private var words: [UInt64] = [], shorts: [UInt32] = [], pairs: [UInt32] = [], narrow: [UInt8] = []
    private var wide: [UInt64] = [], times: [Int64] = []

    /// What goes along with every call.
    struct Source {
        let head: SegmentHead, loaded: LoadedParts, block: Int
    }

    /// Forgets the segment, and keeps the room.
    mutating func forget() {
        tables.forget()
        places.forget()
    }

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
            try reader.read(entry, source.block, source.loaded, &column, rows)
        } else {
            var words = column.mutableSpan
            words.set(rows, to: 0)
        }
    }
    private mutating func decodeIntervals(
        _ source: Source, _ column: inout [Float], _ rows: Range<Int>
    ) throws(SegmentError) {
        try reader.list(.samplingInterval, source.block, rows.count, source.head, source.loaded, into: &shorts)
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
        try places.readArrivals(source.block, source.head, source.loaded, &reader)
        try open(.arrivalReceive, source)
        if fields.holds(.exportMilliseconds) {
            try open(.arrivalExport, source)
            look(tables.exports, places.arrivals, &columns.exportMilliseconds, rows)
        }
        if fields.holds(.receiveMilliseconds) {
            look(tables.receives, places.arrivals, &columns.receiveMilliseconds, rows)
        }
        guard fields.holds(.flowEndMilliseconds) || fields.holds(.flowStartMilliseconds) else { return }
        var received = times
        times = []
        received.grow(to: rows.count)
        look(tables.receives, places.arrivals, &received, 0..<rows.count)
        times = received
        try reader.list(.flowEndMilliseconds, source.block, rows.count, source.head, source.loaded, into: &words)
        Self.countBack(&times, words)
        if fields.holds(.flowEndMilliseconds) { copy(times, &columns.flowEndMilliseconds, rows) }
        guard fields.holds(.flowStartMilliseconds) else { return }
        try reader.list(.flowStartMilliseconds, source.block, rows.count, source.head, source.loaded, into: &words)
        Self.countBack(&times, words)
        copy(times, &columns.flowStartMilliseconds, rows)
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
        try places.readArrivals(source.block, source.head, source.loaded, &reader)
        try open(.arrivalExporter, source)
        look(tables.exporters, places.arrivals, &columns.exporter, rows)
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

    private mutating func decodePorts(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        try places.readPlaces(source.block, source.head, source.loaded, &reader)
        try places.readPairs(
            .clientPorts, .services, source.block, source.head, source.loaded, &reader, into: &pairs)
        if fields.holds(.sourceTransportPort) { lookShort(&columns.sourceTransportPort, rows, flip: 0) }
        if fields.holds(.destinationTransportPort) { lookShort(&columns.destinationTransportPort, rows, flip: 1) }
    }
    private mutating func decodeProtocol(
        _ source: Source, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        try places.readPlaces(source.block, source.head, source.loaded, &reader)
        let count = places.conversationCount
        try reader.list(.protocolIdentifier, source.block, count, source.head, source.loaded, into: &shorts)
        BlockPlaces.pair(shorts, shorts, into: &pairs)
        lookShort(&columns.protocolIdentifier, rows, flip: 0)
    }
    private func lookShort<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ column: inout [Word], _ rows: Range<Int>, flip: UInt32
    ) {
        var column = column.mutableSpan
        column.lookShort(rows, in: pairs.span, at: places.places.span, flip: flip)
    }

    private mutating func decodeAddresses(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        guard !fields.isDisjoint(with: .anyAddress) else { return }
        try places.readEnds(source.block, source.head, source.loaded, &reader)
        try open(.endpointHigh, source)
        if tables.areHighsZero {
            if fields.holds(.sourceHigh) { Self.clear(&columns.sourceHigh, rows) }
            if fields.holds(.destinationHigh) { Self.clear(&columns.destinationHigh, rows) }
        } else {
            Self.spread(tables.highs, places.ends, &wide)
            if fields.holds(.sourceHigh) { lookAhead(wide, &columns.sourceHigh, rows, flip: 0) }
            if fields.holds(.destinationHigh) { lookAhead(wide, &columns.destinationHigh, rows, flip: 1) }
        }
        try open(.endpointLow, source)
        Self.spread(tables.lows, places.ends, &wide)
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
        try places.readEnds(source.block, source.head, source.loaded, &reader)
        if fields.holds(.bgpSourceAsNumber) || fields.holds(.bgpDestinationAsNumber) {
            try open(.endpointASNumber, source)
            Self.spread(tables.asNumbers, places.ends, &shorts)
            if fields.holds(.bgpSourceAsNumber) { lookAhead(shorts, &columns.bgpSourceAsNumber, rows, flip: 0) }
            if fields.holds(.bgpDestinationAsNumber) {
                lookAhead(shorts, &columns.bgpDestinationAsNumber, rows, flip: 1)
            }
        }
        guard fields.holds(.sourceIPPrefixLength) || fields.holds(.destinationIPPrefixLength) else { return }
        try open(.endpointPrefixLength, source)
        Self.spread(tables.prefixLengths, places.ends, &narrow)
        if fields.holds(.sourceIPPrefixLength) { lookAhead(narrow, &columns.sourceIPPrefixLength, rows, flip: 0) }
        if fields.holds(.destinationIPPrefixLength) {
            lookAhead(narrow, &columns.destinationIPPrefixLength, rows, flip: 1)
        }
    }
    /// From endpoints to the two of each conversation: fewer than rows, so that rows find theirs in the cache.
    private static func spread<Word: BitwiseCopyable & FixedWidthInteger>(
        _ table: [Word], _ ends: [UInt32], _ pairs: inout [Word]
    ) {
        pairs.grow(to: ends.count)
        var span = pairs.mutableSpan
        span.look(0..<ends.count, in: table.span, at: ends.span)
    }
    private func lookAhead<Word: BitwiseCopyable>(
        _ pairs: [Word], _ column: inout [Word], _ rows: Range<Int>, flip: UInt32
    ) {
        var column = column.mutableSpan
        column.look(rows, in: pairs.span, at: places.places.span, flip: flip)
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

    // MARK: what endpoints foretell

    private mutating func decodeRoutes(
        _ source: Source, _ fields: FieldSet, _ columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(SegmentError) {
        try places.readEnds(source.block, source.head, source.loaded, &reader)
        if fields.holds(.ingressInterface) || fields.holds(.egressInterface) {
            try open(.endpointInterface, source)
            Self.spread(tables.interfaces, places.ends, &shorts)
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
            try open(.endpointNextHopHigh, source)
            Self.spread(tables.nextHopHighs, places.ends, &wide)
            try plain(.nextHopHigh, source, &columns.nextHopHigh, rows)
            change(&columns.nextHopHigh, rows, wide, flip: 1)
        }
        if fields.holds(.nextHopLow) {
            try open(.endpointNextHopLow, source)
            Self.spread(tables.nextHopLows, places.ends, &wide)
            try plain(.nextHopLow, source, &columns.nextHopLow, rows)
            change(&columns.nextHopLow, rows, wide, flip: 1)
        }
    }
    /// Joins what is foretold to what rows have otherwise.
    private func change<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ column: inout [Word], _ rows: Range<Int>, _ pairArray: [Word], flip: UInt32
    ) {
        var column = column.mutableSpan
        let numbers = places.places.span, pairs = pairArray.span
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
