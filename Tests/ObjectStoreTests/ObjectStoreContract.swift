import ObjectStore
import Testing

/// What every object store holds to. Each implementation's tests run all of it on an empty store.
enum ObjectStoreContract {
    static func bytes(_ count: Int, _ seed: UInt8 = 1) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) }
    }

    static func check(_ store: any ObjectStore) async throws {
        try await readsBack(store)
        try await ranges(store)
        try await keepsTheFirst(store)
        try await refusesWrongDigest(store)
        try await lists(store)
        try await deletes(store)
        try await concurrentWriters(store)
    }

    private static func readsBack(_ store: any ObjectStore) async throws {
        for size in [0, 1, 4_096, 5_000_000] {
            let name = try ObjectName("read/back/\(size).bin"), content = bytes(size)
            let isNew = try await store.put(name, content)
            let back = try await store.get(name), found = try await store.size(of: name)
            #expect(isNew && back == content && found == size, "\(size) octets")
        }
        let name = try ObjectName("read/back/1.bin")
        try await store.put(name, [9, 9])
        let replaced = try await store.get(name)
        #expect(replaced == [9, 9])
        let odd = try ObjectName("read/A=b@c_d-e..f/x")
        try await store.put(odd, [7])
        let back = try await store.get(odd)
        #expect(back == [7])
        await #expect(throws: ObjectStoreError.tooLarge(odd, bytes: objectBytesMax + 1)) {
            try await store.put(odd, [UInt8](repeating: 0, count: objectBytesMax + 1))
        }
    }

    private static func ranges(_ store: any ObjectStore) async throws {
        let name = try ObjectName("ranges"), content = bytes(1_000)
        try await store.put(name, content)
        for range in [0..<1, 0..<1_000, 17..<400, 999..<1_000, 990..<2_000, 1_000..<1_001, 5_000..<6_000, 3..<3] {
            let part = try await store.get(name, range: range)
            #expect(part == Array(content.dropFirst(range.lowerBound).prefix(range.count)), "\(range)")
        }
    }

    private static func keepsTheFirst(_ store: any ObjectStore) async throws {
        let name = try ObjectName("first")
        let first = try await store.put(name, [1], onlyIfAbsent: true)
        let second = try await store.put(name, [2], onlyIfAbsent: true)
        let same = try await store.put(name, [1], onlyIfAbsent: true)
        let kept = try await store.get(name)
        #expect(first && !second && same && kept == [1])
    }

    private static func refusesWrongDigest(_ store: any ObjectStore) async throws {
        let name = try ObjectName("digest")
        await #expect(throws: ObjectStoreError.digestMismatch(name)) {
            try await store.put(name, [1, 2, 3], digest: ObjectDigest(of: [1, 2, 4]), onlyIfAbsent: false)
        }
        let size = try await store.size(of: name)
        #expect(size == nil)
    }

    private static func lists(_ store: any ObjectStore) async throws {
        // '-' comes before '/', so a walk by folders has another order than the names.
        let texts = ["list/a-b", "list/a/b", "list/a/c", "list/a0", "list/b/1", "list/b/2", "list/b/3", "lisu"]
        for text in texts.shuffled() { try await store.put(try ObjectName(text), Array(text.utf8)) }
        var seen: [String] = [], last: ObjectName?
        repeat {
            let page = try await store.list(prefix: "list/", after: last, limit: 3)
            #expect(page.objects.count <= 3)
            #expect(page.objects.allSatisfy { $0.bytes == $0.name.text.utf8.count })
            seen += page.objects.map(\.name.text)
            last = page.isLast ? nil : page.objects.last?.name
        } while last != nil && seen.count < 100
        #expect(seen.sorted() == texts.filter { $0.hasPrefix("list/") }.sorted())
        let part = try await store.list(prefix: "list/a/", after: nil, limit: 10)
        #expect(part.objects.map(\.name.text) == ["list/a/b", "list/a/c"] && part.isLast)
        let half = try await store.list(prefix: "list/b", after: try ObjectName("list/b/1"), limit: 10)
        #expect(half.objects.map(\.name.text) == ["list/b/2", "list/b/3"])
        let none = try await store.list(prefix: "nothing/here", after: nil, limit: 10)
        #expect(none.objects.isEmpty && none.isLast)
    }

    private static func deletes(_ store: any ObjectStore) async throws {
        let name = try ObjectName("delete/deep/er/one"), other = try ObjectName("delete/two")
        try await store.put(name, [1])
        try await store.put(other, [2])
        try await store.delete(name)
        try await store.delete(name)
        let size = try await store.size(of: name), kept = try await store.get(other)
        #expect(size == nil && kept == [2])
        await #expect(throws: ObjectStoreError.notFound(name)) { try await store.get(name) }
        await #expect(throws: ObjectStoreError.notFound(name)) { try await store.get(name, range: 0..<1) }
    }

    private static func concurrentWriters(_ store: any ObjectStore) async throws {
        let name = try ObjectName("race")
        let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<8 {
                group.addTask { try await store.put(name, bytes(50_000, UInt8(index)), onlyIfAbsent: true) }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        let kept = try await store.get(name)
        #expect(wins == 1 && (0..<8).contains { bytes(50_000, UInt8($0)) == kept })
    }
}
