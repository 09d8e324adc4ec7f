import Capture
import Decode
import FlowModel
import TestKit
import Testing
import WireBytes

/// Datagrams of real sFlow agents.
@Suite("Real sFlow agents") struct SFlowFixtureTests {
    /// How many samples of each kind a datagram of version 5 has, by its own lengths alone; nil when they lie.
    static func samples(_ bytes: [UInt8]) -> (flows: Int, counters: Int, others: Int)? {
        func word(_ at: Int) -> Int? {
            guard at + 4 <= bytes.count else { return nil }
            return bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
        }
        guard word(0) == 5, let kind = word(4) else { return nil }
        var offset = kind == 2 ? 40 : 28
        guard let count = word(offset - 4) else { return nil }
        var found = (flows: 0, counters: 0, others: 0)
        for _ in 0..<count {
            guard let format = word(offset), let length = word(offset + 4), offset + 8 + length <= bytes.count else {
                return nil
            }
            switch format {
            case 1, 3, 5: found.flows += 1
            case 2, 4: found.counters += 1
            default: found.others += 1
            }
            offset += 8 + length
        }
        return found
    }

    @Test(
        "C25 every sample of every capture is a record, counters, skipped or lost by name: none is unaccounted for",
        .enabled(if: Fixtures.present, "\(Fixtures.why)"))
    func conservation() throws {
        var datagrams: [[UInt8]] = []
        for file in Fixtures.files(in: "wire", suffix: ".pcap") {
            guard var reader = try? CaptureReader(bytes: try Fixtures.bytes(file)) else { continue }
            while let datagram = try? reader.nextDatagram() { datagrams.append(datagram.payload) }
        }
        for file in Fixtures.files(in: "wire", suffix: ".bin") { datagrams.append(try Fixtures.bytes(file)) }
        var decoding = Decoding(), flows = 0, rows = 0, counters = 0, checked = 0
        for bytes in datagrams {
            guard let want = Self.samples(bytes) else { continue }
            let result = decoding.decode(bytes)
            let lost = Int(result.losses[.sampleUndecodable] ?? 0)
            #expect(result.losses.keys.allSatisfy { $0 == .sampleUndecodable })
            #expect(result.rows.count + lost == want.flows)
            #expect(result.counterSamples.count + result.samplesSkipped == want.counters + want.others)
            (flows, rows, checked) = (flows + want.flows, rows + result.rows.count, checked + 1)
            counters += result.counterSamples.count
        }
        #expect(checked > 40 && flows > 60 && counters > 30)
        #expect(rows * 10 >= flows * 7, "\(rows) of \(flows)")
        #expect(decoding.columns.tally.packets == UInt64(rows))
    }
}
