internal import Foundation
internal import GRDB
internal import Identity
internal import Platform

/// Where a store's files are, and what is done with closed ones.
///
///     <root>/<tenant>/2026-11-21.sqlite            a day
///     <root>/<tenant>/2026-11-21.rollup.sqlite     the rollups of a day whose records have gone
///     <root>/<tenant>/2026-11-21.sqlite.damaged-1  a file that was found damaged, as it was
///     <root>/<tenant>/2026-11-21.forget-1          names of objects that are to be deleted from the archive
///     <root>/.clock                                the time, ms since 1970 UTC, as it was noted last
struct StoreFolders: Sendable {
    /// The store's folder. Paths of what is only read are made of this: a URL for each takes longer than to open it.
    let directory: String
    var root: URL { URL(fileURLWithPath: directory, isDirectory: true) }

    private func path(of tenant: TenantID) -> String { directory + "/" + tenant.rawValue }
    private func path(of key: DayFiles.Key) -> String { "\(path(of: key.tenant))/\(Day.name(key.day)).sqlite" }
    func folder(of tenant: TenantID) -> URL { root.appendingPathComponent(tenant.rawValue, isDirectory: true) }
    func file(of key: DayFiles.Key) -> URL {
        folder(of: key.tenant).appendingPathComponent("\(Day.name(key.day)).sqlite")
    }
    func rollupFile(of key: DayFiles.Key) -> URL {
        folder(of: key.tenant).appendingPathComponent("\(Day.name(key.day)).rollup.sqlite")
    }

