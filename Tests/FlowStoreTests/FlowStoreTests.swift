import FlowModel
import FlowStore
import Foundation
import Identity
import TestKit
import Testing

@Suite("The flow store")
struct FlowStoreTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    private func open(openFilesMax: Int = 32) throws -> SQLiteFlowStore {
        try SQLiteFlowStore(directory: folder.path, openFilesMax: openFilesMax)
    }
    private func files() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sqlite") }.sorted()
    }

    @Test("what is stored comes back, body and all") func roundTrip() async throws {
        let store = try open(), batch = try stored(7)
        try await store.store([batch])
        let segment = try #require(try await store.all().first)
        #expect(segment.sensor == batch.sensor)
        #expect(segment.position == SegmentPosition(flowEndMax: noon, logOffset: 8))
        #expect(segment.flowStartMin == noon - 1_000)
        #expect(segment.receivedMilliseconds == noon)
        #expect(segment.rows == 3)
        #expect(segment.tally == batch.tally)
        #expect(segment.bodyBytes == 2_000)
        let body = try await store.body(of: segment, tenant: try tenant())
        #expect(body == batch.body)
    }

    @Test("storing again changes nothing, not even after opening anew or under another offset") func idempotent()
        async throws
    {
        let batches = try (UInt64(0)..<10).map { try stored($0) }
        let new = try await open().store(batches)
        let store = try open()
        let again = try await store.store(batches + [try stored(3, offset: 99)])
        #expect(new.batches == 10)
        #expect(again == StoreTotals())
        let totals = try await store.totals(of: try tenant())
        #expect(totals == new)
        #expect(totals.rows == 30)
        #expect(totals.tally == Tally(flows: 50, octets: 450, packets: 45))
        #expect(totals.bodyBytes == 20_000)
        #expect(try await store.offsets().sorted() == Array(1...10))
    }

    @Test("a time range selects what was under way in it, newest first, over days") func timeRange() async throws {
        let store = try open()
        // One batch an hour, each of 90 minutes, over three days.
        let hour = day / 24
        let batches = try (0..<72).map { index in
            try stored(
                UInt64(index), from: noon + Int64(index) * hour - hour * 3 / 2, to: noon + Int64(index) * hour,
                receivedMilliseconds: noon + Int64(index) * hour)
        }
        try await store.store(batches.shuffled())
        #expect(try files().count == 4)
        #expect(try await store.offsets() == (1...72).reversed())
        for (from, to) in [(noon, noon + 1), (noon + 30 * hour, noon + 40 * hour), (noon + hour * 71 + 1, Int64.max)] {
            let want = batches.filter { $0.flowEndMax >= from && $0.flowStartMin < to }.map(\.logOffset)
            let found = try await store.offsets(from: from, to: to)
            #expect(found == want.sorted(by: >), "\(from)..<\(to)")
        }
    }

    @Test("pages put together are the whole, at every page size") func paging() async throws {
        let store = try open()
        // Many share their end, so that the log offset decides.
        let batches = try (UInt64(0)..<60).map { sequence in
            let end = noon - Int64(sequence % 5) * day
            return try stored(sequence, to: end, receivedMilliseconds: end)
        }
        try await store.store(batches)
        let whole = try await store.all()
        #expect(whole.count == 60)
        #expect(whole.map(\.position) == whole.map(\.position).sorted(by: >))
        for size in [1, 7, 12, 60] {
            var pages: [Segment] = []
            while true {
                let page = try await store.all(before: pages.last?.position, limit: size)
                pages += page
                if page.count < size { break }
            }
            #expect(pages == whole, "page size \(size)")
        }
    }

    @Test("tenants have their own files and see nothing of each other") func tenantIsolation() async throws {
        let store = try open()
        try await store.store([try stored(1), try stored(2, tenant: "globex"), try stored(3)])
        #expect(try files() == ["acme/2026-11-21.sqlite", "globex/2026-11-21.sqlite"])
        #expect(try await store.offsets("acme") == [4, 2])
        #expect(try await store.offsets("globex") == [3])
        #expect(try await store.offsets("nobody") == [])
        let foreign = try #require(try await store.all("globex").first)
        let body = try await store.body(of: foreign, tenant: try tenant("acme"))
        #expect(body == nil)
        #expect(try await store.totals(of: try tenant("globex")).batches == 1)
    }

    @Test("a file that was put into another tenant's folder is not read") func misplacedFile() async throws {
        do {
            let store = try open()
            try await store.store([try stored(1, tenant: "globex")])
        }
        try FileManager.default.createDirectory(at: folder.file("acme"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            at: folder.file("globex/2026-11-21.sqlite"), to: folder.file("acme/2026-11-21.sqlite"))
        let store = try open()
        #expect(try await store.offsets("acme") == [])
        #expect(await store.quarantinedFiles == 1)
        #expect(try await store.offsets("globex") == [2])
    }

    @Test("clocks that lie make no files of their own, and their flows are found by the times they claim")
    func lyingClocks() async throws {
        let store = try open()
        let claims: [Int64] = [0, 1, -5_000, 457_400 * 365 * day, .max - 1, noon - 32 * day, noon + 3 * day]
        try await store.store(claims.enumerated().map { try stored(UInt64($0), from: $1, to: $1) })
        #expect(try files() == ["acme/2026-11-21.sqlite"])
        #expect(try await store.offsets(from: 0, to: 2) == [2, 1])
        #expect(try await store.offsets(from: 457_400 * 365 * day) == [5, 4])
        #expect(try await store.offsets(from: noon - day, to: noon) == [])
    }

    @Test("a sensor that was cut off fills the days it was cut off") func lateData() async throws {
        let store = try open()
        try await store.store([try stored(0, to: noon - 30 * day), try stored(1, to: noon - day), try stored(2)])
        #expect(
            try files() == [
                "acme/2026-10-22.sqlite", "acme/2026-11-20.sqlite", "acme/2026-11-21.sqlite",
            ])
    }

    @Test("many days are read and written with few files open") func fewOpenFiles() async throws {
        let store = try open(openFilesMax: 2)
        let batches = try (UInt64(0)..<20).map { sequence in
            try stored(sequence, to: noon - Int64(sequence) * day, receivedMilliseconds: noon - Int64(sequence) * day)
        }
        try await store.store(batches)
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 { group.addTask { try await store.all().count } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(counts == [Int](repeating: 20, count: 8))
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        let open = Set(
            descriptors.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)") }
                .filter { $0.hasPrefix(folder.path) && $0.hasSuffix(".sqlite") })
        #expect((1...2).contains(open.count))
        #expect(try files().count == 20)
    }
}
