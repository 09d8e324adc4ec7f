package import DataKeys
internal import Foundation
internal import GRDB
internal import Identity
internal import NotifyChannels
internal import ObjectStore
package import Platform

/// Brings a backup back into a folder that has no data yet, on this node or another.
package struct RestoreRun: Sendable {
    /// What came of it.
    package struct Report: Codable, Equatable, Sendable {
        package var id: String
        /// What was durable then is back: the age of it is what was lost.
        package var takenMilliseconds: Int64
        package var files: Int
        package var bytes: Int
        package var keys: Int
        /// Tenants whose data stays unreadable.
        package var destroyed: [String]
        package var seconds: Double
    }
    private let folder: String
    private let target: BackupTarget
    private let wrapper: any KeyWrapper
    private let time: any TimeSource

    /// - Parameters:
    ///   - folder: made if it is not there. The caller holds its lock.
    ///   - wrapper: with the wrapping key of the node that was backed up.
    package init(folder: String, target: BackupTarget, wrapper: any KeyWrapper, time: any TimeSource) {
        self.folder = folder
        self.target = target
        self.wrapper = wrapper
        self.time = time
    }

    /// - Parameter id: the backup; see `BackupTarget.newest(before:)` for one of a point in time.
    /// - Throws: `BackupError.damagedPiece` naming what is damaged; then `restoring` is left in the folder and the
    ///   service does not start there.
    package func run(id: String, progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> Report {
        let start = time.monotonic()
        let (manifest, octets) = try await target.read(id)
        let pieces = PieceStore(
            store: target.store, chain: manifest.chain,
            key: try target.key(manifest, octets, wrapper: wrapper))
        let drafts = try prepare()
        var done = 0
        for file in manifest.files {
            try await restore(file, from: pieces, into: drafts)
            done += file.bytes
            progress(done)
        }
        let keys = try await restoreKeys(into: drafts)
        try raiseLogHead(drafts)
        try raiseFeedHead(drafts)
        try moveAll(from: drafts)
        return Report(
            id: id, takenMilliseconds: manifest.takenMilliseconds, files: manifest.files.count, bytes: manifest.bytes,
            keys: keys.count, destroyed: keys.destroyed, seconds: (time.monotonic() - start).seconds)
    }

    // MARK: Steps

    /// A folder for what is not whole yet. What an earlier try left goes: also what it had moved to its place already.
    private func prepare() throws -> String {
        let drafts = "\(folder)/\(Backup.restoringName)", isSecondTry = fileStatus(drafts) != nil
        var present = NodeFiles.all(in: folder)
        if fileStatus("\(folder)/\(KeyFile.name)") != nil { present.append(KeyFile.name) }
        guard present.isEmpty || isSecondTry else {
            throw BackupError.folder("\(folder) has \(present[0]) already: a backup is restored where no data is")
        }
        for path in present { try FileManager.default.removeItem(atPath: "\(folder)/\(path)") }
        if isSecondTry { try FileManager.default.removeItem(atPath: drafts) }
        try makeFolders(drafts)
        return drafts
    }

    private func restore(_ file: Manifest.File, from pieces: PieceStore, into drafts: String) async throws {
        let path = "\(drafts)/\(file.path)"
        try makeFolders(parent(of: path))
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw BackupError.storage("\(path) can't be made") }
        defer { try? handle.close() }
        var hash = ObjectDigest.Running()
        for first in stride(from: 0, to: file.pieces.count, by: Backup.piecesAtOnce) {
            let some = Array(file.pieces[first..<min(first + Backup.piecesAtOnce, file.pieces.count)])
            for content in try await inOrder(
                some.count, atOnce: some.count,
                { index in
                    try await pieces.get(some[index], of: file.path)
                })
            {
                hash.add(content)
                try handle.write(contentsOf: content)
            }
        }
        try handle.synchronize()
        guard hash.finish() == file.sha256, fileStatus(path)?.bytes == file.bytes else {
            throw BackupError.damagedFile(file.path)
        }
    }

    private func restoreKeys(into drafts: String) async throws -> (count: Int, destroyed: [String]) {
        let there = try await KeyEscrow(target.store).load()
        let keys = try KeyFile(directory: drafts)
        defer { keys.close() }
        for owner in there.destroyed.compactMap({ KeyOwner($0) }) {
            try keys.destroy(owner, at: time.wallMilliseconds())
        }
        try keys.restore(there.rows)
        for tenant in there.destroyed.compactMap({ TenantID($0) }) { try PlainTraces.erase(tenant, in: drafts) }
        return (there.rows.count, there.destroyed)
    }

    /// The log was copied before the checkpoint, so its last offset may be below it. New batches get offsets above
    /// both: detection reads on from its checkpoint and would not see others.
    /// And the log is born anew: sensors have answers for batches that came after the backup, and must be asked for
    /// them.
    private func raiseLogHead(_ drafts: String) throws {
        let log = "\(drafts)/log.sqlite", checkpoint = "\(drafts)/checkpoint.sqlite"
        guard fileStatus(log) != nil, fileStatus(checkpoint) != nil else { return }
        let position = try DatabaseQueue(path: checkpoint)
        let offset = try position.read { try Int64.fetchOne($0, sql: #"SELECT "offset" FROM position"#) } ?? 0
        try position.close()
        let queue = try DatabaseQueue(path: log)
        try queue.write { db in
            try db.execute(sql: #"UPDATE log_head SET "offset" = MAX("offset", ?), born_ms = 0"#, arguments: [offset])
        }
        try queue.close()
    }

    /// Incidents were copied before notification's place in their feed, so their last event may lie below it. New
    /// events get numbers above both: notification reads on from its place and would not see others.
    private func raiseFeedHead(_ drafts: String) throws {
        let incidents = "\(drafts)/incidents.sqlite"
        let state = try FileNotifierState(path: "\(drafts)/\(NodeFiles.notifyState)").load()
        guard let state, fileStatus(incidents) != nil else { return }
        let queue = try DatabaseQueue(path: incidents)
        try queue.write { db in
            try db.execute(
                sql: """
                    INSERT INTO sqlite_sequence (name, seq)
                    SELECT 'feed', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'feed');
                    UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = 'feed'
                    """, arguments: [state.position])
        }
        try queue.close()
    }

    /// The last steps: all is whole and synced, only its place changes.
    private func moveAll(from drafts: String) throws {
        let manager = FileManager.default
        for name in try manager.contentsOfDirectory(atPath: drafts).sorted() {
            let target = "\(folder)/\(name)"
            // Folders for flows and for messages that wait may have been made by somebody and be empty.
            if name == "notify" { _ = try? deleteEmptyFolder("\(target)/outbox") }
            if fileStatus(target)?.isFolder == true { _ = try deleteEmptyFolder(target) }
            try manager.moveItem(atPath: "\(drafts)/\(name)", toPath: target)
        }
        try syncFolder(folder)
        try manager.removeItem(atPath: drafts)
        try syncFolder(folder)
    }
    private func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
