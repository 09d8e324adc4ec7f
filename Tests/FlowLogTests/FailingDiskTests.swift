import Delivery
import FlowLog
import Foundation
import Identity
import TestKit
import Testing

@Suite("The flow log on a failing disk, and who waits for it")
struct FailingDiskTests {
    struct DiskGone: Error {}
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-log") }

    @Test("after a failed commit nobody hears stored, nothing more is taken, and opening anew finds the old batches")
    func failedCommit() async throws {
        let fails = Locked(false)
        let broken = try SQLiteFlowLog(directory: folder.path) { if fails.with({ $0 }) { throw DiskGone() } }
        let kept = batch(0, from: try sensor())
        _ = try await broken.append(kept)
        fails.with { $0 = true }
        let identity = try sensor()
        let refused = await withTaskGroup(of: Bool.self) { group in
            for sequence in UInt64(1)...20 {
                group.addTask {
                    do {
                        _ = try await broken.append(batch(sequence, from: identity))
                        return false
                    } catch FlowLogError.failed {
                        return true
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(refused == 20)
        fails.with { $0 = false }
        await #expect(throws: FlowLogError.self) { try await broken.append(batch(30, from: identity)) }
        await #expect(throws: FlowLogError.self) { try await broken.trim(through: 1) }
        try broken.close()

        let fresh = try SQLiteFlowLog(directory: folder.path)
        #expect(try await fresh.read(after: 0, limit: 100).map(\.key) == [kept.key])
        #expect(try await fresh.append(batch(1, from: identity)).offset != nil)
    }

    @Test("who waits for a batch hears of the failure too") func waitersHearOfFailure() async throws {
        let broken = try SQLiteFlowLog(directory: folder.path) { throw DiskGone() }
        let identity = try sensor()
        let result = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await broken.waitForBatch(after: 0)
                    return false
                } catch FlowLogError.failed { return true } catch { return false }
            }
            group.addTask { (try? await broken.append(batch(1, from: identity))) == nil }
            return await group.reduce(into: true) { $0 = $0 && $1 }
        }
        #expect(result)
    }

    @Test("waiting ends with the batch waited for, not with an earlier one, and with its task") func waiting()
        async throws
    {
        let log = try SQLiteFlowLog(directory: folder.path)
        let first = try #require(try await log.append(batch(0, from: try sensor())).offset)
        try await log.waitForBatch(after: first - 1)
        let done = Locked(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await log.waitForBatch(after: first + 1)
                done.with { $0 = true }
            }
            _ = try await log.append(batch(1, from: try sensor()))
            try await Task.sleep(for: .milliseconds(30))
            #expect(!done.with { $0 })
            _ = try await log.append(batch(2, from: try sensor()))
            try await group.waitForAll()
        }
        #expect(done.with { $0 })
        let waiter = Task { try await log.waitForBatch(after: .max - 1) }
        waiter.cancel()
        await #expect(throws: FlowLogError.cancelled) { try await waiter.value }
    }

    @Test("more than may wait is refused at once, and taken later") func backPressure() async throws {
        var limits = SQLiteFlowLog.Limits()
        limits.waitingBytesMax = 3_000
        let disk = DispatchSemaphore(value: 0)
        let log = try SQLiteFlowLog(directory: folder.path, limits: limits) {
            disk.wait()
            disk.signal()
        }
        let identity = try sensor(), body = [UInt8](repeating: 1, count: 1_000)
        let outcomes = await withTaskGroup(of: String.self) { group in
            for sequence in UInt64(0)..<40 {
                group.addTask {
                    do {
                        _ = try await log.append(batch(sequence, from: identity, body: body))
                        return "taken"
                    } catch { return "\(error)" }
                }
            }
            try? await Task.sleep(for: .milliseconds(100))
            disk.signal()
            return await group.reduce(into: [:] as [String: Int]) { $0[$1, default: 0] += 1 }
        }
        #expect(outcomes["busy", default: 0] > 0)
        #expect(outcomes["taken", default: 0] >= 3)
        #expect(outcomes.values.reduce(0, +) == 40)
        let held = try await log.read(after: 0, limit: 100)
        #expect(held.count == outcomes["taken"])
        #expect(try await log.append(batch(100, from: identity, body: body)).offset != nil)
    }
}
