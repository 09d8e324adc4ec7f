import Foundation
import ObjectStore
import Platform
import TestKit
import Testing

@Suite("Objects in a folder")
struct FolderObjectStoreTests {
    @Test("a folder holds to the contract") func contract() async throws {
        let folder = try TemporaryFolder()
        try await ObjectStoreContract.check(FolderObjectStore(folder.file("store").path))
    }

    @Test("a name can't leave the folder") func names() throws {
        for bad in [
            "", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/./b", "a b", "a\u{0}b", "ä", "a\\b",
            String(repeating: "a", count: 513),
        ] {
            #expect(throws: ObjectStoreError.self, "\(bad)") { try ObjectName(bad) }
        }
        #expect(try ObjectName("a/..b/.c").text == "a/..b/.c")
    }

    @Test("what is written half way is never an object, and is swept when it is a day old") func drafts() async throws {
        let folder = try TemporaryFolder(), root = folder.file("store")
        let drafts = root.appendingPathComponent(".drafts")
        try FileManager.default.createDirectory(at: drafts, withIntermediateDirectories: true)
        for name in ["old", "new"] { try makeFile(drafts.appendingPathComponent(name).path, with: [1]) }
        let old = Date(timeIntervalSinceNow: -100_000)
        try FileManager.default.setAttributes(
            [.modificationDate: old], ofItemAtPath: drafts.appendingPathComponent("old").path)
        let store = try FolderObjectStore(root.path)
        let page = try await store.list(prefix: "", after: nil, limit: 10)
        #expect(page.objects.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: drafts.path) == ["new"])
        try await store.put(try ObjectName("a"), [1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: drafts.path) == ["new"])
    }

    @Test(
        "a full disk is told apart and leaves nothing", .enabled(if: getuid() == 0, "needs root to mount a file system")
    )
    func full() async throws {
        let folder = try TemporaryFolder(), path = folder.file("small").path
        try makeFolders(path)
        try #require(try Program.run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path]).status == 0)
        defer { _ = try? Program.run("umount", [path]) }
        let store = try FolderObjectStore(path), name = try ObjectName("a")
        await #expect { try await store.put(name, ObjectStoreContract.bytes(4 << 20)) } throws: { error in
            if case ObjectStoreError.noSpace = error { true } else { false }
        }
        let size = try await store.size(of: name)
        #expect(size == nil)
        try await store.put(name, ObjectStoreContract.bytes(1_000))
    }
}
