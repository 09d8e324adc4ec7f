import Foundation
import Notify
import Platform
import TestKit
import Testing

@Suite("From outbox to target")
struct OutboxTests {
    private func delivery(_ id: Int, to channel: String = "hook") throws -> Delivery {
        var message = try Samples.message(Samples.brief("\(id)"))
        message.id = "msg_\(id)"
        return Delivery(channel: channel, message: message)
    }
    private var random = SeededGenerator(seed: 7)

    @Test("a delivery is saved, tried, removed; the same id is the same delivery") mutating func happy() throws {
        var outbox = Outbox()
        let first = try delivery(1)
        let added = outbox.add(first, at: 0)
        guard case .save(let entry)? = added.first, added.count == 1 else { throw Unexpected() }
        #expect(entry.delivery == first && outbox.add(first, at: 1) == [])
        #expect(outbox.due(at: 0) == [first] && outbox.due(at: 0) == [])
        #expect(outbox.finished("msg_1", .delivered, at: 5, using: &random) == [.remove(id: "msg_1")])
        #expect(outbox.finished("msg_1", .delivered, at: 5, using: &random) == [] && outbox.count == 0)
        #expect(outbox.add(first, at: 9) == [])
        let second = try delivery(2)
        _ = outbox.add(second, at: 9)
        #expect(outbox.due(at: 9) == [second] && outbox.due(at: 9) == [])
        outbox.abandoned("msg_2")
        #expect(outbox.due(at: 9) == [second])
    }

    @Test("ten tries, each later than the one before as the table says, give or take a fifth; then a named loss")
    mutating func givesUp() throws {
        var outbox = Outbox(), now: Int64 = 0
        let first = try delivery(1)
        _ = outbox.add(first, at: 0)
        for pause in Outbox.pauses {
            #expect(outbox.due(at: now) == [first])
            let directives = outbox.finished("msg_1", .failed(retryAfter: nil), at: now, using: &random)
            guard case .save(let entry)? = directives.first else { throw Unexpected() }
            #expect((pause * 8 / 10...pause * 12 / 10).contains(entry.notBefore - now))
            #expect(outbox.due(at: entry.notBefore - 1) == [])
            now = max(entry.notBefore, outbox.nextDue(after: now) ?? 0)
        }
        #expect(outbox.due(at: now) == [first])
        let last = outbox.finished("msg_1", .failed(retryAfter: nil), at: now, using: &random)
        #expect(last.prefix(2) == [.lost(first, .gaveUp), .remove(id: "msg_1")] && outbox.count == 0)
        #expect(Outbox.triesMax == 10)
    }

    @Test("Retry-After holds a try back, but not for ever") mutating func retryAfter() throws {
        var outbox = Outbox()
        _ = outbox.add(try delivery(1), at: 0)
        _ = outbox.due(at: 0)
        _ = outbox.finished("msg_1", .failed(retryAfter: 3_600), at: 0, using: &random)
        #expect(outbox.nextDue(after: 0) == 3_600_000)
        _ = outbox.due(at: 3_600_000)
        _ = outbox.finished("msg_1", .failed(retryAfter: .max), at: 3_600_000, using: &random)
        #expect(try #require(outbox.nextDue(after: 0)) <= 3_600_000 + 104_000_000)
    }

    @Test("five failures in a row open the circuit; one probe at a time; success closes it; others go on meanwhile")
    mutating func circuit() throws {
        var outbox = Outbox()
        for id in 0..<20 { _ = outbox.add(try delivery(id), at: 0) }
        _ = outbox.add(try delivery(99, to: "other"), at: 0)
        var failures = 0, until: Int64 = 0
        while until == 0 {
            let due = outbox.due(at: 0)
            #expect(due.filter { $0.channel == "hook" }.count <= 4)
            for delivery in due where delivery.channel == "hook" {
                failures += 1
                for case .paused("hook", let time) in outbox.finished(
                    delivery.message.id, .failed(retryAfter: nil), at: 0, using: &random)
                { until = time }
            }
        }
        #expect((5...8).contains(failures) && (24_000...36_000).contains(until))
        #expect(outbox.due(at: until - 1) == [])
        let probe = outbox.due(at: until)
        #expect(probe.count == 1)
        let again = outbox.finished(probe[0].message.id, .failed(retryAfter: nil), at: until, using: &random)
        guard case .paused(_, let later)? = again.last else { throw Unexpected() }
        #expect((48_000...72_000).contains(later - until))
        let second = outbox.due(at: later)
        #expect(second.count == 1)
        let resumed = outbox.finished(second[0].message.id, .delivered, at: later, using: &random)
        #expect(resumed == [.remove(id: second[0].message.id), .resumed(channel: "hook")])
        #expect(outbox.due(at: later).count == 4)
    }

