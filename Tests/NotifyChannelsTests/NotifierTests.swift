import Foundation
import Identity
import Notify
import NotifyChannels
import Platform
import TestKit
import Testing

@Suite("From news to target")
struct NotifierTests {
    /// Answers what it is told to, and remembers.
    private final class Target: ChannelSender {
        let got = Locked<[String]>([]), answers: Locked<[Outbox.Result]>
        init(_ answers: [Outbox.Result] = []) { self.answers = Locked(answers) }
        func send(_ message: Message, at now: Int64) async -> Outbox.Result {
            got.with { $0.append(message.id) }
            return answers.with { $0.isEmpty ? .delivered : $0.removeFirst() }
        }
    }
    private let routes = { (channels: [String]) in [Route("r", action: .deliver(to: channels, .atOnce))] }
    private func owners(_ channels: [String]) -> [String: TenantID?] {
        Dictionary(uniqueKeysWithValues: channels.map { ($0, TenantID?.none) })
    }
    private func states(_ folder: TemporaryFolder) -> FileNotifierState {
        FileNotifierState(path: folder.file("state").path)
    }
    private func wait(until isDone: () async -> Bool) async throws {
        for _ in 0..<200 {
            if await isDone() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("did not come about in 4 s")
    }

    private func isSaved(in folder: TemporaryFolder, _ text: String) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.contains { name in
            name.hasSuffix(".json")
                && (try? String(contentsOf: folder.file(name), encoding: .utf8))?.contains(text) ?? false
        }
    }

    @Test("news is sent, and its entry is gone afterwards; what nobody hears of is said") func sends() async throws {
        let folder = try TemporaryFolder("weir-outbox"), store = try FolderOutboxStore(folder: folder.path)
        let target = Target(), notices = Locked<[Notifier.Notice]>([])
        let notifier = try Notifier(
            routes: routes(["a", "b"]), owners: owners(["a", "b"]), store: store, states: states(folder),
            senders: ["a": target], time: SystemTime(),
            random: SeededGenerator(seed: 1), notice: { notice in notices.with { $0.append(notice) } })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await notifier.run() }
            for index in 0..<20 { await notifier.take(try Setup.news("\(index)")) }
            var grown = try Setup.news("x")
            grown.change = .grew
            await notifier.take(grown)
            try await wait { target.got.with { $0.count } == 20 && notices.with { $0.count } == 41 }
            group.cancelAll()
        }
        #expect(Set(target.got.with { $0 }).count == 20)
        // `b` is routed to and has no sender.
        let lost = notices.with { $0 }.filter { if case .lost(_, "b", .refused) = $0 { true } else { false } }
        let unrouted = notices.with { $0 }.filter { if case .untold(.unrouted) = $0 { true } else { false } }
        #expect(lost.count == 20 && unrouted.count == 1)
        let left = try store.load()
        #expect(left.entries.isEmpty && left.damaged == 0)
    }

    @Test("what was not delivered is sent after a restart, under the same id") func restart() async throws {
        let folder = try TemporaryFolder("weir-outbox"), store = try FolderOutboxStore(folder: folder.path)
        let time = ManualTime(wallMilliseconds: Setup.noon)
        func notifier(_ target: Target) throws -> Notifier {
            try Notifier(
                routes: routes(["a"]), owners: owners(["a"]), store: store, states: states(folder),
                senders: ["a": target], time: time,
                random: SeededGenerator(seed: 1), notice: { _ in })
        }
        let down = Target([.failed(retryAfter: nil)]), first = try notifier(down)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await first.run() }
            await first.take(try Setup.news("1"))
            try await wait { isSaved(in: folder, "\"tries\":1") }
            group.cancelAll()
        }
        let up = Target(), second = try notifier(up)
        #expect(await second.waiting == 1)
        time.advance(by: .seconds(7))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await second.run() }
            try await wait { await second.waiting == 0 }
            group.cancelAll()
        }
        #expect(up.got.with { $0 } == down.got.with { $0 } && up.got.with { $0.count } == 1)
        // A channel that is gone from the settings: named, and out of the store.
        let third = try notifier(Target([.failed(retryAfter: nil)]))
        await third.take(try Setup.news("2"))
        let notices = Locked<[Notifier.Notice]>([])
        let fourth = try Notifier(
            routes: routes([]), owners: owners([]), store: store, states: states(folder), senders: [:], time: time,
            random: SeededGenerator(seed: 1),
            notice: { notice in notices.with { $0.append(notice) } })
        let lost = Notifier.Notice.lost(
            incidents: [try Setup.news("2").incident.id], channel: "a", .unknownChannel)
        #expect(await fourth.waiting == 0 && notices.with { $0 } == [lost])
        #expect(try store.load().entries.isEmpty)
    }

    @Test("a folder's damaged entries are set aside and counted; no id makes a path outside it") func store() throws {
        let folder = try TemporaryFolder("weir-outbox"), store = try FolderOutboxStore(folder: folder.path)
        var outbox = Outbox()
        for case .save(let entry) in outbox.add(Delivery(channel: "a", message: try Setup.message("1")), at: 5) {
            try store.save(entry)
            try store.save(entry)
        }
        for (name, text) in [("msg_2.json", "{"), ("msg_3.json.part", "x"), ("notes", "x")] {
            try Data(text.utf8).write(to: folder.file(name))
        }
        try FileManager.default.copyItem(at: folder.file("msg_1.json"), to: folder.file("msg_9.json"))
        let loaded = try store.load()
        #expect(loaded.entries.map(\.id) == ["msg_1"] && loaded.damaged == 2)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["msg_1.json", "msg_2.json.damaged", "msg_9.json.damaged", "notes"])
        #expect(try store.load().damaged == 0)
        for id in ["../x", "", "a/b", "A", String(repeating: "a", count: 101)] {
            #expect(throws: (any Error).self) { try store.remove(id: id) }
        }
        try store.remove(id: "msg_1")
        try store.remove(id: "msg_1")
        #expect(try store.load().entries.isEmpty)
    }
}
