import FlowStore
import Foundation
import GRDB
import SegmentFormat
import TestKit
import Testing

/// Objects in memory, with failures by plan: what the real stores do is tested with them (`ArchivedHistoryTests`).
final class PlannedArchive: SegmentArchive {
    struct State {
        var objects: [String: [UInt8]] = [:], puts: [String] = [], bytesRead = 0, isDown = false
    }
    let state = Locked(State())

    private func whenUp<Value: Sendable>(
        _ body: @Sendable (inout State) throws(ArchiveError) -> Value
    ) throws(ArchiveError) -> Value {
        let result = state.with { state -> Result<Value, ArchiveError> in
            guard !state.isDown else { return .failure(.unavailable("it is down")) }
            do throws(ArchiveError) { return .success(try body(&state)) } catch { return .failure(error) }
        }
        return try result.get()
    }
    func put(_ name: String, _ bytes: [UInt8]) async throws(ArchiveError) {
        try whenUp { (state) throws(ArchiveError) in
            state.objects[name] = bytes
            state.puts.append(name)
        }
    }
    func size(of name: String) async throws(ArchiveError) -> Int? {
        try whenUp { (state) throws(ArchiveError) in state.objects[name]?.count }
    }
    func read(_ name: String, range: Range<Int>, isFresh: Bool) async throws(ArchiveError) -> [UInt8] {
        try whenUp { (state) throws(ArchiveError) in
            guard let object = state.objects[name] else { throw .missing(name) }
            let found = Array(object[range.clamped(to: object.indices)])
            state.bytesRead += found.count
            return found
        }
    }
    func delete(_ name: String) async throws(ArchiveError) {
        try whenUp { (state) throws(ArchiveError) in state.objects[name] = nil }
    }
}

@Suite("The archive")
struct ArchiveTests {
    let folder: TemporaryFolder, archive = PlannedArchive()
    init() throws { folder = try TemporaryFolder("weir-store") }

