import FlowStore
import Foundation
import Identity
import TestKit
import Testing

@Suite("The flow store with damaged files")
struct DamageTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    private func path(_ name: String) -> URL { folder.file("acme/\(name)") }

    /// Two days of batches, in files that are closed.
    private func fill() async throws {
        let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
        try await store.store(
            try (UInt64(0)..<200).map { sequence in
                try stored(sequence, to: sequence % 2 == 0 ? noon : noon - day)
            })
    }

    @Test("a file that is no database is set aside, the other days are read, and the day goes on") func garbage()
        async throws
    {
        try await fill()
        try Data(repeating: 0x5A, count: 200_000).write(to: path("2026-11-21.sqlite"))
        let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
        #expect(try await store.all().count == 100)
        #expect(await store.quarantinedFiles == 1)
        let aside = try Data(contentsOf: path("2026-11-21.sqlite.damaged-1"))
        #expect(aside == Data(repeating: 0x5A, count: 200_000))
        try await store.store([try stored(500)])
        #expect(try await store.offsets(from: noon).first == 501)
        #expect(try await store.all().count == 101)
    }

    @Test("damage inside a file is found when it is met, by readers or by the writer", arguments: [true, false])
    func damageInside(writerFirst: Bool) async throws {
        try await fill()
        // All pages but the first, so that the file opens.
        var bytes = try Data(contentsOf: path("2026-11-21.sqlite"))
        #expect(bytes.count > 2 * 65_536)
        bytes.replaceSubrange(65_536..<bytes.count, with: Data(repeating: 0xA5, count: bytes.count - 65_536))
        try bytes.write(to: path("2026-11-21.sqlite"))
        let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
        if writerFirst { try await store.store([try stored(500)]) }
        #expect(try await store.all().count == (writerFirst ? 101 : 100))
        #expect(await store.quarantinedFiles == 1)
        if !writerFirst { try await store.store([try stored(500)]) }
        #expect(try await store.all().count == 101)
        #expect(FileManager.default.fileExists(atPath: path("2026-11-21.sqlite.damaged-1").path))
    }

    @Test("every cut of a file leaves a store that opens, answers and takes batches") func cutFiles() async throws {
        try await fill()
        let whole = try Data(contentsOf: path("2026-11-21.sqlite"))
        for cut in stride(from: 0, through: whole.count, by: 20_011) {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.file("acme").path)
            where name.hasPrefix("2026-11-21") {
                try FileManager.default.removeItem(at: path(name))
            }
            try whole.prefix(cut).write(to: path("2026-11-21.sqlite"))
            let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
            let found = try await store.all(), count = found.count
            #expect((100...200).contains(count), "cut at \(cut)")
            for segment in found { _ = try await store.body(of: segment, tenant: try tenant()) }
            try await store.store([try stored(1_000 + UInt64(cut))])
            #expect(try await store.offsets(from: noon).contains(1_001 + Int64(cut)), "cut at \(cut)")
        }
    }
}
