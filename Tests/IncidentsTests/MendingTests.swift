import Detect
import Foundation
import Identity
import Incidents
import TestKit
import Testing

@Suite("A damaged file of incidents") struct MendingTests {
    private let folder: TemporaryFolder, acme: TenantID
    init() throws {
        folder = try TemporaryFolder("incidents")
        acme = try Samples.tenant("acme")
    }

    private func record(_ names: [String], in log: IncidentLog) throws {
        for (index, name) in names.enumerated() {
            let finding = try Samples.finding(name, attacker: "10.0.\(index).9")
            _ = try log.record([finding], tenant: acme, at: Samples.noon)
        }
    }

    @Test("however it is damaged, the log opens, takes findings and lists what it can read") func anyDamage() throws {
        do {
            let log = try IncidentLog(directory: folder.path)
            try record((0..<40).map { "finding-\($0)" }, in: log)
            #expect(!log.wasMended)
            try log.close()
        }
        let whole = try Data(contentsOf: folder.file("incidents.sqlite"))
        var mended = 0
        try forAll(runs: 60) { generator, seed in
            let own = try TemporaryFolder("incidents")
            var bytes = whole
            switch seed % 3 {
            case 0: bytes = whole.prefix(Int.random(in: 1..<whole.count, using: &generator))
            case 1:
                let start = Int.random(in: 0..<whole.count, using: &generator)
                for place in start..<min(start + 4_096, whole.count) { bytes[place] = 0xA5 }
            default: for place in 0..<16 { bytes[place] = 0 }
            }
            try bytes.write(to: own.file("incidents.sqlite"))
            // What is met after the opening is mended by the next one.
            for _ in 0..<2 {
                let log = try IncidentLog(directory: own.path)
                if log.wasMended { mended += 1 }
                _ = try? log.list(tenant: acme, limit: 100)
                _ = try? record(["later"], in: log)
                try? log.close()
            }
            let log = try IncidentLog(directory: own.path)
            try record(["last"], in: log)
            let page = try log.list(tenant: acme, limit: 100)
            #expect(!page.incidents.isEmpty && page.incidents.count <= 42, "SEED=\(seed)")
        }
        #expect(mended > 20, "\(mended)")
    }

    @Test("a crash between the moves of the old file and the new one loses nothing") func crashWhileMoving() throws {
        do {
            let log = try IncidentLog(directory: folder.path)
            try record(["a", "b"], in: log)
            try log.close()
        }
        try FileManager.default.moveItem(
            at: folder.file("incidents.sqlite"), to: folder.file("incidents.sqlite.mending"))
        let log = try IncidentLog(directory: folder.path)
        let page = try log.list(tenant: acme)
        #expect(page.incidents.count == 2)
    }
}
