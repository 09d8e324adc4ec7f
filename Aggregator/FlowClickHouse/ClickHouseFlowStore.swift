internal import BatchFormat
internal import Delivery
internal import FlowModel
package import FlowStore
package import Identity
internal import Synchronization
internal import WireBytes

/// Batches in ClickHouse, a database for each tenant.
///
/// Rows go first, the key after them. All rows of a batch go in one block of one partition, which a server takes whole
/// or not at all; so after a failure, or a start, a batch whose key is missing is looked for among the rows before it
/// is written again. Replicated tables know a block that comes twice by themselves, which only saves that look's
/// moment.
package final class ClickHouseFlowStore: FlowStore {
    let server: ClickHouseServer
    private struct State {
        /// Tenants whose tables are there.
        var made: Set<TenantID> = []
        /// Tenants whose last insert did what it was asked to, so that nothing is there without its key.
        var certain: Set<TenantID> = []
        var undecodable = 0
    }
    private let state = Mutex(State())
    private let turn = WriteTurn()

    /// Rows of one block: with all columns some 50 MB.
    static let blockRowsMax = 200_000

    package init(_ settings: ClickHouseSettings) { server = ClickHouseServer(settings) }

    package var quarantinedFiles: Int { get async { state.withLock { $0.undecodable } } }

    // MARK: Writing

    @discardableResult
    package func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals {
        await turn.take()
        defer { turn.give() }
        var new = StoreTotals()
        for (tenant, batches) in Dictionary(grouping: batches, by: \.sensor.tenant) {
            do throws(ClickHouseFault) {
                new += try await store(batches, of: tenant)
            } catch {
                state.withLock { _ = $0.certain.remove(tenant) }
                throw FlowStoreError(error)
            }
        }
        return new
    }

    private struct Decoded {
        let batch: StoredBatch, columns: FlowColumns, day: Int
        var key: StoredKey { StoredKey(batch) }
    }

    private func store(
        _ batches: [StoredBatch], of tenant: TenantID
    ) async throws(ClickHouseFault) -> StoreTotals {
        guard let database = Schema.database(of: tenant, server.settings) else { throw .garbled("\(tenant)") }
        try await makeTables(of: tenant, database)
        var known = try await keys(of: batches, in: database)
        var fresh = decoded(batches.filter { known.insert(StoredKey($0)).inserted })
        var total = StoreTotals()
        for item in fresh { total.add(item.batch) }
        if !state.withLock({ $0.certain.contains(tenant) }) {
            let found = try await rowsWithoutKey(fresh, in: database)
            try await repair(fresh.filter { found.contains($0.key) }, in: database)
            fresh.removeAll { found.contains($0.key) }
        }
        for (day, items) in Dictionary(grouping: fresh, by: \.day).sorted(by: { $0.key < $1.key }) {
            for part in Self.parts(items) { try await insert(part, day: day, into: database) }
        }
        state.withLock { _ = $0.certain.insert(tenant) }
        return total
    }

    private func decoded(_ batches: [StoredBatch]) -> [Decoded] {
        var decoder = BatchDecoder()
        return batches.compactMap { batch in
            var columns = FlowColumns()
            do throws(BatchError) {
                try batch.body.withBytes { (span) throws(BatchError) in try decoder.decode(span, into: &columns) }
            } catch {
                state.withLock { $0.undecodable += 1 }
                return nil
            }
            let day = Day.keeping(flowEndMax: batch.flowEndMax, receivedMilliseconds: batch.receivedMilliseconds)
            return Decoded(batch: batch, columns: columns, day: min(day, Int(UInt16.max)))
        }
    }
    private static func parts(_ items: [Decoded]) -> [[Decoded]] {
        var parts: [[Decoded]] = [], rows = 0
        for item in items {
            if parts.isEmpty || rows + item.columns.count > blockRowsMax {
                parts.append([])
                rows = 0
            }
            parts[parts.count - 1].append(item)
            rows += item.columns.count
        }
        return parts
    }

    private func insert(_ items: [Decoded], day: Int, into database: SQLName) async throws(ClickHouseFault) {
        let dialect = try await server.dialect(), token = items.map { "\($0.key)" }.joined(separator: " ")
        // Larger than any block of ours, so that each is taken whole; and on shards, not before they have it.
        var limits = [
            ("max_insert_block_size", "4194304"), ("min_insert_block_size_rows", "4194304"),
            ("min_insert_block_size_bytes", "4294967296"), ("insert_distributed_sync", "1"),
        ]
        if server.settings.quorum > 0 { limits.append(("insert_quorum", "\(server.settings.quorum)")) }
        if dialect == .current {
            limits.append(("insert_deduplication_token", token))
        }
        let rows = FlowTable.block(items.map { ($0.batch, $0.columns) }, day: day)
        if items.contains(where: { $0.columns.count > 0 }) {
            try await server.insert("INSERT INTO \(database).\(Schema.flows)", rows, settings: limits)
        }
        try await note(items, in: database, limits.filter { $0.0 != "insert_deduplication_token" })
    }
    /// Writes the keys: from here on the batches are stored.
    private func note(
        _ items: [Decoded], in database: SQLName, _ limits: [(String, String)]
    ) async throws(ClickHouseFault) {
        let block = StoredKey.block(items.map { ($0.batch, $0.day) })
        try await server.insert("INSERT INTO \(database).\(Schema.batches)", block, settings: limits)
    }

    // MARK: Tables

    private func makeTables(of tenant: TenantID, _ database: SQLName) async throws(ClickHouseFault) {
        guard !state.withLock({ $0.made.contains(tenant) }) else { return }
        let schema = Schema(settings: server.settings, dialect: try await server.dialect())
        for statement in schema.statements(for: database) { try await server.run(statement) }
        state.withLock { _ = $0.made.insert(tenant) }
    }

    // MARK: What is there already

    private func keys(
        of batches: [StoredBatch], in database: SQLName
    ) async throws(ClickHouseFault) -> Set<StoredKey> {
        guard !batches.isEmpty else { return [] }
        let wanted = StoredKey.list(batches.map { StoredKey($0) })
        let answer = try TableAnswer(
            await server.ask(
                """
                SELECT site, sensor, epoch_high, epoch_low, sequence FROM \(database).\(Schema.batches) \
                WHERE (epoch_high, epoch_low, sequence) IN (\(wanted)) FORMAT JSONCompact
                """))
        var found: Set<StoredKey> = []
        for row in answer.data { found.insert(try StoredKey(row)) }
        return found
    }
    /// Batches all of whose rows are there. Of what is there in part the rows are removed, and nothing is known.
    private func rowsWithoutKey(
        _ items: [Decoded], in database: SQLName
    ) async throws(ClickHouseFault) -> Set<StoredKey> {
        guard !items.isEmpty else { return [] }
        let wanted = StoredKey.list(items.map(\.key))
        let days = Set(items.map(\.day)).sorted().map { "toDate(\($0))" as SQLText }.joined(", ")
        let which: SQLText = "day IN (\(days)) AND (epoch_high, epoch_low, sequence) IN (\(wanted))"
        let answer = try TableAnswer(
            await server.ask(
                """
                SELECT site, sensor, epoch_high, epoch_low, sequence, count() AS n \
                FROM \(database).\(Schema.flows) WHERE \(which) \
                GROUP BY site, sensor, epoch_high, epoch_low, sequence FORMAT JSONCompact
                """))
        var found: Set<StoredKey> = []
        for row in answer.data {
            let key = try StoredKey(row)
            guard let item = items.first(where: { $0.key == key }), row.count == 6 else { continue }
            guard try row[5].number() == UInt64(item.columns.count) else {
                let schema = Schema(settings: server.settings, dialect: try await server.dialect())
                try await server.run(
                    """
                    ALTER TABLE \(database).\(schema.local(Schema.flows))\(schema.onCluster) DELETE WHERE \
                    epoch_high = \(key.high) AND epoch_low = \(key.low) AND sequence = \(key.sequence)
                    """)
                throw .away("a batch was there in part; its rows are being removed")
            }
            found.insert(key)
        }
        return found
    }
    /// Writes the keys of batches whose rows are there, and makes their days' sums anew: whether those had the rows
    /// too nobody knows.
    private func repair(_ items: [Decoded], in database: SQLName) async throws(ClickHouseFault) {
        guard !items.isEmpty else { return }
        let schema = Schema(settings: server.settings, dialect: try await server.dialect())
        for day in Set(items.map(\.day)).sorted() {
            for statement in schema.sumsAnew(of: day, in: database) { try await server.run(statement) }
        }
        for (day, items) in Dictionary(grouping: items, by: \.day) where day >= 0 {
            try await note(items, in: database, [("insert_distributed_sync", "1")])
        }
    }

    // MARK: Reading

    package func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals {
        guard let database = Schema.database(of: tenant, server.settings) else { return StoreTotals() }
        do throws(ClickHouseFault) {
            let answer = try TableAnswer(
                await server.ask(
                    """
                    SELECT count() AS n, sum(r), sum(f), sum(o), sum(p), sum(y) FROM (SELECT any(batch_rows) AS r, \
                    any(batch_flows) AS f, any(batch_octets) AS o, any(batch_packets) AS p, any(body_bytes) AS y \
                    FROM \(database).\(Schema.batches) GROUP BY epoch_high, epoch_low, sequence, site, sensor) \
                    FORMAT JSONCompact
                    """))
            var totals = StoreTotals()
            guard let row = answer.data.first, row.count == 6 else { return totals }
            (totals.batches, totals.rows, totals.bodyBytes) = (
                try row[0].number(), try row[1].number(), try row[5].number()
            )
            totals.tally = Tally(
                flows: try row[2].number(), octets: try row[3].number(), packets: try row[4].number())
            return totals
        } catch {
            if error.isOfNothing { return StoreTotals() }
            throw FlowStoreError(error)
        }
    }
}

extension FlowStoreError {
    init(_ fault: ClickHouseFault) {
        switch fault {
        case .away(let problem), .garbled(let problem): self = .unavailable(problem)
        case .refused(243, _): self = .full
        case .refused(let code, let problem): self = .unavailable("ClickHouse says \(code): \(problem)")
        case .cancelled: self = .cancelled
        }
    }
}

/// One writer at a time, in order of arrival.
private final class WriteTurn: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    func take() async {
        await withCheckedContinuation { continuation in
            let isMine = state.withLock { state in
                if state.isTaken {
                    state.waiting.append(continuation)
                    return false
                }
                state.isTaken = true
                return true
            }
            if isMine { continuation.resume() }
        }
    }
    func give() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
