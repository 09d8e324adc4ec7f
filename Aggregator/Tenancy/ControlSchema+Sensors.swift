internal import GRDB

extension ControlSchema {
    static func addSensors(to migrator: inout DatabaseMigrator) {
        migrator.registerMigration("marks and enrolment of sensors") { db in
            try db.execute(
                sql: """
                    CREATE TABLE sensorMark (
                        tenant TEXT NOT NULL REFERENCES tenant(name), site TEXT NOT NULL, name TEXT NOT NULL,
                        kind TEXT NOT NULL, serial TEXT NOT NULL, reason TEXT NOT NULL,
                        atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL,
                        PRIMARY KEY (tenant, site, name, kind, serial)) STRICT, WITHOUT ROWID;
                    CREATE TABLE sensorCertificate (
                        serial TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenant(name), site TEXT NOT NULL,
                        name TEXT NOT NULL, issuedMilliseconds INTEGER NOT NULL,
                        expiresMilliseconds INTEGER NOT NULL, key TEXT NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE TABLE enrolment (
                        sha256 TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenant(name), site TEXT NOT NULL,
                        name TEXT NOT NULL, madeMilliseconds INTEGER NOT NULL, expiresMilliseconds INTEGER NOT NULL,
                        actor TEXT NOT NULL) STRICT, WITHOUT ROWID;
                    """)
        }
    }
    static func addRetention(to migrator: inout DatabaseMigrator) {
        migrator.registerMigration("retention") { db in
            try db.execute(
                sql: """
                    CREATE TABLE retention (
                        tenant TEXT NOT NULL REFERENCES tenant(name), kind TEXT NOT NULL, days INTEGER NOT NULL,
                        PRIMARY KEY (tenant, kind)) STRICT, WITHOUT ROWID;
                    """)
        }
    }
    static func addFeatures(to migrator: inout DatabaseMigrator) {
        migrator.registerMigration("features") { db in
            try db.execute(
                sql: """
                    CREATE TABLE feature (
                        tenant TEXT NOT NULL REFERENCES tenant(name), name TEXT NOT NULL, isOn INTEGER NOT NULL,
                        atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL,
                        PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;
                    """)
        }
    }
}
