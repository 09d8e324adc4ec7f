import Backup
import DataKeys
import Detect
import Foundation
import Identity
import Incidents
import Notify
import NotifyChannels
import Platform
import TestKit
import Testing

@Suite("Messages that wait, in backups") struct OutboxBackupTests {
    private static func finding(_ number: Int) -> Finding {
        let id = String(number)
        return Finding(
            id: String(repeating: "0", count: 32 - id.utf8.count) + id, rule: "flood", title: "Flood of one host",
            severity: .high, tactics: ["TA0040"], techniques: [],
            entities: [FindingEntity(type: "ipv4-addr", role: .victim, value: "192.0.2.\(number)")], ports: [],
            start: 1_772_366_400_000, end: 1_772_366_400_000, windowStart: 1_772_366_400_000,
            evidence: Evidence(observed: 2, threshold: 1, unit: "packets/s", flows: 1, packets: 2, octets: 3),
            update: 0)
    }
    private static func entry(_ number: Int, _ tenant: String = "acme") throws -> Outbox.Entry {
        let message = Message(
            id: "msg_\(number)", tenant: try #require(TenantID(tenant)), at: 5,
            body: .single(IncidentBrief(Incident(opening: finding(number))), .opened))
        var outbox = Outbox()
        for case .save(let entry) in outbox.add(Delivery(channel: "desk", message: message), at: 5) { return entry }
        throw BackupError.storage("not saved")
    }

    @Test("what waits to be sent, and the place in the feed, come back; what comes after the restore is told")
    func outbox() async throws {
        let world = try BackupWorld(), tenant = try #require(TenantID("acme"))
        let incidents = try IncidentLog(directory: world.data)
        _ = try incidents.record([Self.finding(1)], tenant: tenant, at: 1)
        let head = try incidents.feedHead()
        let store = try FolderOutboxStore(folder: world.data + "/notify/outbox")
        let waiting = try [Self.entry(1), Self.entry(2)]
        for entry in waiting { try store.save(entry) }
        // Left by a crash, and set aside: neither is a message.
        try makeFile(world.data + "/notify/outbox/msg_9.json.part", with: [1])
        try makeFile(world.data + "/notify/outbox/msg_8.json.damaged", with: [1])
        // Copied after incidents, so notification may be further than their copy.
        let state = NotifierState(position: head + 40)
        try FileNotifierState(path: world.data + "/notify/state.json").save(state)
        let report = try await world.backup()
        #expect(report.files == 4 + 1 + 3)  // incidents, the state, two messages
        try await world.restore()

        let restored = world.folder.file("restored").path
        let found = try FolderOutboxStore(folder: restored + "/notify/outbox").load()
        #expect(found.entries == waiting && found.damaged == 0)
        #expect(try FileNotifierState(path: restored + "/notify/state.json").load() == state)
        let again = try IncidentLog(directory: restored)
        #expect(try again.feedHead() == head + 40)
        _ = try again.record([Self.finding(3)], tenant: tenant, at: 2)
        let news = try again.feed(after: state.position)
        #expect(news.entries.count >= 1 && news.entries.allSatisfy { $0.position > state.position })
        try again.close()
        try incidents.close()
    }

    @Test("messages of a tenant whose key was destroyed since the backup don't come back") func destroyed() async throws
    {
        let world = try BackupWorld()
        try await world.add()
        let store = try FolderOutboxStore(folder: world.data + "/notify/outbox")
        try store.save(try Self.entry(1))
        try store.save(try Self.entry(2, "globex"))
        let report = try await world.backup()
        try world.keys.destroy(.tenant(try #require(TenantID("acme"))))
        _ = try await world.backup()
        try await world.restore(report.id)
        let found = try FolderOutboxStore(folder: world.folder.file("restored").path + "/notify/outbox").load()
        #expect(found.entries.map(\.delivery.message.tenant.rawValue) == ["globex"])
    }
}
