internal import Foundation
internal import GRDB
internal import Identity

/// Who did what: the table of events as a chain (`AuditChain`). SQLite refuses to change or delete events; what goes
/// around SQLite breaks the chain.
extension ControlLog {
    /// - Parameter detail: a `DirectoryEvent`, or nothing.
    static func note(
        _ kind: String, tenant: String, subject: String, detail: String, by actor: String, at now: Int64,
        in db: Database
    ) throws {
        let last = try head(in: db)
        // SQLite ends a text at its first NUL.
        let entry = AuditEntry(
            id: last.id + 1, atMilliseconds: now, actor: actor.replacing("\0", with: "\u{FFFD}"), kind: kind,
            tenant: tenant, subject: subject.replacing("\0", with: "\u{FFFD}"), detail: detail)
        try db.execute(
            sql: """
                INSERT INTO event (id, atMilliseconds, actor, kind, tenant, subject, detail, hash)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                entry.id, now, entry.actor, kind, tenant, entry.subject, detail,
                AuditChain.hash(entry, after: last.hash),
            ])
    }

    package func auditHead() throws(ControlError) -> AuditHead { try read { try Self.head(in: $0) } }
    private static func head(in db: Database) throws -> AuditHead {
        let row = try Row.fetchOne(db, sql: "SELECT id, hash FROM event ORDER BY id DESC LIMIT 1")
        return row.map { AuditHead(id: $0["id"], hash: $0["hash"]) } ?? .empty
    }

    /// An operator who is no member of a tenant was let through to something of it.
    package func noteVisit(_ principal: Principal, to route: String, at now: Int64) throws(ControlError) {
        try write { db in
            try Self.note(
                "operatorRead", tenant: principal.tenant, subject: route, by: principal.keyID, at: now, in: db)
        }
    }

    /// Reads a data folder's events from the first to the last and opens nothing for writing.
    /// - Parameter expected: a head from before.
    /// - Throws: `AuditFault`, or `ControlError` for a file that can't be read.
    package static func verifyAudit(folder: String, expecting expected: AuditHead? = nil) throws -> AuditHead {
        try verify(URL(fileURLWithPath: folder).appendingPathComponent("control.sqlite").path, expected)
    }
    /// The same of this log, on a connection of its own: others need not wait for it.
    package func verifyAudit(expecting expected: AuditHead? = nil) throws -> AuditHead {
        try Self.verify(path, expected)
    }
    private static func verify(_ file: String, _ expected: AuditHead?) throws -> AuditHead {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            return try DatabaseQueue(path: file, configuration: configuration).read { db in
                var chain = AuditChain(expecting: expected)
                let rows = try Row.fetchCursor(db, sql: "SELECT * FROM event ORDER BY id")
                while let row = try rows.next() { try chain.check(entry(row), hash: row["hash"]) }  // ends: finite
                try chain.finish()
                return chain.head
            }
        } catch let fault as AuditFault {
            throw fault
        } catch {
            throw ControlError.storage("\(file): \(error)")
        }
    }
    static func entry(_ row: Row) -> AuditEntry {
        AuditEntry(
            id: row["id"], atMilliseconds: row["atMilliseconds"], actor: row["actor"], kind: row["kind"],
            tenant: row["tenant"], subject: row["subject"], detail: row["detail"])
    }

    /// Gives the events of earlier releases their hashes, and has SQLite refuse changes from then on.
    static func chainEvents(_ db: Database) throws {
        try db.execute(sql: "ALTER TABLE event ADD COLUMN hash TEXT NOT NULL DEFAULT ''")
        var last = AuditHead.empty
        // Ids of earlier releases have no gaps either: nothing was ever deleted.
        for row in try Row.fetchAll(db, sql: "SELECT * FROM event ORDER BY id") {
            let entry = entry(row)
            last = AuditHead(id: entry.id, hash: AuditChain.hash(entry, after: last.hash))
            try db.execute(sql: "UPDATE event SET hash = ? WHERE id = ?", arguments: [last.hash, last.id])
        }
        try db.execute(
            sql: """
                CREATE TRIGGER eventIsKept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are kept'); END;
                CREATE TRIGGER eventIsAsWritten BEFORE UPDATE ON event
                    BEGIN SELECT RAISE(ABORT, 'events are as written'); END;
                """)
    }
}
