internal import CSQLite

/// What SQLite said: its extended result code and its own words.
package struct SQLiteError: Error, Hashable, Sendable, CustomStringConvertible {
    /// An extended result code (sqlite.org/rescode.html): the primary code in the low octet.
    package let code: Int32
    package let message: String

    package init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }
    package var description: String { "SQLite \(code): \(message)" }

    /// SQLITE_CORRUPT, for whoever finds nonsense where SQLite did not.
    package static let corrupt = SQLITE_CORRUPT
    /// SQLITE_FULL, likewise.
    package static let full = SQLITE_FULL
    private var primary: Int32 { code & 0xFF }
    /// Another process holds the file's lock.
    package var isBusy: Bool { primary == SQLITE_BUSY || primary == SQLITE_LOCKED }
    /// The disk has no room; the file itself is sound.
    package var isDiskFull: Bool { primary == SQLITE_FULL }
    /// The file can't be trusted with another write: an I/O error, a sync that failed, or contents that make no sense.
    package var isFileFault: Bool {
        [SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_CANTOPEN, SQLITE_READONLY].contains(primary)
    }
    /// The contents of the file make no sense.
    package var isCorruption: Bool { primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB }
}
