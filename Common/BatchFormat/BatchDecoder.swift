package import FlowModel
internal import WireBytes

/// Opens bodies. Never stops on what is in them, and allocates no more than `BatchLimit` says. Holds a zstd context and
/// a buffer that it reuses, so keep one a thread.
package struct BatchDecoder: ~Copyable {
    private var reader = WordReader(), times = TimeReader(), conversations = ConversationReader()
    private var sides = SideStoreReader()
    private var words: [UInt32] = []
    /// What the rows of the batch that `decodeShared` read last share, if it said so.
    /// To be let go before the next batch is read, or it is copied.
    package var sharing: BatchSharing { conversations.shared }

    package init() {}

    /// Appends a batch's rows to `columns`; fields that are not wanted, or not in the body, are zero.
    /// - Parameters:
    ///   - body: a whole sealed batch, unchecked.
    ///   - columns: must hold fewer exporters than would keep the batch's from fitting; cleared by the caller if the
    ///     rows in it are not wanted.
    ///   - fields: only these are decompressed and checked.
    /// - Throws: why the body is refused; `columns` then has the rows it had before.
    package mutating func decode(
        _ body: RawSpan, into columns: inout FlowColumns, fields: FieldSet = .all
    ) throws(BatchError) {
        try decode(BatchHead(body), body, into: &columns, fields, isShared: false)
    }
    /// As above for all fields. What rows share by conversation, if the batch has it so, is not written to each row:
    /// the rows' addresses, AS numbers, prefix lengths, ports and protocols are then zero, and `sharing` has them.
    /// - Returns: whether it is so.
    package mutating func decodeShared(
        _ body: RawSpan, into columns: inout FlowColumns
    ) throws(BatchError) -> Bool {
        let head = try BatchHead(body), isShared = head.isShared
        let fields = isShared ? FieldSet.all.subtracting(.shared) : .all
        try decode(head, body, into: &columns, fields, isShared: isShared)
        return isShared
    }
    /// As above, in place of the rows that are there, whose columns need not be zeroed where the batch writes them.
    /// - Parameters:
    ///   - isShared: whether those rows were read so, and what they share is zero in them; then whether the new ones
    ///     are.
    ///   - wasChecked: the head was compared with the rows before, when the batch came. Its checksums say that both are
    ///     still the same.
    /// - Throws: why the body is refused; `columns` then has no rows.
    package mutating func decodeShared(
        _ body: RawSpan, inPlaceOfRowsIn columns: inout FlowColumns, isShared: inout Bool, wasChecked: Bool = false
    ) throws(BatchError) {
        let wereShared = isShared
        isShared = false
        do {
            let head = try BatchHead(body)
            let fields = head.isShared ? FieldSet.all.subtracting(.shared) : .all
            try decode(
                head, body, into: &columns, fields, isShared: head.isShared, areEndsZero: wereShared,
                wasChecked: wasChecked)
            isShared = head.isShared
        } catch {
            columns.truncate(to: 0, areEndsZero: wereShared)
            throw error
        }
    }

    /// - Parameter areEndsZero: nil: the rows in `columns` stay.
    private mutating func decode(
        _ head: BatchHead, _ body: RawSpan, into columns: inout FlowColumns, _ fields: FieldSet, isShared: Bool,
        areEndsZero: Bool? = nil, wasChecked: Bool = false
    ) throws(BatchError) {
        let first = areEndsZero == nil ? columns.count : 0
        let numbers = try intern(head.exporters, in: &columns), rows: Range<Int>
        if let areEndsZero {
            rows = columns.replaceRows(by: head.summary.rows, areEndsZero: areEndsZero, leaving: head.groups)
        } else {
            rows = columns.extend(by: head.summary.rows)
        }
        do {
            times.start()
            reader.start(version: head.version)
            for entry in head.columns where entry.id.isColumn && fields.holds(entry.id) {
                try read(entry, head, body, into: &columns, rows)
            }
            try conversations.read(head, body, &reader, fields, isShared: isShared, into: &columns, rows)
            if !wasChecked { try check(columns, rows, against: head.summary, fields) }
            if fields.holds(.exporter) { try translate(&columns.exporter, rows, numbers) }
            try sides.read(head, body, &reader, fields, exporters: numbers, into: &columns, rows)
        } catch {
            columns.truncate(to: first)
            throw error
        }
    }

    /// What each of a batch's exporters is called in `columns`.
    private func intern(_ exporters: [ExporterKey], in columns: inout FlowColumns) throws(BatchError) -> [UInt32] {
        var numbers: [UInt32] = []
        numbers.reserveCapacity(exporters.count)
        for exporter in exporters {
            guard let number = columns.intern(exporter) else { throw .exportersFull }
            numbers.append(number)
        }
        return numbers
    }

    private mutating func read(
        _ entry: ColumnEntry, _ head: BatchHead, _ body: RawSpan, into columns: inout FlowColumns, _ rows: Range<Int>
    ) throws(BatchError) {
        switch entry.id {
        case .flowStartMilliseconds:
            try times.read(entry.id, head, body, &reader, into: &columns.flowStartMilliseconds, rows)
        case .flowEndMilliseconds:
            try times.read(entry.id, head, body, &reader, into: &columns.flowEndMilliseconds, rows)
        case .exportMilliseconds:
            try times.read(entry.id, head, body, &reader, into: &columns.exportMilliseconds, rows)
        case .receiveMilliseconds:
            try times.read(entry.id, head, body, &reader, into: &columns.receiveMilliseconds, rows)
        case .sourceHigh: try readWords(entry, body, &columns.sourceHigh, rows)
        case .sourceLow: try readWords(entry, body, &columns.sourceLow, rows)
        case .destinationHigh: try readWords(entry, body, &columns.destinationHigh, rows)
        case .destinationLow: try readWords(entry, body, &columns.destinationLow, rows)
        case .nextHopHigh: try readWords(entry, body, &columns.nextHopHigh, rows)
        case .nextHopLow: try readWords(entry, body, &columns.nextHopLow, rows)
        case .octetDeltaCount: try readWords(entry, body, &columns.octetDeltaCount, rows)
        case .packetDeltaCount: try readWords(entry, body, &columns.packetDeltaCount, rows)
        case .deltaFlowCount: try readWords(entry, body, &columns.deltaFlowCount, rows)
        case .protocolIdentifier: try readWords(entry, body, &columns.protocolIdentifier, rows)
        case .sourceTransportPort: try readWords(entry, body, &columns.sourceTransportPort, rows)
        case .destinationTransportPort: try readWords(entry, body, &columns.destinationTransportPort, rows)
        case .tcpControlBits: try readWords(entry, body, &columns.tcpControlBits, rows)
        case .ipClassOfService: try readWords(entry, body, &columns.ipClassOfService, rows)
        case .ingressInterface: try readWords(entry, body, &columns.ingressInterface, rows)
        case .egressInterface: try readWords(entry, body, &columns.egressInterface, rows)
        case .bgpSourceAsNumber: try readWords(entry, body, &columns.bgpSourceAsNumber, rows)
        case .bgpDestinationAsNumber: try readWords(entry, body, &columns.bgpDestinationAsNumber, rows)
        case .sourceIPPrefixLength: try readWords(entry, body, &columns.sourceIPPrefixLength, rows)
        case .destinationIPPrefixLength: try readWords(entry, body, &columns.destinationIPPrefixLength, rows)
        case .vlanId: try readWords(entry, body, &columns.vlanId, rows)
        case .flowDirection: try readWords(entry, body, &columns.flowDirection, rows)
        case .samplingInterval: try readIntervals(entry, body, &columns.samplingInterval, rows)
        case .flags: try readWords(entry, body, &columns.flags, rows)
        case .exporter: try readWords(entry, body, &columns.exporter, rows)
        default: break  // no column of its own
        }
    }

    private mutating func readWords<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: ColumnEntry, _ body: RawSpan, _ column: inout [Word], _ rows: Range<Int>
    ) throws(BatchError) {
        guard entry.encoding != .perConversation else { return }  // `ConversationReader` does
        var words = column.mutableSpan
        try reader.read(entry, body, into: &words, rows)
    }
    private mutating func readIntervals(
        _ entry: ColumnEntry, _ body: RawSpan, _ column: inout [Float], _ rows: Range<Int>
    ) throws(BatchError) {
        try reader.list(entry, body, count: rows.count, into: &words)
        var intervals = column.mutableSpan
        for row in words.indices { intervals[rows.lowerBound &+ row] = Float(bitPattern: words[row]) }
    }

    /// From the batch's numbers to those of the columns.
    private func translate(
        _ column: inout [UInt32], _ rows: Range<Int>, _ numbers: [UInt32]
    ) throws(BatchError) {
        var exporters = column.mutableSpan
        for row in rows {
            let number = exporters[row]
            guard number < numbers.count else { throw .unknownExporter(number) }
            exporters[row] = numbers[Int(number)]
        }
    }

    /// A head that says other than its columns would hide rows from whoever prunes or counts by the head.
    private func check(
        _ columns: FlowColumns, _ rows: Range<Int>, against said: BatchSummary, _ fields: FieldSet
    ) throws(BatchError) {
        if fields.holds(.samplingInterval) {
            let intervals = columns.samplingInterval.span
            for row in rows where !(intervals[row].isFinite && intervals[row] >= 0) { throw .badSamplingInterval }
        }
        let found = BatchSummary(columns, rows: rows, fidelity: said.fidelity)
        let agrees =
            (!fields.holds(.deltaFlowCount) || found.tally.flows == said.tally.flows)
            && (!fields.holds(.octetDeltaCount) || found.tally.octets == said.tally.octets)
            && (!fields.holds(.packetDeltaCount) || found.tally.packets == said.tally.packets)
            && (!fields.holds(.flowStartMilliseconds) || found.flowStartMin == said.flowStartMin)
            && (!fields.holds(.flowEndMilliseconds) || found.flowEndMax == said.flowEndMax)
            && (!fields.holds(.receiveMilliseconds)
                || (found.receiveMin, found.receiveMax) == (said.receiveMin, said.receiveMax))
        guard agrees else { throw .sumMismatch }
    }
}

