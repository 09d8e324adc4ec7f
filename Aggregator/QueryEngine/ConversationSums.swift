package import BatchFormat
package import FlowModel

/// Both directions of a conversation as one: what went from A's port to B's port, and what came back.
package struct Conversation: Equatable, Sendable {
    /// Who began: the side whose first record starts first; of equal ones the side with the larger port, then the one
    /// with the smaller address.
    package var source: IPAddress
    package var destination: IPAddress
    package var sourceTransportPort: UInt16
    /// Of ICMP: type << 8 | code of the question.
    package var destinationTransportPort: UInt16
    package var protocolIdentifier: UInt8
    /// From source to destination, and back.
    package var sent: Tally
    package var received: Tally
    /// First start and last end, ms since 1970 UTC.
    package var period: ClosedRange<Int64>
    package var rows: UInt64
}

extension Conversation {
    /// Out of sums of both directions.
    /// - Parameters:
    ///   - a: the smaller end by address and port, which are ordered; ICMP's have no source port.
    ///   - both: of all records.
    ///   - forth: of those from `a` to `b`.
    ///   - starts: the first start of those from `a` to `b`, and back; `.max` of none.
    ///   - last: the last end.
    package init(
        from a: IPAddress, _ aPort: UInt16, to b: IPAddress, _ bPort: UInt16, protocolIdentifier: UInt8, both: Tally,
        forth: Tally, starts: (forth: Int64, back: Int64), last: Int64, rows: UInt64
    ) {
        var back = both
        back -= forth
        let isICMP = IPProtocol.isICMP(protocolIdentifier), first = min(starts.forth, starts.back)
        let isForth = starts.forth != starts.back ? starts.forth < starts.back : isICMP || aPort >= bPort
        let isSwapped = !isForth && !isICMP
        self.init(
            source: isForth ? a : b, destination: isForth ? b : a, sourceTransportPort: isSwapped ? bPort : aPort,
            destinationTransportPort: isSwapped ? aPort : bPort, protocolIdentifier: protocolIdentifier,
            sent: isForth ? forth : back, received: isForth ? back : forth, period: first...max(first, last),
            rows: rows)
    }
}

/// Sums of rows by conversation, whichever way they went. Echo, timestamp and the like of ICMP are joined with their
/// answers.
package struct ConversationSums {
    private static let keys: [FlowKey] = [
        .sourceAddress, .destinationAddress, .sourceTransportPort, .destinationTransportPort, .protocolIdentifier,
    ]
    private var narrow: ConversationSide
    private var wide: ConversationSide

    package init(seed: UInt64, memory: QueryMemory = QueryMemory()) {
        narrow = ConversationSide(KeyLayout(Self.keys, isNarrow: true), seed: seed, memory: memory)
        wide = ConversationSide(KeyLayout(Self.keys, isNarrow: false), seed: seed, memory: memory)
    }

    /// What must be decoded before `add`.
    package var fields: FieldSet {
        Self.keys.reduce(into: [.counters, .flowStartMilliseconds, .flowEndMilliseconds]) { $0.formUnion($1.fields) }
    }
    package var scratchBytes: Int { narrow.sums.scratchBytes + wide.sums.scratchBytes }

    /// Adds rows of a block.
    package mutating func add(_ block: RowBlock, rows: [Int32]) throws(EngineError) {
        var names = KeyNames()
        let numbers = BlockNumbers(block, Self.keys, &names)
        var chunks = RowChunks(Self.keys, rows)
        while let chunk = chunks.next(block) {
            if chunk.isNarrow {
                try narrow.add(block, chunk.rows, numbers)
            } else {
                try wide.add(block, chunk.rows, numbers)
            }
        }
    }

    /// The conversations with the most, both ways together, largest first, and how many there are; nothing is left
    /// afterwards.
    package mutating func top(
        _ limit: Int, by measure: FlowMeasure, check: () throws(EngineError) -> Void = {}
    ) throws(EngineError) -> (conversations: [Conversation], count: Int) {
        let first = try narrow.top(limit, measure, check), second = try wide.top(limit, measure, check)
        let found = (first.found + second.found).sorted { measure.puts($0.group, before: $1.group) }
        return (found.prefix(limit).map(\.conversation), first.count + second.count)
    }
}

/// The entries of one layout: key || both ways: flows, octets, packets, rows | forth: the same || first start forth |
/// first start back || last end. `forth` is from the smaller end to the larger one.
struct ConversationSide {
    private let layout: KeyLayout
    private let shape: EntryShape
    private var writer: EntryWriter
    var sums: EntrySums

    init(_ layout: KeyLayout, seed: UInt64, memory: QueryMemory) {
        self.layout = layout
        shape = EntryShape(keys: layout.words, sums: 8, minimums: 2, maximums: 1)
        writer = EntryWriter(layout, shape: shape)
        sums = EntrySums(shape: shape, seed: seed, memory: memory)
    }

