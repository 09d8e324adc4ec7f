import Foundation
import Identity
import Platform
import TestKit
import Testing

@testable import AggregatorPipeline

@Suite("The checkpoint's file") struct CheckpointFileTests {
    private let folder: TemporaryFolder, acme: TenantID
    init() throws {
        folder = try TemporaryFolder("checkpoint")
        acme = try #require(TenantID("acme"))
    }

    /// The SQL is the release's, not the present schema's.
    @Test(
        "a file of version 1 is read and goes on",
        .enabled(if: Program.isInstalled("sqlite3"), "sqlite3 is not installed"))
    func version1() async throws {
        let made = try Program.run(
            "sqlite3",
            [
                folder.file("checkpoint.sqlite").path,
                """
                CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
                INSERT INTO grdb_migrations VALUES ('1 offset and snapshots');
                CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), "offset" INTEGER NOT NULL) STRICT;
                INSERT INTO position VALUES (1, 4194305);
                CREATE TABLE detectors (tenant TEXT PRIMARY KEY, snapshot BLOB NOT NULL) STRICT;
                INSERT INTO detectors VALUES ('acme', x'010203');
                """,
            ])
        #expect(made.status == 0, "\(made.errors)")
        let file = try CheckpointFile(directory: folder.path)
        var checkpoint = CheckpointFile.Checkpoint(offset: 4_194_305, snapshots: [acme: [1, 2, 3]])
        let loaded = try file.load()
        #expect(loaded == checkpoint && !file.wasDamaged)
        checkpoint.offset += 1
        checkpoint.sigma = [acme: [4, 5]]
        try await file.save(checkpoint)
        let saved = try file.load()
        #expect(saved == checkpoint)
    }

    @Test("however it is damaged, it opens and takes the next checkpoint; a file that can't be read is set aside")
    func anyDamage() async throws {
        let checkpoint = CheckpointFile.Checkpoint(
            offset: 77, snapshots: [acme: [UInt8](repeating: 0x5A, count: 20_000)])
        try await CheckpointFile(directory: folder.path).save(checkpoint)
        let whole = try Data(contentsOf: folder.file("checkpoint.sqlite"))
        var setAside = 0
        for seed in 1...60 as ClosedRange<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let own = try TemporaryFolder("checkpoint")
            var bytes = whole
            switch seed % 4 {
            case 0: bytes = whole.prefix(Int.random(in: 1..<whole.count, using: &generator))
            case 1: for place in 0..<16 { bytes[place] = 0 }
            case 2:
                let start = Int.random(in: 0..<whole.count, using: &generator)
                for place in start..<min(start + 4_096, whole.count) { bytes[place] = 0xA5 }
            default: bytes[Int.random(in: 0..<whole.count, using: &generator)] ^= 0x40
            }
            try bytes.write(to: own.file("checkpoint.sqlite"))
            let file = try CheckpointFile(directory: own.path)
            let isKept = FileManager.default.fileExists(atPath: own.file("checkpoint.sqlite.damaged-1").path)
            #expect(file.wasDamaged == isKept, "SEED=\(seed)")
            if file.wasDamaged {
                setAside += 1
                let fresh = try file.load()
                #expect(fresh == CheckpointFile.Checkpoint(), "SEED=\(seed)")
            }
            try await file.save(checkpoint)
            let loaded = try file.load()
            #expect(loaded == checkpoint, "SEED=\(seed)")
        }
        #expect(setAside > 20, "\(setAside)")
    }
}
