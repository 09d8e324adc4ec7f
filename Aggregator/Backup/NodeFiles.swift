internal import Foundation
internal import GRDB
internal import Platform

/// What a file and its WAL looked like: when it is the same at the next backup, and was not touched just before this
/// one looked, the content is the same too.
package struct FileMark: Codable, Hashable, Sendable {
    var inode: UInt64
    var bytes: Int
    var changedNanoseconds: Int64
    var walBytes: Int
    var walChangedNanoseconds: Int64

    /// Nil when there is no such file.
    init?(_ path: String) {
        guard let file = fileStatus(path) else { return nil }
        let wal = fileStatus(path + "-wal")
        inode = file.inode
        bytes = file.bytes
        changedNanoseconds = file.changedNanoseconds
        walBytes = wal?.bytes ?? 0
        walChangedNanoseconds = wal?.changedNanoseconds ?? 0
    }
    /// Whether every change since would show: clocks of file systems tick in steps, so one that came in the same step
    /// as the last would not.
    func isSettled(at milliseconds: Int64) -> Bool {
        max(changedNanoseconds, walChangedNanoseconds) / 1_000_000 < milliseconds - 5_000
    }
}

/// The files of a data folder that a backup has: SQLite's, and what notification keeps.
enum NodeFiles {
    /// What is not copied: wrapped keys lie beside the pieces, and quarantined files are for people to look at here.
    private static let plainBytesMax = 256 << 20
    private static let notCopied: Set = ["keys.sqlite"]
    static let draftFolder = "backup-draft"

    /// The files to copy, relative to `folder`, in the order in which they must be.
    ///
    /// The log first: a batch is in the log before it is in the store, and leaves the log only after the store and the
    /// checkpoint have it. So what the copied log had no more, the store copied later has. Then the checkpoint, then
    /// the store: all batches up to the checkpoint are in it. Incidents then: they have what was found up to it.
    ///
    /// What notification keeps comes last, its place in the feed of events before the messages that wait: all that was
    /// taken from the feed up to the copied place was a message before it was copied, or has been sent. What was taken
    /// later is taken again, under the ids it had.
    static func all(in folder: String) -> [String] {
        var found: [String] = []
        collect(folder, "", depth: 0, into: &found)
        return found.sorted { (rank($0), $0) < (rank($1), $1) }
    }
    private static func rank(_ path: String) -> Int {
        switch path {
        case "log.sqlite": 0
        case "checkpoint.sqlite": 1
        case notifyState: 4
        case _ where path.hasPrefix(outbox): 5
        default: path.contains("/") ? 2 : 3
        }
    }
    private static func collect(_ folder: String, _ part: String, depth: Int, into found: inout [String]) {
        let path = part.isEmpty ? folder : "\(folder)/\(part)"
        guard depth < 4, let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return }
        for name in names where part.isEmpty ? !ownFolders.contains(name) : true {
            let full = part.isEmpty ? name : "\(part)/\(name)"
            if fileStatus("\(folder)/\(full)")?.isFolder == true {
                collect(folder, full, depth: depth + 1, into: &found)
            } else if isCopied(full) {
                found.append(full)
            }
        }
    }
    private static func isCopied(_ path: String) -> Bool {
        if path.hasPrefix(outbox) { return path.hasSuffix(".json") }
        return path == notifyState || (path.hasSuffix(".sqlite") && !notCopied.contains(path))
    }
    static let notifyState = "notify/state.json"
    private static let outbox = "notify/outbox/"
    private static let ownFolders: Set = [draftFolder, Backup.restoringName, "quarantine"]

    /// Copies a file that others may be writing, as of one moment, to `draft`, which must not be there. SQLite's are
    /// read through a read-only connection, which never checkpoints; others are only ever replaced whole.
    static func snapshot(_ path: String, to draft: String) throws {
        guard path.hasSuffix(".sqlite") else {
            return try makeFile(draft, with: try readFile(path, bytesMax: plainBytesMax))
        }
        var reading = Configuration()
        reading.readonly = true
        reading.busyMode = .timeout(10)
        var writing = Configuration()
        // The draft is checked by its hash and made again if anything happens.
        writing.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF") }
        let source = try DatabaseQueue(path: path, configuration: reading)
        defer { try? source.close() }
        let target = try DatabaseQueue(path: draft, configuration: writing)
        defer { try? target.close() }
        // In one step: a step that ends lets writers in, and then all begins anew.
        try source.backup(to: target)
    }
}
