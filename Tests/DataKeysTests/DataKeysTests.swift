import DataKeys
import Foundation
import Identity
import Platform
import Settings
import TestKit
import Testing

/// A key file with a local wrapping key in a folder of a test's own.
struct KeyWorld {
    let folder: TemporaryFolder
    let kek: URL
    let time = ManualTime()
    let keys: DataKeys

    init(seed: UInt64 = 1) throws {
        folder = try TemporaryFolder("weir-keys")
        kek = folder.file("kek")
        try Self.makeKEK(kek, seed: seed)
        keys = try Self.keys(folder, kek, time)
    }
    static func makeKEK(_ url: URL, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let octets = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        try? FileManager.default.removeItem(at: url)
        try makeFile(url.path, with: octets)
    }
    static func keys(_ folder: TemporaryFolder, _ kek: URL, _ time: ManualTime) throws -> DataKeys {
        DataKeys(
            file: try KeyFile(directory: folder.path),
            wrapper: LocalKeyWrapper(.file(kek.path), random: SystemRandomNumberGenerator()),
            random: SystemRandomNumberGenerator(), time: time)
    }
    /// Another process with the same files.
    func other() throws -> DataKeys { try Self.keys(folder, kek, time) }

    /// All octets of all files in the folder, by name.
    func files() throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            found[name] = try readFile(folder.file(name).path)
        }
        return found
    }
}

