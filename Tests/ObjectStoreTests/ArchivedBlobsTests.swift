import ObjectStore
import Platform
import TestKit
import Testing

@Suite("Reading an archive through a cache")
struct ArchivedBlobsTests {
    @Test("any range reads as from the object itself, within the cache's bounds") func ranges() async throws {
        let folder = try TemporaryFolder(), store = try FolderObjectStore(folder.path)
        let contents = [0, 1, 4_095, 4_096, 4_097, 100_000].map { ObjectStoreContract.bytes($0, UInt8($0 % 251)) }
        let names = try contents.indices.map { try ObjectName("archive/acme/\($0)") }
        for (name, content) in zip(names, contents) { try await store.put(name, content) }
        let archive = ArchivedBlobs(store, bytesMax: 5 * 4_096, blockBytes: 4_096)
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let index = Int.random(in: contents.indices, using: &generator), content = contents[index]
            let start = Int.random(in: 0...content.count + 10, using: &generator)
            let end = start + Int.random(in: 0...20_000, using: &generator)
            let part = try await archive.read(names[index], range: start..<end)
            #expect(part == Array(content.dropFirst(start).prefix(end - start)), "\(index): \(start)..<\(end)")
            #expect(archive.use.bytesCached <= 5 * 4_096)
        }
        #expect(archive.use.hits > 0 && archive.use.misses > 0)
    }

    @Test("what was read is not fetched again until others took its place") func caching() async throws {
        let folder = try TemporaryFolder(), store = try FolderObjectStore(folder.path)
        let a = try ObjectName("a"), b = try ObjectName("b")
        for name in [a, b] { try await store.put(name, ObjectStoreContract.bytes(16_384)) }
        let archive = ArchivedBlobs(store, bytesMax: 16_384, blockBytes: 4_096)
        for _ in 0..<3 { _ = try await archive.read(a, range: 100..<8_200) }
        #expect(archive.use == ArchivedBlobs.Use(hits: 6, misses: 3, bytesFetched: 12_288, bytesCached: 12_288))
        try await store.delete(a)
        let cached = try await archive.read(a, range: 0..<12_288)
        #expect(cached == Array(ObjectStoreContract.bytes(16_384)[..<12_288]))
        _ = try await archive.read(b, range: 0..<16_384)
        await #expect(throws: ObjectStoreError.notFound(a)) { try await archive.read(a, range: 0..<1) }
        archive.forget(prefix: "b")
        #expect(archive.use.bytesCached == 0)
    }
}