extension BatchHead {
    /// The columns that reading this batch overwrites whole, or fails.
    fileprivate var groups: FlowColumns.Groups {
        func has(_ ids: ColumnID...) -> Bool {
            ids.allSatisfy { column($0).map { $0.encoding != .perConversation } ?? false }
        }
        var groups: FlowColumns.Groups = []
        if has(.flowStartMilliseconds, .flowEndMilliseconds, .exportMilliseconds, .receiveMilliseconds) {
            groups.insert(.times)
        }
        if has(.octetDeltaCount, .packetDeltaCount) { groups.insert(.counters) }
        if has(.nextHopHigh, .nextHopLow) { groups.insert(.nextHops) }
        // By conversation they are written whole, too, unless there are no conversations, which fails.
        if column(.ingressInterface) != nil, column(.egressInterface) != nil { groups.insert(.interfaces) }
        if has(.deltaFlowCount) { groups.insert(.flowCounts) }
        if has(.samplingInterval) { groups.insert(.intervals) }
        if has(.exporter) { groups.insert(.exporters) }
        if has(.tcpControlBits) { groups.insert(.tcpBits) }
        if has(.ipClassOfService) { groups.insert(.classes) }
        if has(.flowDirection) { groups.insert(.directions) }
        if has(.flags) { groups.insert(.flags) }
        return groups
    }
}
