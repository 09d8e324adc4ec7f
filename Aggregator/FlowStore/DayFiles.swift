internal import Foundation
internal import GRDB
internal import Identity

/// The open files of a store: each at most once, at most so many, least recently used closed first.
///
/// Invariants: a file has one pool, so one connection writes and checkpoints it; a file that is only read has none, so
/// that a question makes, writes and syncs nothing; what is in use is not closed; a file is closed before it is renamed
/// or removed, since closing removes the WAL *by name* and would take its successor's.
/// Opening and closing block the actor for milliseconds; reading and writing are done by GRDB's own queues.
actor DayFiles {
    struct Key: Hashable, Sendable {
        let tenant: TenantID
        let day: Int
    }
    private struct Open {
        /// Of a file that was written since it was opened.
        var pool: DatabasePool?
        /// Of a file that was only read when it was opened.
        var reader: DatabaseQueue?
        var leases = 0
        var lastUse: UInt64 = 0
        /// Found damaged: no new leases; what can be read is copied to a new file when the last one ends.
        var isDamaged = false
        /// To be removed: no new leases.
        var isLeaving = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isClosed: Bool { isDamaged || isLeaving }

        /// What can't be closed in order is closed by its end.
        func close() {
            try? reader?.close()
            try? pool?.close()
        }
    }

    nonisolated let folders: StoreFolders
    private let openMax: Int
    private var open: [Key: Open] = [:]
    private var uses: UInt64 = 0
    private var days: [TenantID: Set<Int>] = [:]
    private var summaries: [Key: DaySummary] = [:]
    /// Files that have nothing to compact.
    private var settled: Set<Key> = []
    /// Files whose segments are all in the archive, and octets of a file's objects there.
    private var archived: Set<Key> = [], archivedBytes: [Key: Int] = [:]
    private(set) var damage = StoreDamage()
    private(set) var archiveFailures = 0

    init(folders: StoreFolders, openMax: Int) {
        self.folders = folders
        self.openMax = openMax
    }

    /// Calls `body` with the file's pool. When `body` finds the file damaged, what can be read of it is copied to a new
    /// one and `body` is called again, at most twice.
    /// - Parameter create: make the file if it is not there; otherwise the result is nil.
    func withFile<Value: Sendable>(
        _ key: Key, create: Bool, _ body: @Sendable (DatabasePool) async throws -> Value
    ) async throws -> Value? {
        for _ in 0..<3 {
            guard let pool = try await lease(key, create: create) else { return nil }
            if let value = try await trying(key, { try await body(pool) }) { return value }
        }
        return nil
    }
    /// As `withFile`, for who only reads.
    func reading<Value: Sendable>(
        _ key: Key, _ body: @Sendable (any DatabaseReader) async throws -> Value
    ) async throws -> Value? {
        for _ in 0..<3 {
            guard let reader = try await leaseReader(key) else { return nil }
            if let value = try await trying(key, { try await body(reader) }) { return value }
        }
        return nil
    }
    /// - Returns: nil when the leased file is damaged.
    private func trying<Value: Sendable>(_ key: Key, _ body: () async throws -> Value) async throws -> Value? {
        do {
            let value = try await body()
            await release(key)
            return value
        } catch  where Self.isDamage(error) {
            open[key]?.isDamaged = true
            await release(key)
            return nil
        } catch {
            await release(key)
            throw error
        }
    }

    // MARK: What there is

    /// The days of which `tenant` has files.
    func days(of tenant: TenantID) throws -> Set<Int> {
        if let known = days[tenant] { return known }
        let found = try folders.days(of: tenant)
        days[tenant] = found
        return found
    }
    func summary(of key: Key) async throws -> DaySummary? {
        if let known = summaries[key] { return known }
        let found = try await reading(key) { reader in
            try await reader.read { try DaySummary.read(of: key.tenant, in: $0) }
        }
        // What was stored meanwhile is newer.
        if let found, let found, summaries[key] == nil { summaries[key] = found }
        return summaries[key]
    }
    func note(_ summary: DaySummary, of key: Key) {
        if summary.revision >= summaries[key]?.revision ?? 0 { summaries[key] = summary }
    }
    /// - Parameter isSettled: whether the file has nothing to compact.
    func note(_ key: Key, isSettled: Bool) {
        if isSettled {
            settled.insert(key)
        } else {
            settled.remove(key)
            archived.remove(key)
        }
    }
    func isSettled(_ key: Key) -> Bool { settled.contains(key) }
    func note(_ more: StoreDamage) { damage += more }

    // MARK: What the archive has

    /// - Parameter isArchived: whether nothing of the file is left to move.
    func note(_ key: Key, isArchived: Bool) {
        if isArchived { archived.insert(key) } else { archived.remove(key) }
    }
    func isArchived(_ key: Key) -> Bool { archived.contains(key) }
    func note(_ bytes: Int, archivedOf key: Key) { archivedBytes[key] = bytes }
    func archivedBytes(of key: Key) -> Int? { archivedBytes[key] }
    func forgetArchivedBytes(of key: Key) { archivedBytes[key] = nil }
    func noteArchiveFailure() { archiveFailures += 1 }

    // MARK: Opening and closing

    private func lease(_ key: Key, create: Bool) async throws -> DatabasePool? {
        while let file = open[key], file.isClosed { await wait(for: key) }
        if open[key] == nil {
            guard try create || days(of: key.tenant).contains(key.day) else { return nil }
            guard let pool = try await openFile(key, create: create) else { return nil }
            // Another task may have opened it while this one waited for a file to be mended.
            guard open[key] == nil else {
                try? pool.close()
                return try await lease(key, create: create)
            }
            open[key] = Open(pool: pool)
        }
        note(useOf: key)
        guard open[key]?.pool == nil else { return open[key]?.pool }
        // It was only read so far.
        do {
            let pool = try folders.connect(key)
            open[key]?.pool = pool
            if open[key]?.leases == 1 {
                try? open[key]?.reader?.close()
                open[key]?.reader = nil
            }
            return pool
        } catch {
            if Self.isDamage(error) { open[key]?.isDamaged = true }
            await release(key)
            guard Self.isDamage(error) else { throw error }
            return try await lease(key, create: create)
        }
    }
    private func leaseReader(_ key: Key) async throws -> (any DatabaseReader)? {
        while let file = open[key], file.isClosed { await wait(for: key) }
        if open[key] == nil {
            guard try days(of: key.tenant).contains(key.day) else { return nil }
            // What can't be opened so is opened as for writing, which knows what to do about it.
            guard let reader = folders.connectReader(key) else { return try await lease(key, create: false) }
            open[key] = Open(reader: reader)
        }
        note(useOf: key)
        return open[key]?.pool ?? open[key]?.reader
    }
    private func note(useOf key: Key) {
        uses += 1
        open[key]?.leases += 1
        open[key]?.lastUse = uses
    }
    private func wait(for key: Key) async {
        await withCheckedContinuation { continuation in
            if open[key] == nil { continuation.resume() } else { open[key]?.waiting.append(continuation) }
        }
    }
    private func wake(_ key: Key) {
        let waiting = open[key]?.waiting ?? []
        open[key]?.waiting = []
        for continuation in waiting { continuation.resume() }
    }

    private func release(_ key: Key) async {
        open[key]?.leases -= 1
        guard let file = open[key], file.leases == 0 else { return }
        if file.isDamaged {
            file.close()
            _ = await mend(key)
            let waiting = open.removeValue(forKey: key)?.waiting ?? []
            for continuation in waiting { continuation.resume() }
        } else if file.isLeaving {
            wake(key)
        }
        while open.count > openMax, let idle = idleFiles.min(by: { $0.value.lastUse < $1.value.lastUse })?.key {
            open.removeValue(forKey: idle)?.close()
        }
    }
    private var idleFiles: [Key: Open] { open.filter { $0.value.leases == 0 && !$0.value.isClosed } }

    /// Nil when the file was damaged and is not to be made anew.
    private func openFile(_ key: Key, create: Bool) async throws -> DatabasePool? {
        if create { try folders.makeFolder(of: key.tenant) }
        do {
            _ = try days(of: key.tenant)
            let pool = try folders.connect(key)
            days[key.tenant]?.insert(key.day)
            return pool
        } catch  where Self.isDamage(error) {
            guard await mend(key) || create else { return nil }
            let pool = try folders.connect(key)
            days[key.tenant]?.insert(key.day)
            return pool
        }
    }

    private func forget(_ key: Key) {
        summaries[key] = nil
        settled.remove(key)
        archived.remove(key)
        archivedBytes[key] = nil
    }

    // MARK: Leaving

    /// Removes a day's file when nobody uses it any more.
    func remove(_ key: Key) async throws {
        while let file = open[key] {
            open[key]?.isLeaving = true
            if file.leases == 0, !file.isDamaged { break }
            await wait(for: key)
        }
        let file = open.removeValue(forKey: key)
        file?.close()
        days[key.tenant]?.remove(key.day)
        forget(key)
        defer { for continuation in file?.waiting ?? [] { continuation.resume() } }
        try folders.removeFile(of: key)
    }

    // MARK: Damage

    static func isDamage(_ error: any Error) -> Bool {
        if error is RowDecodingError { return true }
        return [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains((error as? DatabaseError)?.resultCode)
    }

    /// Sets the closed file aside and makes a new one of what can be read of it.
    /// - Returns: whether there is a file now.
    private func mend(_ key: Key) async -> Bool {
        days[key.tenant]?.remove(key.day)
        forget(key)
        let outcome = await folders.mend(key)
        damage.files += 1
        damage.rows &+= outcome.lost
        if outcome.isThere { days[key.tenant]?.insert(key.day) }
        return outcome.isThere
    }
}
