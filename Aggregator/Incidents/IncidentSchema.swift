import GRDB

/// The tables of `incidents.sqlite`. Migrations only go forward and are never edited after a release.
///
///     event     the truth: one row an event, by (tenant, incident, revision); `payload` is the event as JSON
///     incident  its projection: what lists filter by, and the incident as JSON. `severity` is `Severity.rank`;
///               `subject` is what findings must share to join; `findings` how many there are
///     finding   which incident a finding is in, and its latest update: what makes recording idempotent
enum IncidentSchema {
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
        return migrator
    }
}
