package import Decode
internal import Dedupe
package import FlowModel
package import PreAggregate

/// The sensor's first half, one datagram at a time: decode -> drop repeats -> sum per key and window. Owned by one
/// thread; no clock, no I/O: time comes with the datagrams.
///
/// Invariants: each record that a decoder made is in the open window, in a closed one, or in the ledger under a loss's
/// name; a repeated datagram is decoded, to know what it carries, and dropped whole; a full window closes early, which
/// loses nothing. Memory is the window's and the decoder's limits plus the windows not yet taken.
/// Not here: flows that several exporters saw and batches (`WindowSealer`), threads (`Sensor`).
package struct SensorWorker: ~Copyable {
    package struct Limits: Sendable {
        /// A window's length in ms, by receive time.
        package var windowMilliseconds: Int64
        /// Rows that a window holds before it closes early.
        package var rowsMax: Int

        package init(windowMilliseconds: Int64, rowsMax: Int) {
            self.windowMilliseconds = max(windowMilliseconds, 1)
            self.rowsMax = rowsMax
        }
    }
    /// Records are looked up this many at a time: enough to pay for the start of the loops, few enough to be in the
    /// processor's nearest cache still.
    private static let rowsTogether = 256

    private let limits: Limits
    private var decoder: DatagramDecoder
    private var repeats: RepeatedDatagrams
    private var window: FlowWindow
    private var windowIndex: Int64?
    private var size: WindowSize
    private var windowOpenedMilliseconds: Int64 = 0, lastMilliseconds: Int64 = 0
    /// What windows opened from now on are summed to.
    package var fidelity: Fidelity
    package private(set) var ledger: LedgerBook
    package private(set) var decodeTotals = DecodeTotals()
    package var templatesLearned: UInt64 { decodeTotals[.templatesLearned] }
    package private(set) var interfaces = InterfaceTotals()
    /// Windows that closed before their time because they were full.
    package private(set) var windowsFull: UInt64 = 0
    /// Lengths in the last datagram could not be (RFC 7011 §9).
    package private(set) var wasMalformed = false
    /// Rows sealed without their further elements: what the sealer tells.
    package internal(set) var entriesLeftOut: UInt64 = 0
    private var closed: [SummedRows] = []
    private var hasLateRates = false
    private var nextExpiry = Int64.min
    private static let expiryMilliseconds: Int64 = 1_000
    /// How often a second sets that waited are decoded beside those that datagrams take along: what one has at most
    /// each time.
    private static let replaysTogether = 128

    /// - Parameter seed: for hashes: secret from exporters, so that none can make keys collide; the same for all
    ///   workers of a sensor.
    package init(
        limits: Limits, fidelity: Fidelity = .full, seed: UInt64, decode: DecodeSettings = DecodeSettings()
    ) {
        self.limits = limits
        self.fidelity = fidelity
        ledger = LedgerBook(protected: decode.protectedExporters)
        decoder = DatagramDecoder(settings: decode)
        repeats = RepeatedDatagrams(seed: (seed ^ 0x9E37_79B9_7F4A_7C15, seed.byteSwapped))
        size = WindowSize(rowsMax: limits.rowsMax)
        window = FlowWindow(rowsMax: limits.rowsMax, rows: size.rows, fidelity: fidelity, seed: seed)
    }

    /// Takes one whole UDP payload, or one message of a TCP or TLS connection. Afterwards there may be closed windows.
    package mutating func receive(_ datagram: RawSpan, from origin: DatagramOrigin) {
        tick(atMilliseconds: origin.receiveMilliseconds)
        // TCP delivers once: what is alike there was meant twice.
        let isRepeat = origin.session == 0 && repeats.isRepeat(datagram, from: origin)
        let result = decoder.decode(datagram, from: origin, into: &window.columns, isRepeat: isRepeat)
        let tally = window.columns.tally(of: result.rows)
        let row =
            ledger.wantsRow(of: result.exporter) && !result.rows.isEmpty
            ? window.columns[result.rows.lowerBound] : nil
        ledger.received(result, decoded: tally, row: row, atMilliseconds: origin.receiveMilliseconds)
        if !isRepeat { note(result, atMilliseconds: origin.receiveMilliseconds) }
        if result.ratesLearned > 0 || result.ratesChanged > 0 { hasLateRates = true }
        if isRepeat, let exporter = result.exporter {
            ledger.lost(.duplicate, tally, of: exporter)
            window.columns.truncate(to: result.rows.lowerBound)
        }
        wasMalformed = result.isMalformed
        absorb()
    }
    /// What a datagram brought besides records; a repeated one brings nothing new.
    private mutating func note(_ result: borrowing DecodeResult, atMilliseconds now: Int64) {
        decodeTotals.note(result)
        if let exporter = result.exporter, !result.counterSamples.isEmpty {
            interfaces.note(result.counterSamples, from: exporter, at: now)
        }
    }
    private mutating func absorb() {
        guard window.pending >= Self.rowsTogether else { return }
        window.absorb()
        guard window.isFull else { return }
        windowsFull &+= 1
        size.filled(inMilliseconds: lastMilliseconds &- windowOpenedMilliseconds)
        close()
    }

    /// Takes records that were metered here rather than exported: `body` appends those of `exporter`.
    package mutating func meter(
        _ exporter: ExporterKey, atMilliseconds now: Int64, _ body: (inout FlowColumns) -> Void
    ) {
        tick(atMilliseconds: now)
        let first = window.columns.count
        body(&window.columns)
        guard window.columns.count > first else { return }
        ledger.metered(window.columns.tally(of: first..<window.columns.count), of: exporter)
        absorb()
    }

    /// A datagram that the socket cut short: its end is missing, so none of it is used.
    package mutating func receiveTruncated() {
        ledger.received(from: nil, losses: [.datagramTruncated: 1], decoded: Tally())
    }

    /// Time has come this far: closes the window if it is over. A clock that jumps back by more than a window opens a
    /// new one; by less, records still go into the present one.
    package mutating func tick(atMilliseconds now: Int64) {
        lastMilliseconds = now
        // Opened by its first row: how long nothing came says nothing about how fast rows come.
        if window.columns.count == 0 { windowOpenedMilliseconds = now }
        if now >= nextExpiry || now < nextExpiry &- 2 &* Self.expiryMilliseconds {
            expireHeld(atMilliseconds: now)
            nextExpiry = now.addingReportingOverflow(Self.expiryMilliseconds).partialValue
        }
        let index = now / limits.windowMilliseconds
        guard let current = windowIndex else {
            windowIndex = index
            return
        }
        guard index > current || index < current &- 1 else { return }
        close()
        windowIndex = index
    }

    /// Decodes data sets that waited and whose template has come, and gives up those that have waited too long; `.max`
    /// decodes or gives up all.
    package mutating func expireHeld(atMilliseconds now: Int64) {
        var turns = now == .max ? Int.max : Self.replaysTogether
        while turns > 0, let result = decoder.replayHeld(into: &window.columns) {  // ends: each set is taken out once
            turns -= 1
            ledger.replayed(result, decoded: window.columns.tally(of: result.rows))
            decodeTotals.note(result)
            absorb()
        }
        for loss in decoder.expireHeld(atMilliseconds: now) {
            ledger.lost(.noTemplate, count: loss.sets, of: loss.exporter)
        }
    }
    /// Changes whenever `templateSnapshot` would differ.
    package var templatesVersion: UInt64 { decoder.templatesVersion }
    package func templateSnapshot() -> [UInt8] { decoder.snapshot() }
    /// Takes saved templates back, before any datagram.
    /// - Returns: how many; nil when the snapshot is damaged, and nothing of it is used.
    package mutating func restoreTemplates(_ snapshot: [UInt8], atMilliseconds now: Int64) -> Int? {
        (try? decoder.restore(snapshot, now: now))?.restored
    }

    /// A TCP or TLS connection is over: its templates go with it.
    package mutating func endSession(_ session: UInt32) { decoder.endSession(session) }

    /// Closes the present window, whatever its age.
    package mutating func close() {
        guard window.columns.count > 0 || window.fidelity != fidelity else { return }
        if hasLateRates { correctSampling() }
        let rows = window.close(next: fidelity, rows: size.rows)
        if rows.columns.count > 0 { closed.append(rows) } else { window.recycle(rows) }
    }

    /// Records that came before their exporter told its sampling rate get it now, unless they are summed up already
    /// with others: what left the window earlier stays "unknown".
    private mutating func correctSampling() {
        hasLateRates = false
        for row in window.columns.rows where window.columns.samplingInterval[row] == 0 {
            window.columns.samplingInterval[row] = decoder.lateSampling(
                for: window.columns.exporterKey(ofRow: row), ingressInterface: window.columns.ingressInterface[row])
        }
    }

    package var hasClosedWindows: Bool { !closed.isEmpty }
    /// Hands over the windows closed so far, oldest first.
    package mutating func takeClosed() -> [SummedRows] {
        let taken = closed
        closed = []
        return taken
    }
    /// Takes back a window that has been sealed, for its memory.
    package mutating func recycle(_ rows: consuming SummedRows) { window.recycle(rows) }
    /// Counts a batch that found no place on its way to the spool.
    package mutating func dropped(_ batch: SealedBatch, as loss: Loss) {
        for (key, share) in batch.shares { ledger.lost(loss, share.tally, of: key) }
    }
    /// Counts what other observers' records stand for.
    mutating func seenElsewhere(_ tallies: [ExporterKey: Tally]) {
        for (key, tally) in tallies { ledger.lost(.observedElsewhere, tally, of: key) }
    }
    /// Counts what the kernel dropped before it could be received.
    package mutating func kernelDropped(_ count: UInt64) { ledger.lostUnattributed(.kernelDrop, count: count) }
}

