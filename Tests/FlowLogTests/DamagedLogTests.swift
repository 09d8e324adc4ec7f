import Delivery
import FlowLog
import Foundation
import GRDB
import Identity
import TestKit
import Testing

@Suite("A flow log with a damaged file")
struct DamagedLogTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-log") }
    private var file: URL { folder.file("log.sqlite") }

    /// Forty batches, of which the first ten were given up.
    private func filled() async throws -> (sent: [LogAppend], offsets: [Int64]) {
        let log = try SQLiteFlowLog(directory: folder.path), identity = try sensor()
        var sent: [LogAppend] = [], offsets: [Int64] = []
        for sequence in UInt64(0)..<40 {
            let body = (0..<50_000).map { UInt8(truncatingIfNeeded: Int(sequence) &+ $0 &* 7) }
            let one = batch(sequence, from: identity, body: body)
            sent.append(one)
            offsets.append(try #require(try await log.append(one).offset))
        }
        try await log.trim(through: offsets[9])
        try log.close()
        // All of it in the one file.
        let queue = try DatabaseQueue(path: file.path)
        _ = try await queue.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try queue.close()
        return (sent, offsets)
    }
    /// Opens, reads all, and opens again if that found damage: as a service that is restarted.
    private func opened() async throws -> (log: SQLiteFlowLog, held: [LoggedBatch]) {
        let first = try SQLiteFlowLog(directory: folder.path)
        do {
            return (first, try await first.read(after: 0, limit: 100))
        } catch {
            try? first.close()
            let second = try SQLiteFlowLog(directory: folder.path)
            #expect(second.damage != nil, "the second start mends: \(error)")
            return (second, try await second.read(after: 0, limit: 100))
        }
    }

    @Test("a page of a body costs that batch, whose sensor may send it again; the rest is there, in order, as repeats")
    func body() async throws {
        let (sent, offsets) = try await filled()
        // The type of the page that a body is on: SQLite takes it for no page of a table.
        var octets = try Data(contentsOf: file)
        let place = try #require(octets.range(of: Data(sent[25].body.prefix(64)))).lowerBound / 65_536 * 65_536
        octets[place] = 0xFF
        try octets.write(to: file)
        let (log, held) = try await opened()
        let damage = try #require(log.damage), lost = try #require(damage.batches)
        #expect(lost >= 1 && lost <= 3, "\(lost)")
        #expect(held.count == 30 - Int(lost))
        #expect(held.map(\.offset) == held.map(\.offset).sorted())
        for batch in held { #expect(BatchDigest(of: batch.body) == batch.digest) }
        #expect(FileManager.default.fileExists(atPath: folder.file(damage.file).path))
        #expect(log.bornMilliseconds == sent[0].receivedMilliseconds, "sensors are asked for what they keep")
        // What is lost is new, what is not is known: also what was given up before.
        var again = 0
        for (batch, offset) in zip(sent, offsets) {
            switch try await log.append(batch) {
            case .appended(let new):
                again += 1
                #expect(new > offsets[39])
                #expect(!held.contains { $0.key == batch.key } && offset > offsets[9])
            case .repeated(let known, let digest): #expect(known == offset && digest == batch.digest)
            case .conflict: Issue.record("\(batch.key) conflicts")
            }
        }
        #expect(again == Int(lost))
        try log.close()
        #expect(try SQLiteFlowLog(directory: folder.path).damage == nil, "once mended it is whole")
    }

    @Test(
        "a file that is none makes a log that begins anew, above all offsets, and says that nobody knows what is lost")
    func nothingLeft() async throws {
        let (sent, offsets) = try await filled()
        try Data(repeating: 0x55, count: 200_000).write(to: file)
        let log = try SQLiteFlowLog(directory: folder.path)
        #expect(log.damage == LogDamage(file: "log.sqlite.damaged-1", batches: nil))
        #expect(log.bornMilliseconds == 0)
        let offset = try #require(try await log.append(sent[39]).offset)
        #expect(offset >= offsets[0])
        try log.close()
    }

    @Test("wherever octets change, the log opens within two starts, what it gives is what was sent, and it goes on")
    func anywhere() async throws {
        let (sent, _) = try await filled(), octets = try Data(contentsOf: file), digests = Set(sent.map(\.digest))
        let used = stride(from: 0, to: octets.count, by: 512).filter { start in
            octets[start..<min(start + 512, octets.count)].contains { $0 != 0 }
        }
        var mended = 0, generator = SystemRandomNumberGenerator()
        for run in 0..<40 {
            var changed = octets
            // Heads of pages more often than chance would have it: bodies are not what the log must mend.
            let place =
                run.isMultiple(of: 2)
                ? 65_536 * Int.random(in: 0..<(octets.count / 65_536), using: &generator)
                : try #require(used.randomElement(using: &generator))
            for at in place..<min(place + 16, octets.count) { changed[at] = .random(in: 0...255, using: &generator) }
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                try FileManager.default.removeItem(at: folder.file(name))
            }
            try changed.write(to: file)
            let (log, held) = try await opened()
            if log.damage != nil { mended += 1 }
            #expect(held.allSatisfy { digests.contains($0.digest) }, "at \(place)")
            let more = batch(1_000, from: try sensor())
            var result: LogAppendResult?
            do { result = try await log.append(more) } catch {
                // Damage that only a write came to: the next start mends it.
                let next = try SQLiteFlowLog(directory: folder.path)
                #expect(next.damage != nil, "at \(place): \(error)")
                result = try await next.append(more)
                try next.close()
            }
            #expect(result?.offset != nil, "at \(place)")
            try? log.close()
        }
        #expect(mended > 5, "\(mended) of 40")
    }
}
