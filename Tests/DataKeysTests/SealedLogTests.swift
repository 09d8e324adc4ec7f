import DataKeys
import Delivery
import FlowLog
import FlowModel
import Identity
import TestKit
import Testing

@Suite("The log with sealed bodies")
struct SealedLogTests {
    private let canary = Array("CANARY-5b1e7740-a-host-nobody-may-know".utf8)

    private func batch(_ sequence: UInt64, _ tenantName: String) throws -> LogAppend {
        let body = canary + Array("\(sequence)".utf8)
        return LogAppend(
            sensor: SensorIdentity(tenant: try tenant(tenantName), site: "hq", name: "edge-1"),
            key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: sequence), digest: BatchDigest(of: body),
            receivedMilliseconds: 1_700_000_000_000, rows: 1, tally: Tally(flows: 1, octets: 1, packets: 1), body: body)
    }

    @Test("no body is in the clear in any file; all come back; a destroyed key empties its tenant's and nobody else's")
    func sealed() async throws {
        let world = try KeyWorld()
        let log = try SQLiteFlowLog(directory: world.folder.path, sealing: world.keys.sealing)
        let batches = try [batch(1, "acme"), batch(2, "other"), batch(3, "acme")]
        for each in batches { _ = try await log.append(each) }
        let repeated = try await log.append(batches[0])
        guard case .repeated = repeated else {
            Issue.record("a repeat is known by the digest of what was sent: \(repeated)")
            return
        }
        for (name, octets) in try world.files() { #expect(!octets.has(canary), "\(name)") }
        let read = try await log.read(after: 0, limit: 10)
        #expect(read.map(\.body) == batches.map(\.body))
        let first = try #require(read.first).offset
        let following = try await log.read(after: first, limit: 10)
        #expect(following.map(\.body) == batches.dropFirst().map(\.body), "what is still in memory opens, too")

        try world.keys.destroy(.tenant(try tenant("acme")))
        let after = try await log.read(after: 0, limit: 10)
        #expect(after.map(\.body) == [[], batches[1].body, []] && after.map(\.key) == batches.map(\.key))
        let gone = try await log.read(after: first, limit: 10)
        #expect(gone.map(\.body) == [batches[1].body, []], "nor does memory keep it")
        await #expect { try await log.append(try batch(4, "acme")) } throws: { error in
            if case FlowLogError.storage(let text) = error { text.contains("acme") } else { false }
        }
        let other = try await log.append(try batch(4, "other"))
        guard case .appended = other else {
            Issue.record("the other tenant is kept out: \(other)")
            return
        }
    }

    @Test("bodies that were logged before there were keys are read as they are") func unsealed() async throws {
        let world = try KeyWorld()
        let old = try SQLiteFlowLog(directory: world.folder.path)
        _ = try await old.append(try batch(1, "acme"))
        try old.close()
        // The search finds what is there.
        #expect(try world.files().values.contains { $0.has(canary) })
        let log = try SQLiteFlowLog(directory: world.folder.path, sealing: world.keys.sealing)
        _ = try await log.append(try batch(2, "acme"))
        let read = try await log.read(after: 0, limit: 10)
        #expect(read.map(\.body) == [try batch(1, "acme").body, try batch(2, "acme").body])
    }

    @Test("without the key for a time nothing is passed over: appends say busy, reads fail") func unavailable()
        async throws
    {
        let world = try KeyWorld()
        let log = try SQLiteFlowLog(directory: world.folder.path, sealing: world.keys.sealing)
        _ = try await log.append(try batch(1, "acme"))
        try KeyWorld.makeKEK(world.kek, seed: 9)
        let other = try SQLiteFlowLog(directory: world.folder.path, sealing: world.other().sealing)
        await #expect(throws: FlowLogError.busy) { try await other.append(try batch(2, "acme")) }
        await #expect { try await other.read(after: 0, limit: 1) } throws: { error in
            if case FlowLogError.storage(let text) = error { text.contains("was wrapped by") } else { false }
        }
    }
}