/// One exporter's part of some rows.
package struct ExporterShare: Hashable, Sendable {
    package var tally = Tally()
    package var rows: UInt64 = 0
    package init() {}
}

extension FlowColumns {
    /// What `rows` carry, exporter by exporter, without those that have none. Rows that another observer's records
    /// stand for don't count: they are in the ledger as a loss.
    package func shares(of rows: Range<Int>) -> [(key: ExporterKey, share: ExporterShare)] {
        var shares = [ExporterShare](repeating: ExporterShare(), count: exporters.count)
        let index = exporter.span, flows = deltaFlowCount.span, octets = octetDeltaCount.span
        let packets = packetDeltaCount.span, flags = self.flags.span
        let elsewhere = RecordFlags.observedElsewhere.rawValue
        if exporters.count == 1 {
            var only = ExporterShare()
            only.tally = tally(of: rows)
            only.rows = count(of: rows, without: elsewhere)
            return only.rows > 0 ? [(key: exporters[0], share: only)] : []
        }
        for row in rows where flags[row] & elsewhere == 0 {
            let number = Int(index[row])
            shares[number].tally.flows &+= UInt64(flows[row])
            shares[number].tally.octets &+= octets[row]
            shares[number].tally.packets &+= packets[row]
            shares[number].rows += 1
        }
        return zip(exporters, shares).filter { $0.1.rows > 0 }.map { (key: $0.0, share: $0.1) }
    }
    private func count(of rows: Range<Int>, without flag: UInt8) -> UInt64 {
        let flags = self.flags.span.extracting(rows)
        var count: UInt64 = 0
        for row in 0..<rows.count { count &+= flags[row] & flag == 0 ? 1 : 0 }
        return count
    }
}
