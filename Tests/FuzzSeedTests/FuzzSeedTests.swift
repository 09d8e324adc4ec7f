import Foundation
import FuzzTargets
import TestKit
import Testing

/// What fuzzers begin with, and what they found, in every run of the tests.
@Suite("Seeds of the fuzzers") struct FuzzSeedTests {
    @Test("every seed, D1–D16 among them, passes its target", arguments: FuzzTarget.allCases)
    func seeds(target: FuzzTarget) {
        let seeds = FuzzSeeds.all(for: target)
        #expect(!seeds.isEmpty)
        for seed in seeds { Self.check(seed.bytes, target, seed.name) }
    }

    private static func check(_ bytes: [UInt8], _ target: FuzzTarget, _ name: String) {
        do throws(Violation) {
            try target.run(bytes)
        } catch {
            Issue.record("\(target.rawValue)/\(name): \(error)")
        }
    }

    @Test("deploy/fuzz runs every target") func script() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let script = try String(contentsOf: root.appending(path: "deploy/fuzz"), encoding: .utf8)
        let list = try #require(script.split(separator: "\n").first { $0.hasPrefix("targets=(") })
        let names = list.dropFirst("targets=(".count).dropLast().split(separator: " ").map(String.init)
        #expect(names.sorted() == FuzzTarget.allCases.map(\.rawValue).sorted())
    }

    @Test("each fault D1–D16 of other collectors has a seed", arguments: 1...16) func faults(number: Int) {
        #expect(FuzzSeeds.all.contains { $0.name.hasPrefix("D\(number)-") })
    }

    @Test("every prefix of every seed, and each seed with one octet changed, passes") func neighbours() {
        for seed in FuzzSeeds.all where seed.bytes.count <= 600 {
            for length in stride(from: 0, to: seed.bytes.count, by: 7) {
                Self.check(Array(seed.bytes.prefix(length)), seed.target, "\(seed.name), first \(length)")
                var changed = seed.bytes
                changed[length] ^= 0xFF
                Self.check(changed, seed.target, "\(seed.name), octet \(length) changed")
            }
        }
        #expect(FuzzSeeds.all.count > 90)
    }
}
