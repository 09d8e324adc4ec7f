import Backup
import DataKeys
import Foundation
import Identity
import ObjectStore
import Platform
import Settings
import TestKit
import Testing

@Suite("Damage to backups, and data that must not come back")
struct BackupDamageTests {
    private func filled(_ count: Int = 300) async throws -> (BackupWorld, BackupRun.Report) {
        let world = try BackupWorld()
        for _ in 0..<count { try await world.add(bytes: 20_000) }
        return (world, try await world.backup())
    }

    @Test("a flipped bit, a cut, a missing and an exchanged piece are each found by name, by verify and by restore")
    func damaged() async throws {
        let (world, _) = try await filled()
        let pieces = try world.objects("pieces/")
        #expect(pieces.count >= 6)
        let damages: [(String, (URL) throws -> Void)] = [
            (
                "flip",
                { url in
                    var octets = try readFile(url.path)
                    octets[octets.count / 2] ^= 4
                    try replaceFile(url.path, with: octets)
                }
            ),
            ("cut", { try replaceFile($0.path, with: Array(try readFile($0.path).dropLast())) }),
            ("missing", { try FileManager.default.removeItem(at: $0) }),
            ("exchanged", { try replaceFile($0.path, with: try readFile(pieces[$0 == pieces[0] ? 1 : 0].path)) }),
        ]
        for (index, (kind, damage)) in damages.enumerated() {
            let url = pieces[index], whole = try readFile(url.path), name = url.lastPathComponent
            try damage(url)
            for deep in [true, false] {
                let report = try await world.verify(deep: deep)
                #expect(report.problems.count == 1 && report.problems.allSatisfy { $0.contains(name) }, "\(kind)")
            }
            await #expect("\(kind)") { try await world.restore(to: kind) } throws: { error in
                if case BackupError.damagedPiece(name, _, _) = error { true } else { false }
            }
            // What is half restored is marked, and another try begins anew.
            #expect(fileStatus(world.folder.file(kind).path + "/restoring") != nil)
            #expect(fileStatus(world.folder.file(kind).path + "/log.sqlite") == nil)
            try replaceFile(url.path, with: whole)
            try await world.restore(to: kind)
            #expect(fileStatus(world.folder.file(kind).path + "/restoring") == nil)
            let got = try await world.content(kind)
            #expect(got.blobs.count == 300)
        }
    }

    @Test("a full backup puts a damaged piece right only for itself, an incremental one mends what it writes anew")
    func mended() async throws {
        let (world, first) = try await filled(20)
        let full = try await world.backup(full: true)
        #expect(full.isFull && full.piecesNew == first.piecesNew && full.id != first.id)
        let old = try #require(try world.objects("pieces/\(first.id)").first)
        try FileManager.default.removeItem(at: old)
        let one = try await world.verify(id: full.id), other = try await world.verify(id: first.id)
        #expect(one.problems == [] && other.problems.count == 1)
    }

    @Test("any flipped bit of a manifest is found, and a manifest that somebody wrote anew is not restored")
    func manifest()
        async throws
    {
        let (world, report) = try await filled(3)
        let url = try #require(try world.objects("backups/").first { $0.path.hasSuffix(".manifest") })
        let whole = try readFile(url.path)
        for index in stride(from: 0, to: whole.count, by: 37) {
            var bad = whole
            bad[index] ^= 2
            try replaceFile(url.path, with: bad)
            let found = try await world.verify()
            #expect(found.problems.count == 1, "octet \(index)")
        }
        let text = String(decoding: whole, as: UTF8.self)
        let json = text.split(separator: "\n", maxSplits: 1)[1].replacingOccurrences(
            of: "control.sqlite", with: "control.sqlitf")
        let head = text.split(separator: " ")
        let forged = "weir-backup 1 \(ObjectDigest(of: Array(json.utf8))) \(head[3].split(separator: "\n")[0])\n\(json)"
        try replaceFile(url.path, with: Array(forged.utf8))
        await #expect { try await world.restore(report.id) } throws: { "\($0)".contains("somebody changed it") }
        let later = text.replacingOccurrences(of: "weir-backup 1", with: "weir-backup 2")
        try replaceFile(url.path, with: Array(later.utf8))
        await #expect { try await world.restore(report.id) } throws: { "\($0)".contains("later version") }
    }

    @Test("a backup goes only where no data is") func occupied() async throws {
        let (world, _) = try await filled(3)
        await #expect { try await world.restore(to: "data") } throws: { error in
            if case BackupError.folder(let text) = error { text.contains(".sqlite already") } else { false }
        }
        let got = try await world.content("data")
        #expect(got.blobs.count == 3)
    }

    @Test("the data of a tenant whose key was destroyed stays gone, in every backup made before and after")
    func destroyed()
        async throws
    {
        let world = try BackupWorld(), acme = try tenant("acme"), other = try tenant("other")
        try await world.add()
        let canary = Array("CANARY-7f3a9c51e8".utf8)
        let sealed = try world.keys.seal(canary, tenant: acme, context: "c")
        let kept = try world.keys.seal(canary, tenant: other, context: "c")
        let wrapped = try world.keys.file.rows(of: .tenant(acme))[0].wrapped.octets
        let first = try await world.backup()
        #expect(try world.objects("keys/acme/").count == 1)

        // As the command does, without a backup after it.
        let settings = try Self.settings(world)
        let count = try await settings.destroyKey(
            of: .tenant(acme), time: world.time, random: SystemRandomNumberGenerator())
        #expect(count == 1)
        #expect(try world.objects("keys/acme/").map(\.lastPathComponent) == ["destroyed"])
        let report = try await world.restore(first.id)
        #expect(report.destroyed == ["acme"])
        let keys = DataKeys(
            file: try KeyFile(directory: world.folder.file("restored").path), wrapper: world.wrapper,
            random: SystemRandomNumberGenerator(), time: world.time)
        #expect(throws: DataKeyError.destroyed(owner: "acme")) { try keys.open(sealed, tenant: acme, context: "c") }
        #expect(try keys.open(kept, tenant: other, context: "c") == canary)
        let second = try await world.backup()
        #expect(!second.isFull)
        let verified = try await world.verify()
        #expect(verified.problems == [])
        try Self.search(world.folder.url, for: [canary, wrapped])
    }

    /// No file anywhere holds any of the needles.
    static func search(_ root: URL, for needles: [[UInt8]]) throws {
        let names = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
        var searched = 0
        for name in names {
            let path = root.appendingPathComponent(name).path
            guard fileStatus(path)?.isFolder == false else { continue }
            let data = Data(try readFile(path))
            searched += 1
            for needle in needles { #expect(data.range(of: Data(needle)) == nil, "\(name)") }
        }
        #expect(searched > 10)
    }

    static func settings(_ world: BackupWorld) throws -> BackupSettings {
        try BackupSettings(
            SettingsReader(
                text: Array(
                    """
                    dataDirectory: \(world.data)
                    keys:
                      wrap: file:\(world.folder.file("kek").path)
                    backup:
                      to: folder:\(world.folder.file("backups").path)

                    """.utf8), file: "a.yaml"))
    }

    @Test("a missing wrapped key is a problem that verify names") func missingKey() async throws {
        let (world, _) = try await filled(3)
        for url in try world.objects("keys/acme/") { try FileManager.default.removeItem(at: url) }
        let report = try await world.verify()
        #expect(report.problems == ["the data key of acme, version 1, is missing"])
    }

    @Test("rotated and rewrapped keys reach the target with the next backup") func rotated() async throws {
        let (world, first) = try await filled(3)
        try world.keys.rotate(.tenant(try tenant("acme")))
        try await world.add()
        _ = try await world.backup()
        #expect(try world.objects("keys/acme/").count == 2)
        try await world.restore(first.id)
        let got = try await world.content("restored")
        #expect(got.blobs == [1, 2, 3])
    }
}
