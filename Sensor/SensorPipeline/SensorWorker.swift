package import Decode
internal import Dedupe
package import FlowModel
internal import PreAggregate

/// A window of flows, summed: what leaves the worker on its way to a batch.
package struct ClosedWindow: Sendable {
    package var columns: FlowColumns
    package let fidelity: Fidelity

    package init(columns: FlowColumns, fidelity: Fidelity) {
        self.columns = columns
        self.fidelity = fidelity
    }
}

/// The sensor's first half, one datagram at a time: decode -> drop repeats -> sum per key and window. Owned by one
/// thread; no clock, no I/O: time comes with the datagrams.
///
/// Invariants: each record that a decoder made is in the table, in a closed window, or in the ledger under a loss's
/// name; a repeated datagram is decoded, to know what it carries, and dropped whole; a full table closes its window
/// early, which loses nothing. Memory is the table's and the decoder's limits plus the windows not yet taken.
/// Not here: batches (`BatchSealer`), threads (`Sensor`).
package struct SensorWorker: ~Copyable {
    package struct Limits: Sendable {
        /// A window's length in ms, by receive time.
        package var windowMilliseconds: Int64
        /// Keys in the table.
        package var entriesMax: Int
        /// Records decoded before they go to the table together.
        package var pendingRowsMax = 1_024

        package init(windowMilliseconds: Int64, entriesMax: Int) {
            self.windowMilliseconds = max(windowMilliseconds, 1)
            self.entriesMax = entriesMax
        }
    }

    private let limits: Limits
    private var decoder: DatagramDecoder
    private var repeats: RepeatedDatagrams
    private var table: FlowTable
    /// Decoded and not yet in the table.
    private var pending = FlowColumns(capacity: 2_048)
    private var windowIndex: Int64?
    /// What windows opened from now on are summed to.
    package var fidelity: Fidelity
    package private(set) var ledger = LedgerBook()
    package private(set) var templatesLearned: UInt64 = 0
    private var closed: [ClosedWindow] = []

    /// - Parameter seed: for hashes: secret from exporters, so that none can make keys collide.
    package init(limits: Limits, fidelity: Fidelity = .full, seed: UInt64, decodeLimits: DecodeLimits = .init()) {
        self.limits = limits
        self.fidelity = fidelity
        decoder = DatagramDecoder(limits: decodeLimits)
        repeats = RepeatedDatagrams(seed: (seed ^ 0x9E37_79B9_7F4A_7C15, seed.byteSwapped))
        table = FlowTable(entriesMax: limits.entriesMax, fidelity: fidelity, seed: seed)
    }

    /// Takes one whole UDP payload. Afterwards there may be closed windows.
    package mutating func receive(_ datagram: RawSpan, from origin: DatagramOrigin) {
        tick(atMilliseconds: origin.receiveMilliseconds)
        let isRepeat = repeats.isRepeat(datagram, from: origin)
        let result = decoder.decode(datagram, from: origin, into: &pending)
        let tally = pending.tally(of: result.rows)
        ledger.received(from: result.exporter, losses: result.losses, decoded: tally)
        templatesLearned &+= UInt64(result.templatesLearned)
        if isRepeat, let exporter = result.exporter {
            ledger.lost(.duplicate, tally, of: exporter)
            pending.truncate(to: result.rows.lowerBound)
        }
        if pending.count >= limits.pendingRowsMax { fillTable() }
    }

    /// A datagram that the socket cut short: its end is missing, so none of it is used.
    package mutating func receiveTruncated() {
        ledger.received(from: nil, losses: [.datagramTruncated: 1], decoded: Tally())
    }

    /// Time has come this far: closes the window if it is over. A clock that jumps back by more than a window opens a
    /// new one; by less, records still go into the present one.
    package mutating func tick(atMilliseconds now: Int64) {
        let index = now / limits.windowMilliseconds
        guard let current = windowIndex else {
            windowIndex = index
            return
        }
        guard index > current || index < current &- 1 else { return }
        close()
        windowIndex = index
    }

    /// Closes the present window, whatever its age.
    package mutating func close() {
        fillTable()
        drain()
    }

    package var hasClosedWindows: Bool { !closed.isEmpty }
    /// Hands over the windows closed so far, oldest first.
    package mutating func takeClosed() -> [ClosedWindow] {
        let taken = closed
        closed = []
        return taken
    }
    /// Counts a window that found no place on its way to a batch.
    package mutating func dropped(_ window: ClosedWindow, as loss: Loss) {
        for (key, share) in window.columns.shares(of: window.columns.rows) { ledger.lost(loss, share.tally, of: key) }
    }
    /// Counts what the kernel dropped before it could be received.
    package mutating func kernelDropped(_ count: UInt64) { ledger.lostUnattributed(.kernelDrop, count: count) }

    /// Moves the pending records into the table; a full one is drained and filled again.
    private mutating func fillTable() {
        var rows = pending.rows
        while !rows.isEmpty {  // ends: each turn takes rows, or drains a full table, or gives up
            let taken = table.add(pending, rows: rows)
            rows = (rows.lowerBound + taken)..<rows.upperBound
            if rows.isEmpty { break }
            let wasEmpty = table.count == 0
            drain()
            if taken == 0 && wasEmpty {  // an empty table that takes nothing: our fault, but never a silent one
                for (key, share) in pending.shares(of: rows) { ledger.lost(.tableFull, share.tally, of: key) }
                break
            }
        }
        pending.removeAll()
    }
    private mutating func drain() {
        if table.count > 0 {
            var columns = FlowColumns(capacity: table.count)
            table.drain(into: &columns)
            closed.append(ClosedWindow(columns: columns, fidelity: table.fidelity))
        }
        table.fidelity = fidelity
    }
}

/// One exporter's part of some rows.
package struct ExporterShare: Hashable, Sendable {
    package var tally = Tally()
    package var rows: UInt64 = 0
    package init() {}
}

extension FlowColumns {
    /// What `rows` carry, exporter by exporter, without those that have none.
    package func shares(of rows: Range<Int>) -> [(key: ExporterKey, share: ExporterShare)] {
        var shares = [ExporterShare](repeating: ExporterShare(), count: exporters.count)
        let index = exporter.span, flows = deltaFlowCount.span, octets = octetDeltaCount.span
        let packets = packetDeltaCount.span
        for row in rows {
            let number = Int(index[row])
            shares[number].tally.flows &+= UInt64(flows[row])
            shares[number].tally.octets &+= octets[row]
            shares[number].tally.packets &+= packets[row]
            shares[number].rows += 1
        }
        return zip(exporters, shares).filter { $0.1.rows > 0 }.map { (key: $0.0, share: $0.1) }
    }
}
