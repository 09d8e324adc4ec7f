import Dedupe
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("A datagram that came before is told from one that did not")
struct RepeatedDatagramsTests {
    private func origin(_ host: UInt32 = 1, port: UInt16 = 5_000, local: UInt16 = 2_055, at time: Int64 = 0)
        -> DatagramOrigin
    {
        DatagramOrigin(
            source: IPAddress(v4: host), sourcePort: port, localPort: local, receiveMilliseconds: time)
    }
    private func note(_ memory: inout RepeatedDatagrams, _ bytes: [UInt8], _ origin: DatagramOrigin) -> Bool {
        bytes.withBytes { memory.isRepeat($0, from: origin) }
    }
    private func memory(_ change: (inout RepeatedDatagrams.Bounds) -> Void = { _ in }) -> RepeatedDatagrams {
        var bounds = RepeatedDatagrams.Bounds()
        change(&bounds)
        return RepeatedDatagrams(bounds: bounds, seed: (1, 2))
    }

    @Test("the same bytes from the same place are a repeat, anything else is not") func places() {
        var memory = memory()
        let bytes = [UInt8](0..<100)
        #expect(!note(&memory, bytes, origin()))
        #expect(note(&memory, bytes, origin(at: 10)))
        #expect(!note(&memory, bytes, origin(2)))
        #expect(!note(&memory, bytes, origin(port: 5_001)))
        #expect(!note(&memory, bytes, origin(local: 4_739)))
        #expect(note(&memory, bytes, origin(at: 20)))
    }

    @Test("no two different datagrams are taken for one") func different() {
        forAll(runs: 20) { generator, seed in
            var memory = RepeatedDatagrams(seed: (generator.next(), generator.next())), seen: Set<[UInt8]> = []
            for _ in 0..<300 {
                // Close to each other on purpose: few lengths, few values, and all the lengths around a step of 16.
                let count = Int.random(in: 0...40, using: &generator)
                let bytes = (0..<count).map { _ in UInt8.random(in: 0...1, using: &generator) }
                let isRepeat = note(&memory, bytes, origin())
                #expect(isRepeat == !seen.insert(bytes).inserted, "SEED=\(seed)")
            }
        }
        var memory = memory()
        for length in 0..<200 { #expect(!note(&memory, [UInt8](repeating: 0, count: length), origin())) }
    }

    @Test("any single bit that differs makes another datagram") func bits() {
        var memory = memory { $0.datagramsPerExporterMax = 100_000 }
        let bytes = [UInt8](repeating: 0x5A, count: 75)
        #expect(!note(&memory, bytes, origin()))
        for bit in 0..<(8 * bytes.count) {
            var other = bytes
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!note(&memory, other, origin()))
        }
        #expect(note(&memory, bytes, origin()))
    }

    @Test("what is older than the window is new, whichever way the clock went") func window() {
        var memory = memory { $0.windowMilliseconds = 1_000 }
        #expect(!note(&memory, [1], origin(at: 0)))
        #expect(note(&memory, [1], origin(at: 1_000)))
        #expect(!note(&memory, [1], origin(at: 2_001)))
        #expect(note(&memory, [1], origin(at: 1_500)))
        #expect(!note(&memory, [1], origin(at: .min)))
        #expect(!note(&memory, [1], origin(at: .max)))
    }

    @Test("at least half of the bound is remembered, and not more than all of it") func bounds() {
        var memory = memory { $0.datagramsPerExporterMax = 100 }
        for number in 0..<500 as Range<UInt16> {
            #expect(!note(&memory, [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)], origin()))
            let recent = number >= 24 ? number - 24 : 0  // 24 new ones and 24 of these between: 50 are remembered
            #expect(note(&memory, [UInt8(recent >> 8), UInt8(truncatingIfNeeded: recent)], origin()))
        }
        #expect(!note(&memory, [0, 0], origin()))
        var many = self.memory { $0.exportersMax = 100 }
        for host in 0..<500 as Range<UInt32> {
            #expect(!note(&many, [7], origin(host)))
            #expect(note(&many, [7], origin(host >= 24 ? host - 24 : 0)))
        }
        #expect(!note(&many, [7], origin(0)))
    }

    /// A header of one of the protocols that number their datagrams, and a few octets.
    private func numbered(_ protocolNumber: Int, domain: UInt8, _ number: UInt8, fill: UInt8) -> [UInt8] {
        var bytes = [UInt8](repeating: fill, count: 40)
        func set(_ offset: Int, _ value: [UInt8]) {
            bytes.replaceSubrange(offset..<(offset + value.count), with: value)
        }
        switch protocolNumber {
        case 5:
            set(0, [0, 5])
            set(16, [0, 0, 0, number, domain])
        case 9:
            set(0, [0, 9])
            set(12, [0, 0, 0, number, 0, 0, 0, domain])
        case 10:
            set(0, [0, 10])
            set(8, [0, 0, 0, number, 0, 0, 0, domain])
        default:
            set(0, [0, 0, 0, 5, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, domain, 0, 0, 0, number])
        }
        return bytes
    }

    @Test("whatever order numbered datagrams come in, exactly those that came before are repeats") func order() {
        forAll(runs: 40) { generator, seed in
            var bounds = RepeatedDatagrams.Bounds()
            bounds.datagramsPerExporterMax = 4_000
            var memory = RepeatedDatagrams(bounds: bounds, seed: (generator.next(), generator.next()))
            var seen: Set<[UInt8]> = []
            let domains = UInt8.random(in: 1...12, using: &generator), spread = Int.random(in: 0...6, using: &generator)
            for step in 0..<1_000 {
                let behind = Int.random(in: 0...spread, using: &generator)
                let bytes = numbered(
                    [5, 9, 10, 0].randomElement(using: &generator) ?? 9,
                    domain: UInt8.random(in: 0..<domains, using: &generator),
                    UInt8(truncatingIfNeeded: step / 3 - behind), fill: UInt8.random(in: 0...1, using: &generator))
                let isRepeat = note(&memory, bytes, origin())
                #expect(isRepeat == !seen.insert(bytes).inserted, "SEED=\(seed) step \(step)")
            }
        }
    }

    @Test("numbers that begin again hide no repeat, and forgetting stays by halves") func restart() {
        var memory = memory { $0.datagramsPerExporterMax = 100 }
        for number in 0..<250 as Range<UInt8> {
            #expect(!note(&memory, numbered(9, domain: 0, number, fill: 0), origin()))
        }
        for number in 0..<60 as Range<UInt8> {
            #expect(!note(&memory, numbered(9, domain: 0, number, fill: 0), origin()))
            #expect(note(&memory, numbered(9, domain: 0, number, fill: 0), origin()))
        }
        #expect(note(&memory, numbered(9, domain: 0, 11, fill: 0), origin()))
        #expect(!note(&memory, numbered(9, domain: 0, 249, fill: 0), origin()), "long gone")
    }

    @Test("an exporter that many others come between is not forgotten while it goes on sending") func recency() {
        var memory = memory { $0.exportersMax = 10 }
        #expect(!note(&memory, [1], origin(1)))
        for host in 100..<200 as Range<UInt32> {
            #expect(!note(&memory, [1], origin(host)))
            #expect(note(&memory, [1], origin(1)))
        }
    }
}
