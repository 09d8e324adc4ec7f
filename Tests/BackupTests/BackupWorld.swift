import Backup
import DataKeys
import Delivery
import FlowLog
import FlowModel
import Foundation
import GRDB
import Identity
import ObjectStore
import Platform
import Settings
import Synchronization
import Tenancy
import TestKit
import Testing

/// A node's data folder with a real log, real keys, control data and a sealed day file, and a place for backups.
final class BackupWorld: Sendable {
    let folder: TemporaryFolder
    let wrapper: any KeyWrapper
    let keys: DataKeys
    let store: FolderObjectStore
    let log: SQLiteFlowLog
    let day: DatabasePool
    let time = SystemTime()
    private let next = Mutex<UInt64>(0)

    var data: String { folder.file("data").path }
    var target: BackupTarget { BackupTarget(store) }

    init() throws {
        folder = try TemporaryFolder("weir-backup")
        let data = folder.file("data").path
        try makeFolders(data + "/flows/acme")
        try makeFile(folder.file("kek").path, with: [UInt8](repeating: 42, count: 32))
        wrapper = LocalKeyWrapper(.file(folder.file("kek").path), random: SystemRandomNumberGenerator())
        keys = DataKeys(
            file: try KeyFile(directory: data), wrapper: wrapper, random: SystemRandomNumberGenerator(),
            time: SystemTime())
        store = try FolderObjectStore(folder.file("backups").path)
        log = try SQLiteFlowLog(directory: data)
        day = try DatabasePool(path: data + "/flows/acme/2026-11-21.sqlite")
        try day.write { db in
            try db.execute(sql: "CREATE TABLE blob (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT")
        }
        try DatabaseQueue(path: data + "/checkpoint.sqlite").write { db in
            try db.execute(
                sql: """
                    CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), "offset" INTEGER NOT NULL) STRICT;
                    INSERT INTO position VALUES (1, 0);
                    """)
        }
        try ControlLog(folder: data).createTenant(try tenant("acme"), by: "test", at: 0)
    }

    /// One batch in the log and one sealed blob in the day file, of the number that both are found by.
    func add(bytes: Int = 3_000) async throws {
        let number = next.withLock {
            $0 += 1
            return $0
        }
        let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
        let sensor = SensorIdentity(tenant: try tenant("acme"), site: "hq", name: "edge-1")
        let appended = try await log.append(
            LogAppend(
                sensor: sensor, key: BatchKey(epoch: Epoch(high: 7, low: 9), sequence: number),
                digest: BatchDigest(of: body), receivedMilliseconds: 1_700_000_000_000, rows: 3,
                tally: Tally(flows: number, octets: 1, packets: 1), body: body))
        guard case .appended = appended else { throw BackupError.storage("not appended: \(appended)") }
        let sealed = try keys.seal(body, tenant: tenant("acme"), context: "blob/\(number)")
        try await day.write { db in
            try db.execute(sql: "INSERT INTO blob VALUES (?, ?)", arguments: [Int64(number), Data(sealed)])
        }
    }

    func backup(full: Bool = false, to target: BackupTarget? = nil) async throws -> BackupRun.Report {
        try await BackupRun(
            folder: data, target: target ?? self.target, keys: keys.file, wrapper: wrapper, time: time,
            random: SystemRandomNumberGenerator()
        ).run(full: full)
    }
    @discardableResult
    func restore(
        _ id: String? = nil, to name: String = "restored", from target: BackupTarget? = nil
    ) async throws -> RestoreRun.Report {
        let target = target ?? self.target, newest = try await target.newest()
        return try await RestoreRun(
            folder: folder.file(name).path, target: target, wrapper: wrapper, time: time
        ).run(id: id ?? newest)
    }
    func verify(deep: Bool = true, id: String? = nil) async throws -> VerifyRun.Report {
        try await VerifyRun(target: target, wrapper: deep ? wrapper : nil, time: time).run(id: id)
    }

    /// What a data folder holds, opened and read to the last blob.
    func content(_ name: String) async throws -> Content {
        let path = folder.file(name).path
        let log = try SQLiteFlowLog(directory: path)
        defer { try? log.close() }
        let keys = DataKeys(
            file: try KeyFile(directory: path), wrapper: wrapper, random: SystemRandomNumberGenerator(), time: time)
        let acme = try tenant("acme"), day = try DatabaseQueue(path: path + "/flows/acme/2026-11-21.sqlite")
        let rows = try day.read { try Row.fetchAll($0, sql: "SELECT id, sealed FROM blob ORDER BY id") }
        var found = Content()
        for row in rows {
            let number = row["id"] as Int64
            let plain = try keys.open([UInt8](row["sealed"] as Data), tenant: acme, context: "blob/\(number)")
            #expect(plain.allSatisfy { $0 == UInt8(truncatingIfNeeded: number) })
            found.blobs.append(number)
        }
        for batch in try await log.read(after: 0, limit: 100_000) {
            #expect(BatchDigest(of: batch.body) == batch.digest)
            found.batches.append(batch.key.sequence)
        }
        found.head = try await log.headOffset()
        found.tenants = try ControlLog(folder: path).tenants()
        return found
    }
    struct Content: Equatable {
        var blobs: [Int64] = [], batches: [UInt64] = [], head: Int64 = 0, tenants: [TenantID] = []
    }

    /// The files of the backup target whose names contain `part`.
    func objects(_ part: String) throws -> [URL] {
        let root = folder.file("backups")
        let names = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.contains(part) }.map { root.appendingPathComponent($0) }
            .filter { fileStatus($0.path)?.isFolder == false }.sorted { $0.path < $1.path }
    }
}

func tenant(_ name: String) throws -> TenantID { try #require(TenantID(name)) }
