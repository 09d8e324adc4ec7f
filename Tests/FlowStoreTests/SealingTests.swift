import FlowModel
import FlowStore
import Foundation
import Identity
import TestKit
import Testing

/// Not a secret to anybody, but it keeps to the rules: another tenant's or another context's octets don't open, and a
/// destroyed key opens nothing.
final class ToySealer: StoreSealer {
    private let destroyed = Locked<Set<String>>([])
    let openings = Locked(0)

    func destroy(_ tenant: TenantID) { destroyed.with { _ = $0.insert(tenant.rawValue) } }

    func seal(_ bytes: [UInt8], tenant: TenantID, context: String) throws(SealError) -> [UInt8] {
        try check(tenant)
        return mask(bytes) + tag(bytes, tenant, context)
    }
    func open(_ sealed: [UInt8], tenant: TenantID, context: String) throws(SealError) -> [UInt8] {
        try check(tenant)
        openings.with { $0 += 1 }
        guard sealed.count >= 8 else { throw .damaged }
        let bytes = mask(Array(sealed.dropLast(8)))
        guard tag(bytes, tenant, context) == Array(sealed.suffix(8)) else { throw .damaged }
        return bytes
    }
    private func check(_ tenant: TenantID) throws(SealError) {
        if destroyed.with({ $0.contains(tenant.rawValue) }) { throw .keyDestroyed }
    }
    private func mask(_ bytes: [UInt8]) -> [UInt8] {
        bytes.enumerated().map { $1 ^ UInt8(truncatingIfNeeded: $0 &* 31 &+ 0xA5) }
    }
    private func tag(_ bytes: [UInt8], _ tenant: TenantID, _ context: String) -> [UInt8] {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for octet in Array("\(tenant)|\(context)|".utf8) + bytes { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
        return (0..<8).map { UInt8(truncatingIfNeeded: hash >> (8 * $0)) }
    }
}

@Suite("Sealing")
struct SealingTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    private func open(_ sealer: ToySealer?) throws -> SQLiteFlowStore {
        try SQLiteFlowStore(directory: folder.path, sealer: sealer, recentBytes: 0)
    }
    /// Whether any file has these octets.
    private func holds(_ needle: [UInt8]) throws -> Bool {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.contains(".sqlite") }.contains {
            try Data(contentsOf: folder.file($0)).range(of: Data(needle)) != nil
        }
    }

    @Test("bodies, segments and rollups are sealed, and read as they were") func roundTrip() async throws {
        var real = RealBatches(seed: 41)
        try real.add(10)
        let store = try open(ToySealer())
        try await store.store(real.batches)
        try await store.expect(real.records)
        let body = real.batches[0].body
        #expect(try !holds(Array(body[100..<140])))
        _ = try await store.compact(now: later, policy: eager())
        try await store.expect(real.records)
        #expect(try !holds(Array("WSEG".utf8)))
        let answer = try await store.rollup(
            RollupQuestion(tenant: try tenant(), kind: .service, period: .hour, from: .min, to: .max))
        #expect(answer.damaged == 0)
        #expect(answer.buckets.count == RollupTests.sums(real.records, .service, .hour).count)
        _ = try await store.compact(now: later + 200_000)
        try await store.expect(real.records)
        #expect(await store.damage == StoreDamage())
    }

    @Test("without a sealer the search above would find the body and the segment") func needles() async throws {
        var real = RealBatches(seed: 41)
        try real.add(1)
        let store = try open(nil)
        try await store.store(real.batches)
        #expect(try holds(Array(real.batches[0].body[100..<140])))
        _ = try await store.compact(now: later, policy: eager())
        #expect(try holds(Array("WSEG".utf8)))
    }

    @Test("a range of a blob opens only the pieces that hold it") func ranges() async throws {
        let sealer = ToySealer()
        var real = RealBatches(seed: 42)
        try real.add(20, rows: 3_000)
        let store = try open(sealer)
        try await store.store(real.batches)
        _ = try await store.compact(now: later, policy: eager())
        let segment = try #require(try await store.all().first)
        let column = Blobs.octets
        let whole = try #require(
            try await store.blob(column, range: nil, of: segment, tenant: try tenant()))
        #expect(whole.count > 2 * 65_280)
        let ranges = [0..<1, 65_279..<65_281, 65_280..<65_290, 1_000..<whole.count, whole.count - 1..<whole.count]
        for range in ranges where range.upperBound <= whole.count {
            sealer.openings.with { $0 = 0 }
            let part = try await store.blob(column, range: range, of: segment, tenant: try tenant())
            #expect(part == Array(whole[range]))
            #expect(sealer.openings.with { $0 } == (range.upperBound - 1) / 65_280 - range.lowerBound / 65_280 + 1)
        }
        #expect(try await store.blob(column, range: nil, of: segment, tenant: try tenant("globex")) == nil)
    }

    @Test("what was sealed under a destroyed key is said to be so: no damage, and other tenants go on")
    func destroyedKey() async throws {
        let sealer = ToySealer()
        var real = RealBatches(seed: 43)
        try real.add(10)
        var other = RealBatches(seed: 44)
        try other.add(10, tenant: "globex")
        let store = try open(sealer)
        try await store.store(real.batches + other.batches)
        _ = try await store.compact(now: later, policy: eager(rows: 250))
        try await store.store([try stored(500)])
        let segments = try await store.all()
        sealer.destroy(try tenant())
        await #expect(throws: FlowStoreError.keyDestroyed(try tenant())) {
            for segment in segments where segment.kind == .batch {
                _ = try await store.body(of: segment, tenant: try tenant())
            }
        }
        await #expect(throws: FlowStoreError.keyDestroyed(try tenant())) { _ = try await store.allRecords() }
        await #expect(throws: FlowStoreError.keyDestroyed(try tenant())) {
            _ = try await store.rollup(
                RollupQuestion(tenant: try tenant(), kind: .service, period: .hour, from: .min, to: .max))
        }
        await #expect(throws: FlowStoreError.keyDestroyed(try tenant())) { try await store.store([try stored(501)]) }
        // Compaction and retention pass the tenant over.
        let report = try await store.compact(now: later + 200_000, policy: eager())
        #expect(report.deletedBatches == 10)
        try await store.expect(other.records, "globex")
        #expect(await store.damage == StoreDamage())
        var policy = RetentionPolicy()
        policy.days = 1
        #expect(try await store.retain(now: later, policy: policy).count == 2)
    }

    @Test("octets that were put in another place do not open: they are damage") func exchanged() async throws {
        var real = RealBatches(seed: 45)
        try real.add(3)
        let store = try open(ToySealer())
        try await store.store(real.batches)
        try await exchangeBodies(1, 2, in: folder)
        #expect(try await store.allRecords().rows == 50)
        #expect(await store.damage.batches == 2)
        #expect(try await store.totals(of: try tenant()).rows == 50)
    }
}
