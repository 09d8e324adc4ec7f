import Detect
import FlowModel
import Identity
import Platform
import TestKit
import Testing

@testable import Models

@Suite("Anomaly models") struct ModelTests {
    private static func window(_ hour: Int64, day: Int64 = 22) -> Int64 {
        (Made.start + day * 86_400_000 + hour * 3_600_000) / Made.width
    }

    @Test("equal data and an equal seed give equal bytes; another seed gives others") func determinism() throws {
        let acme = try Made.tenant(), first = try Made.train(seed: 1, trees: 20, hosts: 4).bytes(of: acme)
        #expect(try Made.train(seed: 1, trees: 20, hosts: 4).bytes(of: acme) == first)
        #expect(try Made.train(seed: 2, trees: 20, hosts: 4).bytes(of: acme) != first)
    }

    @Test("a model comes back from its bytes; other tenants and other bytes are refused") func bytes() throws {
        let acme = try Made.tenant(), model = try Made.smallModel(), bytes = model.bytes(of: acme)
        let again = try AnomalyModel(bytes, of: acme)
        #expect(again == model && again.bytes(of: acme) == bytes)
        #expect(throws: SnapshotError.otherTenant) { try AnomalyModel(bytes, of: Made.tenant("globex")) }
        #expect(throws: SnapshotError.damaged) {
            try AnomalyModel(bytes.dropLast() + [bytes.last.map { $0 ^ 1 } ?? 0], of: acme)
        }
        #expect(throws: SnapshotError.notASnapshot) { try AnomalyModel([], of: acme) }
    }

    @Test("bytes with a fault under a right checksum are refused or give a model that works") func hostileBytes() throws
    {
        let acme = try Made.tenant(), bytes = try Made.train(seed: 1, trees: 3, hosts: 4).bytes(of: acme)
        let features = Made.samples(weeks: 1).first?.features ?? FeatureVector()
        var refused = 0
        forAll(runs: 150) { generator, _ in
            var other = Array(bytes.dropLast(8))
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                // The head and the trees, where shape is.
                let place = Int.random(in: 4..<min(other.count, 6_000), using: &generator)
                other[place] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                other.removeLast(Int.random(in: 1..<other.count / 2, using: &generator))
            }
            let sum = StableHash.fnv64(other[...])
            other += (0..<8).map { UInt8(truncatingIfNeeded: sum >> (8 * UInt64($0))) }
            guard let model = try? AnomalyModel(other, of: acme) else {
                refused += 1
                return
            }
            let score = model.score(features, of: Made.host(1), window: 5)
            #expect(score.outlier.isFinite && !model.reasons(features).isEmpty)
        }
        #expect(refused > 50)
    }

    @Test("too little history, and too long a stretch, make no model") func refusals() throws {
        let samples = Made.samples(weeks: 1, hosts: 1)
        #expect(throws: TrainingError.tooFewWindows(100, min: AnomalyModel.windowsMin)) {
            try AnomalyModel.train(
                Array(samples.prefix(100)), from: Made.start, to: Made.start + Made.week, settings: ModelSettings())
        }
        for (from, to) in [(5, 5), (-5, 5), (0, Int64.max)] as [(Int64, Int64)] {
            #expect(throws: TrainingError.badPeriod) {
                try AnomalyModel.train(samples, from: from, to: to, settings: ModelSettings())
            }
        }
    }

    @Test("an attack in a feature that was constant in training is seen") func constantFeature() throws {
        let model = try Made.model()
        #expect(model.usual[.callsIn] == 0 && Made.history.allSatisfy { $0.features[.callsIn] == 0 })
        let busy = Made.busySamples(seed: 9)
        #expect(busy.count == 600)
        for place in stride(from: 0, to: busy.count, by: 7) {
            let usual = busy[place].features
            var flooded = usual
            flooded[.callsIn] = 16
            let before = model.score(usual, of: IPAddress(v4: 1), window: 0)
            let after = model.score(flooded, of: IPAddress(v4: 1), window: 0)
            #expect(!model.isOutlier(before) && model.isOutlier(after), "\(before) \(after) \(model.card)")
            #expect(model.reasons(flooded).first?.feature == .callsIn)
        }
    }

    @Test("an outlier is explained by the features that make it one, beside their usual") func reasons() throws {
        let model = try Made.model()
        let busy = Made.busySamples(seed: 4)
        #expect(busy.count == 600)
        for place in stride(from: 0, to: busy.count, by: 7) {
            var features = busy[place].features
            (features[.peers], features[.failedShare]) = (10, 1)
            let reasons = model.reasons(features)
            #expect(Set(reasons.prefix(2).map(\.feature)) == [.peers, .failedShare])
            #expect(reasons.contains { $0.text.hasPrefix("1023 hosts called (usually ") }, "\(reasons.map(\.text))")
            #expect(reasons.contains { $0.text.hasPrefix("100 % of its calls failed (usually 3 %)") })
            #expect(reasons == model.reasons(features) && reasons.count <= AnomalyModel.reasonsMax)
        }
    }

    @Test("a host whose role is rare is no outlier in it; what it does besides is told, with its role or without")
    func roles() throws {
        let model = try Made.model()
        // All that sent 128 MiB and more: the backups of 21 nights, six windows each.
        let backups = Made.history.filter { $0.features[.octetsOut] > 27 }
        #expect(backups.count == 126 && backups.allSatisfy { $0.host == Made.host(Made.server) })
        for place in stride(from: 0, to: backups.count, by: 7) {
            let backup = backups[place]
            var swept = backup.features
            (swept[.peers], swept[.failedShare]) = (10, 1)
            #expect(!model.isOutlier(model.score(backup)))
            #expect(model.isOutlier(model.score(backup.features, of: IPAddress(v4: 1), window: backup.window)))
            #expect(model.isOutlier(model.score(swept, of: backup.host, window: backup.window)))
            let reasons = model.reasons(swept).map(\.feature)
            #expect(reasons.contains(.peers) || reasons.contains(.failedShare), "\(reasons)")
        }
    }

    @Test("a backup at its hour is usual, at another hour or by another host it is not") func seasons() throws {
        let model = try Made.model()
        let backup = try #require(Made.history.last { $0.features[.octetsOut] > 31 })
        func deviates(_ host: Int, _ hour: Int64) -> Bool {
            model.isDeviation(model.score(backup.features, of: Made.host(host), window: Self.window(hour)))
        }
        #expect(!deviates(Made.server, 2) && deviates(Made.server, 14) && deviates(3, 2))
        let wrong = model.seasonalReasons(backup.features, of: Made.host(Made.server), window: Self.window(14))
        #expect(wrong.first?.feature == .octetsOut && wrong.first.map { abs($0.usual - 21) < 1.5 } == true)
        // No usual, no deviation.
        let stranger = model.score(backup.features, of: IPAddress(v4: 0x0A09_0909), window: Self.window(14))
        #expect(stranger.deviation == 0)
    }

    @Test("attacks in the past bend neither a level nor a bound much") func robust() throws {
        let clean = try Made.model()
        let dirty = try AnomalyModel.train(
            Made.samples { features, number, time in
                if number == 3, time % 86_400_000 == 9 * 3_600_000 { features[.octetsOut] = 38 }
            }, from: Made.start, to: Made.start + 3 * Made.week, settings: ModelSettings())
        let attack = try #require(Made.history.last { $0.features[.octetsOut] > 31 }).features
        for model in [clean, dirty] {
            let level = model.baselines[Made.host(3)]?.level(of: .octetsOut, hour: 9)
            #expect(level.map { abs($0 - 21) < 1 } == true)
            #expect(model.isDeviation(model.score(attack, of: Made.host(5), window: Self.window(9))))
        }
    }

    @Test("held-out history is hardly told, made anomalies are found, and drift is seen") func evaluation() throws {
        let model = try Made.model(), from = Made.start + 3 * Made.week, to = from + Made.week
        let later = Made.samples(weeks: 1, from: from, seed: 77)
        let result = try model.evaluate(later, from: from, to: to, seed: 5)
        #expect(result.isHeldOut && result.windows == later.count && result.flaggedShare < 0.01, "\(result)")
        #expect(result.recall > 0.9 && result.precision > 0.9, "\(result.kinds)")
        #expect(result.kinds.map(\.anomaly) == MadeAnomaly.allCases && result.kinds.allSatisfy { $0.made > 0 })
        #expect(result.drift.verdict == .steady, "\(result.drift.index)")
        #expect(try model.evaluate(later, from: from, to: to, seed: 5) == result)
        let moved = Made.samples(weeks: 1, from: from, seed: 77) { features, _, _ in features[.calls] += 1.5 }
        let drift = try model.evaluate(moved, from: from, to: to, seed: 5).drift
        #expect(drift.verdict == .moved && drift.indexes.max { $0.index < $1.index }?.feature == .calls)
        #expect(try !model.evaluate(later, from: from - 1, to: to, seed: 5).isHeldOut)
        #expect(throws: TrainingError.tooFewWindows(0, min: 50)) {
            try model.evaluate([], from: from, to: to, seed: 5)
        }
    }
}
