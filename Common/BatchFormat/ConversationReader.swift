internal import FlowModel
internal import WireBytes

/// Gives rows back what they share (see `ConversationTable`). What it reads is checked: each number leads to something
/// that came before.
struct ConversationReader {
    /// One a row: its conversation's number << 1 | 1 if it goes the other way; and 0 for a conversation's first row.
    private var places: [UInt32] = [], turns: [UInt8] = []
    private var conversationCount = 0, backs: [UInt32] = []
    /// One a row: its endpoints.
    private var sourceNumbers: [UInt32] = [], destinationNumbers: [UInt32] = []
    private var words: [UInt64] = [], shorts: [UInt32] = [], octets: [UInt8] = []
    private var ahead: [UInt32] = [], mirrored: [UInt32] = [], both: [UInt32] = [], changes: [UInt32] = []
    /// Filled when it is asked for.
    private var sharing = BatchSharing()
    /// Shares storage with what is read next: to be let go before.
    var shared: BatchSharing {
        var all = sharing
        all.places = places
        return all
    }

    /// Fills those of `fields` that the body has by conversation; nothing if it has none.
    mutating func read(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ fields: FieldSet, isShared: Bool,
        into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        let shared = head.columns.first { $0.encoding == .perConversation }
        guard let turns = head.column(.turns) else {
            if let shared { throw .badEncoding(column: shared.id.rawValue) }
            return
        }
        guard !fields.isDisjoint(with: .byConversation) else { return }
        try readPlaces(turns, head, body, &reader)
        if isShared { try readSharing(head, body, &reader) }
        try readEnds(head, body, &reader, fields, into: &columns, rows)
        try readPorts(head, body, &reader, fields, into: &columns, rows)
        try readInterfaces(head, body, &reader, fields, into: &columns, rows)
        if isShared { swap(&both, &sharing.interfaces) }
    }
    /// Fills `sharing`.
    private mutating func readSharing(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) {
        try reader.list(head.column(.conversationSource), body, count: conversationCount, into: &ahead)
        try reader.list(head.column(.conversationDestination), body, count: conversationCount, into: &mirrored)
        guard let count = Self.number(&ahead, &mirrored) else {
            throw .badReference(column: ColumnID.conversationSource.rawValue)
        }
        let (sources, destinations) = (ahead, mirrored)  // no copies
        interleave(sources.span, destinations.span, count: conversationCount, into: &sharing.ends)
        (sharing.conversationCount, sharing.endpointCount) = (conversationCount, count)
        try reader.list(head.column(.endpointHigh), body, count: count, into: &sharing.highs)
        try reader.list(head.column(.endpointLow), body, count: count, into: &sharing.lows)
        try reader.list(head.column(.endpointASNumber), body, count: count, into: &sharing.asNumbers)
        try reader.list(head.column(.endpointPrefixLength), body, count: count, into: &sharing.lengths)
        try reader.list(head.column(.protocolIdentifier), body, count: conversationCount, into: &sharing.protocols)
        _ = try load(.sourceTransportPort, .destinationTransportPort, head, body, &reader)
        swap(&both, &sharing.ports)
    }

    private mutating func readPlaces(
        _ entry: ColumnEntry, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) {
        let rows = head.summary.rows
        try reader.list(entry, body, count: rows, into: &turns)
        conversationCount = rows - turns.span.count(differentFrom: 0, in: rows)
        try reader.list(head.column(.backs), body, count: rows - conversationCount, into: &backs)
        places.grow(to: rows)
        backs.append(0)  // read, not used, after the last one
        let (turns, backs) = (self.turns, self.backs)  // no copies
        guard Self.resolve(turns.span, backs.span, into: &places) else {
            throw .badReference(column: entry.id.rawValue)
        }
    }
    /// False if a row has no such turn or leads ahead. Without branches that nobody could foretell.
    private static func resolve(_ turns: Span<UInt8>, _ backs: Span<UInt32>, into places: inout [UInt32]) -> Bool {
        var places = places.mutableSpan, known: UInt32 = 0, next = 0, isSound = true
        for row in turns.indices {
            let turn = turns[row], back = backs[next], isFirst = turn == 0
            let place = (known &- 1 &- back) << 1 | UInt32(turn &- 1)
            places[row] = isFirst ? known << 1 : place
            isSound = isSound && (isFirst || (turn <= 2 && back < known))
            known &+= isFirst ? 1 : 0
            next &+= isFirst ? 0 : 1
        }
        return isSound
    }

