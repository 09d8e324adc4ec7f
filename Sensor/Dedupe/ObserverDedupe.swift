package import FlowModel

/// Finds rows of a closed window that describe the same flow as another observer's rows, and keeps one observer's.
///
/// A pass over a window of one site: each row's conversation (5-tuple) is looked up among the recent ones; the few rows
/// of conversations seen before are weighed by the `Referee`. Owned by one thread; no clock: time comes with the rows.
///
/// Invariants: what is removed or marked is in the report, per exporter, and nothing else changes in number; a row
/// goes only if a row of the canonical observer covers at least half of its time, in this window or in a recent one
/// that was handed over; the canonical row's counters stay as they are. The same windows and seed give the same
/// result. Memory is bounded by `conversationsMax` and what one window needs.
/// Conversations are told apart by their 5-tuple within a window, and by 64 bits of seeded hash across windows.
/// Not here: whole datagrams that come twice (`RepeatedDatagrams`), the ledger (`SensorPipeline`).
package struct ObserverDedupe {
    package let settings: ObserverDedupeSettings
    /// How far exporters' clocks are ahead of true time, in ms, as far as it is known.
    package var clockSkews: [ExporterKey: Int64] = [:]
    private let seed: UInt64
    private var memory: ConversationMemory
    private var sole = SolePoint()
    private var referee: Referee
    private var observerNumbers: [ExporterKey: Int] = [:]
    // Of one window, kept for their storage.
    private var facts: [ObserverFacts] = []
    private var ownHashes: [UInt64] = []
    private var group: [Sighting] = []
    private var verdicts = WindowVerdicts()

    /// Rows with one of these are left alone: copies, attempts that are evidence each, rows that stand for several
    /// conversations, and rows already marked.
    private static let unexamined: RecordFlags = [.secondary, .denied, .portsSummed, .observedElsewhere]
    private static let observersMax = 131_072

    /// - Parameter seed: unknown to whoever sends flows; that of `hashes`, where they are given.
    package init(settings: ObserverDedupeSettings, seed: UInt64) {
        self.settings = settings
        self.seed = seed
        var entriesMax = ObserverDedupeSettings.conversationsRange.lowerBound
        while 2 * entriesMax <= settings.conversationsMax { entriesMax *= 2 }
        memory = ConversationMemory(entriesMax: entriesMax)
        referee = Referee(
            tolerance: settings.toleranceMilliseconds, horizon: settings.horizonMilliseconds)
        forgetObservers()
    }

    /// Passes over a closed window.
    /// - Parameters:
    ///   - columns: the window's rows. With `merge` rows go and the others change their order; with `mark` flags do.
    ///   - hashes: `ConversationHash` of each row, by this value's seed, if they are there already; more of them than
    ///     rows are passed over.
    package mutating func apply(_ columns: inout FlowColumns, hashes: [UInt64]? = nil) -> DedupeReport {
        guard settings.mode != .off, columns.count > 0 else { return DedupeReport() }
        introduce(columns.exporters)
        if sole.isAlone(columns, facts, horizon: settings.horizonMilliseconds) { return DedupeReport() }
        verdicts.reset()
        let hashes = hashes.flatMap { $0.count >= columns.count ? $0 : nil } ?? hash(columns)
        for start in stride(from: 0, to: columns.count, by: memory.partMax) {
            let rows = start..<min(start + memory.partMax, columns.count)
            admit(columns, rows, hashes)
            settle(columns)
        }
        var report = verdicts.report(columns)
        report.memoryEvictions = memory.takeEvictions()
        report.conversations = memory.count
        switch settings.mode {
        case .off: break
        case .mark: verdicts.mark(&columns)
        case .merge: verdicts.merge(&columns, observers: referee.keys)
        }
        return report
    }

    private mutating func hash(_ columns: FlowColumns) -> [UInt64] {
        ownHashes.removeAll(keepingCapacity: true)
        ownHashes.reserveCapacity(columns.count)
        for row in columns.rows { ownHashes.append(ConversationHash.of(columns, row, seed: seed)) }
        return ownHashes
    }
}

// Observers.
extension ObserverDedupe {
    /// Looks up the window's exporters. Numbers stay the same from window to window, until there are too many.
    private mutating func introduce(_ exporters: [ExporterKey]) {
        if referee.keys.count + exporters.count > Self.observersMax {
            forgetObservers()
            memory.removeAll()
        }
        facts.removeAll(keepingCapacity: true)
        for key in exporters {
            facts.append(
                ObserverFacts(
                    pointBase: UInt64(number(of: key)) << 33, skew: clockSkews[key] ?? 0,
                    takesPart: key.exportProtocol != .sflow4 && key.exportProtocol != .sflow5))
        }
    }
    private mutating func number(of key: ExporterKey) -> Int {
        if let known = observerNumbers[key] { return known }
        let number = referee.keys.count
        referee.keys.append(key)
        referee.ranks.append(UInt32(clamping: settings.preferred.firstIndex(of: key.address) ?? .max))
        observerNumbers[key] = number
        return number
    }
    private mutating func forgetObservers() {
        observerNumbers.removeAll()
        sole = SolePoint()
        // Number 0 is nobody's.
        referee.keys = [ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .netflow9)]
        referee.ranks = [.max]
    }
}

