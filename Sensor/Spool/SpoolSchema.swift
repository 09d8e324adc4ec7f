internal import SQLite

/// The tables of a spool file. Bodies are apart from the rest, so that counting and listing read little of the file.
enum SpoolSchema {
    /// `user_version`: a file with a higher one was made by a later Weir and is left alone.
    static let version: Int64 = 1
    private static let applicationID = 0x5745_4952  // "WEIR"

    /// Sets a connection up, makes the tables of a new file and looks at those of an old one.
    static func prepare(_ connection: SQLiteConnection) throws(SQLiteError) {
        // These two only take effect on a file that is still empty.
        try connection.execute("PRAGMA page_size = 65536; PRAGMA auto_vacuum = INCREMENTAL")
        try connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        // The log is copied into the file every 16 MiB, and cut back to that after a burst.
        try connection.execute("PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 16777216")
        let found = try connection.integer("PRAGMA user_version") ?? 0
        guard found <= version else {
            throw SQLiteError(code: 1, message: "made by a later version (schema \(found), this one knows \(version))")
        }
        if found == 0 { try create(connection) }
        guard try connection.integer("PRAGMA application_id") == Int64(applicationID) else {
            throw nonsense("not a spool file")
        }
    }

    private static func create(_ connection: SQLiteConnection) throws(SQLiteError) {
        guard try connection.integer("SELECT count(*) FROM sqlite_schema") == 0 else {
            throw nonsense("not a spool file")
        }
        try connection.transaction { () throws(SQLiteError) in
            try connection.execute(
                """
                CREATE TABLE epoch (
                    id INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, started_ms INTEGER NOT NULL,
                    UNIQUE (high, low)) STRICT;
                CREATE TABLE batch (
                    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL REFERENCES epoch, sequence INTEGER NOT NULL,
                    sealed_ms INTEGER NOT NULL, sha256 BLOB NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL,
                    octets INTEGER NOT NULL, packets INTEGER NOT NULL, bytes INTEGER NOT NULL,
                    UNIQUE (epoch, sequence)) STRICT;
                CREATE TABLE body (batch INTEGER PRIMARY KEY REFERENCES batch, content BLOB NOT NULL) STRICT;
                CREATE TABLE abandoned (
                    high INTEGER NOT NULL, low INTEGER NOT NULL, sequence INTEGER NOT NULL,
                    PRIMARY KEY (high, low, sequence)) STRICT, WITHOUT ROWID;
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(version);
                """)
        }
    }

    /// For contents that SQLite itself finds nothing wrong with.
    static func nonsense(_ text: String) -> SQLiteError { SQLiteError(code: SQLiteError.corrupt, message: text) }
}