    mutating func add(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers
    ) throws(EngineError) {
        writer.writeKeys(block, rows.span, numbers)
        for (number, row) in rows.enumerated() { write(block.columns, Int(row), at: number * shape.stride) }
        let left = writer.mergeNeighbours(count: rows.count)
        let entries = writer.entries
        try sums.add(entries.span, number: left)
    }

    private mutating func write(_ columns: FlowColumns, _ row: Int, at: Int) {
        let isForth = orient(at, columns.protocolIdentifier[row])
        let sums = at + shape.keys, times = sums + shape.sums
        writer.entries[sums] = UInt64(columns.deltaFlowCount[row])
        writer.entries[sums + 1] = columns.octetDeltaCount[row]
        writer.entries[sums + 2] = columns.packetDeltaCount[row]
        writer.entries[sums + 3] = 1
        for place in 0..<4 where isForth { writer.entries[sums + 4 + place] = writer.entries[sums + place] }
        let start = columns.flowStartMilliseconds[row].rising
        writer.entries[times] = isForth ? start : .max
        writer.entries[times + 1] = isForth ? .max : start
        writer.entries[times + 2] = columns.flowEndMilliseconds[row].rising
    }

    /// Puts the smaller end of an entry's key first. True when it was there already.
    private mutating func orient(_ at: Int, _ protocolIdentifier: UInt8) -> Bool {
        let ports = at + shape.keys - 1, word = writer.entries[ports]
        let source = word >> 48, destination = word >> 32 & 0xFFFF, rest = word & 0xFFFF_FFFF
        let isICMP = IPProtocol.isICMP(protocolIdentifier)
        if isICMP {
            let question = Self.question(UInt16(truncatingIfNeeded: destination), protocolIdentifier)
            writer.entries[ports] = UInt64(question) << 32 | rest
        }
        let addresses = (shape.keys - 1) / 2
        if addresses == 0 {
            let pair = writer.entries[at], (a, b) = (pair >> 32, pair & 0xFFFF_FFFF)
            if (a, isICMP ? 0 : source) <= (b, isICMP ? 0 : destination) { return true }
            writer.entries[at] = b << 32 | a
        } else {
            let a = IPAddress(high: writer.entries[at], low: writer.entries[at + 1])
            let b = IPAddress(high: writer.entries[at + 2], low: writer.entries[at + 3])
            if a < b || a == b && (isICMP || source <= destination) { return true }
            (writer.entries[at], writer.entries[at + 1]) = (b.high, b.low)
            (writer.entries[at + 2], writer.entries[at + 3]) = (a.high, a.low)
        }
        if !isICMP { writer.entries[ports] = destination << 48 | source << 32 | rest }
        return false
    }
    /// The type and code that an answer's question has (RFC 792; RFC 4443 §4); any other is its own.
    private static func question(_ typeAndCode: UInt16, _ protocolIdentifier: UInt8) -> UInt16 {
        switch (protocolIdentifier, typeAndCode >> 8) {
        case (IPProtocol.icmp, 0): 8 << 8
        case (IPProtocol.icmp, 14), (IPProtocol.icmp, 16), (IPProtocol.icmp, 18): typeAndCode - (1 << 8)
        case (IPProtocol.icmpv6, 129): 128 << 8
        default: typeAndCode
        }
    }

    mutating func top(
        _ limit: Int, _ measure: FlowMeasure, _ check: () throws(EngineError) -> Void
    ) throws(EngineError) -> (found: [(group: FlowGroup, conversation: Conversation)], count: Int) {
        var list = TopList(limit: limit, measure: measure, layout, shape, KeyNames()), count = 0
        try sums.drain { (entries, number) throws(EngineError) in
            try check()
            list.add(entries, number: number)
            count += number
        }
        return (list.entries.compactMap(conversation), count)
    }

    private func conversation(_ entry: [UInt64]) -> (group: FlowGroup, conversation: Conversation)? {
        let key = layout.key(entry, at: 0, KeyNames()), sums = shape.keys, times = sums + shape.sums
        func tally(_ at: Int) -> Tally { Tally(flows: entry[at], octets: entry[at + 1], packets: entry[at + 2]) }
        let startForth = Int64(rising: entry[times]), startBack = Int64(rising: entry[times + 1])
        guard let a = key.sourceAddress, let b = key.destinationAddress, let aPort = key.sourceTransportPort,
            let bPort = key.destinationTransportPort, let number = key.protocolIdentifier
        else { return nil }
        let conversation = Conversation(
            from: a, aPort, to: b, bPort, protocolIdentifier: number, both: tally(sums), forth: tally(sums + 4),
            starts: (startForth, startBack), last: Int64(rising: entry[times + 2]), rows: entry[sums + 3])
        let group = FlowGroup(key: key, tally: tally(sums), rows: entry[sums + 3], period: conversation.period)
        return (group, conversation)
    }
}
