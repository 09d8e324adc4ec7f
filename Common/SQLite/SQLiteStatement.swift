internal import CSQLite

/// A value on its way into a statement.
package enum SQLiteValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    /// SQLite's integers are signed: all 64 bits are kept, values from 2^63 on appear negative.
    package static func unsigned(_ value: UInt64) -> SQLiteValue { .integer(Int64(bitPattern: value)) }
}

/// A compiled statement. Bind, step through its rows, and bind again.
@safe package final class SQLiteStatement {
    private let handle: OpaquePointer
    private let connection: SQLiteConnection
    /// SQLITE_TRANSIENT, a cast that Swift does not import: SQLite makes its own copy of what is bound.
    private static let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    init(_ handle: OpaquePointer, of connection: SQLiteConnection) {
        unsafe self.handle = handle
        self.connection = connection
    }
    deinit { unsafe sqlite3_finalize(handle) }

    /// Starts over with new values for `?1`, `?2` …
    package func bind(_ values: [SQLiteValue]) throws(SQLiteError) {
        reset()
        for (index, value) in values.enumerated() {
            try connection.check(bind(value, at: Int32(index) + 1))
        }
    }
    private func bind(_ value: SQLiteValue, at position: Int32) -> Int32 {
        switch value {
        case .null: unsafe sqlite3_bind_null(handle, position)
        case .integer(let value): unsafe sqlite3_bind_int64(handle, position, value)
        case .text(let text): unsafe sqlite3_bind_text(handle, position, text, -1, Self.copied)
        case .blob(let octets) where octets.isEmpty: unsafe sqlite3_bind_zeroblob(handle, position, 0)
        case .blob(let octets):
            unsafe sqlite3_bind_blob64(handle, position, octets, UInt64(octets.count), Self.copied)
        }
    }

    /// Goes to the next row: false after the last one.
    package func step() throws(SQLiteError) -> Bool {
        switch unsafe sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let error = connection.error(code)
            reset()
            throw error
        }
    }

    /// Runs a statement to its end, ignoring rows.
    package func run(_ values: SQLiteValue...) throws(SQLiteError) {
        try bind(values)
        while try step() {}
        reset()
    }

    /// Calls `body` for each row.
    package func rows(_ values: SQLiteValue..., body: (SQLiteStatement) -> Void) throws(SQLiteError) {
        try bind(values)
        while try step() { body(self) }
        reset()
    }

    /// Lets go of the rows and locks that a half-read statement holds.
    package func reset() { unsafe sqlite3_reset(handle) }

    /// Column `index` (from 0) of the current row; 0 for NULL.
    package func integer(_ index: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, index) }
    /// As `integer`, for what was bound with `unsigned`.
    package func unsigned(_ index: Int32) -> UInt64 { UInt64(bitPattern: integer(index)) }
    /// Empty for NULL.
    package func text(_ index: Int32) -> String {
        guard let text = unsafe sqlite3_column_text(handle, index) else { return "" }
        return unsafe String(cString: text)
    }
    /// Empty for NULL.
    package func blob(_ index: Int32) -> [UInt8] {
        guard let octets = unsafe sqlite3_column_blob(handle, index) else { return [] }
        let count = unsafe Int(sqlite3_column_bytes(handle, index))
        return unsafe [UInt8](UnsafeRawBufferPointer(start: octets, count: count))
    }
    package func isNull(_ index: Int32) -> Bool { unsafe sqlite3_column_type(handle, index) == SQLITE_NULL }
}
