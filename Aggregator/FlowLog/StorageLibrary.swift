internal import GRDB

/// The SQLite library that this process is linked with: whether it can be trusted with what an aggregator keeps.
package struct StorageLibrary: Equatable, Sendable {
    package enum Verdict: Equatable, Sendable {
        case sound
        /// Up to 3.51.2 a file's write-ahead log can be reset wrongly, and the file be damaged, when a connection
        /// commits while two others copy the log into the file (sqlite.org, "The WAL-Reset Bug"). In Weir one
        /// connection of each file writes and copies, so this does not come about by itself; other programs may only
        /// read.
        case needsOneWriter
        /// It does not know what the files are made with (STRICT tables), or its version can't be read.
        case tooOld
    }
    /// As SQLite says it: "3.40.1".
    package let version: String

    package init(version: String) { self.version = version }

    /// The library that is there.
    /// - Throws: what SQLite throws when it can't so much as make a database in memory.
    package static func linked() throws -> StorageLibrary {
        let version = try DatabaseQueue().read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }
        return StorageLibrary(version: version ?? "")
    }

    package var verdict: Verdict {
        let parts = version.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard parts.count >= 3, parts.allSatisfy({ $0 >= 0 }) else { return .tooOld }
        if parts.lexicographicallyPrecedes(Self.firstUsable) { return .tooOld }
        return parts.lexicographicallyPrecedes(Self.firstSound) ? .needsOneWriter : .sound
    }
    private static let firstUsable = [3, 37, 0], firstSound = [3, 51, 3]
}
