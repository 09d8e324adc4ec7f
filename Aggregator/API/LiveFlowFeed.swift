internal import BatchFormat
internal import FilterLanguage
internal import FlowLog
internal import FlowModel
internal import FlowText
internal import Identity
internal import Platform
internal import Synchronization
internal import WireBytes

/// The newest records of those tenants to whom somebody listens: batches as they come into the log, decoded once for
/// all, each listener's filter tried on some of the rows.
///
/// Invariants: nobody listens, nothing is read; a look reads at most `bytesMax`, tries at most about `testsMax` rows
/// and keeps at most `keptMax` records a listener, whatever comes in: what is left out is told, not waited for. Ingest
/// and detection know nothing of it.
final class LiveFlowFeed: Sendable {
    static let bytesMax = 8 << 20, batchesMax = 64, testsMax = 50_000, keptMax = 100

    /// What came for one listener since it last took.
    struct Window: Sendable {
        /// JSON objects with commas between.
        var items: [UInt8] = []
        var count = 0
        /// Of the rows that were looked at; `count` or more.
        var matched = 0
        /// One row of so many was looked at, at worst.
        var each = 1
        /// Batches were passed over.
        var hasGap = false
    }
    /// One stream's filter, and what it is yet to take. Registered as long as somebody has it.
    final class Listener: Sendable {
        let tenant: TenantID, filter: FilterExpression, veil: Veil
        let window = Mutex(Window())
        private let id: Int, feed: LiveFlowFeed

        fileprivate init(_ tenant: TenantID, _ filter: FilterExpression, _ veil: Veil, _ id: Int, _ feed: LiveFlowFeed)
        {
            (self.tenant, self.filter, self.veil, self.id, self.feed) = (tenant, filter, veil, id, feed)
        }
        deinit { feed.forget(id) }

        func take() -> Window {
            window.withLock { window in
                defer { window = Window() }
                return window
            }
        }
    }
    private struct Known: Sendable { weak var listener: Listener? }
    private struct State: Sendable {
        var listeners: [Int: Known] = [:]
        var lastID = 0
        /// Nil: nobody listened at the last look.
        var offset: Int64?
        var isLooking = false
        var looked: Duration?
    }
    private let state = Mutex(State()), log: any FlowLog, time: any TimeSource, interval: Duration

    init(_ log: any FlowLog, _ time: any TimeSource, interval: Duration) {
        (self.log, self.time, self.interval) = (log, time, interval)
    }

    func listen(to tenant: TenantID, _ filter: FilterExpression, _ veil: Veil) -> Listener {
        state.withLock { state in
            state.lastID += 1
            let listener = Listener(tenant, filter, veil, state.lastID, self)
            state.listeners[state.lastID] = Known(listener: listener)
            return listener
        }
    }
    private func forget(_ id: Int) { state.withLock { $0.listeners[id] = nil } }

    /// Where the feed is in the log; 0 before its first look.
    var position: Int64 { state.withLock { $0.offset ?? 0 } }

    /// Reads what is new, unless somebody just did or does.
    func look() async throws {
        let now = time.monotonic()
        let isMine = state.withLock { state in
            guard !state.isLooking, state.looked.map({ now - $0 >= interval / 2 }) ?? true else { return false }
            (state.isLooking, state.looked) = (true, now)
            return true
        }
        guard isMine else { return }
        defer { state.withLock { $0.isLooking = false } }
        let head = try await log.headOffset()
        let (offset, listeners) = state.withLock { state in
            (state.offset, state.listeners.values.compactMap(\.listener))
        }
        guard let offset, !listeners.isEmpty else {
            // From now on.
            return state.withLock { $0.offset = listeners.isEmpty ? nil : head }
        }
        guard head > offset else { return }
        let batches = try await log.read(after: offset, limit: Self.batchesMax, bytesMax: Self.bytesMax)
        let byTenant = Dictionary(grouping: listeners, by: \.tenant)
        await show(batches, to: byTenant)
        if let last = batches.last?.offset, last < head { for listener in listeners { listener.noteGap() } }
        state.withLock { $0.offset = head }
    }

    private func show(_ batches: [LoggedBatch], to listeners: [TenantID: [Listener]]) async {
        let tests = batches.reduce(0) { $0 + $1.rows * (listeners[$1.sensor.tenant]?.count ?? 0) }
        let each = max(1, (tests + Self.testsMax - 1) / Self.testsMax)
        var decoder = BatchDecoder()
        for batch in batches {
            guard let own = listeners[batch.sensor.tenant] else { continue }
            var columns = FlowColumns()
            do throws(BatchError) {
                try batch.body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
            } catch {
                continue  // counted by whoever stores it
            }
            for listener in own { listener.offer(columns, of: batch.sensor, each: each) }
            await Task.yield()
        }
    }
}

extension LiveFlowFeed.Listener {
    fileprivate func noteGap() { window.withLock { $0.hasGap = true } }

    fileprivate func offer(_ columns: FlowColumns, of sensor: SensorIdentity, each: Int) {
        let rows = stride(from: 0, to: columns.count, by: each).filter { row in
            let subject = FilterSubject(columns, row: row, site: sensor.site, sensor: sensor.name)
            return !subject.record.flags.contains(.secondary) && filter.matches(subject)
        }
        let room = window.withLock { LiveFlowFeed.keptMax - $0.count }
        let taken = rows.prefix(max(room, 0))
        let shown = taken.isEmpty ? columns : veil.drawn().shown(columns)
        var items: [UInt8] = []
        for row in taken {
            if !items.isEmpty { items.append(UInt8(ascii: ",")) }
            FlowTextWriter.json(shown, row: row, into: &items)
        }
        window.withLock { [items] window in
            if !window.items.isEmpty && !items.isEmpty { window.items.append(UInt8(ascii: ",")) }
            window.items += items
            window.count += taken.count
            window.matched += rows.count
            window.each = max(window.each, each)
        }
    }
}
