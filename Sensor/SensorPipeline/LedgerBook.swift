package import Decode
package import FlowModel

/// The loss ledgers of all exporters. A value: each thread keeps its own and hands out copies, which add up.
///
/// Invariants: for every exporter `decoded = sealed + Σ record losses + open`, where `open` is in the table or on the
/// way to a batch; for datagrams `received = decoded + Σ datagram losses`. Bounded in exporters, and who comes first
/// stays: see `number(of:)`. Those without a line share one for each protocol, the overflow's; whatever happens to
/// lines, sums over all stay the same.
/// Not here: what becomes of a sealed batch. `SpoolUsage` and `ShipStatus` count batches, and dead letters are summed
/// over all exporters (`weir_sensor_lost_total`): the spool keeps no exporters' shares.
package struct LedgerBook: Sendable {
    /// One exporter: what it sent and what became of it, and how it is doing.
    package struct Entry: Sendable, Equatable {
        package let key: ExporterKey
        package var ledger = ExporterLedger()
        package var health = ExporterHealth()
        /// Beside the limit for the others.
        fileprivate var isProtected = false

        fileprivate init(_ key: ExporterKey, isProtected: Bool) { (self.key, self.isProtected) = (key, isProtected) }

        /// Of all exporters that have no line of their own.
        package var isOverflow: Bool { key.address.isAbsent }
        /// Under which operators see it.
        package var name: String { isOverflow ? "overflow" : "\(key.address)" }
        /// Nothing was ever decoded of it: what any sender can cause by one datagram under any address.
        fileprivate var isBarren: Bool { ledger.decoded == Tally() && ledger.sealed == Tally() && !isOverflow }
    }
    package private(set) var entries: [Entry] = []
    private var numbers: [ExporterKey: Int] = [:]
    /// Entries of exporters heard lately, each in a place that its key says: that answers nearly always without a
    /// dictionary.
    private var recent = [Int](repeating: 0, count: Self.recentMax)
    private static let recentMax = 16
    /// Lines that were made for exporters of which nothing had been decoded yet, the latest last.
    private var barren: [Int] = []
    private var protectedCount = 0, overflowCount = 0
    /// Lines given up for exporters with records; what they had is in the overflow's.
    package private(set) var linesGivenUp: UInt64 = 0
    /// Datagrams that named no exporter: their number, and why by reason. The kernel's drops are only in the reasons.
    package private(set) var unattributedDatagrams: UInt64 = 0
    package private(set) var unattributed: [Loss: UInt64] = [:]

    package static let exportersMax = 16_384, protectedExportersMax = 4_096
    private let entriesMax: Int
    private let protected: NetworkSet

    /// - Parameters:
    ///   - entriesMax: exporters beyond it share one ledger for each protocol.
    ///   - protected: exporters that are known to be real: so many of them as `protectedExportersMax` have lines beside
    ///     the others.
    package init(entriesMax: Int = Self.exportersMax, protected: [IPNetwork] = []) {
        (self.entriesMax, self.protected) = (entriesMax, NetworkSet(protected))
    }

    private var hasRoom: Bool { entries.count - protectedCount - overflowCount < entriesMax }
    /// The key under which this book has what `key` sends: its own, or the shared one of those beyond the limit.
    package func keyHeld(for key: ExporterKey) -> ExporterKey {
        numbers[key] != nil || hasRoom ? key : Self.overflow(of: key)
    }
    private static func overflow(of key: ExporterKey) -> ExporterKey {
        ExporterKey(address: .absent, observationDomain: 0, exportProtocol: key.exportProtocol)
    }

    package var exporters: [ExporterKey: ExporterLedger] {
        Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.ledger) })
    }

    /// The line of `key`, made if there is room. When there is none, a protected exporter gets one all the same; one
    /// with records takes that of another of which nothing was ever decoded, since anybody can send under any address,
    /// but decodable records take knowing the trade; all else goes to the overflow's.
    private mutating func number(of key: ExporterKey, hasRecords: Bool, isProtected: Bool = false) -> Int {
        if let known = recentNumber(of: key) { return known }
        if let known = numbers[key] {
            recent[Self.place(of: key)] = known
            return known
        }
        let isProtected = isProtected || protected.contains(key.address)
        if isProtected ? protectedCount < Self.protectedExportersMax : hasRoom {
            if !hasRecords, !isProtected { barren.append(entries.count) }
            return add(key, isProtected: isProtected)
        }
        let overflow = Self.overflow(of: key)
        let shared = numbers[overflow] ?? add(overflow)
        guard hasRecords, let line = takeBarren() else { return shared }
        numbers[entries[line].key] = nil
        entries[shared].ledger.add(entries[line].ledger)
        linesGivenUp &+= 1
        numbers[key] = line
        entries[line] = Entry(key, isProtected: false)
        return line
    }
    private static func place(of key: ExporterKey) -> Int {
        let low = key.address.low ^ UInt64(key.observationDomain)
        return Int(truncatingIfNeeded: low ^ low >> 8) & (recentMax - 1)
    }
    @inline(__always)
    private func recentNumber(of key: ExporterKey) -> Int? {
        let number = recent[Self.place(of: key)]
        return number < entries.count && entries[number].key == key ? number : nil
    }
    private mutating func add(_ key: ExporterKey, isProtected: Bool = false) -> Int {
        if isProtected { protectedCount += 1 }
        if key.address.isAbsent { overflowCount += 1 }
        numbers[key] = entries.count
        entries.append(Entry(key, isProtected: isProtected))
        return entries.count - 1
    }
    /// Each line is looked at once: one that has decoded something since it was made is never given up.
    private mutating func takeBarren() -> Int? {
        while let line = barren.popLast() {  // ends: one less each turn
            if entries[line].isBarren { return line }
        }
        return nil
    }
    private mutating func change(
        _ key: ExporterKey, hasRecords: Bool, _ body: (inout ExporterLedger) -> Void
    ) {
        body(&entries[number(of: key, hasRecords: hasRecords)].ledger)
    }

    /// Whether a record of this exporter would tell something: the first ones, then one in sixteen datagrams.
    package func wantsRow(of key: ExporterKey?) -> Bool {
        guard let key else { return false }
        guard let number = recentNumber(of: key) ?? numbers[key] else { return hasRoom }
        let datagrams = entries[number].ledger.datagramsReceived
        return datagrams < 256 || datagrams & 15 == 0
    }

    /// A datagram came and was decoded or refused.
    /// - Parameters:
    ///   - decoded: what its records carry.
    ///   - row: one of its records, for the exporter's health.
    package mutating func received(
        _ result: DecodeResult, decoded: Tally, row: FlowRecord?, atMilliseconds now: Int64
    ) {
        received(from: result.exporter, losses: result.losses, decoded: decoded)
        guard let exporter = result.exporter else { return }
        let number = number(of: exporter, hasRecords: decoded.flows > 0)
        if !entries[number].isOverflow { entries[number].health.note(result, row, atMilliseconds: now) }
        note(result.missing, in: number)
    }
    /// As above, for what tells nothing of the exporter's health.
    /// - Parameters:
    ///   - exporter: nil when the datagram doesn't say.
    ///   - losses: by reason; one whose unit is datagrams means that the datagram was refused whole.
    package mutating func received(from exporter: ExporterKey?, losses: [Loss: UInt64], decoded: Tally) {
        guard let exporter else {
            unattributedDatagrams += 1
            for (loss, count) in losses { unattributed[loss, default: 0] += count }
            return
        }
        let isRefused = !losses.isEmpty && losses.keys.contains { $0.unit == .datagrams }
        change(exporter, hasRecords: decoded.flows > 0) { ledger in
            ledger.datagramsReceived += 1
            ledger.datagramsDecoded += isRefused ? 0 : 1
            ledger.decoded += decoded
            for (loss, count) in losses { ledger.counts[loss, default: 0] += count }
        }
    }
    /// Sets that had waited were decoded, in no datagram's company.
    package mutating func replayed(_ result: DecodeResult, decoded: Tally) {
        guard let exporter = result.exporter else { return }
        let number = number(of: exporter, hasRecords: decoded.flows > 0)
        entries[number].ledger.decoded += decoded
        for (loss, count) in result.losses { entries[number].ledger.counts[loss, default: 0] += count }
        note(result.missing, in: number)
    }
    private mutating func note(_ outcome: SequenceOutcome?, in number: Int) {
        guard let outcome else { return }
        var missing = MissingUnits()
        (missing.units, missing.late) = (outcome.missing &- outcome.late, outcome.late)
        missing.restarts = outcome.restarted ? 1 : 0
        missing.hasSeveralSenders = outcome.severalSenders
        entries[number].ledger.missing.add(missing)
    }
    /// Records came that no datagram brought: the sensor metered them.
    package mutating func metered(_ decoded: Tally, of exporter: ExporterKey) {
        change(exporter, hasRecords: decoded.flows > 0) { $0.decoded += decoded }
    }
    /// Sets, or datagrams, of an exporter were given up later than they came.
    package mutating func lost(_ loss: Loss, count: UInt64, of exporter: ExporterKey) {
        guard count > 0 else { return }
        change(exporter, hasRecords: false) { $0.counts[loss, default: 0] += count }
    }
    /// Records were dropped by name.
    package mutating func lost(_ loss: Loss, _ tally: Tally, of exporter: ExporterKey) {
        guard tally != Tally() else { return }
        change(exporter, hasRecords: true) { $0.records[loss, default: Tally()] += tally }
    }
    /// Records went into a batch.
    package mutating func sealed(_ tally: Tally, rows: UInt64, of exporter: ExporterKey) {
        change(exporter, hasRecords: true) {
            $0.sealed += tally
            $0.sealedRows += rows
        }
    }
    /// Counts what no exporter is known for, such as the kernel's drops.
    package mutating func lostUnattributed(_ loss: Loss, count: UInt64) {
        guard count > 0 else { return }
        unattributed[loss, default: 0] += count
    }

    /// Adds another book's counts to these.
    package mutating func add(_ other: LedgerBook) {
        unattributedDatagrams += other.unattributedDatagrams
        for (loss, count) in other.unattributed { unattributed[loss, default: 0] += count }
        linesGivenUp &+= other.linesGivenUp
        for entry in other.entries {
            let number = number(of: entry.key, hasRecords: !entry.isBarren, isProtected: entry.isProtected)
            entries[number].ledger.add(entry.ledger)
            entries[number].health.add(entry.health)
        }
    }

    /// All exporters together.
    package var total: ExporterLedger {
        var total = ExporterLedger()
        for entry in entries { total.add(entry.ledger) }
        total.datagramsReceived += unattributedDatagrams
        for (loss, count) in unattributed { total.counts[loss, default: 0] += count }
        return total
    }
}

extension ExporterLedger {
    mutating func add(_ other: ExporterLedger) {
        datagramsReceived += other.datagramsReceived
        datagramsDecoded += other.datagramsDecoded
        decoded += other.decoded
        sealed += other.sealed
        sealedRows += other.sealedRows
        missing.add(other.missing)
        for (loss, count) in other.counts { counts[loss, default: 0] += count }
        for (loss, tally) in other.records { records[loss, default: Tally()] += tally }
    }
}
