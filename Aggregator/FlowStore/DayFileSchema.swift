internal import GRDB

/// The tables of a day's file. Migrations only go forward and are never edited after a release.
///
///     batch         one row a sealed batch, with its body last, so that its other columns are read without it;
///                   checksum over all but the body, NULL in rows that version 1 wrote
///     segment       one row a compacted segment
///     piece         the blobs of segments, cut so that each piece fits a page; id: see `SegmentRow.pieceID`
///     archived      one row a segment whose blobs are in the archive, or on their way there
///     replaced      batches whose rows are in a segment: not listed, readable for a while, then deleted
///     stored_key    the keys of compacted batches, as runs of sequences
///     rollup        one row for the sums of one segment, kind and period; id: see `RollupTable.id`
///     damaged       what was set aside, with the octets in damaged_piece
///     summary       one row: whose file it is, and the bounds and sums of what is listed
enum DayFileSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 segments") { db in
            try db.execute(
                sql: """
                    CREATE TABLE segment (
                        id INTEGER PRIMARY KEY, log_offset INTEGER NOT NULL, site TEXT NOT NULL, sensor TEXT NOT NULL,
                        epoch BLOB NOT NULL, sequence INTEGER NOT NULL, received_ms INTEGER NOT NULL,
                        flow_start_min INTEGER NOT NULL, flow_end_max INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL, body BLOB NOT NULL,
                        UNIQUE (site, sensor, epoch, sequence)) STRICT;
                    CREATE INDEX segment_newest ON segment (flow_end_max, log_offset, flow_start_min);
                    CREATE TABLE summary (
                        id INTEGER PRIMARY KEY CHECK (id = 1), tenant TEXT NOT NULL, flow_start_min INTEGER NOT NULL,
                        flow_end_max INTEGER NOT NULL, batches INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("2 compaction") { db in
            try db.execute(
                sql: """
                    CREATE TABLE batch (
                        id INTEGER PRIMARY KEY, log_offset INTEGER NOT NULL, site TEXT NOT NULL, sensor TEXT NOT NULL,
                        epoch BLOB NOT NULL, sequence INTEGER NOT NULL, received_ms INTEGER NOT NULL,
                        flow_start_min INTEGER NOT NULL, flow_end_max INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL, checksum INTEGER, body BLOB NOT NULL,
                        UNIQUE (site, sensor, epoch, sequence)) STRICT;
                    INSERT INTO batch
                        SELECT id, log_offset, site, sensor, epoch, sequence, received_ms, flow_start_min, flow_end_max,
                            rows, flows, octets, packets, body_bytes, NULL, body FROM segment;
                    DROP TABLE segment;
                    ALTER TABLE summary ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE summary ADD COLUMN checksum INTEGER;
                    CREATE TABLE segment (
                        id INTEGER PRIMARY KEY, log_offset INTEGER NOT NULL, received_ms INTEGER NOT NULL,
                        flow_start_min INTEGER NOT NULL, flow_end_max INTEGER NOT NULL, batches INTEGER NOT NULL,
                        rows INTEGER NOT NULL, flows INTEGER NOT NULL, octets INTEGER NOT NULL,
                        packets INTEGER NOT NULL, is_summed INTEGER NOT NULL, directory BLOB NOT NULL,
                        checksum INTEGER NOT NULL) STRICT;
                    CREATE TABLE piece (id INTEGER PRIMARY KEY, octets BLOB NOT NULL) STRICT;
                    CREATE TABLE replaced (
                        batch INTEGER PRIMARY KEY, segment INTEGER NOT NULL, replaced_ms INTEGER NOT NULL) STRICT;
                    CREATE TABLE stored_key (
                        site TEXT NOT NULL, sensor TEXT NOT NULL, epoch BLOB NOT NULL, first INTEGER NOT NULL,
                        last INTEGER NOT NULL, PRIMARY KEY (site, sensor, epoch, first)) STRICT, WITHOUT ROWID;
                    CREATE TABLE rollup (
                        id INTEGER PRIMARY KEY, start_min INTEGER NOT NULL, start_max INTEGER NOT NULL,
                        octets BLOB NOT NULL) STRICT;
                    CREATE TABLE damaged (
                        id INTEGER PRIMARY KEY, what TEXT NOT NULL, found_ms INTEGER NOT NULL, rows INTEGER NOT NULL,
                        reason TEXT NOT NULL) STRICT;
                    CREATE TABLE damaged_piece (
                        damaged INTEGER NOT NULL, name TEXT NOT NULL, octets BLOB NOT NULL) STRICT;
                    CREATE INDEX damaged_piece_of ON damaged_piece (damaged);
                    """)
        }
        migrator.registerMigration("3 archive") { db in
            try db.execute(
                sql: """
                    CREATE TABLE archived (
                        segment INTEGER PRIMARY KEY, token INTEGER NOT NULL, is_stored INTEGER NOT NULL,
                        bytes INTEGER NOT NULL, pieces BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
                    """)
        }
        return migrator
    }

    /// Whether the file is as the last migration leaves it: what `migrator` notes of itself, asked in one question.
    static func isCurrent(_ db: Database) throws -> Bool {
        try Set(String.fetchAll(db, sql: "SELECT identifier FROM grdb_migrations")) == Set(migrator.migrations)
    }

    /// Before the first table is made: pages that pieces fit, and room that can be given back.
    static func prepare(_ db: Database) throws {
        // Who reads goes from piece to piece, and comes back to few pages but the tables' roots.
        try db.execute(sql: "PRAGMA cache_size = \(db.configuration.readonly ? -512 : -1024)")
        guard !db.configuration.readonly else { return }
        // What is deleted needs no overwriting: the records of replaced batches are in segments of the same file, and
        // where a key can be destroyed all of it is sealed. With it each deletion is written twice more.
        try db.execute(
            sql: "PRAGMA page_size = 65536; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA secure_delete = OFF")
    }
    /// The pool turns `synchronous` down to NORMAL after `prepare`. FULL, because the log is trimmed on the strength of
    /// what is stored here.
    static func prepareWriter(_ db: Database) throws {
        // A WAL keeps what it grows to between two checkpoints, which follow one another by 64 MiB: to give the room
        // back and ask for it again costs more than to write into it.
        try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 100663296;")
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
            throw DatabaseError(message: "synchronous=FULL was not taken")
        }
    }
}