    func tenants() throws -> [TenantID] {
        try FileManager.default.contentsOfDirectory(atPath: root.path).sorted().compactMap { TenantID($0) }
    }
    func days(of tenant: TenantID) throws -> Set<Int> { try days(of: tenant, suffix: ".sqlite") }
    func rollupDays(of tenant: TenantID) throws -> Set<Int> { try days(of: tenant, suffix: ".rollup.sqlite") }
    private func days(of tenant: TenantID, suffix: String) throws -> Set<Int> {
        Set(
            try names(of: tenant).filter { $0.hasSuffix(suffix) }
                .compactMap { Day.named($0.dropLast(suffix.count)) })
    }
    private func names(of tenant: TenantID) throws -> [String] {
        let path = path(of: tenant)
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path)
    }
    /// Octets of all files that belong to each day: the day's own, its rollups', and what was set aside.
    func bytes(of tenant: TenantID) throws -> [Int: Int] {
        var bytes: [Int: Int] = [:]
        for name in try names(of: tenant) {
            guard let day = Day.named(name.prefix(10)) else { continue }
            let path = folder(of: tenant).appendingPathComponent(name).path
            let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            bytes[day, default: 0] += size ?? 0
        }
        return bytes
    }

    // MARK: Making

    func makeFolder(of tenant: TenantID) throws {
        let folder = folder(of: tenant)
        guard !FileManager.default.fileExists(atPath: folder.path) else { return }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // SQLite syncs the folder of a file it makes, but not that folder's own entry.
        try sync(folder: root)
    }
    func sync(folder: URL) throws {
        try syncFolder(folder.path)
    }

    /// Opens a day's file, making or migrating it as needed.
    func connect(_ key: DayFiles.Key) throws -> DatabasePool {
        let path = file(of: key).path
        if !FileManager.default.fileExists(atPath: path) { removeCompanions(of: path) }
        var configuration = Configuration()
        configuration.maximumReaderCount = 3
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        configuration.prepareDatabase { try DayFileSchema.prepare($0) }
        let pool = try DatabasePool(path: path, configuration: configuration)
        do {
            try pool.writeWithoutTransaction { try DayFileSchema.prepareWriter($0) }
            try DayFileSchema.migrator.migrate(pool)
            // What a killed process left in the WAL may be in the page cache only, and storing it again writes nothing.
            try pool.writeWithoutTransaction { _ = try $0.checkpoint(.full) }
            try pool.read { try DaySummary.check(of: key.tenant, in: $0) }
        } catch {
            try? pool.close()
            throw error
        }
        return pool
    }
    /// Opens a day's file for reading alone: nothing of it is made, written or synced, unless SQLite needs to share an
    /// index of the WAL. Nil when it can't be had so, as when it is of an older schema.
    func connectReader(_ key: DayFiles.Key) -> DatabaseQueue? {
        let path = path(of: key)
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { try DayFileSchema.prepare($0) }
        guard let reader = try? DatabaseQueue(path: path, configuration: configuration) else { return nil }
        do {
            let isCurrent = try reader.read { db in
                guard try DayFileSchema.isCurrent(db) else { return false }
                try DaySummary.check(of: key.tenant, in: db)
                return true
            }
            if isCurrent { return reader }
        } catch {}
        try? reader.close()
        return nil
    }
    /// A WAL without its file would be taken for that of the file's successor.
    private func removeCompanions(of path: String) {
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    }

    // MARK: Removing

    /// Removes a day's file and what was set aside of it; not its rollups.
    func removeFile(of key: DayFiles.Key) throws {
        let name = "\(Day.name(key.day)).sqlite"
        let others = try names(of: key.tenant).filter { $0.hasPrefix(name) && $0 != name }
        let folder = folder(of: key.tenant)
        // The file goes first: nobody opens a WAL alone, and what is left over is removed when the day comes again.
        try? FileManager.default.removeItem(at: file(of: key))
        try sync(folder: folder)
        for name in others { try? FileManager.default.removeItem(at: folder.appendingPathComponent(name)) }
    }

    // MARK: The time

    private var clock: URL { root.appendingPathComponent(".clock") }

    /// What `write(time:)` wrote last.
    var time: Int64? {
        (try? String(contentsOf: clock, encoding: .utf8)).flatMap {
            Int64($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }
    func write(time: Int64) throws {
        try replaceFile(clock.path, with: Array("\(time)\n".utf8))
    }

    // MARK: Objects to delete

    /// Writes down what of a day must be deleted from the archive, durably.
    func write(namesToForget names: [String], of key: DayFiles.Key) throws {
        var number = 1
        var path: String { folder(of: key.tenant).path + "/\(Day.name(key.day)).forget-\(number)" }
        while FileManager.default.fileExists(atPath: path) { number += 1 }
        try replaceFile(path, with: Array((names.joined(separator: "\n") + "\n").utf8))
    }
    func listsToForget(of tenant: TenantID) throws -> [URL] {
        try names(of: tenant).filter { $0.contains(".forget-") && $0.last?.isNumber == true }.sorted()
            .map { folder(of: tenant).appendingPathComponent($0) }
    }
    func names(toForgetIn list: URL) throws -> [String] {
        String(decoding: try Data(contentsOf: list), as: UTF8.self).split(separator: "\n").map(String.init)
    }
    func remove(list: URL) throws {
        try FileManager.default.removeItem(at: list)
        try sync(folder: list.deletingLastPathComponent())
    }

    // MARK: Damage

    /// Renames a closed file and what belongs to it to `<day>.sqlite.damaged-<n>`, for people to look at, and makes a
    /// new one of what can be read of it.
    func mend(_ key: DayFiles.Key) async -> (isThere: Bool, lost: UInt64) {
        let path = file(of: key).path
        var number = 1
        while FileManager.default.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
        let aside = "\(path).damaged-\(number)"
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.moveItem(atPath: path + suffix, toPath: aside + suffix)
        }
        guard FileManager.default.fileExists(atPath: aside), !FileManager.default.fileExists(atPath: path) else {
            return (false, 0)
        }
        do {
            return (true, try salvage(aside, to: path, key))
        } catch {
            return (false, 0)
        }
    }

    /// - Returns: rows that are lost.
    private func salvage(_ aside: String, to path: String, _ key: DayFiles.Key) throws -> UInt64 {
        let copy = path + ".mending"
        for suffix in ["", "-wal", "-shm", "-journal"] { try? FileManager.default.removeItem(atPath: copy + suffix) }
        // A copy is read, since opening a file changes it: the checkpoint of its WAL.
        let examined = path + ".examined"
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: examined + suffix)
            try? FileManager.default.copyItem(atPath: aside + suffix, toPath: examined + suffix)
        }
        defer {
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: examined + suffix) }
        }
        let source = try DatabaseQueue(path: examined)
        defer { try? source.close() }
        if let tenant = try source.read({ try String.fetchOne($0, sql: "SELECT tenant FROM summary") }),
            tenant != key.tenant.rawValue
        {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the file is another tenant's")
        }
        try DayFileSchema.migrator.migrate(source)
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            try DayFileSchema.prepare(db)
            try db.execute(sql: "PRAGMA synchronous = FULL")
        }
        let target = try DatabaseQueue(path: copy, configuration: configuration)
        try DayFileSchema.migrator.migrate(target)
        let (summary, lost) = try Salvage(source: source, target: target, tenant: key.tenant).run()
        try target.write { db in
            guard lost > 0 else { return }
            try DamageTable.note(
                "file", rows: Int64(clamping: lost), "rows of a damaged file that could not be read", 0, in: db)
        }
        try target.close()
        guard summary.totals.batches > 0 else {
            try? FileManager.default.removeItem(atPath: copy)
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "nothing could be read")
        }
        try FileManager.default.moveItem(atPath: copy, toPath: path)
        try sync(folder: folder(of: key.tenant))
        return lost
    }
}
