package import FlowModel

/// The loss ledgers of all exporters. A value: each thread keeps its own and hands out copies, which add up.
///
/// Invariants: for every exporter `decoded = sealed + Σ record losses + open`, where `open` is in the table or on the
/// way to a batch; for datagrams `received = decoded + Σ datagram losses`. Bounded in exporters: those beyond the limit
/// share one ledger, under the absent address.
/// Not here: what becomes of a sealed batch. `SpoolUsage` and `ShipStatus` count batches, and dead letters are summed
/// over all exporters (`weir_sensor_lost_total`): the spool keeps no exporters' shares.
package struct LedgerBook: Sendable, Equatable {
    package private(set) var exporters: [ExporterKey: ExporterLedger] = [:]
    /// Datagrams that named no exporter: their number, and why by reason. The kernel's drops are only in the reasons.
    package private(set) var unattributedDatagrams: UInt64 = 0
    package private(set) var unattributed: [Loss: UInt64] = [:]

    package static let exportersMax = 16_384

    package init() {}

    private func slot(_ key: ExporterKey) -> ExporterKey {
        if exporters[key] != nil || exporters.count < Self.exportersMax { return key }
        return ExporterKey(address: .absent, observationDomain: 0, exportProtocol: key.exportProtocol)
    }
    private mutating func change(_ key: ExporterKey, _ body: (inout ExporterLedger) -> Void) {
        body(&exporters[slot(key), default: ExporterLedger()])
    }

    /// A datagram came and was decoded or refused.
    /// - Parameters:
    ///   - exporter: nil when the datagram doesn't say.
    ///   - losses: by reason; one whose unit is datagrams means that the datagram was refused whole.
    ///   - decoded: what its records carry.
    package mutating func received(from exporter: ExporterKey?, losses: [Loss: UInt64], decoded: Tally) {
        guard let exporter else {
            unattributedDatagrams += 1
            for (loss, count) in losses { unattributed[loss, default: 0] += count }
            return
        }
        let isRefused = losses.keys.contains { $0.unit == .datagrams }
        change(exporter) { ledger in
            ledger.datagramsReceived += 1
            ledger.datagramsDecoded += isRefused ? 0 : 1
            ledger.decoded += decoded
            for (loss, count) in losses { ledger.counts[loss, default: 0] += count }
        }
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
        for (key, more) in other.exporters { change(key) { $0.add(more) } }
    }

    /// All exporters together.
    package var total: ExporterLedger {
        var total = ExporterLedger()
        for ledger in exporters.values { total.add(ledger) }
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
        for (loss, count) in other.counts { counts[loss, default: 0] += count }
        for (loss, tally) in other.records { records[loss, default: Tally()] += tally }
    }
}
