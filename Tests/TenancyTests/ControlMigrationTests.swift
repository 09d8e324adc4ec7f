import Foundation
import Identity
import TestKit
import Testing

@testable import Tenancy

/// Files as earlier releases made them. The SQL is theirs, not the present schema's.
@Suite(
    "Control files of earlier releases",
    .enabled(if: Program.isInstalled("sqlite3"), "sqlite3 is not installed"))
struct ControlMigrationTests {
    @Test("a file of version 1 keeps its tenants, keys and history, and takes what is new") func version1() throws {
        let folder = try TemporaryFolder("weir-control"), acme = try #require(TenantID("acme"))
        var generator = SystemRandomNumberGenerator()
        let key = APIKey(using: &generator)
        let digest = key.digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        let made = try Program.run(
            "sqlite3",
            [
                folder.file("control.sqlite").path,
                """
                CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
                INSERT INTO grdb_migrations VALUES ('1 tenants and keys');
                CREATE TABLE event (
                    id INTEGER PRIMARY KEY, atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL,
                    kind TEXT NOT NULL, tenant TEXT NOT NULL, subject TEXT NOT NULL) STRICT;
                CREATE TABLE tenant (name TEXT PRIMARY KEY, createdMilliseconds INTEGER NOT NULL) STRICT;
                CREATE TABLE apiKey (
                    id TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenant(name), name TEXT NOT NULL,
                    sha256 BLOB NOT NULL UNIQUE, scopes TEXT NOT NULL, createdMilliseconds INTEGER NOT NULL,
                    expiresMilliseconds INTEGER, revokedMilliseconds INTEGER) STRICT;
                CREATE INDEX apiKeyOfTenant ON apiKey (tenant);
                INSERT INTO tenant VALUES ('acme', 1);
                INSERT INTO event VALUES (1, 1, 'cli:ada', 'tenantCreated', 'acme', 'acme');
                INSERT INTO apiKey VALUES
                    ('key-1', 'acme', 'old', x'\(digest.joined())', 'flows:read incidents:read', 2, NULL, NULL);
                """,
            ])
        #expect(made.status == 0, "\(made.errors)")
        for _ in 0..<2 {
            let log = try ControlLog(folder: folder.path)
            let principal = try log.authenticate(key.secret, at: 10)
            #expect(principal.tenant == acme && principal.scopes == [.readFlows, .readIncidents])
            try log.setNamedNetworks("lan", ["10.0.0.0/8"], of: acme, by: "test", at: 11)
            #expect(try log.namedNetworks(of: acme) == ["lan": ["10.0.0.0/8"]])
            #expect(try ControlLog.verifyAudit(folder: folder.path) == log.auditHead(), "old events are in the chain")
        }
        let history = try Program.run(
            "sqlite3", [folder.file("control.sqlite").path, "SELECT actor FROM event WHERE id = 1"])
        #expect(history.text == "cli:ada\n")
    }
}
