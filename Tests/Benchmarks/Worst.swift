import Decode
import FlowModel
import FuzzTargets
import Platform
import WireBytes

/// Looks for the datagram that costs most to decode: begins with constructions made for it and climbs, a change that
/// makes it dearer at a time. The cost is the thread's CPU time for one datagram at a decoder that has seen what comes
/// before it and nothing else, the least of several tries, so that what else the machine does is not counted.
struct WorstSearch: ~Copyable {
    private var columns = FlowColumns(capacity: 8_192)
    private var generator = SeededGenerator(seed: 1)

    struct Finding {
        var packet: WorstPacket
        var microseconds: Double
    }

    /// Prints a line for each of the dearest and returns the dearest of all.
    mutating func run(seconds: Double) -> Finding? {
        let started = cpuSeconds()
        var found: [Finding] = []
        for packet in WorstPacket.all { found.append(Finding(packet: packet, microseconds: cost(packet, tries: 7))) }
        found.sort { $0.microseconds > $1.microseconds }
        var top = Array(found.prefix(12)), turn = 0
        while cpuSeconds() - started < seconds, !top.isEmpty {  // ends: with the time
            climb(&top[turn % top.count])
            turn += 1
        }
        for index in top.indices { top[index].microseconds = cost(top[index].packet, tries: 25) }
        top.sort { $0.microseconds > $1.microseconds }
        for finding in top { report(finding) }
        return top.first
    }

    private mutating func climb(_ best: inout Finding) {
        var changed = best.packet
        change(&changed.packet)
        if !changed.before.isEmpty, generator.next() & 7 == 0 { change(&changed.before[changed.before.count - 1]) }
        guard cost(changed, tries: 2) > best.microseconds * 1.02 else { return }
        let sure = cost(changed, tries: 9)
        if sure > best.microseconds * 1.02 { best = Finding(packet: changed, microseconds: sure) }
    }
    private mutating func change(_ bytes: inout [UInt8]) {
        guard bytes.count > 8 else { return }
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let at = Int.random(in: 2..<bytes.count, using: &generator)
            let other = Int.random(in: 2..<bytes.count, using: &generator)
            let length = min(Int.random(in: 1...32, using: &generator), bytes.count - max(at, other))
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes[at] = [0, 1, 2, 4, 8, 127, 254, 255][Int.random(in: 0..<8, using: &generator)]
            case 2: for index in 0..<length { bytes[at + index] = bytes[other + index] }
            default:
                guard bytes.count + length <= WorstPacket.octetsMax else { continue }
                bytes.insert(contentsOf: bytes[other..<(other + length)], at: at)
            }
        }
    }

    /// In µs.
    private mutating func cost(_ packet: WorstPacket, tries: Int) -> Double {
        var least = Double.infinity
        for _ in 0..<tries {
            var decoder = DatagramDecoder()
            var origin = DatagramOrigin(
                source: IPAddress(v4: 1), sourcePort: 5_000, localPort: 2_055, receiveMilliseconds: 1_700_000_000_000)
            for datagram in packet.before {
                columns.removeAll()
                _ = datagram.withBytes { decoder.decode($0, from: origin, into: &columns) }
                origin.receiveMilliseconds += 1
            }
            columns.removeAll()
            let before = threadSeconds()
            let result = packet.packet.withBytes { decoder.decode($0, from: origin, into: &columns) }
            let after = threadSeconds()
            if result.rows.count >= 0 { least = min(least, (after - before) * 1_000_000) }
        }
        return least
    }

    private func report(_ finding: Finding) {
        let hex = finding.packet.packet.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let line =
            "{\"name\":\"worst\",\"packet\":\"\(finding.packet.name)\",\"microseconds\":\(finding.microseconds)"
            + ",\"before\":\(finding.packet.before.count),\"octets\":\(finding.packet.packet.count)"
            + ",\"hex\":\"\(hex)\"}\n"
        writeAll([UInt8](line.utf8), to: 1)
    }
}
