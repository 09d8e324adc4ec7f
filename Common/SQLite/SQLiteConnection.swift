internal import CSQLite

/// A thin, safe wrapper of libsqlite3 for programs that do without GRDB. One connection is used by one thread at a
/// time: it is not `Sendable`, so whoever shares it puts it behind a `Mutex`.
///
/// Invariants: a statement keeps its connection open; bound bytes are copied, so nothing has to outlive a call.
/// Not here: migrations, pools, observation (the aggregator has GRDB for those).
@safe package final class SQLiteConnection {
    private var handle: OpaquePointer?
    private var isAbandoned = false

    package enum Mode { case readWrite, create, readOnly }

    /// Opens a file, and waits up to 5 s for other processes' locks from then on.
    package init(path: String, mode: Mode = .create) throws(SQLiteError) {
        let flags =
            switch mode {
            case .readWrite: SQLITE_OPEN_READWRITE
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            case .readOnly: SQLITE_OPEN_READONLY
            }
        let code = unsafe sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK else {
            let error = self.error(code)
            unsafe sqlite3_close_v2(handle)
            unsafe handle = nil
            throw error
        }
        unsafe sqlite3_busy_timeout(handle, 5_000)
    }
    deinit {
        if !isAbandoned { unsafe sqlite3_close_v2(handle) }
    }

    /// Never closes the file: closing would copy the write-ahead log into it and sync, which must not be tried again on
    /// a file whose sync has failed. The descriptor is the operating system's to close.
    package func abandon() { isAbandoned = true }

    /// Runs statements that return no rows the caller wants, such as a schema or a pragma.
    package func execute(_ sql: String) throws(SQLiteError) {
        try check(unsafe sqlite3_exec(handle, sql, nil, nil, nil))
    }

    /// Compiles one statement; keep it and run it often.
    package func prepare(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
        var statement: OpaquePointer?
        try check(unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil))
        guard let statement = unsafe statement else {
            throw SQLiteError(code: SQLITE_MISUSE, message: "no statement in \(sql)")
        }
        return unsafe SQLiteStatement(statement, of: self)
    }

    /// The first column of the first row, as an integer; nil without a row.
    package func integer(_ sql: String, _ values: SQLiteValue...) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        try statement.bind(values)
        return try statement.step() ? statement.integer(0) : nil
    }

    /// Runs `body` between BEGIN IMMEDIATE and COMMIT; rolls back and passes on what either throws.
    package func transaction<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        try execute("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // SQLite may have rolled back by itself; then this one fails, and the first error is what matters.
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Rows that the last INSERT, UPDATE or DELETE touched.
    package var changes: Int { unsafe Int(sqlite3_changes64(handle)) }
    package var lastInsertRowID: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

    func check(_ code: Int32) throws(SQLiteError) {
        if code != SQLITE_OK { throw error(code) }
    }
    func error(_ code: Int32) -> SQLiteError {
        guard unsafe handle != nil, let text = unsafe sqlite3_errmsg(handle) else {
            return unsafe SQLiteError(code: code, message: String(cString: sqlite3_errstr(code)))
        }
        return unsafe SQLiteError(code: code, message: String(cString: text))
    }
}