func tenant(_ name: String) throws -> TenantID { try #require(TenantID(name)) }

extension [UInt8] {
    func has(_ needle: [UInt8]) -> Bool {
        guard !needle.isEmpty, count >= needle.count else { return false }
        return Data(self).range(of: Data(needle)) != nil
    }
}

@Suite("Data keys")
struct DataKeysTests {
    let plain = Array("a host that nobody else may know".utf8)

    @Test("what was sealed opens for the same tenant and context, in another process too") func roundTrip() throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        let sealed = try world.keys.seal(plain, tenant: acme, context: "2026-11-21/segment/1/octets")
        #expect(sealed.count == plain.count + world.keys.sealedOverhead)
        #expect(!sealed.has(Array(plain[..<8])))
        let back = try world.other().open(sealed, tenant: acme, context: "2026-11-21/segment/1/octets")
        #expect(back == plain)
        let again = try world.keys.seal(plain, tenant: acme, context: "2026-11-21/segment/1/octets")
        #expect(again != sealed)
    }

    @Test("a blob of another tenant, another context or with any bit changed does not open") func exchanged() throws {
        let world = try KeyWorld(), acme = try tenant("acme"), other = try tenant("acm")
        let sealed = try world.keys.seal(plain, tenant: acme, context: "e/1")
        _ = try world.keys.seal(plain, tenant: other, context: "e/1")
        #expect(throws: DataKeyError.damaged(context: "e/1")) {
            try world.keys.open(sealed, tenant: other, context: "e/1")
        }
        #expect(throws: DataKeyError.damaged(context: "ee/1")) {
            try world.keys.open(sealed, tenant: other, context: "ee/1")
        }
        #expect(throws: DataKeyError.damaged(context: "e/2")) {
            try world.keys.open(sealed, tenant: acme, context: "e/2")
        }
        for index in sealed.indices {
            for bit in 0..<8 {
                var bad = sealed
                bad[index] ^= 1 << bit
                #expect(throws: DataKeyError.self, "octet \(index), bit \(bit)") {
                    try world.keys.open(bad, tenant: acme, context: "e/1")
                }
            }
        }
        for length in 0..<sealed.count {
            #expect(throws: DataKeyError.self) {
                try world.keys.open(Array(sealed[..<length]), tenant: acme, context: "e/1")
            }
        }
    }

    @Test("owner, context and version are bound to a blob even where the key's octets are the same") func bound() throws
    {
        let secret = Secret([UInt8](repeating: 5, count: 32)), nonce = [UInt8](repeating: 1, count: 12)
        func key(_ owner: String, _ version: UInt32 = 1) throws -> DataKey {
            try #require(DataKey(secret, version: version, owner: .tenant(try tenant(owner))))
        }
        let sealed = try key("ab").seal(plain, nonce: nonce, context: "c")
        #expect(try key("ab").open(sealed, context: "c") == plain)
        #expect(throws: DataKeyError.damaged(context: "bc")) { try key("a").open(sealed, context: "bc") }
        #expect(throws: DataKeyError.damaged(context: "c")) { try key("b").open(sealed, context: "c") }
        var relabelled = sealed
        relabelled[7] = 2
        #expect(throws: DataKeyError.damaged(context: "c")) { try key("ab", 2).open(relabelled, context: "c") }
        #expect(DataKey(Secret([1]), version: 1, owner: .backup)?.version == nil)
    }

    @Test("after a rotation new blobs have the new version and old ones still open") func rotation() throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        let old = try world.keys.seal(plain, tenant: acme, context: "a")
        #expect(try DataKey.version(of: old) == 1 && !world.keys.isStale(old, tenant: acme))
        let version = try world.keys.rotate(.tenant(acme))
        #expect(version == 2)
        let new = try world.keys.seal(plain, tenant: acme, context: "a")
        #expect(DataKey.version(of: new) == 2)
        let isStale = try world.keys.isStale(old, tenant: acme)
        #expect(isStale)
        for blob in [old, new] {
            let back = try world.other().open(blob, tenant: acme, context: "a")
            #expect(back == plain)
        }
        try world.keys.file.retire(owner: .tenant(acme), below: 2)
        try world.keys.refresh()
        #expect(throws: DataKeyError.unknownVersion(owner: "acme", version: 1)) {
            try world.keys.open(old, tenant: acme, context: "a")
        }
    }

    @Test("a rotation by another process is used within ten seconds") func rotationElsewhere() throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        _ = try world.keys.seal(plain, tenant: acme, context: "a")
        try world.other().rotate(.tenant(acme))
        world.time.advance(by: .seconds(11))
        let sealed = try world.keys.seal(plain, tenant: acme, context: "a")
        #expect(DataKey.version(of: sealed) == 2)
    }

    @Test("a destroyed key opens nothing, seals nothing, is in no file, and is not made anew") func destroyed() throws {
        let world = try KeyWorld(), acme = try tenant("acme"), other = try tenant("other")
        let sealed = try world.keys.seal(plain, tenant: acme, context: "a")
        let kept = try world.keys.seal(plain, tenant: other, context: "a")
        try world.keys.rotate(.tenant(acme))
        let wrapped = try world.keys.file.rows(of: .tenant(acme)).map(\.wrapped.octets)
        let before = try world.files()
        // The search finds what is there.
        #expect(wrapped.count == 2 && wrapped.allSatisfy { key in before.values.contains { $0.has(key) } })

        let second = try world.other()
        _ = try second.open(sealed, tenant: acme, context: "a")
        #expect(try world.keys.destroy(.tenant(acme)) == 2)

        let gone = DataKeyError.destroyed(owner: "acme")
        #expect(throws: gone) { try world.keys.open(sealed, tenant: acme, context: "a") }
        #expect(throws: gone) { try world.keys.seal(plain, tenant: acme, context: "a") }
        #expect(throws: gone) { try world.other().prepare(acme) }
        #expect(throws: gone) { try world.keys.rotate(.tenant(acme)) }
        for (name, octets) in try world.files() {
            #expect(wrapped.allSatisfy { !octets.has($0) }, "\(name) still has the wrapped key")
        }
        // The process that had it cached.
        try second.refresh()
        #expect(throws: gone) { try second.open(sealed, tenant: acme, context: "a") }
        #expect(try world.keys.open(kept, tenant: other, context: "a") == plain)
    }

    @Test("a process that cached a key that another destroyed forgets it after ten seconds at its next use")
    func destroyedElsewhere() throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        let sealed = try world.keys.seal(plain, tenant: acme, context: "a")
        try KeyFile(directory: world.folder.path).destroy(.tenant(acme), at: 0)
        world.time.advance(by: .seconds(11))
        #expect(throws: DataKeyError.destroyed(owner: "acme")) {
            try world.keys.open(sealed, tenant: acme, context: "a")
        }
    }

    @Test("many threads that need a tenant's first key at once make one") func firstUse() async throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        let others = try (0..<4).map { _ in try world.other() }
        let plain = plain
        let blobs = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for index in 0..<32 {
                group.addTask { try others[index % 4].seal(plain, tenant: acme, context: "\(index)") }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(blobs.compactMap { DataKey.version(of: $0) }) == [1])
        #expect(try world.keys.file.rows().count == 1)
    }

    @Test("a key that has sealed nearly 2^32 blobs is followed by a new version by itself") func exhausted() throws {
        let world = try KeyWorld(), acme = try tenant("acme")
        let old = try world.keys.seal(plain, tenant: acme, context: "a")
        world.keys.file.close()
        let reopened = try world.other()
        let row = try #require(try reopened.file.rows().first)
        #expect(row.seals == 1 << 20)
        let sql = "UPDATE key SET seals = \(DataKeys.sealsMax - 1)"
        try Program.run("sqlite3", [world.folder.file("keys.sqlite").path, sql])
        let new = try reopened.seal(plain, tenant: acme, context: "a")
        #expect(DataKey.version(of: new) == 2)
        #expect(try reopened.open(old, tenant: acme, context: "a") == plain)
    }
}
