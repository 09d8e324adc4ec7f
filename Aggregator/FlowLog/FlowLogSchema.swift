internal import GRDB

#if WEIR_PLANTED
internal import Planted
#endif

/// The tables of `log.sqlite`. Migrations only go forward and are never edited after a release.
///
///     sensor     one row a sensor: its identity and its totals
///     batch_key  one row a batch for ever: (sensor, epoch, sequence) -> digest, offset. 16-octet epoch, most
///                significant first; the sequence as the signed number with the same bits
///     batch      the bodies, by offset, until trimmed
///     log_head   one row: the largest offset given out; when the first was (0: not yet, NULL: before schema 2);
///                the largest whose body was given up (0: none)
enum FlowLogSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 batches and keys") { db in
            try db.execute(
                sql: """
                    CREATE TABLE sensor (
                        id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, site TEXT NOT NULL, name TEXT NOT NULL,
                        batches INTEGER NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL,
                        octets INTEGER NOT NULL, packets INTEGER NOT NULL, UNIQUE (tenant, site, name)) STRICT;
                    CREATE TABLE batch_key (
                        sensor INTEGER NOT NULL REFERENCES sensor(id), epoch BLOB NOT NULL, sequence INTEGER NOT NULL,
                        sha256 BLOB NOT NULL, "offset" INTEGER NOT NULL,
                        PRIMARY KEY (sensor, epoch, sequence)) STRICT, WITHOUT ROWID;
                    CREATE TABLE batch (
                        "offset" INTEGER PRIMARY KEY, sensor INTEGER NOT NULL REFERENCES sensor(id),
                        epoch BLOB NOT NULL, sequence INTEGER NOT NULL, sha256 BLOB NOT NULL,
                        received_ms INTEGER NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL,
                        octets INTEGER NOT NULL, packets INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
                    CREATE TABLE log_head (id INTEGER PRIMARY KEY CHECK (id = 1), "offset" INTEGER NOT NULL) STRICT;
                    INSERT INTO log_head VALUES (1, 0);
                    """)
        }
        // When the log took its first batch: sensors may have answers from a log that was here before.
        migrator.registerMigration("2 birth") { db in
            try db.execute(
                sql: """
                    ALTER TABLE log_head ADD COLUMN born_ms INTEGER;
                    UPDATE log_head SET born_ms = 0 WHERE "offset" = 0;
                    """)
        }
        // Which bodies were given up, so that others that are missing are known to be lost.
        migrator.registerMigration("3 trimmed") { db in
            try db.execute(
                sql: """
                    ALTER TABLE log_head ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;
                    UPDATE log_head SET trimmed = (SELECT coalesce(min("offset") - 1, log_head."offset") FROM batch);
                    """)
        }
        return migrator
    }

    /// Large pages, because bodies are large: a 256 KiB body costs 4 pages instead of 64.
    /// Before the first table is made; readers have nothing to say here.
    static func prepare(_ db: Database) throws {
        guard !db.configuration.readonly else { return }
        try db.execute(
            sql: """
                PRAGMA page_size = 65536;
                PRAGMA auto_vacuum = INCREMENTAL;
                PRAGMA secure_delete = FAST;
                """)
    }

    /// The writer's own settings. Checkpoints are ours to call (`SQLiteFlowLog`): SQLite passes over a sync that fails
    /// in one of its own, and the next one would take the pages for written. The pool turns `synchronous` down to
    /// NORMAL after `prepare`, so this comes last; an answer depends on it.
    static func prepareWriter(_ db: Database) throws {
        #if WEIR_PLANTED
        if Planted.logAnswersBeforeSync.isActive { return try db.execute(sql: "PRAGMA synchronous = OFF") }
        #endif
        try db.execute(
            sql: """
                PRAGMA synchronous = FULL;
                PRAGMA wal_autocheckpoint = 0;
                PRAGMA journal_size_limit = 67108864;
                """)
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
            throw DatabaseError(message: "synchronous=FULL was not taken")
        }
    }
}