    private func open(_ sealer: ToySealer? = nil) throws -> SQLiteFlowStore {
        try SQLiteFlowStore(directory: folder.path, sealer: sealer, archive: archive)
    }
    private func policy(days: Int = 1) -> ArchivePolicy {
        var policy = ArchivePolicy()
        policy.afterDays = days
        return policy
    }
    private var file: String { folder.file("acme/2026-11-21.sqlite").path }
    private func bytes() throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int)
    }
    /// Two segments on the node, whose batches have gone.
    private func filled(_ store: SQLiteFlowStore, rows: Int = 500) async throws -> RealBatches {
        var real = RealBatches(seed: 71)
        try real.add(20, rows: rows / 10, span: 60_000, hosts: 2)
        try await store.store(real.batches)
        _ = try await store.compact(now: later, policy: eager(rows: rows))
        #expect(try await store.compact(now: later + 200_000).deletedBatches == 20)
        return real
    }

    @Test("old segments go, stay listed and give back what they held; their days take less room here")
    func moves() async throws {
        let store = try open(), real = try await filled(store, rows: 30_000), before = try bytes()
        #expect(try await store.archive(now: later, policy: policy(days: 3)).segments == 0)
        let totals = try await store.totals(of: try tenant()),
            report = try await store.archive(
                now: later, policy: policy())
        #expect(report.segments == 2 && report.failure == nil)
        #expect(archive.state.with { $0.objects.values.reduce(0) { $0 + $1.count } } == report.bytes)
        #expect(try bytes() < before * 3 / 4)
        try await store.expect(real.records)
        #expect(try await store.totals(of: try tenant()) == totals)
        #expect(try await store.archive(now: later, policy: policy()) == ArchiveReport())
        // The same to who opens the store anew.
        try await open().expect(real.records)
        #expect(try await open().store(real.batches) == StoreTotals(), "their keys are known")
        #expect(try await open().archive(now: later, policy: policy()) == ArchiveReport())
    }

    @Test("head and Bloom filter are read here; of a column only what is asked for is fetched")
    func ranges() async throws {
        let store = try open()
        _ = try await filled(store, rows: 10_000)
        let listed = try await store.all()[0], before = StoredBlobs(listed, in: store)
        let whole = try await before.read(Blobs.octets, range: nil), head = try await before.read(.head, range: nil)
        let bloom = try await before.read(.bloom, range: nil)
        _ = try await store.archive(now: later, policy: policy())
        let after = StoredBlobs(listed, in: store)
        #expect(try await after.read(.head, range: nil) == head)
        #expect(try await after.read(.bloom, range: nil) == bloom)
        #expect(archive.state.with { $0.bytesRead } == 0)
        let range = whole.count / 2..<whole.count / 2 + 100
        let part = try await after.read(Blobs.octets, range: range)
        #expect(part == Array(whole[range]))
        #expect((1...70_000).contains(archive.state.with { $0.bytesRead }))
        #expect(try await after.read(Blobs.octets, range: nil) == whole)
    }

    @Test("dying at any step leaves every record here or there, and no object that nobody knows", arguments: [0, 1])
    func crash(_ turn: Int) async throws {
        struct Died: Error {}
        for step in ArchiveStep.allCases {
            let test = try ArchiveTests()
            var real: RealBatches?
            do {
                let store = try test.open()
                real = try await test.filled(store)
                var one = test.policy()
                one.segmentsMax = turn
                if turn == 1 { _ = try await store.archive(now: later, policy: one) }
                await #expect(throws: (any Error).self) {
                    try await store.archive(now: later, policy: test.policy()) { if $0 == step { throw Died() } }
                }
            }
            let store = try test.open(), records = try #require(real).records
            try await store.expect(records)
            _ = try await store.archive(now: later, policy: test.policy())
            try await store.expect(records)
            let known = try await DatabaseQueue(path: test.file).read { db in
                try Int.fetchOne(db, sql: "SELECT count(*) FROM archived WHERE is_stored") ?? 0
            }
            #expect(known == 2 && test.archive.state.with { $0.objects.count } == 2, "\(step)")
            #expect(await store.damage == StoreDamage())
        }
    }

    @Test("an archive that is down costs what is there for as long, and moves wait") func down() async throws {
        let store = try open(), real = try await filled(store)
        archive.state.with { $0.isDown = true }
        #expect(try await store.archive(now: later, policy: policy()).failure == "it is down")
        try await store.expect(real.records)
        archive.state.with { $0.isDown = false }
        #expect(try await store.archive(now: later, policy: policy()).segments == 2)
        archive.state.with { $0.isDown = true }
        let segment = try await store.all()[0]
        await #expect(throws: FlowStoreError.archiveUnavailable("it is down")) {
            try await store.blob(Blobs.octets, range: nil, of: segment, tenant: try tenant())
        }
        try await store.reportDamage(of: segment, tenant: try tenant(), reason: "it can't be read")
        archive.state.with { $0.isDown = false }
        try await store.expect(real.records)
        #expect(await store.damage == StoreDamage())
        #expect(await store.archiveFailures == 3)
    }

    @Test("a changed or cut object costs its own segment, which is counted; a missing one may come back")
    func damage() async throws {
        let store = try open(), real = try await filled(store)
        _ = try await store.archive(now: later, policy: policy())
        let name = try #require(archive.state.with { $0.objects.keys.min() })
        let object = try #require(archive.state.with { $0.objects.removeValue(forKey: name) })
        await #expect(throws: FlowStoreError.self) { try await store.allRecords() }
        #expect(try await store.all().count == 2)
        archive.state.with { $0.objects[name] = object }
        try await store.expect(real.records)
        var changed = object
        changed[object.count * 3 / 4] ^= 1
        archive.state.with { $0.objects[name] = changed }
        _ = try await store.allRecords()
        #expect(try await store.allRecords().rows == 500)
        #expect(await store.damage.segments == 1)
        #expect(await store.damage.rows == 500)
        let other = try #require(archive.state.with { $0.objects.keys.max() })
        archive.state.with { $0.objects[other] = Array($0.objects[other, default: []].prefix(600)) }
        _ = try? await store.allRecords()
        #expect(try await store.all().isEmpty)
        #expect(await store.damage.segments == 2)
        #expect(try await store.totals(of: try tenant()).rows == 0)
    }

    @Test("a day that goes takes its objects with it, later if the archive is down then") func retention() async throws
    {
        let store = try open()
        _ = try await filled(store)
        let report = try await store.archive(now: later, policy: policy())
        archive.state.with { $0.isDown = true }
        var keep = RetentionPolicy()
        keep.days = 1
        let gone = try await store.retain(now: later, policy: keep)
        #expect(gone.map(\.archivedBytes) == [report.bytes] && gone.map(\.reason) == [.age])
        #expect(try await store.all().isEmpty)
        #expect(archive.state.with { $0.objects.count } == 2)
        let again = try open()
        #expect(try await again.archive(now: later, policy: policy()).failure != nil)
        archive.state.with { $0.isDown = false }
        #expect(try await again.archive(now: later, policy: policy()).deletedObjects == 2)
        #expect(archive.state.with { $0.objects.isEmpty })
        #expect(try await again.archive(now: later, policy: policy()) == ArchiveReport())
    }

    @Test("a tenant with too much in the archive loses its oldest day there; too much here is moved before its time")
    func quotas() async throws {
        let store = try open()
        _ = try await filled(store)
        var pressed = policy(days: 30)
        #expect(try await store.archive(now: later, policy: pressed).segments == 0)
        pressed.localBytesMax = 1
        #expect(try await store.archive(now: later, policy: pressed).segments == 2)
        var keep = RetentionPolicy()
        keep.archivedBytesMax = 1 << 30
        #expect(try await store.retain(now: later, policy: keep).isEmpty)
        keep.archivedBytesMax = 1
        #expect(try await store.retain(now: later, policy: keep).map(\.reason) == [.archiveQuota])
        #expect(try await store.archive(now: later, policy: policy()).deletedObjects == 2)
    }

    @Test("what is sealed goes as it is, without the key; what a destroyed key sealed is gone there too")
    func sealed() async throws {
        let sealer = ToySealer(), store = try open(sealer), real = try await filled(store)
        let opened = sealer.openings.with { $0 }
        sealer.destroy(try tenant("globex"))
        #expect(try await store.archive(now: later, policy: policy()).segments == 2)
        #expect(sealer.openings.with { $0 } == opened)
        try await store.expect(real.records)
        let needle = Data("WSEG".utf8)
        #expect(archive.state.with { $0.objects.values.allSatisfy { Data($0).range(of: needle) == nil } })
        sealer.destroy(try tenant())
        let segment = try await store.all()[0]
        await #expect(throws: FlowStoreError.keyDestroyed(try tenant())) {
            try await store.blob(Blobs.octets, range: nil, of: segment, tenant: try tenant())
        }
    }

    @Test("a day's file that is made anew after damage still knows where its segments are") func mended() async throws {
        var real: RealBatches?
        do {
            let store = try open()
            real = try await filled(store)
            _ = try await store.archive(now: later, policy: policy())
        }
        try await DatabaseQueue(path: file).write { try $0.execute(sql: "UPDATE summary SET rows = rows + 1") }
        let store = try open()
        try await store.expect(try #require(real).records)
        #expect(await store.damage.files == 1)
    }
}
