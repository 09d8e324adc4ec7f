import Backup
import DataKeys
import FlowLog
import Foundation
import GRDB
import Identity
import ObjectStore
import Platform
import TestKit
import Testing

@Suite("Backup and restore")
struct BackupTests {
    @Test("a backup under load holds all that was durable when it began, each piece once, and nothing half")
    func underLoad() async throws {
        let world = try BackupWorld()
        for _ in 0..<50 { try await world.add() }
        let before = try await world.content("data")
        let report = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for _ in 0..<300 { try await world.add() } }
            let report = try await world.backup()
            try await group.waitForAll()
            return report
        }
        #expect(report.isFull && report.files == 4 && report.filesGone == 0)
        let restored = try await world.restore(), found = try await world.content("restored")
        #expect(
            restored.files == 4 && restored.bytes == report.bytes
                && restored.takenMilliseconds <= report.takenMilliseconds)
        #expect(found.blobs.starts(with: before.blobs) && found.batches.starts(with: before.batches))
        // The log is copied first: what it holds, the store copied later holds too.
        #expect(found.blobs == Array(1...Int64(found.blobs.count)) && found.blobs.count >= found.batches.count - 1)
        #expect(found.tenants == before.tenants)
        let verified = try await world.verify()
        #expect(verified.problems == [] && verified.files == 4 && verified.isDeep)
    }

    @Test("a node that stands still comes back with equal hashes and counts, and a second backup brings nothing new")
    func equal() async throws {
        let world = try BackupWorld()
        for _ in 0..<2_000 { try await world.add(bytes: 20_000) }
        let first = try await world.backup()
        let want = try await world.content("data")
        try await world.restore()
        let got = try await world.content("restored")
        #expect(got == want && got.blobs.count == 2_000)

        let second = try await world.backup()
        #expect(!second.isFull && second.piecesNew == 0 && second.bytes == first.bytes && first.bytes > 40_000_000)
        try await world.add()
        let third = try await world.backup()
        // One row more: its page, the header's and the index's pages' pieces, of some twenty.
        #expect(third.piecesNew > 0 && third.piecesNew <= 10 && third.bytesNew < first.bytesNew / 2)
        let verified = try await world.verify(), shallow = try await world.verify(deep: false)
        #expect(verified.backups == 3 && verified.problems == [] && shallow.problems == [] && !shallow.isDeep)
        #expect(verified.pieces == first.piecesNew + third.piecesNew && shallow.pieces == verified.pieces)
    }

    @Test("files that did not change are not read again") func unchanged() async throws {
        let world = try BackupWorld()
        try await world.add()
        try await world.day.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
        let old = Date(timeIntervalSinceNow: -100)
        let files = ["log", "checkpoint", "control", "flows/acme/2026-11-21"].map { "\(world.data)/\($0).sqlite" }
        for path in files.flatMap({ [$0, $0 + "-wal"] }) where fileStatus(path) != nil {
            try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: path)
        }
        _ = try await world.backup()
        let second = try await world.backup()
        #expect(second.filesUnchanged == 4 && second.files == 4)
        // One changed octet is noticed, whatever the size.
        try await world.add()
        let third = try await world.backup()
        #expect(third.filesUnchanged == 2)
        try await world.restore()
        let got = try await world.content("restored"), want = try await world.content("data")
        #expect(got == want)
    }

    @Test("each point in time comes back as it was, from full and incremental backups") func pointInTime() async throws
    {
        let world = try BackupWorld()
        var taken: [(id: String, at: Int64, content: BackupWorld.Content)] = []
        for round in 0..<4 {
            for _ in 0..<20 { try await world.add() }
            let report = try await world.backup(full: round == 2)
            #expect(report.isFull == [true, false, true, false][round])
            taken.append((report.id, report.takenMilliseconds, try await world.content("data")))
            try await Task.sleep(for: .milliseconds(5))
        }
        for (index, point) in taken.enumerated() {
            let id = try await world.target.newest(before: point.at + 2)
            #expect(id == point.id)
            try await world.restore(id, to: "at\(index)")
            let got = try await world.content("at\(index)")
            #expect(got == point.content)
        }
        await #expect(throws: BackupError.self) { try await world.target.newest(before: taken[0].at - 1) }

        let gone = try await world.target.prune(keeping: 1)
        #expect(gone == [taken[0].id, taken[1].id])
        let left = try await world.verify()
        #expect(left.backups == 2 && left.problems == [])
        #expect(try world.objects("pieces/\(taken[0].id)") == [])
    }

    @Test("a backup made with another wrapping key is not built on, and not restored without that key") func otherKey()
        async throws
    {
        let world = try BackupWorld()
        try await world.add()
        let first = try await world.backup()
        try replaceFile(world.folder.file("kek").path, with: [UInt8](repeating: 43, count: 32))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: world.folder.file("kek").path)
        let second = try await world.backup()
        #expect(second.isFull && second.note?.contains("another wrapping key") == true)
        await #expect(throws: DataKeyError.self) { try await world.restore(first.id) }
        // Nothing was made where it was to go.
        #expect(fileStatus(world.folder.file("restored").path) == nil)
    }

    @Test("new batches get offsets above the restored checkpoint, which is newer than the restored log") func logHead()
        async throws
    {
        let world = try BackupWorld()
        try await world.add()
        let head = try await world.log.headOffset()
        try await DatabaseQueue(path: world.data + "/checkpoint.sqlite").write { db in
            try db.execute(sql: #"UPDATE position SET "offset" = ?"#, arguments: [head + 5])
        }
        _ = try await world.backup()
        try await world.restore()
        let restored = try await world.content("restored")
        #expect(restored.head == head + 5 && restored.batches == [1])
    }
}