    // MARK: addresses and what goes with them

    private mutating func readEnds(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ fields: FieldSet,
        into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        guard !fields.isDisjoint(with: .endpoints) else { return }
        try reader.list(head.column(.conversationSource), body, count: conversationCount, into: &ahead)
        try reader.list(head.column(.conversationDestination), body, count: conversationCount, into: &mirrored)
        guard let count = Self.number(&ahead, &mirrored) else {
            throw .badReference(column: ColumnID.conversationSource.rawValue)
        }
        spreadNumbers(head.summary.rows)
        let sources = sourceNumbers, destinations = destinationNumbers  // no copies
        if let entry = head.column(.endpointHigh), !fields.isDisjoint(with: .addresses) {
            try reader.list(entry, body, count: count, into: &words)
            if fields.holds(.sourceHigh) { Self.look(words, sources, &columns.sourceHigh, rows) }
            if fields.holds(.destinationHigh) { Self.look(words, destinations, &columns.destinationHigh, rows) }
        }
        if let entry = head.column(.endpointLow), !fields.isDisjoint(with: .addresses) {
            try reader.list(entry, body, count: count, into: &words)
            if fields.holds(.sourceLow) { Self.look(words, sources, &columns.sourceLow, rows) }
            if fields.holds(.destinationLow) { Self.look(words, destinations, &columns.destinationLow, rows) }
        }
        try readNetworks(head, body, &reader, fields, count, into: &columns, rows)
    }
    private mutating func readNetworks(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ fields: FieldSet, _ count: Int,
        into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        let sources = sourceNumbers, destinations = destinationNumbers  // no copies
        if let entry = head.column(.endpointASNumber), !fields.isDisjoint(with: .asNumbers) {
            try reader.list(entry, body, count: count, into: &shorts)
            if fields.holds(.bgpSourceAsNumber) { Self.look(shorts, sources, &columns.bgpSourceAsNumber, rows) }
            if fields.holds(.bgpDestinationAsNumber) {
                Self.look(shorts, destinations, &columns.bgpDestinationAsNumber, rows)
            }
        }
        if let entry = head.column(.endpointPrefixLength), !fields.isDisjoint(with: .prefixLengths) {
            try reader.list(entry, body, count: count, into: &octets)
            if fields.holds(.sourceIPPrefixLength) { Self.look(octets, sources, &columns.sourceIPPrefixLength, rows) }
            if fields.holds(.destinationIPPrefixLength) {
                Self.look(octets, destinations, &columns.destinationIPPrefixLength, rows)
            }
        }
    }
    /// Turns "0 is new" into numbers. Returns how many endpoints there are, or nil if a number leads ahead.
    private static func number(_ sources: inout [UInt32], _ destinations: inout [UInt32]) -> Int? {
        var sources = sources.mutableSpan, destinations = destinations.mutableSpan, known: UInt32 = 0, isSound = true
        for index in sources.indices {
            sources[index] = number(sources[index], &known, &isSound)
            destinations[index] = number(destinations[index], &known, &isSound)
        }
        return isSound ? Int(known) : nil
    }
    @inline(__always)
    private static func number(_ word: UInt32, _ known: inout UInt32, _ isSound: inout Bool) -> UInt32 {
        let isNew = word == 0, number = isNew ? known : word &- 1
        isSound = isSound && word <= known
        known &+= isNew ? 1 : 0
        return number
    }
    private mutating func spreadNumbers(_ rows: Int) {
        let (ahead, mirrored) = (self.ahead, self.mirrored), places = self.places  // no copies
        interleave(ahead.span, mirrored.span, count: conversationCount, into: &both)
        let both = self.both
        let table = both.span.extracting(0..<(2 * conversationCount))
        Self.look(table, places, flip: 0, rows, into: &sourceNumbers)
        Self.look(table, places, flip: 1, rows, into: &destinationNumbers)
    }
    private static func look(
        _ table: Span<UInt32>, _ places: [UInt32], flip: UInt32, _ rows: Int, into numbers: inout [UInt32]
    ) {
        numbers.grow(to: rows)
        var numbers = numbers.mutableSpan
        numbers.look(0..<rows, in: table, at: places.span, flip: flip)
    }
    private static func look<Word: BitwiseCopyable>(
        _ table: [Word], _ numbers: [UInt32], _ column: inout [Word], _ rows: Range<Int>
    ) {
        var column = column.mutableSpan
        column.look(rows, in: table.span, at: numbers.span)
    }