// Rows.
extension ObserverDedupe {
    /// The first pass over a part of a window: enters each row's conversation, and lists rows of known ones.
    private mutating func admit(_ columns: FlowColumns, _ rows: Range<Int>, _ hashes: [UInt64]) {
        let received = columns.receiveMilliseconds.span.extracting(rows)
        var newest = Int64.min
        for row in 0..<received.count { newest = max(newest, received[row]) }
        memory.beginPart(rowCount: rows.count, newest: newest, horizonMilliseconds: settings.horizonMilliseconds)
        verdicts.unexamined += memory.admit(
            columns, rows, hashes: hashes, observers: facts, unexamined: Self.unexamined)
    }

    /// The second pass: weighs the rows of a conversation once all are known, at the last of them.
    private mutating func settle(_ columns: FlowColumns) {
        let count = memory.further.count
        for start in stride(from: 0, to: count, by: ConversationMemory.rowsAhead) {
            let block = start..<min(start + ConversationMemory.rowsAhead, count)
            memory.look(ahead: block, columns)
            for index in block { settle(columns, Int(memory.further[index])) }
        }
    }
    /// - Parameter place: of a row in the part.
    @inline(__always)
    private mutating func settle(_ columns: FlowColumns, _ place: Int) {
        var entry = memory[place]
        let link = entry.link, row = memory.rows[place]
        guard !link.isSuperseded else { return }
        entry.link = .none
        defer { memory[place] = entry }
        guard !columns.lacksAddress(Int(row)) else {
            _ = gather(columns, entry, row, link)
            verdicts.unexamined += 1
            return
        }
        if let number = link.memory {
            let sighting = entry.sighting(row)
            entry = memory.before[number]
            referee.settle(sighting, &entry, &verdicts)
        } else if let earlier = link.row, memory[earlier].link.isFirst {
            let first = memory.take(earlier)
            guard columns.isSameConversation(Int(row), Int(memory.rows[earlier])) else { return }
            referee.settle(first.sighting(memory.rows[earlier]), entry.sighting(row), &entry, &verdicts)
        } else {
            let remembered = gather(columns, entry, row, link)
            if let remembered { entry = remembered }
            var settlement = Settlement(referee, group, memory: remembered?.sighting(Sighting.noRow))
            settlement.run(&entry, &verdicts)
        }
    }
    /// All rows of a conversation in this part that have exactly the same 5-tuple as the first, into `group`.
    /// - Returns: what was remembered from before the part.
    private mutating func gather(
        _ columns: FlowColumns, _ entry: Conversation, _ row: UInt32, _ link: RowLink
    ) -> Conversation? {
        group.removeAll(keepingCapacity: true)
        group.append(entry.sighting(row))
        var link = link
        while let earlier = link.row {  // ends: no row is linked to twice
            let taken = memory.take(earlier)
            group.append(taken.sighting(memory.rows[earlier]))
            link = taken.link
        }
        let first = Int(group[group.count - 1].row)
        group.removeAll { !columns.isSameConversation(Int($0.row), first) }
        return link.memory.map { memory.before[$0] }
    }
}

extension FlowColumns {
    /// Reads what `isSameConversation` will compare.
    @inline(__always)
    func touch(_ row: Int) -> UInt64 {
        sourceLow[row] ^ destinationLow[row] ^ sourceHigh[row] ^ destinationHigh[row]
            ^ UInt64(sourceTransportPort[row] ^ destinationTransportPort[row]) ^ UInt64(protocolIdentifier[row])
    }
    @inline(__always)
    fileprivate func lacksAddress(_ row: Int) -> Bool {
        sourceHigh[row] | sourceLow[row] == 0 || destinationHigh[row] | destinationLow[row] == 0
    }
    /// Whether two rows have the same 5-tuple.
    @inline(__always)
    fileprivate func isSameConversation(_ a: Int, _ b: Int) -> Bool {
        sourceLow[a] == sourceLow[b] && destinationLow[a] == destinationLow[b]
            && sourceTransportPort[a] == sourceTransportPort[b]
            && destinationTransportPort[a] == destinationTransportPort[b]
            && sourceHigh[a] == sourceHigh[b] && destinationHigh[a] == destinationHigh[b]
            && protocolIdentifier[a] == protocolIdentifier[b]
    }
}
