import Delivery
import FlowModel
import Foundation
import Spool
import TestKit
import Testing

@Suite("The answered tail, dead letters that go again, and spools of earlier versions")
struct SpoolTailTests {
    private let folder: TemporaryFolder
    private let epochs = Epochs(), time = ManualTime()
    init() throws { folder = try TemporaryFolder("weir-tail") }
    private func open(_ tail: SpoolTail) throws(SpoolError) -> Spool {
        try Spool(directory: folder.path, bytesMax: 16 << 20, tail: tail, time: time, epoch: epochs.make)
    }
    private let day = SpoolTail(age: .seconds(86_400), bytesMax: 1 << 20)

    @Test("what was answered since a time is sent again under its old key, after what is new, and then answered again")
    func reship() throws {
        let spool = try open(day)
        var keys: [BatchKey] = []
        for number in 0..<6 {
            keys.append(try spool.add(body(number)))
            time.advance(by: .seconds(10))
            spool.acknowledge([keys[number]])
        }
        #expect(spool.usage.batches == 0 && spool.usage.tailBatches == 6 && spool.usage.tailBytes == 6_000)
        let since = time.wallMilliseconds() - 20_000
        #expect(spool.reship(sinceMilliseconds: since) == 3)
        #expect(spool.reship(sinceMilliseconds: since) == 0, "it is on its way")
        let new = try spool.add(body(9)), waiting = try spool.waiting(limit: 10)
        #expect(waiting.map(\.key) == [new] + keys[3...])
        let bodies = try waiting.map { try spool.body(of: $0.key) }
        #expect(bodies == [9, 3, 4, 5].map { body($0) })
        spool.acknowledge(waiting.map(\.key))
        #expect(spool.usage.batches == 0 && spool.usage.tailBatches == 7 && spool.usage.reshippedBatches == 3)
    }

    @Test("the tail and what is asked for again outlive a restart") func restart() throws {
        var keys: [BatchKey] = []
        do {
            let spool = try open(day)
            keys = try (0..<3).map { try spool.add(body($0)) }
            spool.acknowledge(keys)
        }
        do {
            let spool = try open(day)
            #expect(spool.usage.batches == 0 && spool.usage.tailBatches == 3)
            #expect(spool.reship(sinceMilliseconds: time.wallMilliseconds()) == 3)
        }
        let spool = try open(day), waiting = try spool.waiting(limit: 9)
        #expect(waiting.map(\.key) == keys)
    }

    @Test("the tail is bounded by age, whatever the wall clock does, and by bytes; without one answered files go")
    func bounds() throws {
        func files() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).count { $0.hasPrefix("segment") }
        }
        do {
            let spool = try open(day)
            for number in 0..<60 { spool.acknowledge([try spool.add(body(number, bytes: 100_000))]) }
            #expect(900_000...2_200_000 ~= spool.usage.tailBytes, "\(spool.usage.tailBytes) of 6 MB")
            time.jumpWall(byMilliseconds: 400 * 86_400_000)
            spool.acknowledge([try spool.add(body(1))])
            #expect(spool.usage.tailBytes > 900_000)
            time.advance(by: .seconds(86_401))
            for number in 0..<12 { spool.acknowledge([try spool.add(body(number, bytes: 100_000))]) }
            #expect(spool.usage.tailBatches < 25)
        }
        let spool = try open(.none)
        _ = try spool.add(body(1))
        let left = try files()
        #expect(left == 1)
    }

    @Test("a reship never makes new batches find no room") func reshipTakesNoRoom() throws {
        let spool = try Spool(
            directory: folder.path, bytesMax: 1 << 20, tail: day, time: time, epoch: epochs.make)
        for number in 0..<9 { spool.acknowledge([try spool.add(body(number, bytes: 100_000))]) }
        #expect(spool.reship(sinceMilliseconds: 0) == 9)
        let key = try spool.add(body(1, bytes: 900_000)), waiting = try spool.waiting(limit: 1)
        #expect(waiting.map(\.key) == [key])
    }

    @Test("a renamed dead letter waits again: under its own key, or under one of its bytes when the key was taken")
    func deadLetters() throws {
        let spool = try open(.none)
        let keys = try (0..<3).map { try spool.add(body($0)) }
        for (key, reason) in zip(keys, ["refused with 422: \"x\"", "conflict: taken", "kept"]) {
            try spool.deadLetter(key, reason: reason)
        }
        #expect(spool.usage.deadLetters == 3 && spool.usage.batches == 0)
        let letters = DeadLetterFolder(of: folder.path), listed = try letters.list()
        #expect(listed.map(\.letter.batch.key) == keys && listed.allSatisfy { $0.letter.batch.tally == tally })
        #expect(listed[0].letter.reason.contains("422") && listed[2].letter.reason == "kept")
        for entry in listed[..<2] {
            let isThere = try letters.resend(entry.name), isThereStill = try letters.resend(entry.name)
            #expect(isThere && !isThereStill)
        }
        let isAnywhere = try letters.resend("../spool")
        #expect(!isAnywhere)
        let taken = try spool.takeUpDeadLetters(), again = try spool.takeUpDeadLetters()
        #expect(taken == 2 && again == 0 && spool.usage.deadLetters == 1)
        let waiting = try spool.waiting(limit: 9), bodies = try waiting.map { try spool.body(of: $0.key) }
        #expect(waiting.contains { $0.key == keys[0] } && !waiting.contains { $0.key == keys[1] })
        #expect(Set(bodies) == [body(0), body(1)] && waiting.allSatisfy { $0.tally == tally && $0.rows == 5 })
        // Damaged on the way: it stays, under its old name.
        let place = "dead-letter/\(keys[2].epoch)-\(keys[2].sequence)"
        try Data("other".utf8).write(to: folder.file(place + ".again"))
        try FileManager.default.removeItem(at: folder.file(place + ".weir"))
        let none = try spool.takeUpDeadLetters()
        #expect(none == 0 && FileManager.default.fileExists(atPath: folder.file(place + ".weir").path))
    }
}
