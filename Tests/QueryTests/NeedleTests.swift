import BatchFormat
import FilterLanguage
import FlowModel
import FlowStore
import Foundation
import Identity
import Query
import QueryEngine
import TestKit
import Testing

@Suite("One address in a long history")
struct NeedleTests {
    let tenant: TenantID
    let folder: TemporaryFolder
    init() throws {
        tenant = try #require(TenantID("acme"))
        folder = try TemporaryFolder("weir-needle")
    }
    private static let rows = 6_000

    /// One of more than a block of the list has.
    private func address(_ segment: Int, _ row: Int) -> IPAddress {
        IPAddress(v4: 0x0A00_0000 | UInt32(row) << 8 | UInt32(segment))
    }
    /// A store of segments, each of a batch with addresses of its own and some that all have.
    private func store(segments: Int) async throws -> SQLiteFlowStore {
        let store = try SQLiteFlowStore(directory: folder.file("\(segments)").path)
        var policy = CompactionPolicy()
        policy.rowsMax = Self.rows
        for segment in 0..<segments {
            let end = RandomHistory.start + Int64(segment) * 60_000
            let ends = [Int64](repeating: end, count: Self.rows)
            try await store.store([
                RandomHistory.batch(tenant: tenant, offset: Int64(segment), ends: ends) { columns in
                    for row in 0..<Self.rows {
                        columns[row].sourceIPAddress = address(segment, row)
                        columns[row].destinationIPAddress =
                            row % 2 == 0 ? IPAddress(v4: 0x0909_0909) : address(segment, row + 10_000)
                    }
                }
            ])
            _ = try await store.compact(now: RandomHistory.start + 100 * RandomHistory.hour, policy: policy)
        }
        return store
    }
    private func top(_ store: SQLiteFlowStore, _ network: IPNetwork) async throws -> TopAnswer {
        let filter = FlowFilter(.test(.address(.either, AddressSet([network]))))
        return try await FlowQuery(store: store, time: ManualTime(), seed: 3)
            .top(tenant: tenant, filter: filter, by: [], measure: .octets, limit: 1)
    }

    @Test("it opens the block of the list that holds the address, and nothing else of it, however long history is")
    func needle() async throws {
        for segments in [2, 9] {
            let store = try await store(segments: segments)
            let found = try await store.segments(tenant: tenant, from: .min, to: .max)
            #expect(found.map(\.kind) == [Segment.Kind](repeating: .compacted, count: segments))
            for row in [1, 700, 3_333] {
                let answer = try await top(store, IPNetwork(address(1, row), length: 32))
                #expect(answer.total.octets == 1_000 + UInt64(row))
                // Where a Bloom filter takes a stranger for one of its own, one block says no.
                let read = answer.effort.segments - answer.effort.skippedByBloom
                #expect(answer.effort.skippedByBounds == 0)
                #expect(answer.effort.listBlocks == read && read <= 2, "\(answer.effort)")
                #expect(answer.effort.matched == 1 && answer.effort.unreadable == 0)
            }
        }
    }

    @Test("an address of every segment opens a block in each") func everywhere() async throws {
        let store = try await store(segments: 4)
        let answer = try await top(store, IPNetwork(IPAddress(v4: 0x0909_0909), length: 32))
        #expect(answer.effort.listBlocks == 4 && answer.effort.matched == 2 * Self.rows)
    }

    @Test("a question makes and writes nothing in its folder but what SQLite shares between its readers")
    func readsOnly() async throws {
        _ = try await store(segments: 2)
        let path = folder.file("2").path, before = try contents(path)
        let again = try SQLiteFlowStore(directory: path)
        let answer = try await top(again, IPNetwork(address(1, 7), length: 32))
        #expect(answer.effort.matched == 1)
        let rollup = try await again.rollup(
            RollupQuestion(
                tenant: tenant, kind: .service, period: .minute, from: RandomHistory.start,
                to: RandomHistory.start + RandomHistory.hour))
        #expect(rollup.unsummed == [])
        let after = try contents(path)
        #expect(after.filter { !$0.key.hasSuffix("-shm") && !$0.key.hasSuffix("-wal") } == before)
        #expect(after.allSatisfy { !$0.key.hasSuffix("-wal") || $0.value.isEmpty })
        // It takes what comes all the same, and shows it.
        try await again.store([RandomHistory.batch(tenant: tenant, offset: 90, ends: [RandomHistory.start])])
        let all = try await again.segments(tenant: tenant, from: .min, to: .max)
        #expect(all.count == 3)
    }
    private func contents(_ path: String) throws -> [String: Data] {
        var found: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            found[name] = FileManager.default.contents(atPath: path + "/" + name)
        }
        return found
    }
}
