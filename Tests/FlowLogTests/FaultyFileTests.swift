import CFaultVFS
import Delivery
import FlowLog
import Foundation
import Identity
import TestKit
import Testing

/// The log on a file system whose n-th write or sync fails: SQLite and GRDB as they are, on a VFS that says so.
@Suite("The flow log when any write or sync of its files fails", .serialized)
struct FaultyFileTests {
    init() { #expect(fault_vfs_install() == 0) }

    /// Of one course.
    private static let batches: UInt64 = 5

    /// What a client heard.
    private struct Heard {
        var stored: [LogAppend] = [], refused: [UInt64] = [], isFailed = false, isOpen = false
    }
    private func limits(checkpointBytes: Int = 60_000) -> SQLiteFlowLog.Limits {
        var limits = SQLiteFlowLog.Limits()
        limits.checkpointBytes = checkpointBytes  // a few in each course
        return limits
    }

    /// Opens, appends group after group, trims, appends on.
    private func course(_ folder: TemporaryFolder) async throws -> Heard {
        var heard = Heard()
        let identity = try sensor()
        let log: SQLiteFlowLog
        do { log = try SQLiteFlowLog(directory: folder.path, limits: limits()) } catch { return heard }
        heard.isOpen = true
        for sequence in UInt64(0)..<Self.batches {
            let sent = batch(sequence, from: identity, body: [UInt8](repeating: UInt8(sequence), count: 30_000))
            do {
                let result = try await log.append(sent)
                #expect(!heard.isFailed, "nothing is taken after a failure")
                if result.offset != nil { heard.stored.append(sent) }
                if sequence == 3, let offset = result.offset { try await log.trim(through: offset - 2) }
            } catch {
                if case .failed = error { heard.isFailed = true }
                heard.refused.append(sequence)
            }
        }
        try? log.close()
        return heard
    }

    /// Every batch whose sender heard "stored" has its key, and its body unless it was trimmed, in a log opened on
    /// `path`.
    private func check(_ heard: Heard, in path: String, _ comment: Comment) async throws {
        let log = try SQLiteFlowLog(directory: path)
        let held = try await log.read(after: 0, limit: 100)
        for sent in heard.stored {
            guard case .repeated(_, let digest) = try await log.append(sent) else {
                Issue.record("\(sent.key) of \(heard.stored.count) is gone, \(heard.refused) refused: \(comment)")
                continue
            }
            #expect(digest == sent.digest, comment)
        }
        for batch in held { #expect(BatchDigest(of: batch.body) == batch.digest, comment) }
        #expect(Set(held.map(\.key)).count == held.count, comment)
        try log.close()
    }
    /// A folder with what was synced, as after a power cut.
    private func durable(_ folder: TemporaryFolder) throws -> TemporaryFolder {
        let cut = try TemporaryFolder("weir-cut", inMemory: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".durable") {
            let own = String(name.dropLast(".durable".count))
            guard FileManager.default.fileExists(atPath: folder.file(own).path) else { continue }
            try FileManager.default.copyItem(at: folder.file(name), to: cut.file(own))
        }
        return cut
    }

    @Test(
        "for every n: who heard stored finds it after a restart and after a power cut; a failed sync is the log's end",
        arguments: [FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT_WRITE])
    func everyCall(_ fault: Int) async throws {
        // Making the tables is another matter: each course begins with a log that is there.
        let fresh = try TemporaryFolder("weir-log", inMemory: true)
        try SQLiteFlowLog(directory: fresh.path).close()
        func copy() throws -> TemporaryFolder {
            let folder = try TemporaryFolder("weir-fault-log", inMemory: true)
            for name in ["log.sqlite", "log.sqlite.durable"] {
                try FileManager.default.copyItem(at: fresh.file("log.sqlite"), to: folder.file(name))
            }
            return folder
        }
        let sound = try copy()
        fault_vfs_plan(sound.path, 0, Int32(FAULT_NONE), Int32(FAULT_ON_ANY), 0)
        let whole = try await course(sound), calls = Int(fault_vfs_calls())
        #expect(whole.stored.count == Int(Self.batches) && calls > 20)
        var failed = 0, ended = 0
        for call in 1...calls {
            let folder = try copy()
            fault_vfs_plan(folder.path, Int32(call), Int32(fault), Int32(FAULT_ON_ANY), 0)
            let heard = try await course(folder)
            failed += Int(fault_vfs_failures())
            if heard.isFailed { ended += 1 }
            fault_vfs_plan(folder.path, 0, Int32(FAULT_NONE), Int32(FAULT_ON_ANY), 0)
            let cut = try durable(folder)
            try await check(heard, in: cut.path, "call \(call), fault \(fault), after a power cut")
            try await check(heard, in: folder.path, "call \(call), fault \(fault)")
        }
        #expect(failed >= calls * 9 / 10 && ended > 0, "\(failed) of \(calls) failed, \(ended) ended the log")
    }

    @Test("a checkpoint whose sync fails ends the log; what was answered stays, and no sync is tried again")
    func failedCheckpoint() async throws {
        let folder = try TemporaryFolder("weir-fault-log", inMemory: true), identity = try sensor()
        fault_vfs_plan(folder.path, 0, Int32(FAULT_NONE), Int32(FAULT_ON_SYNC), 0)
        let log = try SQLiteFlowLog(directory: folder.path, limits: limits(checkpointBytes: 150_000))
        var heard = Heard()
        for sequence in UInt64(0)..<2 {
            let sent = batch(sequence, from: identity, body: [UInt8](repeating: 1, count: 60_000))
            if try await log.append(sent).offset != nil { heard.stored.append(sent) }
        }
        // The commit's sync is the first; the checkpoint's follow: of the write-ahead log, then of the file.
        fault_vfs_plan(folder.path, 2, Int32(FAULT_EIO), Int32(FAULT_ON_SYNC), 1)
        let last = batch(2, from: identity, body: [UInt8](repeating: 1, count: 60_000))
        if try await log.append(last).offset != nil { heard.stored.append(last) }
        #expect(heard.stored.count == 3, "it was durable before the checkpoint")
        // The checkpoint comes after the answer.
        for _ in 0..<200 where fault_vfs_failures() == 0 { try await Task.sleep(for: .milliseconds(5)) }
        await #expect(throws: FlowLogError.self) { try await log.append(batch(3, from: identity)) }
        try log.close()
        #expect(fault_vfs_failures() == 1, "neither the next append nor closing tried to sync")
        fault_vfs_plan(folder.path, 0, Int32(FAULT_NONE), Int32(FAULT_ON_ANY), 0)
        let cut = try durable(folder)
        try await check(heard, in: cut.path, "after a power cut")
        try await check(heard, in: folder.path, "after a restart")
    }
}