    // MARK: what a conversation's first row has

    private mutating func readPorts(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ fields: FieldSet,
        into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        if fields.holds(.protocolIdentifier), try load(.protocolIdentifier, .protocolIdentifier, head, body, &reader) {
            spread(&columns.protocolIdentifier, rows)
        }
        guard !fields.isDisjoint(with: .ports),
            try load(.sourceTransportPort, .destinationTransportPort, head, body, &reader)
        else { return }
        if fields.holds(.sourceTransportPort) { spread(&columns.sourceTransportPort, rows) }
        if fields.holds(.destinationTransportPort) { spread(&columns.destinationTransportPort, rows, flip: 1) }
    }
    private mutating func readInterfaces(
        _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, _ fields: FieldSet,
        into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        // VLANs first: `both` has the interfaces afterwards.
        if fields.holds(.vlanId), try load(.vlanId, .vlanId, head, body, &reader) {
            spread(&columns.vlanId, rows)
            try change(&columns.vlanId, rows, head.column(.vlanDifference), body, &reader)
        }
        if !fields.isDisjoint(with: .interfaces), try load(.ingressInterface, .egressInterface, head, body, &reader) {
            if fields.holds(.ingressInterface) {
                spread(&columns.ingressInterface, rows)
                try change(&columns.ingressInterface, rows, head.column(.ingressDifference), body, &reader)
            }
            if fields.holds(.egressInterface) {
                spread(&columns.egressInterface, rows, flip: 1)
                try change(&columns.egressInterface, rows, head.column(.egressDifference), body, &reader)
            }
        }
    }
    /// Fills `both`. False when the columns are written as they are.
    private mutating func load(
        _ id: ColumnID, _ other: ColumnID, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) -> Bool {
        let entry = head.column(id), otherEntry = head.column(other)
        let encodings = [entry?.encoding, otherEntry?.encoding].compactMap { $0 }
        guard !encodings.contains(.values) else {
            guard !encodings.contains(.perConversation) else { throw .badEncoding(column: id.rawValue) }
            return false
        }
        try reader.list(entry, body, count: conversationCount, into: &ahead)
        if other != id { try reader.list(otherEntry, body, count: conversationCount, into: &mirrored) }
        let (ahead, mirrored) = (self.ahead, other == id ? self.ahead : self.mirrored)  // no copies
        interleave(ahead.span, mirrored.span, count: conversationCount, into: &both)
        return true
    }
    private func spread<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ column: inout [Word], _ rows: Range<Int>, flip: UInt32 = 0
    ) {
        var column = column.mutableSpan
        column.lookShort(
            rows, in: both.span.extracting(0..<(2 * conversationCount)), at: places.span, flip: flip)
    }
    private mutating func change<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ column: inout [Word], _ rows: Range<Int>, _ entry: ColumnEntry?, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) {
        guard let entry else { return }
        try reader.list(entry, body, count: rows.count - conversationCount, into: &changes)
        changes.append(0)
        var column = column.mutableSpan
        column.change(rows, by: changes.span, where: turns.span)
    }
}
