internal import BatchFormat
internal import Delivery
package import FlowLog
internal import FlowModel
package import FlowStore
package import Identity
package import Logging
import ServiceLifecycle
internal import Synchronization
package import Telemetry
internal import WireBytes

/// A store that is elsewhere, and a log here for what it can't take now: so that detection goes on while it is away,
/// and what came meanwhile goes there afterwards.
///
/// A batch is in the store, or synced in the log, before `store` returns. What is in the log is given to the store in
/// order and removed when the store has it; in between, the tenant's answers lack something (`isBehind`).
package final class WaitingStore: FlowStore, Service {
    private struct State {
        /// Nil: a process before has left nobody knows what.
        var waiting: [TenantID: Int]?
        var bytes = 0
    }
    private let store: any FlowStore
    private let log: any FlowLog
    private let bytesMax: Int
    private let pause: Duration
    private let logger: Logger
    private let state = Mutex(State())
    private let waitingBatches: Gauge, waitingBytes: Gauge
    private let unavailable: Counter, delivered: Counter

    /// - Parameters:
    ///   - log: of its own; nobody else writes to it.
    ///   - bytesMax: octets of bodies in it; beyond, `store` says that the store is away.
    ///   - pause: between two tries while the store is away.
    package init(
        _ store: any FlowStore, log: any FlowLog, bytesMax: Int = 20 << 30, pause: Duration = .seconds(2),
        registry: MetricRegistry, logger: Logger
    ) {
        (self.store, self.log, self.bytesMax, self.pause) = (store, log, bytesMax, pause)
        self.logger = logger
        waitingBatches = registry.gauge(
            "weir_store_waiting_batches", help: "Batches that wait on this node until the store elsewhere is back.")
        waitingBytes = registry.gauge("weir_store_waiting_bytes", help: "Octets of those batches.")
        unavailable = registry.counter(
            "weir_store_unavailable_total", help: "Tries at a store elsewhere that could not take what it was given.")
        delivered = registry.counter(
            "weir_store_delivered_batches_total", help: "Batches that had waited and are in the store elsewhere now.")
    }

    /// Whether batches of a tenant wait here.
    package func isBehind(_ tenant: TenantID) -> Bool {
        state.withLock { $0.waiting.map { $0[tenant, default: 0] > 0 } ?? true }
    }
    package var quarantinedFiles: Int { get async { await store.quarantinedFiles } }
    package func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals {
        try await store.totals(of: tenant)
    }

    @discardableResult
    package func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals {
        if state.withLock({ $0.waiting?.isEmpty ?? false }) {
            do throws(FlowStoreError) {
                return try await store.store(batches)
            } catch {
                guard case .unavailable(let reason) = error else { throw error }
                noteUnavailable(reason)
            }
        }
        var new = StoreTotals()
        for batch in batches { if try await keep(batch) { new.add(batch) } }
        return new
    }
    /// - Returns: whether it is new here.
    private func keep(_ batch: StoredBatch) async throws(FlowStoreError) -> Bool {
        guard state.withLock({ $0.bytes + batch.body.count <= bytesMax }) else {
            throw .unavailable("\(bytesMax) octets wait for the store already")
        }
        let kept = LogAppend(
            sensor: batch.sensor, key: batch.key, digest: BatchDigest(of: batch.body),
            receivedMilliseconds: batch.receivedMilliseconds, rows: batch.rows, tally: batch.tally, body: batch.body)
        do throws(FlowLogError) {
            guard case .appended = try await log.append(kept) else { return false }
        } catch {
            throw FlowStoreError(error)
        }
        note(batch.sensor.tenant, batches: 1, bytes: batch.body.count)
        return true
    }
    private func note(_ tenant: TenantID, batches: Int, bytes: Int) {
        let (count, octets) = state.withLock { state -> (Int, Int) in
            state.bytes = max(state.bytes + bytes, 0)
            guard var waiting = state.waiting else { return (0, state.bytes) }
            waiting[tenant, default: 0] += batches
            if waiting[tenant, default: 0] <= 0 { waiting[tenant] = nil }
            state.waiting = waiting
            return (waiting.values.reduce(0, +), state.bytes)
        }
        waitingBatches.set(Double(count))
        waitingBytes.set(Double(octets))
    }
    private func noteUnavailable(_ reason: String) {
        unavailable.add()
        logger.warning("The store elsewhere can't take batches: they wait here.", metadata: ["reason": "\(reason)"])
    }

    // MARK: Catching up

    /// Works until graceful shutdown: gives what waits to the store, as soon as it takes it.
    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                var offset: Int64 = 0
                while true {
                    offset = try await self.catchUp(after: offset)
                    try await self.log.waitForBatch(after: offset)
                }
            }
        } catch is CancellationError where !Task.isCancelled {
        } catch FlowLogError.cancelled where !Task.isCancelled {
        } catch FlowStoreError.cancelled where !Task.isCancelled {
        }
    }
    /// Gives all that waits to the store; while that is away, waits.
    /// - Parameter after: the last offset up to which nothing waits.
    /// - Returns: the one now.
    package func catchUp(after: Int64 = 0) async throws -> Int64 {
        var offset = after
        while true {  // ends when nothing is left
            // Before what is read: of all up to here nothing waits when nothing is read.
            let head = try await log.headOffset()
            let some = try await log.read(after: offset, limit: 64, bytesMax: 32 << 20)
            guard let last = some.last else {
                state.withLock { if $0.waiting == nil { ($0.waiting, $0.bytes) = ([:], 0) } }
                return max(offset, head)
            }
            try await give(some.compactMap(Self.stored))
            try await log.trim(through: last.offset)
            offset = last.offset
            for batch in some { note(batch.sensor.tenant, batches: -1, bytes: -batch.body.count) }
            delivered.add(some.count)
        }
    }
    private func give(_ batches: [StoredBatch]) async throws {
        while true {  // ends when the store takes them, or with the task
            do throws(FlowStoreError) {
                try await store.store(batches)
                return
            } catch {
                guard case .unavailable(let reason) = error else { throw error }
                noteUnavailable(reason)
            }
            try await Task.sleep(for: pause)
        }
    }
    /// With what the log does not say of it; nil when the body is damaged, which the log checks before.
    private static func stored(_ batch: LoggedBatch) -> StoredBatch? {
        var columns = FlowColumns(), decoder = BatchDecoder()
        do throws(BatchError) {
            try batch.body.withBytes { (span) throws(BatchError) in
                try decoder.decode(span, into: &columns, fields: [.flowStartMilliseconds, .flowEndMilliseconds])
            }
        } catch {
            return nil
        }
        let times =
            columns.flowStartMilliseconds.prefix(columns.count) + columns.flowEndMilliseconds.prefix(columns.count)
        return StoredBatch(
            sensor: batch.sensor, key: batch.key, logOffset: batch.offset,
            receivedMilliseconds: batch.receivedMilliseconds,
            flowStartMin: times.min() ?? batch.receivedMilliseconds,
            flowEndMax: times.max() ?? batch.receivedMilliseconds, rows: batch.rows, tally: batch.tally,
            body: batch.body)
    }
}

extension FlowStoreError {
    fileprivate init(_ error: FlowLogError) {
        switch error {
        case .full, .busy: self = .full
        case .failed(let reason), .storage(let reason), .unavailable(let reason): self = .storage(reason)
        case .cancelled: self = .cancelled
        }
    }
}
