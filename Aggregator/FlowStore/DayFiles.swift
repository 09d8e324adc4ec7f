internal import Foundation
internal import GRDB
internal import Identity

/// The open files of a store: each at most once, at most so many, least recently used closed first.
///
/// Invariants: a file has one pool, so one connection writes and checkpoints it; a pool in use is not closed; a damaged
/// file is closed before it is renamed, since closing removes the WAL *by name* and would take its successor's.
/// Opening and closing block the actor for milliseconds; reading and writing are done by GRDB's own queues.
actor DayFiles {
    struct Key: Hashable, Sendable {
        let tenant: TenantID
        let day: Int
    }
    private struct Open {
        let pool: DatabasePool
        var leases = 0
        var lastUse: UInt64 = 0
        /// Found damaged: no new leases; renamed when the last one ends.
        var isDamaged = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let root: URL
    private let openMax: Int
    private var open: [Key: Open] = [:]
    private var uses: UInt64 = 0
    private var days: [TenantID: Set<Int>] = [:]
    private var summaries: [Key: DaySummary] = [:]
    /// Files set aside since start.
    private(set) var quarantined = 0

    init(root: URL, openMax: Int) {
        self.root = root
        self.openMax = openMax
    }

    /// Calls `body` with the file's pool. When `body` finds the file damaged, it is set aside and the result is nil.
    /// - Parameter create: make the file if it is not there; otherwise the result is nil.
    func withFile<Value: Sendable>(
        _ key: Key, create: Bool, _ body: @Sendable (DatabasePool) async throws -> Value
    ) async throws -> Value? {
        guard let pool = try await lease(key, create: create) else { return nil }
        defer { release(key) }
        do {
            return try await body(pool)
        } catch  where Self.isDamage(error) {
            open[key]?.isDamaged = true
            return nil
        }
    }

    // MARK: What there is

    /// The days of which `tenant` has files.
    func days(of tenant: TenantID) throws -> Set<Int> {
        if let known = days[tenant] { return known }
        let folder = folder(of: tenant).path
        var found: Set<Int> = []
        if FileManager.default.fileExists(atPath: folder) {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasSuffix(".sqlite") {
                if let day = Day.named(name.dropLast(".sqlite".count)) { found.insert(day) }
            }
        }
        days[tenant] = found
        return found
    }
    func summary(of key: Key) async throws -> DaySummary? {
        if let known = summaries[key] { return known }
        let found = try await withFile(key, create: false) { pool in
            try await pool.read { try DaySummary.read(of: key.tenant, in: $0) }
        }
        // What was stored meanwhile is newer.
        if let found, let found, summaries[key] == nil { summaries[key] = found }
        return summaries[key]
    }
    /// Files only grow, so the summary with more batches is the newer one.
    func note(_ summary: DaySummary, of key: Key) {
        if summary.totals.batches >= summaries[key]?.totals.batches ?? 0 { summaries[key] = summary }
    }

    // MARK: Opening and closing

    private func lease(_ key: Key, create: Bool) async throws -> DatabasePool? {
        while let file = open[key], file.isDamaged {
            await withCheckedContinuation { open[key]?.waiting.append($0) }
        }
        if open[key] == nil {
            guard try create || days(of: key.tenant).contains(key.day) else { return nil }
            guard let pool = try openFile(key, create: create) else { return nil }
            open[key] = Open(pool: pool)
        }
        uses += 1
        open[key]?.leases += 1
        open[key]?.lastUse = uses
        return open[key]?.pool
    }

    private func release(_ key: Key) {
        open[key]?.leases -= 1
        guard let file = open[key], file.leases == 0 else { return }
        if file.isDamaged {
            close(key)
            quarantine(key)
            for continuation in file.waiting { continuation.resume() }
        }
        while open.count > openMax, let idle = open.filter({ $0.value.leases == 0 }).min(by: isUsedEarlier)?.key {
            close(idle)
        }
    }
    private func isUsedEarlier(_ a: (key: Key, value: Open), _ b: (key: Key, value: Open)) -> Bool {
        a.value.lastUse < b.value.lastUse
    }
    /// A pool that can't be closed in order is closed by its end.
    private func close(_ key: Key) { try? open.removeValue(forKey: key)?.pool.close() }

    /// Nil when the file was damaged and is not to be made anew.
    private func openFile(_ key: Key, create: Bool) throws -> DatabasePool? {
        if create { try makeFolder(of: key.tenant) }
        do {
            let pool = try connect(key)
            // Not listed yet: the list will have it.
            days[key.tenant]?.insert(key.day)
            return pool
        } catch  where Self.isDamage(error) {
            quarantine(key)
            // Where it could not be renamed the damage is still there: said, not tried for ever.
            guard create, !FileManager.default.fileExists(atPath: file(of: key).path) else {
                if create { throw error }
                return nil
            }
            return try openFile(key, create: true)
        }
    }

    private func connect(_ key: Key) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.maximumReaderCount = 3
        configuration.prepareDatabase { try DayFileSchema.prepare($0) }
        let pool = try DatabasePool(path: file(of: key).path, configuration: configuration)
        do {
            try pool.writeWithoutTransaction { try DayFileSchema.prepareWriter($0) }
            try DayFileSchema.migrator.migrate(pool)
            // What a killed process left in the WAL may be in the page cache only, and storing it again writes nothing.
            try pool.writeWithoutTransaction { _ = try $0.checkpoint(.full) }
            _ = try pool.read { try DaySummary.read(of: key.tenant, in: $0) }
        } catch {
            try? pool.close()
            throw error
        }
        return pool
    }

    private func makeFolder(of tenant: TenantID) throws {
        let folder = folder(of: tenant)
        guard !FileManager.default.fileExists(atPath: folder.path) else { return }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // SQLite syncs the folder of a file it makes, but not that folder's own entry.
        let parent = try FileHandle(forReadingFrom: root)
        defer { try? parent.close() }
        try parent.synchronize()
    }

    // MARK: Damage

    static func isDamage(_ error: any Error) -> Bool {
        [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains((error as? DatabaseError)?.resultCode)
    }

    /// Renames the closed file and what belongs to it to `<day>.sqlite.damaged-<n>`, for people to look at.
    private func quarantine(_ key: Key) {
        let path = file(of: key).path
        var number = 1
        while FileManager.default.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.moveItem(atPath: path + suffix, toPath: "\(path).damaged-\(number)\(suffix)")
        }
        days[key.tenant]?.remove(key.day)
        summaries[key] = nil
        quarantined += 1
    }

    private func folder(of tenant: TenantID) -> URL {
        root.appendingPathComponent(tenant.rawValue, isDirectory: true)
    }
    private func file(of key: Key) -> URL {
        folder(of: key.tenant).appendingPathComponent("\(Day.name(key.day)).sqlite")
    }
}