    @Test("gone, refused, full and unknown are losses with names") mutating func losses() throws {
        var limits = Outbox.Limits()
        (limits.entriesMax, limits.entriesPerChannelMax) = (5, 3)
        var outbox = Outbox(limits: limits)
        for id in 0..<3 { _ = outbox.add(try delivery(id), at: Int64(id)) }
        let fourth = try delivery(4)
        #expect(outbox.add(fourth, at: 0) == [.lost(fourth, .outboxFull)])
        _ = outbox.add(try delivery(5, to: "b"), at: 0)
        _ = outbox.due(at: 9)
        let refused = outbox.finished("msg_0", .refused, at: 9, using: &random)
        #expect(refused == [.lost(try delivery(0), .refused), .remove(id: "msg_0")])
        let gone = outbox.finished("msg_1", .gone, at: 9, using: &random)
        #expect(
            gone == [
                .lost(try delivery(1), .gone), .remove(id: "msg_1"), .lost(try delivery(2), .gone),
                .remove(id: "msg_2"),
            ])
        #expect(outbox.add(fourth, at: 10) == [.lost(fourth, .gone)])
        #expect(
            outbox.keep(channels: ["hook"]) == [.lost(try delivery(5, to: "b"), .unknownChannel), .remove(id: "msg_5")])
        #expect(outbox.count == 0)
    }

    @Test("under failures and crashes at any step everything ends delivered or lost by name, and at least once")
    func atLeastOnce() throws {
        try forAll(runs: 80) { generator, seed in
            var disk: [String: Outbox.Entry] = [:], now: Int64 = 0
            var outbox = Outbox(), got: Set<String> = [], lost: Set<String> = [], added: Set<String> = []
            func obey(_ directives: [Outbox.Directive]) {
                for directive in directives {
                    switch directive {
                    case .save(let entry): disk[entry.id] = entry
                    case .remove(let id): disk[id] = nil
                    case .lost(let delivery, _): lost.insert(delivery.message.id)
                    case .paused, .resumed: break
                    }
                }
            }
            for step in 0..<3_000 {
                if step < 100 {
                    let new = try delivery(step, to: "c\(step % 3)")
                    added.insert(new.message.id)
                    obey(outbox.add(new, at: now))
                }
                if step > 100, outbox.count == 0 { break }
                for delivery in outbox.due(at: now) {
                    let isUp = Int.random(in: 0..<100, using: &generator) < 40
                    if isUp { got.insert(delivery.message.id) }
                    // A crash between the answer and what is made of it.
                    if Int.random(in: 0..<100, using: &generator) < 3 {
                        outbox = Outbox(restoring: Array(disk.values), at: now)
                        break
                    }
                    let result: Outbox.Result = isUp ? .delivered : .failed(retryAfter: nil)
                    obey(outbox.finished(delivery.message.id, result, at: now, using: &generator))
                }
                #expect(outbox.count == disk.count, "SEED=\(seed)")
                now = max(now + 1, outbox.nextDue(after: now) ?? 0)
            }
            #expect(outbox.count == 0 && got.union(lost) == added, "SEED=\(seed)")
            #expect(lost.count < added.count / 2, "SEED=\(seed)")
        }
    }

    @Test("a restart with a clock set back waits no longer than the longest pause; entries survive as JSON")
    mutating func clockBack() throws {
        var outbox = Outbox()
        _ = outbox.add(try delivery(1), at: 1_000_000_000_000)
        _ = outbox.due(at: 1_000_000_000_000)
        let saved = outbox.finished("msg_1", .failed(retryAfter: nil), at: 1_000_000_000_000, using: &random)
        guard case .save(let entry)? = saved.first else { throw Unexpected() }
        let back = try JSONDecoder().decode(Outbox.Entry.self, from: JSONEncoder().encode(entry))
        #expect(back == entry)
        let restored = Outbox(restoring: [back, back], at: 0)
        #expect(restored.count == 1 && (restored.nextDue(after: 0) ?? .max) <= 86_400_000 * 6 / 5)
    }
}
