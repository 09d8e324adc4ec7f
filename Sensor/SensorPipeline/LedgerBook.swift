package import Decode
package import FlowModel

/// The loss ledgers of all exporters. A value: each thread keeps its own and hands out copies, which add up.
///
/// Invariants: for every exporter `decoded = sealed + Σ record losses + open`, where `open` is in the table or on the
/// way to a batch; for datagrams `received = decoded + Σ datagram losses`. Bounded in exporters: those beyond the limit
/// share one ledger, under the absent address.
/// Not here: what becomes of a sealed batch. `SpoolUsage` and `ShipStatus` count batches, and dead letters are summed
/// over all exporters (`weir_sensor_lost_total`): the spool keeps no exporters' shares.
package struct LedgerBook: Sendable {
    /// One exporter: what it sent and what became of it, and how it is doing.
    package struct Entry: Sendable, Equatable {
        package let key: ExporterKey
        package var ledger = ExporterLedger()
        package var health = ExporterHealth()
    }
    package private(set) var entries: [Entry] = []
    private var numbers: [ExporterKey: Int] = [:]
    /// The entry of the exporter heard last: a busy one comes many times in a row.
    private var recent = 0
    /// Datagrams that named no exporter: their number, and why by reason. The kernel's drops are only in the reasons.
    package private(set) var unattributedDatagrams: UInt64 = 0
    package private(set) var unattributed: [Loss: UInt64] = [:]

    package static let exportersMax = 16_384
    private let entriesMax: Int

    /// - Parameter entriesMax: exporters beyond it share one ledger for each protocol.
    package init(entriesMax: Int = Self.exportersMax) { self.entriesMax = entriesMax }

    /// The key under which this book has what `key` sends: its own, or the shared one of those beyond the limit.
    package func keyHeld(for key: ExporterKey) -> ExporterKey {
        numbers[key] != nil || entries.count < entriesMax ? key : Self.shared(key)
    }
    private static func shared(_ key: ExporterKey) -> ExporterKey {
        ExporterKey(address: .absent, observationDomain: 0, exportProtocol: key.exportProtocol)
    }

    package var exporters: [ExporterKey: ExporterLedger] {
        Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.ledger) })
    }

    private mutating func number(of key: ExporterKey) -> Int {
        if recent < entries.count, entries[recent].key == key { return recent }
        if let known = numbers[key] {
            recent = known
            return known
        }
        var key = key
        if entries.count >= entriesMax {
            key = Self.shared(key)
            if let shared = numbers[key] { return shared }
        }
        numbers[key] = entries.count
        entries.append(Entry(key: key))
        return entries.count - 1
    }
    private mutating func change(_ key: ExporterKey, _ body: (inout ExporterLedger) -> Void) {
        body(&entries[number(of: key)].ledger)
    }

    /// Whether a record of this exporter would tell something: the first ones, then one in sixteen datagrams.
    package mutating func wantsRow(of key: ExporterKey?) -> Bool {
        guard let key else { return false }
        let datagrams = entries[number(of: key)].ledger.datagramsReceived
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
        let number = number(of: exporter)
        entries[number].health.note(result, row, atMilliseconds: now)
        note(result.missing, of: exporter)
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
        change(exporter) { ledger in
            ledger.datagramsReceived += 1
            ledger.datagramsDecoded += isRefused ? 0 : 1
            ledger.decoded += decoded
            for (loss, count) in losses { ledger.counts[loss, default: 0] += count }
        }
    }
    /// Sets that had waited were decoded, in no datagram's company.
    package mutating func replayed(_ result: DecodeResult, decoded: Tally) {
        guard let exporter = result.exporter else { return }
        change(exporter) { ledger in
            ledger.decoded += decoded
            for (loss, count) in result.losses { ledger.counts[loss, default: 0] += count }
        }
        note(result.missing, of: exporter)
    }
    private mutating func note(_ outcome: SequenceOutcome?, of exporter: ExporterKey) {
        guard let outcome else { return }
        var missing = MissingUnits()
        (missing.units, missing.late) = (outcome.missing &- outcome.late, outcome.late)
        missing.restarts = outcome.restarted ? 1 : 0
        missing.hasSeveralSenders = outcome.severalSenders
        entries[number(of: exporter)].ledger.missing.add(missing)
    }
    /// Records came that no datagram brought: the sensor metered them.
    package mutating func metered(_ decoded: Tally, of exporter: ExporterKey) {
        change(exporter) { $0.decoded += decoded }
    }
    /// Sets, or datagrams, of an exporter were given up later than they came.
    package mutating func lost(_ loss: Loss, count: UInt64, of exporter: ExporterKey) {
        guard count > 0 else { return }
        change(exporter) { $0.counts[loss, default: 0] += count }
    }
    /// Records were dropped by name.
    package mutating func lost(_ loss: Loss, _ tally: Tally, of exporter: ExporterKey) {
        guard tally != Tally() else { return }
        change(exporter) { $0.records[loss, default: Tally()] += tally }
    }
    /// Records went into a batch.
    package mutating func sealed(_ tally: Tally, rows: UInt64, of exporter: ExporterKey) {
        change(exporter) {
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
        for entry in other.entries {
            let number = number(of: entry.key)
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
