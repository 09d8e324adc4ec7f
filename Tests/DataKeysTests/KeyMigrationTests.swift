import DataKeys
import Foundation
import TestKit
import Testing

/// Files as earlier releases made them. The SQL is theirs, not the present schema's.
@Suite("Key files of earlier releases", .enabled(if: Program.isInstalled("sqlite3"), "sqlite3 is not installed"))
struct KeyMigrationTests {
    @Test("a file of version 1 gives its keys, and its destroyed ones stay destroyed") func version1() throws {
        let world = try KeyWorld(), acme = try tenant("acme"), plain = Array("plain".utf8)
        let sealed = try world.keys.seal(plain, tenant: acme, context: "c")
        let row = try #require(try world.keys.file.rows().first)
        world.keys.file.close()
        let path = world.folder.file("keys.sqlite").path
        for suffix in ["", "-journal"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.removeItem(atPath: path + suffix)
        }
        let wrapped = row.wrapped.octets.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let made = try Program.run(
            "sqlite3",
            [
                path,
                """
                CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
                INSERT INTO grdb_migrations VALUES ('1 keys');
                CREATE TABLE key (
                    owner TEXT NOT NULL, version INTEGER NOT NULL, wrapped_by TEXT NOT NULL, wrapped BLOB NOT NULL,
                    made_ms INTEGER NOT NULL, seals INTEGER NOT NULL, PRIMARY KEY (owner, version)) STRICT;
                CREATE TABLE destroyed (owner TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
                INSERT INTO key VALUES ('acme', 1, '\(row.wrapped.by)', x'\(wrapped)', 5, 0);
                INSERT INTO destroyed VALUES ('gone', 6);
                """,
            ])
        #expect(made.status == 0, "\(made.errors)")
        let keys = try world.other()
        let opened = try keys.open(sealed, tenant: acme, context: "c")
        #expect(opened == plain)
        #expect(throws: DataKeyError.destroyed(owner: "gone")) {
            try keys.seal(plain, tenant: tenant("gone"), context: "c")
        }
        #expect(try keys.rotate(.tenant(acme)) == 2)
    }
}
