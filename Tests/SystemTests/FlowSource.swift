import Foundation
import Platform

/// A NetFlow v5 exporter of the tests' own, so that what is expected never comes from the code under test. Every
/// record is another conversation, so nothing merges; sums are kept as they are sent.
struct FlowSource {
    private(set) var flows = 0, octets = 0, packets = 0
    private var sequence: UInt32 = 0, serial: UInt32 = 0
    private var generator: SeededGenerator
    private let bootSeconds: UInt32

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        bootSeconds = UInt32(Date().timeIntervalSince1970) - 10_000
    }

    /// One datagram of `count` records (1...30), counted into the sums.
    mutating func datagram(records count: Int = 30) -> [UInt8] {
        let now = UInt32(Date().timeIntervalSince1970), uptime = (now - bootSeconds) * 1_000
        var out: [UInt8] = []
        out += bytes(UInt16(5)) + bytes(UInt16(count)) + bytes(uptime) + bytes(now) + bytes(UInt32(0))
        out += bytes(sequence) + bytes(UInt16(0)) + bytes(UInt16(0))
        sequence &+= UInt32(count)
        for _ in 0..<count { out += record(uptime: uptime) }
        return out
    }

    private mutating func record(uptime: UInt32) -> [UInt8] {
        serial &+= 1
        let packetCount = UInt32.random(in: 1...50, using: &generator)
        let octetCount = packetCount * UInt32.random(in: 40...1_400, using: &generator)
        flows += 1
        octets += Int(octetCount)
        packets += Int(packetCount)
        // 10.x.y.z is the serial, so each record's key is its own; ports follow it to look like clients of a web
        // server.
        var out = bytes(UInt32(0x0A00_0000) | serial & 0x00FF_FFFF) + bytes(UInt32(0xC633_6407)) + bytes(UInt32(0))
        out += bytes(UInt16(1)) + bytes(UInt16(2)) + bytes(packetCount) + bytes(octetCount)
        out += bytes(uptime - 2_000) + bytes(uptime - 1_000)
        out += bytes(UInt16(1_024 + serial % 60_000)) + bytes(UInt16(443))
        out += [0, 0x1B, 6, 0] + bytes(UInt16(64_500)) + bytes(UInt16(64_501)) + [24, 24, 0, 0]
        return out
    }
    private func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
