import FlowModel
import Platform
import TestKit
import Testing

@testable import FlowStore

@Suite("The bytes of rollups")
struct RollupCodingTests {
    static func any(using generator: inout SeededGenerator) -> RollupSums {
        let kind = RollupKind.allCases.randomElement(using: &generator) ?? .service
        var sums = RollupSums(
            kind: kind, period: RollupPeriod.allCases.randomElement(using: &generator) ?? .minute)
        var start = sums.period.rawValue * Int64.random(in: -1_000...30_000_000, using: &generator)
        for _ in 0..<Int.random(in: 0...5, using: &generator) {
            var bucket = RollupBucket(start: start)
            bucket.other = tally(using: &generator)
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                bucket.entries[key(kind, using: &generator)] = tally(using: &generator)
            }
            sums.buckets.append(bucket)
            start += sums.period.rawValue * Int64.random(in: 1...1_000, using: &generator)
        }
        return sums
    }
    private static func tally(using generator: inout SeededGenerator) -> Tally {
        Tally(
            flows: .random(in: 0...1_000, using: &generator), octets: .random(in: 0...(.max), using: &generator),
            packets: .random(in: 0...100_000, using: &generator))
    }
    private static func address(using generator: inout SeededGenerator) -> IPAddress {
        Bool.random(using: &generator)
            ? IPAddress(v4: .random(in: 0...(.max), using: &generator))
            : IPAddress(high: generator.next(), low: generator.next())
    }
    private static func key(_ kind: RollupKind, using generator: inout SeededGenerator) -> RollupKey {
        switch kind {
        case .service:
            return .service(
                protocolIdentifier: .random(in: 0...255, using: &generator),
                port: .random(in: 0...65_535, using: &generator))
        case .hostPair: return .hosts(address(using: &generator), address(using: &generator))
        case .sourceAS, .destinationAS: return .asNumber(.random(in: 0...(.max), using: &generator))
        case .ingressInterface, .egressInterface:
            let exporter = ExporterKey(
                address: IPAddress(v4: .random(in: 0...3, using: &generator)), observationDomain: 9,
                exportProtocol: .netflow9)
            return .interface(exporter, index: .random(in: 0...(.max), using: &generator))
        case .sourceCountry, .destinationCountry: return .country(.random(in: 0...65_535, using: &generator))
        }
    }

    @Test("any sums read back; any cut and any changed octet is refused") func roundTrip() {
        forAll(runs: 200) { generator, seed in
            var seeded = SeededGenerator(seed: generator.next())
            let sums = Self.any(using: &seeded), bytes = sums.bytes
            #expect(RollupSums(bytes) == sums, "SEED=\(seed)")
            for cut in 0..<min(bytes.count, 200) { #expect(RollupSums(Array(bytes[..<cut])) == nil, "SEED=\(seed)") }
            for _ in 0..<20 {
                var changed = bytes
                changed[Int.random(in: changed.indices, using: &generator)] ^= UInt8.random(
                    in: 1...255, using: &generator)
                #expect(RollupSums(changed) == nil, "SEED=\(seed)")
            }
        }
    }
}
