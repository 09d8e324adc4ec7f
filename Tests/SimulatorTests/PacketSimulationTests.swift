import Capture
import FlowModel
import Simulator
import Testing

@Suite("Simulated packets")
struct PacketSimulationTests {
    private func file(_ scenario: String, seed: UInt64 = 1) throws -> (
        bytes: [UInt8], packets: UInt64, truth: SimulationTruth
    ) {
        var plan = SimulationPlan()
        plan.scenarios = try ScenarioList(parsing: scenario)
        (plan.exportProtocol, plan.recordsPerSecond, plan.seconds, plan.seed) = (.packets, 40, 20, seed)
        var simulation = PacketSimulation(plan), bytes = PacketSimulation.fileHeader
        while simulation.step(into: &bytes) {}
        return (bytes, simulation.packets, simulation.truth)
    }
    /// Microseconds, captured octets and octets on the link of each packet.
    private func packets(_ bytes: [UInt8]) -> [(time: UInt64, kept: Int, length: Int)] {
        var found: [(time: UInt64, kept: Int, length: Int)] = [], offset = 24
        while offset < bytes.count {
            let kept = Int(bytes.number(at: offset + 8, 4))
            let time = bytes.number(at: offset, 4) * 1_000_000 + bytes.number(at: offset + 4, 4)
            found.append((time, kept, Int(bytes.number(at: offset + 12, 4))))
            offset += 16 + kept
        }
        return found
    }

    @Test("a capture of packets is in the order of time and holds each packet of each flow once") func order() throws {
        let (bytes, count, truth) = try file("mixed"), packets = packets(bytes)
        #expect(UInt64(packets.count) == count)
        #expect(zip(packets, packets.dropFirst()).allSatisfy { $0.time <= $1.time })
        #expect(packets.allSatisfy { $0.kept <= $0.length && (42...128).contains($0.kept) })
        let attacks = truth.attacks.reduce(0) { $0 + $1.packets }
        #expect(truth.attacks.count == 4 && count > attacks + 5_000)
    }

    @Test("an attack's packets are those of its flows, and add up to their octets") func sums() throws {
        let (bytes, count, truth) = try file("flood-ntp"), attack = try #require(truth.attacks.first)
        #expect(count == attack.packets)
        // 14 octets of Ethernet each.
        #expect(packets(bytes).reduce(0) { $0 + UInt64($1.length) } == attack.octets + 14 * attack.packets)
    }

    @Test("packet analysers' checks hold: every frame is read, none is malformed; the same seed, the same file")
    func readable() throws {
        let first = try file("iot").bytes, again = try file("iot").bytes, other = try file("iot", seed: 2).bytes
        #expect(first == again && first != other)
        var reader = try CaptureReader(bytes: first), datagrams = 0
        while try reader.nextReference() != nil { datagrams += 1 }
        // Headers are all there is, so datagrams with contents are snapped.
        let known = datagrams + (reader.skipped[.snapped] ?? 0) + (reader.skipped[.notUDP] ?? 0)
        #expect(known == packets(first).count && known > 1_000)
    }
}
