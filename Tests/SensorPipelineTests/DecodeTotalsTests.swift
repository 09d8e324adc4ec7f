import Decode
import FlowModel
import SensorPipeline
import TestKit
import Testing
import WireBytes

@Suite("What decoding met besides records")
struct DecodeTotalsTests {
    private func worker() -> SensorWorker {
        SensorWorker(limits: .init(windowMilliseconds: 10_000, rowsMax: 1_000), seed: 7)
    }

    /// A NetFlow v9 datagram (RFC 3954 §5): header, then `sets`.
    private func netflow9(sequence: UInt32, _ sets: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for half in [9, 1] as [UInt16] { bytes.appendBE(half) }
        for word in [1_000_000, 1_700_000_000, sequence, 0] as [UInt32] { bytes.appendBE(word) }
        return bytes + sets
    }
    /// Template 256: one field of four octets, its element given.
    private func template(_ element: UInt8) -> [UInt8] { [0, 0, 0, 12, 1, 0, 0, 1, 0, element, 0, 4] }

    @Test("templates, sets that waited and their replay are counted, and a repeat counts nothing again")
    func templated() {
        var worker = worker()
        let data = netflow9(sequence: 0, [1, 0, 0, 8, 192, 0, 2, 1]), learned = netflow9(sequence: 1, template(8))
        worker.take(data, at: 1_000)
        worker.take(learned, at: 1_100)
        worker.take(learned, at: 1_200)
        worker.take(netflow9(sequence: 2, template(12)), at: 1_300)
        let totals = worker.decodeTotals
        #expect(totals[.setsHeld] == 1 && totals[.setsReplayed] == 1)
        #expect(totals[.templatesLearned] == 2 && totals[.templatesReplaced] == 1)
        #expect(totals[.samplesMissing] == 0 && totals[.counterSamples] == 0)
    }

    @Test("each figure has a name of its own, and none is nothing") func names() {
        let names = DecodeTotals.Figure.allCases.map(\.rawValue)
        #expect(Set(names).count == names.count && names.count == 25)
        #expect(DecodeTotals.Figure.allCases.allSatisfy { !$0.help.isEmpty && DecodeTotals()[$0] == 0 })
    }

    /// An sFlow v5 datagram with one counter sample: the generic interface counters of one interface.
    private func counters(
        sequence: UInt32, interface: UInt32, octets: UInt64, packets: UInt32, errors: UInt32
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for word in [5, 1, 0x0A01_0001, 0, sequence, 1_000 * sequence, 1] as [UInt32] { bytes.appendBE(word) }
        for word in [2, 108, sequence, interface, 1, 1, 88] as [UInt32] { bytes.appendBE(word) }
        for word in [interface, 6] as [UInt32] { bytes.appendBE(word) }
        bytes.appendBE(UInt64(1_000_000_000))
        for word in [1, 3] as [UInt32] { bytes.appendBE(word) }
        bytes.appendBE(octets)
        for word in [packets, 0, 0, 0, errors, 0] as [UInt32] { bytes.appendBE(word) }
        bytes.appendBE(octets)
        for word in [packets, 0, 0, 0, .max, 0] as [UInt32] { bytes.appendBE(word) }
        return bytes
    }

    @Test("an interface's counts grow with its own, across a wrap and a restart, from the first sample on")
    func interfaces() throws {
        var worker = worker()
        worker.take(counters(sequence: 1, interface: 7, octets: 1_000, packets: .max - 9, errors: 3), at: 1_000)
        let first = try #require(worker.interfaces.growth.values.first)
        #expect(first == InterfaceTotals.Growth())
        // 20 packets more, across 2^32.
        worker.take(counters(sequence: 2, interface: 7, octets: 4_000, packets: 10, errors: 5), at: 2_000)
        let second = try #require(worker.interfaces.growth.values.first)
        #expect(second.octets == [3_000, 3_000] && second.packets == [20, 20])
        #expect(second.errors == [2, 0], "what a device doesn't count stays 0")
        // Restarted: 500 octets since.
        worker.take(counters(sequence: 3, interface: 7, octets: 500, packets: 4, errors: 0), at: 3_000)
        let third = try #require(worker.interfaces.growth.values.first)
        #expect(third.octets == [3_500, 3_500] && worker.interfaces.growth.count == 1)
        #expect(worker.interfaces.growth.keys.first?.ifIndex == 7 && worker.decodeTotals[.counterSamples] == 3)
    }

    @Test("C29 interfaces beyond the limit are refused by count") func tooMany() {
        var worker = worker()
        for number in 1...UInt32(InterfaceTotals.interfacesMax + 5) {
            worker.take(
                counters(sequence: number, interface: number, octets: 1, packets: 1, errors: 0), at: 1_000)
        }
        #expect(worker.interfaces.growth.count == InterfaceTotals.interfacesMax && worker.interfaces.refused == 5)
    }
}
