internal import GRDB

/// The tables of `control.sqlite`. Migrations only go forward and are never edited after a release.
enum ControlSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 tenants and keys") { db in
            try db.execute(
                sql: """
                    CREATE TABLE event (
                        id INTEGER PRIMARY KEY, atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL,
                        kind TEXT NOT NULL, tenant TEXT NOT NULL, subject TEXT NOT NULL) STRICT;
                    CREATE TABLE tenant (name TEXT PRIMARY KEY, createdMilliseconds INTEGER NOT NULL) STRICT;
                    CREATE TABLE apiKey (
                        id TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenant(name), name TEXT NOT NULL,
                        sha256 BLOB NOT NULL UNIQUE, scopes TEXT NOT NULL, createdMilliseconds INTEGER NOT NULL,
                        expiresMilliseconds INTEGER, revokedMilliseconds INTEGER) STRICT;
                    CREATE INDEX apiKeyOfTenant ON apiKey (tenant);
                    """)
        }
        migrator.registerMigration("2 named networks") { db in
            try db.execute(
                sql: """
                    CREATE TABLE namedNetworks (
                        tenant TEXT NOT NULL REFERENCES tenant(name), name TEXT NOT NULL, networks TEXT NOT NULL,
                        PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("sigma rules") { db in
            try db.execute(
                sql: """
                    CREATE TABLE sigmaRule (
                        tenant TEXT NOT NULL REFERENCES tenant(name), key TEXT NOT NULL, version INTEGER NOT NULL,
                        text TEXT, state TEXT, level TEXT, isRemoved INTEGER NOT NULL,
                        atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL,
                        PRIMARY KEY (tenant, key, version)) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("reach of keys") { db in
            try db.execute(sql: "ALTER TABLE apiKey ADD COLUMN reach TEXT NOT NULL DEFAULT ''")
        }
        migrator.registerMigration("directory") { db in
            try db.execute(
                sql: """
                    ALTER TABLE event ADD COLUMN detail TEXT NOT NULL DEFAULT '';
                    ALTER TABLE apiKey ADD COLUMN account TEXT;
                    """)
        }
        migrator.registerMigration("passwords and sessions") { db in
            try db.execute(
                sql: """
                    CREATE TABLE password (
                        person TEXT PRIMARY KEY, hash TEXT NOT NULL, setMilliseconds INTEGER NOT NULL) STRICT;
                    CREATE TABLE session (
                        id TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL UNIQUE, person TEXT NOT NULL, tenant TEXT,
                        createdMilliseconds INTEGER NOT NULL, seenMilliseconds INTEGER NOT NULL,
                        address TEXT NOT NULL, agent TEXT NOT NULL) STRICT;
                    CREATE INDEX sessionOfPerson ON session (person);
                    CREATE TABLE setUp (sha256 TEXT PRIMARY KEY, expiresMilliseconds INTEGER NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("audit chain") { try ControlLog.chainEvents($0) }
        migrator.registerMigration("detector limits") { db in
            try db.execute(
                sql: """
                    CREATE TABLE detectorLimits (
                        tenant TEXT NOT NULL REFERENCES tenant(name), version INTEGER NOT NULL, text TEXT NOT NULL,
                        atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL,
                        PRIMARY KEY (tenant, version)) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("second factors") { db in
            try db.execute(
                sql: """
                    CREATE TABLE secondFactor (
                        person TEXT PRIMARY KEY, sealed BLOB NOT NULL, isConfirmed INTEGER NOT NULL,
                        lastStep INTEGER NOT NULL) STRICT;
                    CREATE TABLE recoveryCode (
                        person TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (person, sha256)) STRICT;
                    """)
        }
        migrator.registerMigration("last use of keys, resets of passwords") { db in
            try db.execute(
                sql: """
                    ALTER TABLE apiKey ADD COLUMN usedMilliseconds INTEGER;
                    CREATE TABLE passwordReset (
                        sha256 TEXT PRIMARY KEY, person TEXT NOT NULL, madeMilliseconds INTEGER NOT NULL,
                        expiresMilliseconds INTEGER NOT NULL) STRICT;
                    CREATE INDEX passwordResetOfPerson ON passwordReset (person);
                    CREATE INDEX eventOfTenant ON event (tenant, id);
                    """)
        }
        migrator.registerMigration("sign-on") { db in
            try db.execute(
                sql: """
                    ALTER TABLE session ADD COLUMN provider TEXT;
                    CREATE TABLE subject (
                        issuer TEXT NOT NULL, subject TEXT NOT NULL, person TEXT NOT NULL,
                        PRIMARY KEY (issuer, subject)) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("answers that are given again") { db in
            try db.execute(
                sql: """
                    CREATE TABLE answered (
                        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, request TEXT NOT NULL, status INTEGER, sealed BLOB,
                        atMilliseconds INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE INDEX answeredByTime ON answered (tenant, atMilliseconds);
                    """)
        }
        addSensors(to: &migrator)
        addFeatures(to: &migrator)
        addRetention(to: &migrator)
        return migrator
    }
}
