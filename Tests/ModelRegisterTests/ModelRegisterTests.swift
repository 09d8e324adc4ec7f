import FlowModel
import Foundation
import Identity
import ModelRegister
import Models
import Platform
import TestKit
import Testing

@Suite("Versions of models") struct ModelRegisterTests {
    private static let now: Int64 = 1_795_262_400_000, day: Int64 = 86_400_000

    private static func model(seed: UInt64 = 1) throws -> AnomalyModel {
        var generator = SeededGenerator(seed: 3), samples: [WindowSample] = []
        for window in (now / 600_000)..<((now + 2 * day) / 600_000) {
            for host in 1...4 as ClosedRange<UInt32> {
                var features = FeatureVector()
                for place in 0..<10 { features[place] = Float.random(in: 0...0.5, using: &generator) }
                samples.append(
                    WindowSample(host: IPAddress(v4: 0x0A00_0000 + host), window: window, features: features))
            }
        }
        var settings = ModelSettings()
        (settings.seed, settings.trees) = (seed, 4)
        return try AnomalyModel.train(samples, from: now, to: now + 2 * day, settings: settings)
    }
    private static func tenant(_ name: String) throws -> TenantID { try #require(TenantID(name)) }

    @Test("nothing scores before a promotion; a rollback gives back what was before, at last nothing") func life()
        throws
    {
        let folder = try TemporaryFolder("weir-models"), register = try ModelRegister(folder: folder.path)
        let acme = try Self.tenant("acme"), globex = try Self.tenant("globex")
        let models = [try Self.model(seed: 1), try Self.model(seed: 2)]
        for (number, model) in models.enumerated() {
            #expect(try register.add(model, of: acme, by: "key-1", at: Self.now) == number + 1)
        }
        #expect(try register.promoted(of: acme) == nil && register.versions(of: acme).allSatisfy { !$0.isPromoted })
        let before = register.generation
        try register.promote(2, of: acme, by: "key-2", at: Self.now + 1)
        #expect(register.generation > before)
        #expect(try register.promoted(of: acme) == PromotedModel(version: 2, model: models[1]))
        try register.promote(1, of: acme, by: "key-2", at: Self.now + 2)
        try register.promote(1, of: acme, by: "key-2", at: Self.now + 3)
        #expect(try register.promoted(of: acme)?.model == models[0] && register.promoted(of: globex) == nil)
        #expect(try register.rollBack(of: acme, by: "key-3", at: Self.now + 4) == 2)
        // Kept: what another start of the node reads.
        let again = try ModelRegister(folder: folder.path)
        #expect(try again.promoted(of: acme)?.version == 2)
        #expect(try again.versions(of: acme).map(\.isPromoted) == [false, true])
        #expect(try register.rollBack(of: acme, by: "key-3", at: Self.now + 5) == nil)
        #expect(try register.promoted(of: acme) == nil)
        #expect(throws: ModelRegisterError.nothingToRollBack) {
            try register.rollBack(of: acme, by: "key-3", at: Self.now + 6)
        }
        let events = try register.events(of: acme)
        #expect(
            events.reversed().map(\.kind)
                == [.trained, .trained, .promoted, .promoted, .rolledBack, .rolledBack])
        let last = try #require(events.first)
        #expect(last.version == 2 && last.atMilliseconds == Self.now + 5 && last.actor == "key-3")
        #expect(try register.events(of: globex).isEmpty)
    }

    @Test("another tenant's versions can't be promoted, shown or evaluated") func tenants() throws {
        let folder = try TemporaryFolder("weir-models"), register = try ModelRegister(folder: folder.path)
        let acme = try Self.tenant("acme"), globex = try Self.tenant("globex")
        _ = try register.add(try Self.model(), of: acme, by: "key-1", at: Self.now)
        #expect(throws: ModelRegisterError.unknownVersion(1)) { try register.model(1, of: globex) }
        #expect(throws: ModelRegisterError.unknownVersion(1)) { try register.version(1, of: globex) }
        #expect(throws: ModelRegisterError.unknownVersion(1)) {
            try register.promote(1, of: globex, by: "key-9", at: Self.now)
        }
        #expect(try register.versions(of: globex).isEmpty)
    }

    @Test("evaluations are kept with their version, the newest of them") func evaluations() throws {
        let folder = try TemporaryFolder("weir-models"), register = try ModelRegister(folder: folder.path)
        let acme = try Self.tenant("acme"), model = try Self.model()
        let version = try register.add(model, of: acme, by: "key-1", at: Self.now)
        let samples = (0..<100 as Range<Int64>).map {
            WindowSample(host: IPAddress(v4: 0x0A00_0001), window: $0, features: FeatureVector())
        }
        let evaluation = try model.evaluate(samples, from: 0, to: Self.day, seed: 1)
        for number in 0..<25 as Range<Int64> {
            let kept = KeptEvaluation(evaluation, by: "key-2", at: Self.now + number)
            try register.add(kept, to: version, of: acme)
        }
        let kept = try register.version(version, of: acme).evaluations
        #expect(kept.map(\.at) == (5..<25).map { Self.now + $0 } && kept.last?.windows == 100)
        #expect(kept.last?.recall == evaluation.recall && kept.last?.kinds.count == MadeAnomaly.allCases.count)
        #expect(throws: ModelRegisterError.unknownVersion(9)) {
            try register.add(KeptEvaluation(evaluation, by: "key-2", at: 0), to: 9, of: acme)
        }
    }

    @Test("of too many versions the oldest go, but not the one that scores nor the one before it") func room() throws {
        let folder = try TemporaryFolder("weir-models"), register = try ModelRegister(folder: folder.path)
        let acme = try Self.tenant("acme"), model = try Self.model()
        for _ in 0..<3 { _ = try register.add(model, of: acme, by: "key-1", at: Self.now) }
        try register.promote(1, of: acme, by: "key-1", at: Self.now)
        try register.promote(3, of: acme, by: "key-1", at: Self.now)
        for _ in 0..<15 { _ = try register.add(model, of: acme, by: "key-1", at: Self.now) }
        let left = try register.versions(of: acme).map(\.version)
        #expect(left == [1, 3] + Array(5...18) && left.count == ModelRegister.versionsMax)
        #expect(try register.events(of: acme).filter { $0.kind == .removed }.map(\.version) == [4, 2])
        #expect(try register.rollBack(of: acme, by: "key-1", at: Self.now) == 1)
    }

    @Test("models are sealed under the tenant's key; without it, or damaged, nothing scores") func sealed() throws {
        let folder = try TemporaryFolder("weir-models"), acme = try Self.tenant("acme")
        let mode = Locked(0)
        let sealing = TenantSealing(
            seal: { plain, _, _ throws(TenantSealing.Fault) in plain.map { $0 ^ 0x5A } },
            open: { sealed, _, context throws(TenantSealing.Fault) in
                switch mode.with({ $0 }) {
                case 1: throw .keyDestroyed
                case 2: throw .unavailable("away")
                case 3: return Array("nothing".utf8)
                default: return sealed.map { $0 ^ 0x5A }
                }
            })
        let model = try Self.model()
        _ = try ModelRegister(folder: folder.path, sealing: sealing).add(model, of: acme, by: "key-1", at: Self.now)
        // Some of these lie over the edge of a page.
        let file = try Data(contentsOf: folder.file("models.sqlite")), bytes = model.bytes(of: acme)
        let parts = stride(from: 500, to: 9_500, by: 1_000).map { Data(bytes[$0..<($0 + 48)]) }
        #expect(parts.allSatisfy { file.range(of: $0) == nil })
        #expect(parts.contains { file.range(of: Data($0.map { $0 ^ 0x5A })) != nil })
        let faults: [(Int, ModelRegisterError)] = [
            (1, .keyDestroyed(acme)), (2, .keyUnavailable("away")), (3, .damaged(version: 1)),
        ]
        for (number, error) in faults {
            mode.with { $0 = number }
            let register = try ModelRegister(folder: folder.path, sealing: sealing)
            #expect(throws: error) { try register.model(1, of: acme) }
            #expect(throws: error) { try register.promote(1, of: acme, by: "key-1", at: Self.now) }
        }
    }

    @Test("a damaged file is set aside, and the node starts") func damage() throws {
        let folder = try TemporaryFolder("weir-models"), acme = try Self.tenant("acme")
        try Data("this is not a database, whatever its name says".utf8).write(to: folder.file("models.sqlite"))
        let register = try ModelRegister(folder: folder.path)
        #expect(
            register.wasDamaged && FileManager.default.fileExists(atPath: folder.file("models.sqlite.damaged-1").path))
        #expect(try register.versions(of: acme).isEmpty)
        #expect(try !ModelRegister(folder: folder.path).wasDamaged)
    }
}
