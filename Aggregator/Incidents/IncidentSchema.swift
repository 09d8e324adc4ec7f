import GRDB

/// The tables of `incidents.sqlite`. Migrations only go forward and are never edited after a release.
///
///     event     the truth: one row an event, by (tenant, incident, revision); `payload` is the event as JSON
///     incident  its projection: what lists filter by, and the incident as JSON. `severity` is `Severity.rank`;
///               `subject` is what findings must share to join; `findings` how many there are
///     finding   which incident a finding is in, and its latest update: what makes recording idempotent
///     feed      every event in the order of recording, until whoever tells people of them has taken it over
///     live      a tenant's newest events in the order of recording, for who follows them; see `IncidentLog.live`
///     incident_tag, incident_entity, mitigation   what a tag, an address, a firewall's list leads to
///     exception, exception_event, hidden          exceptions, their history, and the findings that they hid
///
/// `incident.fold` is the `IncidentFold.version` that made the row; `due_ms` when its next clock runs out.
enum IncidentSchema {
    /// All of them have a column `tenant`.
    static let tenantTables = [
        "event", "incident", "finding", "feed", "incident_tag", "incident_entity", "mitigation", "exception",
        "exception_event", "hidden", "live",
    ]

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 incidents") { db in
            try db.execute(
                sql: """
                    CREATE TABLE event (
                        tenant TEXT NOT NULL, incident TEXT NOT NULL, revision INTEGER NOT NULL, kind TEXT NOT NULL,
                        actor TEXT NOT NULL, at_ms INTEGER NOT NULL, payload TEXT NOT NULL,
                        PRIMARY KEY (tenant, incident, revision)) STRICT, WITHOUT ROWID;
                    CREATE TABLE incident (
                        tenant TEXT NOT NULL, id TEXT NOT NULL, subject TEXT NOT NULL, rule TEXT NOT NULL,
                        severity INTEGER NOT NULL, status TEXT NOT NULL, start_ms INTEGER NOT NULL,
                        end_ms INTEGER NOT NULL, findings INTEGER NOT NULL, revision INTEGER NOT NULL,
                        json TEXT NOT NULL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;
                    CREATE INDEX incident_newest ON incident (tenant, start_ms DESC, id DESC);
                    CREATE INDEX incident_subject ON incident (tenant, subject, end_ms);
                    CREATE TABLE finding (
                        tenant TEXT NOT NULL, id TEXT NOT NULL, incident TEXT NOT NULL, revised INTEGER NOT NULL,
                        PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("2 work") { db in try db.execute(sql: work) }
        migrator.registerMigration("3 live") { db in
            try db.execute(
                sql: """
                    CREATE TABLE live (
                        tenant TEXT NOT NULL, position INTEGER NOT NULL, incident TEXT NOT NULL,
                        revision INTEGER NOT NULL, PRIMARY KEY (tenant, position)) STRICT, WITHOUT ROWID;
                    """)
        }
        return migrator
    }

    private static let work = """
        ALTER TABLE incident ADD COLUMN fold INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE incident ADD COLUMN assignee TEXT;
        ALTER TABLE incident ADD COLUMN verdict TEXT;
        ALTER TABLE incident ADD COLUMN merged_into TEXT;
        ALTER TABLE incident ADD COLUMN due_ms INTEGER;
        CREATE INDEX incident_due ON incident (due_ms) WHERE due_ms IS NOT NULL;
        CREATE INDEX incident_verdict ON incident (tenant, rule, verdict) WHERE verdict IS NOT NULL;
        CREATE INDEX incident_rule ON incident (tenant, rule, start_ms);
        CREATE TABLE incident_tag (
            tenant TEXT NOT NULL, tag TEXT NOT NULL, incident TEXT NOT NULL,
            PRIMARY KEY (tenant, tag, incident)) STRICT, WITHOUT ROWID;
        CREATE TABLE incident_entity (
            tenant TEXT NOT NULL, value TEXT NOT NULL, incident TEXT NOT NULL,
            PRIMARY KEY (tenant, value, incident)) STRICT, WITHOUT ROWID;
        CREATE TABLE feed (
            position INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, incident TEXT NOT NULL,
            revision INTEGER NOT NULL) STRICT;
        CREATE TABLE mitigation (
            tenant TEXT NOT NULL, id TEXT NOT NULL, incident TEXT NOT NULL, expires_ms INTEGER NOT NULL,
            json TEXT NOT NULL, PRIMARY KEY (tenant, id, incident)) STRICT, WITHOUT ROWID;
        CREATE TABLE exception (
            tenant TEXT NOT NULL, id TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
            hidden INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;
        CREATE TABLE exception_event (
            tenant TEXT NOT NULL, exception TEXT NOT NULL, revision INTEGER NOT NULL, kind TEXT NOT NULL,
            actor TEXT NOT NULL, at_ms INTEGER NOT NULL, payload TEXT NOT NULL,
            PRIMARY KEY (tenant, exception, revision)) STRICT, WITHOUT ROWID;
        CREATE TABLE hidden (
            tenant TEXT NOT NULL, finding TEXT NOT NULL, exception TEXT NOT NULL, at_ms INTEGER NOT NULL,
            json TEXT NOT NULL, PRIMARY KEY (tenant, finding)) STRICT, WITHOUT ROWID;
        CREATE INDEX hidden_newest ON hidden (tenant, exception, at_ms DESC, finding);
        """
}
